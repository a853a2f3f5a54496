import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { CloudEvent } from '../ingest/cloud-event.ts';
import type { Consumer, Delivered, EventLog } from './event-log.ts';
import { LocalEventLog } from './local-event-log.ts';
import { NatsEventLog } from './nats-event-log.ts';

interface Place {
  open: () => Promise<EventLog>;
  close: () => Promise<void>;
}

const LOGS: Record<string, { skip: string | false; make: () => Promise<Place> }> = {
  'files of this machine': { skip: false, make: localPlace },
  'NATS JetStream': {
    skip: spawnSync('nats-server', ['--version']).error === undefined ? false : 'no nats-server is installed',
    make: natsPlace,
  },
};

async function localPlace(): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'dispatch-events-'));
  return {
    open: () => LocalEventLog.open({ dir, now: Date.now, segmentBytes: 4096 }),
    close: () => rm(dir, { recursive: true }),
  };
}

async function natsPlace(): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'dispatch-nats-'));
  const { port, server } = await startNats(dir);
  return {
    open: () => NatsEventLog.open({ connection: { servers: `127.0.0.1:${port}` }, now: Date.now }),
    close: async () => {
      const gone = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGKILL');
      await gone;
      await rm(dir, { recursive: true });
    },
  };
}

function startNats(dir: string): Promise<{ port: number; server: ChildProcess }> {
  const server = spawn('nats-server', ['-js', '-sd', dir, '-a', '127.0.0.1', '-p', '-1'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    let said = '';
    let port = 0;
    server.once('exit', () => reject(new Error(said)));
    server.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      port = Number(/client connections on 127\.0\.0\.1:(\d+)/.exec(said)?.[1] ?? 0);
      if (port > 0 && said.includes('Server is ready')) resolve({ port, server });
    });
  });
}

const event = (id: string, extra: Partial<CloudEvent> = {}): CloudEvent => ({
  specversion: '1.0',
  id,
  source: 'test',
  type: 'a.b',
  ...extra,
});

async function take(consumer: Consumer, count: number): Promise<Delivered[]> {
  const found: Delivered[] = [];
  const signal = AbortSignal.timeout(10_000);
  while (found.length < count && !signal.aborted)
    found.push(...(await consumer.next(count - found.length, signal)));
  return found;
}
const ids = (all: readonly Delivered[]): string[] => all.map((item) => item.event.id);

for (const [name, { skip, make }] of Object.entries(LOGS))
  describe(`an event log in ${name}`, { skip }, () => {
    let place: Place;
    let log: EventLog;
    const append = async (...all: string[]): Promise<void> => {
      for (const id of all) await log.append({ namespace: 'one', event: event(id) });
    };
    const reopen = async (): Promise<void> => {
      await log[Symbol.asyncDispose]();
      log = await place.open();
    };

    before(async () => {
      place = await make();
      log = await place.open();
    });

    after(async () => {
      await log[Symbol.asyncDispose]();
      await place.close();
    });

    test('every reader gets every event of its namespace, in order, from the moment it was there', async () => {
      await append('before');
      const [first, second] = [
        await log.consume({ name: 'first', namespace: 'one' }),
        await log.consume({ name: 'second', namespace: 'one' }),
      ];
      await log.append({ namespace: 'two', event: event('foreign') });
      await append('1', '2', '3');
      assert.deepEqual(ids(await take(first, 3)), ['1', '2', '3']);
      assert.deepEqual(ids(await take(second, 3)), ['1', '2', '3']);
    });

    test('an event comes with all that it carries, and with when it came', async () => {
      const consumer = await log.consume({ name: 'whole', namespace: 'one' });
      const sent = event('whole', { subject: 'x', data: { deep: [1, null, 'ü'] }, extension: 'yes' });
      const start = Date.now();
      await log.append({ namespace: 'one', event: sent });
      const [got] = await take(consumer, 1);
      assert.deepEqual(got!.event, sent);
      assert.equal(got!.namespace, 'one');
      assert.ok(got!.receivedAt >= start && got!.receivedAt <= Date.now());
    });

    test('what was acknowledged does not come again, and what was not does, first and in order', async () => {
      const consumer = await log.consume({ name: 'again', namespace: 'one' });
      await append('a', 'b', 'c', 'd');
      const all = await take(consumer, 4);
      for (const at of [0, 2]) consumer.ack(all[at]!.sequence);
      await reopen();
      await append('e');
      const reopened = await log.consume({ name: 'again', namespace: 'one' });
      const rest = ids(await take(reopened, 3)).filter((id) => id !== 'c');
      assert.deepEqual(rest.slice(0, 2), ['b', 'd']);
    });

    test('what comes while nobody reads waits', async () => {
      const consumer = await log.consume({ name: 'waits', namespace: 'one' });
      await consumer.close();
      await append('w1', 'w2');
      await reopen();
      const later = await log.consume({ name: 'waits', namespace: 'one' });
      assert.deepEqual(ids(await take(later, 2)), ['w1', 'w2']);
    });

    test('a reader that is sent back gets everything since then again, in another round', async () => {
      const consumer = await log.consume({ name: 'back', namespace: 'one' });
      await append('old');
      const [old] = await take(consumer, 1);
      consumer.ack(old!.sequence);
      while (Date.now() <= old!.receivedAt + 1) await new Promise(setImmediate);
      const since = Date.now();
      await append('r1', 'r2');
      for (const item of await take(consumer, 2)) consumer.ack(item.sequence);
      const round = consumer.round;
      await consumer.rewind(since);
      assert.equal(consumer.round, round + 1);
      assert.deepEqual(ids(await take(consumer, 2)), ['r1', 'r2']);
      await reopen();
      assert.equal((await log.consume({ name: 'back', namespace: 'one' })).round, round + 1);
    });

    test('a reader that was removed begins anew', async () => {
      await log.consume({ name: 'gone', namespace: 'one' });
      await append('missed');
      await log.remove('gone');
      const consumer = await log.consume({ name: 'gone', namespace: 'one' });
      await append('new');
      assert.deepEqual(ids(await take(consumer, 1)), ['new']);
    });

    test('waiting ends with the signal, and tells of nothing', async () => {
      const consumer = await log.consume({ name: 'quiet', namespace: 'nobody' });
      const stop = new AbortController();
      const waiting = consumer.next(10, stop.signal);
      stop.abort();
      assert.deepEqual(await waiting, []);
      assert.equal(await consumer.waiting(), 0);
    });

    test('thousands go through, many at a time', async () => {
      const consumer = await log.consume({ name: 'many', namespace: 'one' });
      const sent = Array.from({ length: 3000 }, (_, at) => `m${at}`);
      await Promise.all(sent.map((id) => log.append({ namespace: 'one', event: event(id) })));
      const got: string[] = [];
      while (got.length < sent.length)
        for (const item of await take(consumer, 1)) {
          got.push(item.event.id);
          consumer.ack(item.sequence);
        }
      assert.deepEqual(got.toSorted(), sent.toSorted());
    });
  });
