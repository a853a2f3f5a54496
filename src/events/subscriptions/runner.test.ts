import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENT } from '../../kube/index.ts';
import type { Consumer, Delivered } from '../log/event-log.ts';
import type { Call, CallResult } from './delivery.ts';
import { SubscriptionRunner } from './runner.ts';

const event = (sequence: number, subject: string): Delivered => ({
  sequence,
  namespace: 'default',
  receivedAt: 0,
  event: { specversion: '1.0', id: String(sequence), source: 's', type: 't', subject, data: sequence },
});

/** Gives what it has, and then waits for the signal. */
class ListConsumer implements Consumer {
  readonly acked: number[] = [];
  readonly round = 0;
  readonly #events: Delivered[];

  constructor(events: Delivered[]) {
    this.#events = events;
  }

  async next(limit: number, signal: AbortSignal): Promise<Delivered[]> {
    const found = this.#events.splice(0, limit);
    if (found.length === 0)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    return found;
  }

  ack(sequence: number): void {
    this.acked.push(sequence);
  }

  rewind = async (): Promise<void> => {};
  waiting = async (): Promise<number> => this.#events.length;
  close = async (): Promise<void> => {};
}

async function deliver(
  events: Delivered[],
  answer: (call: Call, attempt: number) => CallResult,
  maxAttempts = 3,
): Promise<{ calls: number[]; buried: string[]; acked: number[]; keys: Set<string>; most: number }> {
  const count = events.length;
  const consumer = new ListConsumer(events);
  const calls: number[] = [];
  const buried: string[] = [];
  const keys = new Set<string>();
  const attempts = new Map<string, number>();
  let [active, most] = [0, 0];
  const stop = new AbortController();
  const runner = new SubscriptionRunner({
    uid: 'u',
    function: 'f',
    secrets: [],
    filter: ({ type }) => type === 't',
    maxAttempts,
    consumer,
    log: SILENT,
    pauseMs: () => 0,
    caller: {
      call: async (call) => {
        active += 1;
        most = Math.max(most, active);
        await new Promise(setImmediate);
        active -= 1;
        calls.push(call.input as number);
        keys.add(call.key);
        const attempt = (attempts.get(call.key) ?? 0) + 1;
        attempts.set(call.key, attempt);
        return answer(call, attempt);
      },
      bury: async (call, why) => {
        buried.push(`${String(call.input)} ${why}`);
      },
    },
  });
  const work = runner.run(stop.signal);
  while (consumer.acked.length < count) await new Promise(setImmediate);
  stop.abort();
  await work;
  return { calls, buried, acked: consumer.acked, keys, most };
}

const ok: CallResult = { ok: true };

test('one line in order, others beside it, and never more than so many at a time', async () => {
  const events = Array.from({ length: 3000 }, (_, at) => event(at + 1, `line-${at % 100}`));
  const { calls, acked, most } = await deliver(events, () => ok);
  assert.equal(acked.length, 3000);
  for (let line = 0; line < 100; line += 1) {
    const own = calls.filter((at) => (at - 1) % 100 === line);
    assert.deepEqual(
      own,
      own.toSorted((a, b) => a - b),
    );
  }
  assert.ok(most > 1 && most <= 64, `${most} at a time`);
});

test('what fails is tried again under the same key, and holds up its own line only', async () => {
  const events = [event(1, 'a'), event(2, 'a'), event(3, 'b')];
  const { calls, keys, buried } = await deliver(events, ({ input }, attempt) =>
    input === 1 && attempt < 3 ? { ok: false, mayRepeat: true, why: 'not yet' } : ok,
  );
  assert.deepEqual(
    calls.filter((at) => at !== 3),
    [1, 1, 1, 2],
  );
  assert.equal(keys.size, 3);
  assert.deepEqual(buried, []);
});

test('what is not to be repeated, or was tried often enough, is buried, and the line goes on', async () => {
  const events = [event(1, 'a'), event(2, 'a'), event(3, 'a')];
  const { calls, buried, acked } = await deliver(events, ({ input }) =>
    input === 3 ? ok : { ok: false, mayRepeat: input === 2, why: `why ${String(input)}` },
  );
  assert.deepEqual(calls, [1, 2, 2, 2, 3]);
  assert.deepEqual(buried, ['1 why 1', '2 why 2']);
  assert.deepEqual(acked, [1, 2, 3]);
});
