import { Collection, type Entry } from './collection.ts';
import type { Cipher } from './cipher.ts';
import { Log, type LogRecord, type PendingWrite, RecordKind, Writer } from '../../journal/index.ts';
import { type ChangeEvent, History, HistoryBudget, type HistoryLimits } from './history.ts';
import { snapshotRecords } from './snapshot.ts';

export interface StoreOptions {
  dir: string;
  history: HistoryLimits;
  /** The log is rewritten when it is larger than this and much larger than what is alive. */
  checkpointBytes: number;
  cipher: Cipher;
  /** Collections whose values are encrypted at rest. */
  encrypted: ReadonlySet<string>;
  now: () => number;
}

/** The state of an object that a write was based on is no longer its state. */
export class ConflictError extends Error {}
/** The asked-for past is no longer kept. */
export class CompactedError extends Error {}
/** The disk did not take the write. */
export class WriteFailedError extends Error {}

export interface Shelf {
  readonly live: Collection;
  readonly history: History;
  readonly listeners: Set<() => void>;
}

export interface Write {
  collection: string;
  key: string;
  /** The revision that the caller read; 0 when the object must not exist. */
  expected: number;
  /** Gives the new bytes, stamped with the revision. */
  encode: (revision: number) => Buffer;
  remove?: boolean;
}

interface StoreWrite extends PendingWrite {
  collection: string;
  entry: Entry;
}

/**
 * The one state of the platform. Everything alive is in memory as wire bytes; a write-ahead log makes it
 * durable. Reads see only what is on disk; writers see each other's writes on their way, so that compare and
 * swap is exact without waiting. All methods are synchronous up to the write itself: no locks.
 */
export class Store {
  readonly #options: StoreOptions;
  readonly #shelves = new Map<string, Shelf>();
  /** Writes on their way to the disk: what the next writer has to build on. */
  readonly #ahead = new Map<string, { entry: Entry; removed: boolean }>();
  readonly #budget: HistoryBudget;
  #log!: Log;
  #writer!: Writer<StoreWrite>;
  #assigned = 0;
  #durable = 0;
  #compacted = 0;
  #liveBytes = 0;
  #closed = false;
  #checkpointing: Promise<void> | undefined;

  private constructor(options: StoreOptions) {
    this.#options = options;
    this.#budget = new HistoryBudget(options.history);
  }

  static async open(options: StoreOptions): Promise<Store> {
    const store = new Store(options);
    store.#log = await Log.open(options.dir, (record) => store.#replay(record));
    store.#writer = new Writer(store.#log, (batch) => store.#publish(batch));
    store.#assigned = store.#durable;
    store.compact();
    return store;
  }

  /** The last durable revision. */
  get revision(): number {
    return this.#durable;
  }

  /** History up to and with this revision is gone. */
  get compactedRevision(): number {
    return this.#compacted;
  }

  get liveBytes(): number {
    return this.#liveBytes;
  }

  shelf(collection: string): Shelf {
    let shelf = this.#shelves.get(collection);
    if (shelf === undefined) {
      shelf = { live: new Collection(), history: new History(), listeners: new Set() };
      this.#shelves.set(collection, shelf);
    }
    return shelf;
  }

  collections(): IterableIterator<[string, Shelf]> {
    return this.#shelves.entries();
  }

  get(collection: string, key: string): Entry | undefined {
    return this.#shelves.get(collection)?.live.get(key);
  }

  /** The newest state including writes that are not yet durable: only for building the next write on it. */
  latest(collection: string, key: string): Entry | undefined {
    const ahead = this.#ahead.get(logKey(collection, key));
    if (ahead !== undefined) return ahead.removed ? undefined : ahead.entry;
    return this.get(collection, key);
  }

  /** Resolves when the write is on disk; throws `ConflictError` at once when `expected` no longer holds. */
  write(write: Write): Promise<Entry> {
    const { collection, key, expected } = write;
    if (this.#closed) throw new WriteFailedError('The store is closed.');
    if ((this.latest(collection, key)?.revision ?? 0) !== expected) throw new ConflictError();
    const revision = this.#assigned + 1;
    const entry: Entry = { key, revision, bytes: write.encode(revision) };
    this.#assigned = revision;
    const name = logKey(collection, key);
    const removed = write.remove === true;
    this.#ahead.set(name, { entry, removed });
    const record: LogRecord = {
      kind: removed ? RecordKind.remove : RecordKind.put,
      revision,
      key: name,
      value: this.#seal(collection, name, entry.bytes),
    };
    return new Promise((resolve, reject) => {
      this.#writer.push({
        record,
        collection,
        entry,
        committed: () => resolve(entry),
        failed: (cause) => {
          this.#ahead.delete(name);
          reject(new WriteFailedError('The write did not reach the disk.', { cause }));
        },
      });
    });
  }

  /** The collection as it was at `revision`. */
  listAt(collection: string, revision: number, prefix: string, after: string): Entry[] {
    if (revision < this.#compacted) throw new CompactedError();
    const { live, history } = this.shelf(collection);
    if (revision >= this.#durable) return [...live.range(prefix, after)];
    const then = new Map<string, Entry | undefined>();
    for (const event of history.since(revision))
      if (!then.has(event.key)) then.set(event.key, event.previous);
    if (then.size === 0) return [...live.range(prefix, after)];
    const entries = [...live.range(prefix, after)].filter((entry) => !then.has(entry.key));
    for (const [key, entry] of then) {
      if (entry !== undefined && key.startsWith(prefix) && key > after) entries.push(entry);
    }
    return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Changes after `revision`; throws when some of them are no longer known. */
  changes(collection: string, revision: number, limit?: number): ChangeEvent[] {
    if (revision < this.#compacted) throw new CompactedError();
    return this.shelf(collection).history.since(revision, limit);
  }

  /** Drops history that is over the limits. */
  compact(): void {
    const revision = this.#budget.excess(this.#options.now());
    if (revision === undefined) return;
    this.#compacted = revision;
    for (const shelf of this.#shelves.values()) shelf.history.compact(revision);
  }

  /** Rewrites the log as what is alive and what history is kept. */
  async checkpoint(): Promise<void> {
    this.#checkpointing ??= this.#rewrite().finally(() => {
      this.#checkpointing = undefined;
    });
    await this.#checkpointing;
  }

  /** Everything that a backup has to hold, as of one revision. */
  snapshot(): Iterable<LogRecord[]> {
    return snapshotRecords(this.#shelves, this.#compacted, (collection, name, bytes) =>
      this.#seal(collection, name, bytes),
    );
  }

  /** Finishes what was accepted; later writes are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writer.idle();
    await this.#checkpointing?.catch(() => undefined);
    await this.#log.close();
  }

  async #rewrite(): Promise<void> {
    this.compact();
    const { number, chunks } = await this.#writer.pause(async () => ({
      number: await this.#log.rotate(),
      chunks: this.snapshot(),
    }));
    await this.#log.writeBase(number, chunks);
  }

  #publish(batch: readonly StoreWrite[]): void {
    const touched = new Set<Shelf>();
    for (const { record, collection, entry } of batch) {
      if (this.#ahead.get(record.key)?.entry === entry) this.#ahead.delete(record.key);
      touched.add(this.#apply(collection, record.kind, entry));
    }
    for (const shelf of touched) for (const listener of shelf.listeners) listener();
    if (this.#budget.isOver()) this.compact();
    if (this.#log.size > Math.max(this.#options.checkpointBytes, this.#liveBytes * 3))
      void this.checkpoint().catch(() => undefined);
  }

  #apply(collection: string, kind: RecordKind, entry: Entry): Shelf {
    const shelf = this.shelf(collection);
    const { key, revision, bytes } = entry;
    const previous = shelf.live.get(key);
    const removed = kind === RecordKind.remove;
    if (removed) shelf.live.delete(key);
    else shelf.live.set(entry);
    this.#liveBytes += (removed ? 0 : bytes.length) - (previous?.bytes.length ?? 0);
    this.#durable = Math.max(this.#durable, revision);
    if (kind !== RecordKind.base) {
      shelf.history.add({ revision, key, removed, bytes, previous });
      this.#budget.add(revision, bytes.length, this.#options.now());
    }
    return shelf;
  }

  #replay(record: LogRecord): void {
    if (record.kind === RecordKind.compacted) {
      this.#compacted = record.revision;
      this.#durable = Math.max(this.#durable, record.revision);
      return;
    }
    const [collection, key] = splitLogKey(record.key);
    const sealed = this.#options.encrypted.has(collection);
    const bytes = sealed ? this.#options.cipher.decrypt(record.key, record.value) : record.value;
    this.#apply(collection, record.kind, { key, revision: record.revision, bytes });
  }

  #seal(collection: string, name: string, bytes: Buffer): Buffer {
    return this.#options.encrypted.has(collection) ? this.#options.cipher.encrypt(name, bytes) : bytes;
  }
}

function logKey(collection: string, key: string): string {
  return `${collection}\0${key}`;
}

function splitLogKey(name: string): [string, string] {
  const at = name.indexOf('\0');
  return [name.slice(0, at), name.slice(at + 1)];
}
