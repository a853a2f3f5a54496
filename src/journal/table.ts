import { type LogRecord, RecordKind } from './frame.ts';
import { Log } from './log.ts';
import { Writer } from './writer.ts';

const NOTHING = Buffer.alloc(0);
const CHUNK = 500;
const SLACK_BYTES = 8 * 1024 * 1024;

/**
 * A durable map of keys to bytes. All of it is in memory; a change is visible at once and on disk when its promise
 * resolves. When the log is much larger than what it amounts to, it is written anew.
 */
export class Table implements AsyncDisposable {
  readonly #entries = new Map<string, Buffer>();
  #log!: Log;
  #writer!: Writer;
  #bytes = 0;
  #compacting: Promise<void> | undefined;

  static async open(dir: string): Promise<Table> {
    const table = new Table();
    table.#log = await Log.open(dir, ({ kind, key, value }) => {
      if (kind === RecordKind.remove) table.#entries.delete(key);
      else table.#entries.set(key, value);
    });
    for (const [key, value] of table.#entries) table.#bytes += key.length + value.length;
    table.#writer = new Writer(table.#log, () => table.#compact());
    return table;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What the values take. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): Buffer | undefined {
    return this.#entries.get(key);
  }

  entries(): IterableIterator<[key: string, value: Buffer]> {
    return this.#entries.entries();
  }

  put(key: string, value: Buffer): Promise<void> {
    this.#forget(key);
    this.#entries.set(key, value);
    this.#bytes += key.length + value.length;
    return this.#write({ kind: RecordKind.put, revision: 0, key, value });
  }

  delete(key: string): Promise<void> {
    if (!this.#forget(key)) return Promise.resolve();
    return this.#write({ kind: RecordKind.remove, revision: 0, key, value: NOTHING });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.idle();
    await this.#compacting;
    await this.#log.close();
  }

  #forget(key: string): boolean {
    const value = this.#entries.get(key);
    if (value === undefined) return false;
    this.#entries.delete(key);
    this.#bytes -= key.length + value.length;
    return true;
  }

  #write(record: LogRecord): Promise<void> {
    return new Promise((committed, failed) => this.#writer.push({ record, committed, failed }));
  }

  #compact(): void {
    if (this.#compacting !== undefined || this.#log.size < this.#bytes * 4 + SLACK_BYTES) return;
    this.#compacting = this.#rewrite()
      // A full disk leaves the longer log; it is tried again with the next write.
      .catch(() => {})
      .finally(() => {
        this.#compacting = undefined;
      });
  }

  async #rewrite(): Promise<void> {
    // What is changed while the base is written goes to the new segment, and counts after it.
    const { number, entries } = await this.#writer.pause(async () => ({
      number: await this.#log.rotate(),
      entries: [...this.#entries],
    }));
    await this.#log.writeBase(number, chunksOf(entries));
  }
}

function* chunksOf(entries: readonly (readonly [string, Buffer])[]): Generator<LogRecord[]> {
  for (let at = 0; at < entries.length; at += CHUNK)
    yield entries
      .slice(at, at + CHUNK)
      .map(([key, value]) => ({ kind: RecordKind.base, revision: 0, key, value }));
}
