import type { LogRecord } from './frame.ts';
import type { Log } from './log.ts';

export interface PendingWrite {
  /** What goes to disk: the value may be sealed. */
  record: LogRecord;
  /** The write is on disk. */
  committed: () => void;
  failed: (cause: unknown) => void;
}

const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/**
 * Group commit: while one frame is on its way to the disk, the next one fills. A failed frame fails
 * everything queued behind it too, because those writes were built on top of it.
 */
export class Writer<T extends PendingWrite = PendingWrite> {
  readonly #log: Log;
  readonly #settled: (committed: T[]) => void;
  #queue: T[] = [];
  #running: Promise<void> | undefined;
  #exclusive: Promise<unknown> = Promise.resolve();

  /** `settled` sees each durable batch, in order, before its writers are told. */
  constructor(log: Log, settled: (committed: T[]) => void) {
    this.#log = log;
    this.#settled = settled;
  }

  push(write: T): void {
    this.#queue.push(write);
    this.#running ??= this.#run();
  }

  /** Runs `action` while no frame is being written. */
  async pause<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#exclusive.then(action);
    this.#exclusive = result.catch(() => undefined);
    return await result;
  }

  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    await this.#exclusive;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      // Requests that arrived in the same turn of the event loop share one frame.
      await new Promise((resolve) => setImmediate(resolve));
      const batch = this.#takeBatch();
      try {
        await this.pause(async () => {
          await this.#log.append(batch.map((write) => write.record));
          this.#settled(batch);
        });
        for (const write of batch) write.committed();
      } catch (cause) {
        const lost = [...batch, ...this.#queue];
        this.#queue = [];
        for (const write of lost) write.failed(cause);
      }
    }
    this.#running = undefined;
  }

  #takeBatch(): T[] {
    let bytes = 0;
    let count = 0;
    for (const write of this.#queue) {
      if (count > 0 && bytes + write.record.value.length > MAX_BATCH_BYTES) break;
      bytes += write.record.value.length;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }
}
