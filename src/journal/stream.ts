import { type LogRecord, RecordKind } from './frame.ts';
import { Log } from './log.ts';
import { Writer } from './writer.ts';

export interface StreamRecord {
  /** Counts up from 1, without gaps. */
  sequence: number;
  key: string;
  value: Buffer;
}

export interface StreamOptions {
  /** How much a file holds before the next one is begun. */
  segmentBytes?: number;
  /** How much of the newest is kept in memory. */
  tailBytes?: number;
}

interface Segment {
  number: number;
  first: number;
  bytes: number;
}

const SEGMENT_BYTES = 8 * 1024 * 1024;
const TAIL_BYTES = 16 * 1024 * 1024;

/**
 * Records that are only added, in files of which the oldest can be dropped. A record can be read when it is on disk.
 * The newest are in memory; readers that are further behind read file by file.
 */
export class Stream implements AsyncDisposable {
  readonly #options: Required<StreamOptions>;
  readonly #segments: Segment[] = [];
  readonly #waiters = new Set<() => void>();
  #log!: Log;
  #writer!: Writer;
  #tail: StreamRecord[] = [];
  #tailBytes = 0;
  /** The last one given out, and the last one on disk. */
  #assigned = 0;
  #durable = 0;
  #rotating: Promise<void> | undefined;
  #older: { number: number; records: StreamRecord[] } | undefined;

  private constructor(options: StreamOptions) {
    this.#options = { segmentBytes: SEGMENT_BYTES, tailBytes: TAIL_BYTES, ...options };
  }

  /** `visit` sees all records that are there. */
  static async open(
    dir: string,
    visit: (record: StreamRecord) => void = () => {},
    options: StreamOptions = {},
  ): Promise<Stream> {
    const stream = new Stream(options);
    stream.#log = await Log.open(dir, ({ revision, key, value }, segment) => {
      const record = { sequence: revision, key, value };
      stream.#enter(record, segment);
      visit(record);
    });
    stream.#assigned = stream.#durable;
    stream.#writer = new Writer(stream.#log, (batch) => stream.#settled(batch.map(({ record }) => record)));
    return stream;
  }

  /** The newest record that can be read; 0 where there is none. */
  get last(): number {
    return this.#durable;
  }

  /** The oldest that is still there. */
  get first(): number {
    return this.#segments[0]?.first ?? this.#durable + 1;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Resolves to its number when it is on disk. */
  append(key: string, value: Buffer): Promise<number> {
    this.#assigned += 1;
    const sequence = this.#assigned;
    const record: LogRecord = { kind: RecordKind.put, revision: sequence, key, value };
    return new Promise((resolve, failed) =>
      this.#writer.push({
        record,
        committed: () => resolve(sequence),
        failed: (cause) => {
          // What was to follow has failed with it: the numbers are given out again.
          this.#assigned = this.#durable;
          failed(cause);
        },
      }),
    );
  }

  /** The records from a number on, at least one where there are any, and not many at once. */
  async read(from: number, limit = 1000): Promise<StreamRecord[]> {
    const start = Math.max(from, this.first);
    if (start > this.#durable) return [];
    const tailStart = this.#tail[0]?.sequence ?? this.#durable + 1;
    if (start >= tailStart) return this.#tail.slice(start - tailStart, start - tailStart + limit);
    const segment = this.#segments.findLast(({ first }) => first <= start)!;
    const records = await this.#recordsOf(segment);
    const offset = records.findIndex(({ sequence }) => sequence >= start);
    return offset < 0 ? [] : records.slice(offset, offset + limit);
  }

  /** Resolves when there is something behind a number, or the signal aborts. */
  news(after: number, signal: AbortSignal): Promise<void> {
    if (this.#durable > after || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiters.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiters.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** Drops whole files of what lies before a number. The one being written stays. */
  async drop(before: number): Promise<void> {
    const keep = this.#segments.findLastIndex(({ first }) => first <= before);
    if (keep <= 0) return;
    this.#segments.splice(0, keep);
    await this.#log.drop(this.#segments[0]!.number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.idle();
    await this.#rotating;
    await this.#log.close();
    for (const wake of [...this.#waiters]) wake();
  }

  #settled(records: readonly LogRecord[]): void {
    for (const { revision, key, value } of records)
      this.#enter({ sequence: revision, key, value }, this.#log.segment);
    for (const wake of [...this.#waiters]) wake();
    if (this.#log.size >= this.#options.segmentBytes && this.#rotating === undefined)
      this.#rotating = this.#writer
        .pause(() => this.#log.rotate())
        .then(() => undefined)
        .finally(() => {
          this.#rotating = undefined;
        });
  }

  #enter(record: StreamRecord, number: number): void {
    let segment = this.#segments.at(-1);
    if (segment?.number !== number) {
      segment = { number, first: record.sequence, bytes: 0 };
      this.#segments.push(segment);
    }
    segment.bytes += record.value.length;
    this.#durable = record.sequence;
    this.#tail.push(record);
    this.#tailBytes += record.value.length;
    if (this.#tailBytes > this.#options.tailBytes) this.#shorten();
  }

  /** Half of it at once: taking one from the front for each one at the end would be slow. */
  #shorten(): void {
    let at = 0;
    while (this.#tailBytes > this.#options.tailBytes / 2 && at < this.#tail.length - 1)
      this.#tailBytes -= this.#tail[at++]!.value.length;
    this.#tail = this.#tail.slice(at);
  }

  async #recordsOf({ number }: Segment): Promise<StreamRecord[]> {
    if (this.#older?.number !== number) {
      const records: StreamRecord[] = [];
      await this.#log.read(number, ({ revision, key, value }) =>
        records.push({ sequence: revision, key, value }),
      );
      // The one being written grows: what was read of it is not the whole.
      if (number === this.#log.segment) return records;
      this.#older = { number, records };
    }
    return this.#older.records;
  }
}
