/** One object as the store keeps it: the JSON bytes that go out on the wire. Immutable. */
export interface Entry {
  readonly key: string;
  readonly revision: number;
  readonly bytes: Buffer;
}

const CHUNK = 512;

/**
 * All objects of one resource, sorted by `namespace/name`. Chunks of sorted keys make insertion and range
 * reads cheap without a tree.
 */
export class Collection {
  readonly #entries = new Map<string, Entry>();
  readonly #chunks: string[][] = [[]];

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  set(entry: Entry): void {
    if (!this.#entries.has(entry.key)) this.#insert(entry.key);
    this.#entries.set(entry.key, entry);
  }

  delete(key: string): void {
    if (!this.#entries.delete(key)) return;
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at]!;
    chunk.splice(lowerBound(chunk, key), 1);
    if (chunk.length === 0 && this.#chunks.length > 1) this.#chunks.splice(at, 1);
  }

  /** Entries whose key starts with `prefix` and sorts after `after`, in order. */
  *range(prefix: string, after = ''): Generator<Entry> {
    const from = after > prefix ? after : prefix;
    for (let at = this.#chunkOf(from); at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at]!;
      for (let index = lowerBound(chunk, from); index < chunk.length; index++) {
        const key = chunk[index]!;
        if (!key.startsWith(prefix)) return;
        if (key !== after) yield this.#entries.get(key)!;
      }
    }
  }

  #insert(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at]!;
    chunk.splice(lowerBound(chunk, key), 0, key);
    if (chunk.length > CHUNK * 2) this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK));
  }

  /** The last chunk whose first key is not behind `key`. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#chunks[middle]![0]! <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
