import { Table } from '../../journal/index.ts';
import type { FunctionRun } from './record.ts';

export interface RunQuery {
  namespace?: string;
  function?: string;
  status?: string;
  since?: number;
  limit?: number;
}

interface Entry {
  key: string;
  function: string;
  isPending: boolean;
  createdAt: number;
}

const MAX_EACH = 1000;
const MAX_AGE_MS = 7 * 24 * 3600_000;
const MAX_BYTES = 128 * 1024 * 1024;

/** Runs on disk. The oldest that have ended make room for new ones; what is still to be done never does. */
export class RunStore implements AsyncDisposable {
  readonly #table: Table;
  readonly #now: () => number;
  /** By "namespace/function", oldest first. */
  readonly #byFunction = new Map<string, Map<string, Entry>>();
  readonly #entries = new Map<string, Entry>();

  private constructor(table: Table, now: () => number) {
    this.#table = table;
    this.#now = now;
  }

  static async open(dir: string, now: () => number): Promise<RunStore> {
    const store = new RunStore(await Table.open(dir), now);
    const all = [...store.#table.entries()].map(([, value]) => parse(value));
    all.sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1));
    for (const run of all) store.#enter(run);
    return store;
  }

  /** Resolves when it is on disk. */
  async put(run: FunctionRun): Promise<void> {
    const key = `${run.metadata.namespace}/${run.metadata.name}`;
    const isNew = this.#table.get(key) === undefined;
    const entry = this.#enter(run);
    const written = this.#table.put(entry.key, Buffer.from(JSON.stringify(run)));
    this.#shorten(entry);
    try {
      await written;
    } catch (error) {
      // What nobody was told of must not be found later as if it had been accepted.
      if (isNew) await this.#remove(entry).catch(() => {});
      throw error;
    }
  }

  get(namespace: string, name: string): FunctionRun | undefined {
    const value = this.#table.get(`${namespace}/${name}`);
    return value && parse(value);
  }

  /** Newest first. */
  list(query: RunQuery): FunctionRun[] {
    const { namespace, limit = 500, since = 0 } = query;
    const lists = [...this.#byFunction].filter(
      ([key]) =>
        (namespace === undefined || key.startsWith(`${namespace}/`)) &&
        (query.function === undefined || key.endsWith(`/${query.function}`)),
    );
    const found: FunctionRun[] = [];
    for (const [, entries] of lists) {
      let count = 0;
      for (const { key, createdAt } of [...entries.values()].reverse()) {
        if (createdAt < since) break;
        const run = parse(this.#table.get(key)!);
        if (!hasStatus(run, query.status)) continue;
        found.push(run);
        if (++count >= limit) break;
      }
    }
    return found.sort(byTime).slice(0, limit);
  }

  /** What was accepted and has not been done. */
  pending(): FunctionRun[] {
    return [...this.#entries.values()]
      .filter(({ isPending }) => isPending)
      .map(({ key }) => parse(this.#table.get(key)!));
  }

  /** Forgets all runs of a function that is gone. */
  async removeAll(namespace: string, name: string): Promise<void> {
    const entries = [...(this.#byFunction.get(`${namespace}/${name}`)?.values() ?? [])];
    await Promise.all(entries.map((entry) => this.#remove(entry)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#table[Symbol.asyncDispose]();
  }

  #enter(run: FunctionRun): Entry {
    const { namespace, name } = run.metadata;
    const key = `${namespace}/${name}`;
    const owner = `${namespace}/${run.spec.function}`;
    const entry = {
      key,
      function: owner,
      isPending: run.status.finishedAt === undefined,
      createdAt: Date.parse(run.metadata.creationTimestamp),
    };
    this.#entries.set(key, entry);
    const list = this.#byFunction.get(owner) ?? new Map<string, Entry>();
    this.#byFunction.set(owner, list);
    list.set(key, entry);
    return entry;
  }

  #shorten(newest: Entry): void {
    const own = this.#byFunction.get(newest.function)!;
    if (own.size > MAX_EACH) this.#drop(own, newest);
    if (this.#table.bytes <= MAX_BYTES) {
      this.#expire(own);
      return;
    }
    const largest = [...this.#byFunction.values()].reduce((a, b) => (b.size > a.size ? b : a));
    this.#drop(largest, newest);
  }

  #drop(list: Map<string, Entry>, except: Entry): void {
    for (const entry of list.values()) {
      if (entry.isPending || entry.key === except.key) continue;
      void this.#remove(entry);
      return;
    }
  }

  #expire(list: Map<string, Entry>): void {
    const [oldest] = list.values();
    if (oldest === undefined || oldest.isPending) return;
    if (this.#now() - oldest.createdAt > MAX_AGE_MS) void this.#remove(oldest);
  }

  #remove(entry: Entry): Promise<void> {
    this.#entries.delete(entry.key);
    const list = this.#byFunction.get(entry.function);
    list?.delete(entry.key);
    if (list?.size === 0) this.#byFunction.delete(entry.function);
    return this.#table.delete(entry.key);
  }
}

function hasStatus({ status }: FunctionRun, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  return wanted.toLowerCase() === 'dead' ? status.dead === true : status.phase === wanted.toUpperCase();
}

function byTime(a: FunctionRun, b: FunctionRun): number {
  const [left, right] = [a, b].map(
    (run) => run.status.startedAt ?? Date.parse(run.metadata.creationTimestamp),
  );
  return right! - left!;
}

function parse(value: Buffer): FunctionRun {
  return JSON.parse(value.toString()) as FunctionRun;
}
