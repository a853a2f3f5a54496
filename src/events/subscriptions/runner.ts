import { type Logger, pause, onAbort } from '../../kube/index.ts';
import { contextOf, dataOf } from '../ingest/cloud-event.ts';
import type { Consumer, Delivered } from '../log/event-log.ts';
import type { Call, FunctionCaller } from './delivery.ts';
import type { Filter } from './filter.ts';

export interface RunnerOptions {
  /** Of the subscription: part of the key of every run. */
  uid: string;
  function: string;
  secrets: readonly string[];
  filter: Filter;
  maxAttempts: number;
  consumer: Consumer;
  caller: FunctionCaller;
  log: Logger;
  /** How long to wait before an attempt. */
  pauseMs?: (attempts: number) => number;
}

export interface Counts {
  delivered: number;
  dead: number;
}

const WINDOW = 1000;
const PARALLEL = 64;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 60_000;

/**
 * Brings the events of one subscription to its function. What has the same source and subject comes one after
 * another, in order; the rest at the same time. One that fails holds up its own line only.
 */
export class SubscriptionRunner {
  readonly #options: RunnerOptions;
  readonly #lines = new Map<string, Delivered[]>();
  readonly counts: Counts = { delivered: 0, dead: 0 };
  #held = 0;
  #active = 0;
  #room: (() => void) | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Works until the signal aborts; resolves when the last call has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { consumer, filter } = this.#options;
    const lines: Promise<void>[] = [];
    const ready: string[] = [];
    const start = (): void => {
      while (this.#active < PARALLEL && ready.length > 0) {
        this.#active += 1;
        const key = ready.shift()!;
        const work = this.#work(key, signal).finally(() => {
          this.#active -= 1;
          lines.splice(lines.indexOf(work), 1);
          start();
        });
        lines.push(work);
      }
    };
    while (!signal.aborted) {
      if (this.#held >= WINDOW) await this.#hasRoom(signal);
      for (const item of await consumer.next(WINDOW - this.#held, signal)) {
        if (!filter(item.event)) {
          consumer.ack(item.sequence);
          continue;
        }
        this.#held += 1;
        const key = `${item.event.source}\n${item.event.subject ?? ''}`;
        const line = this.#lines.get(key);
        if (line !== undefined) line.push(item);
        else {
          this.#lines.set(key, [item]);
          ready.push(key);
        }
      }
      start();
    }
    await Promise.all(lines);
  }

  async #work(key: string, signal: AbortSignal): Promise<void> {
    const line = this.#lines.get(key)!;
    for (let at = 0; at < line.length && !signal.aborted; at += 1) {
      if (at >= 256) {
        line.splice(0, at);
        at = 0;
      }
      if (!(await this.#deliver(line[at]!, signal))) return;
      this.#options.consumer.ack(line[at]!.sequence);
      this.#held -= 1;
      this.#room?.();
    }
    this.#lines.delete(key);
  }

  /** False when there was no time to bring it to an end. */
  async #deliver(item: Delivered, signal: AbortSignal): Promise<boolean> {
    const { caller, maxAttempts, log, pauseMs = backOff } = this.#options;
    const call = this.#callOf(item);
    for (let attempts = 1; !signal.aborted; attempts += 1) {
      const result = await caller.call(call).catch((error: Error) => {
        log.debug({ err: error }, 'a function could not be called for an event');
        return { ok: false as const, mayRepeat: true, why: error.message };
      });
      if (result.ok) {
        this.counts.delivered += 1;
        return true;
      }
      if (!result.mayRepeat || attempts >= maxAttempts) {
        await caller.bury(call, result.why);
        this.counts.dead += 1;
        return true;
      }
      await pause(pauseMs(attempts), signal);
    }
    return false;
  }

  #callOf({ namespace, event }: Delivered): Call {
    const { uid, function: fn, secrets, consumer } = this.#options;
    return {
      namespace,
      function: fn,
      input: dataOf(event),
      event: contextOf(event),
      secrets,
      // The same event is the same run, however often it was sent or taken out of the log.
      key: JSON.stringify([uid, consumer.round, event.source, event.id]),
    };
  }

  #hasRoom(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#room = undefined;
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#room = done;
      onAbort(signal, done);
    });
  }
}

function backOff(attempts: number): number {
  return Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempts - 1));
}
