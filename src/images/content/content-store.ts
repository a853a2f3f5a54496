import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, type ReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { renameDurably } from './durable.ts';

export class DigestMismatch extends Error {
  constructor(expected: string, actual: string) {
    super(`The content is ${actual}, not ${expected} as was said.`);
    this.name = 'DigestMismatch';
  }
}

export class ContentTooLarge extends Error {
  constructor(limit: number) {
    super(`The content is larger than the ${limit} bytes that were said or allowed.`);
    this.name = 'ContentTooLarge';
  }
}

export interface PutOptions {
  digest?: string;
  maxBytes?: number;
}

export interface Stored {
  digest: string;
  size: number;
}

/** Content that can be made at any time, and is written only when somebody reads it. */
export interface LazyContent {
  size: number;
  make: () => AsyncIterable<Uint8Array>;
}

/** Blobs by their digest, each written once: what is there is whole, and what it says it is. */
export class ContentStore {
  readonly root: string;
  readonly #incoming: string;
  readonly #lazy = new Map<string, LazyContent>();
  readonly #making = new Map<string, Promise<unknown>>();

  constructor(root: string) {
    this.root = root;
    this.#incoming = join(root, 'incoming');
  }

  async open(): Promise<void> {
    await mkdir(join(this.root, 'blobs', 'sha256'), { recursive: true, mode: 0o700 });
    // What was being written when an earlier server ended is nobody's.
    await rm(this.#incoming, { recursive: true, force: true });
    await mkdir(this.#incoming, { recursive: true, mode: 0o700 });
  }

  pathOf(digest: string): string {
    if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new Error(`${JSON.stringify(digest)} is no digest.`);
    return join(this.root, 'blobs', 'sha256', digest.slice(7));
  }

  async sizeOf(digest: string): Promise<number | undefined> {
    const found = await stat(this.pathOf(digest)).catch(() => undefined);
    return found?.size ?? this.#lazy.get(digest)?.size;
  }

  async has(digest: string): Promise<boolean> {
    return (await this.sizeOf(digest)) !== undefined;
  }

  addLazy(digest: string, content: LazyContent): void {
    this.#lazy.set(digest, content);
  }

  async read(digest: string, range?: { start: number; end?: number }): Promise<ReadStream> {
    await this.#materialize(digest);
    return createReadStream(this.pathOf(digest), { highWaterMark: 1024 * 1024, ...range });
  }

  async readJson<T>(digest: string): Promise<T> {
    return JSON.parse(await readFile(this.pathOf(digest), 'utf8')) as T;
  }

  async #materialize(digest: string): Promise<void> {
    const lazy = this.#lazy.get(digest);
    if (lazy === undefined || (await stat(this.pathOf(digest)).catch(() => undefined)) !== undefined) return;
    let making = this.#making.get(digest);
    if (making === undefined) {
      making = this.put(lazy.make(), { digest }).finally(() => this.#making.delete(digest));
      this.#making.set(digest, making);
    }
    await making;
  }

  /** Resolves when the content is on disk under its digest. */
  async put(source: AsyncIterable<Uint8Array> | Uint8Array, options: PutOptions = {}): Promise<Stored> {
    const incoming = await this.begin();
    try {
      if (source instanceof Uint8Array) await incoming.write(source);
      else {
        for await (const chunk of source) {
          await incoming.write(chunk);
          if (options.maxBytes !== undefined && incoming.size > options.maxBytes)
            throw new ContentTooLarge(options.maxBytes);
        }
      }
      return await incoming.commit(options.digest);
    } catch (error) {
      await incoming.discard();
      throw error;
    }
  }

  putJson(document: object): Promise<Stored> {
    return this.put(Buffer.from(JSON.stringify(document)));
  }

  async begin(): Promise<IncomingBlob> {
    const path = join(this.#incoming, randomUUID());
    return new IncomingBlob(path, await open(path, 'wx+', 0o600), (digest) => this.pathOf(digest));
  }

  /** Marks content as used now: what nobody has used for long may go. */
  async touch(digest: string, now: number): Promise<void> {
    await utimes(this.pathOf(digest), now / 1000, now / 1000).catch(() => {});
  }

  async list(): Promise<{ digest: string; size: number; usedAt: number }[]> {
    const dir = join(this.root, 'blobs', 'sha256');
    const names = await readdir(dir);
    const found = await Promise.all(
      names.map(async (name) => ({ name, info: await stat(join(dir, name)).catch(() => undefined) })),
    );
    return found.flatMap(({ name, info }) =>
      info === undefined ? [] : [{ digest: `sha256:${name}`, size: info.size, usedAt: info.mtimeMs }],
    );
  }

  async delete(digest: string): Promise<void> {
    await rm(this.pathOf(digest), { force: true });
  }
}

/** Content on its way in. It can come in pieces over time, and be given up. */
export class IncomingBlob {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #target: (digest: string) => string;
  readonly #hash = createHash('sha256');
  size = 0;

  constructor(path: string, file: FileHandle, target: (digest: string) => string) {
    this.#path = path;
    this.#file = file;
    this.#target = target;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.size += chunk.length;
    for (let at = 0; at < chunk.length; ) at += (await this.#file.write(chunk, at)).bytesWritten;
  }

  async commit(expected?: string): Promise<Stored> {
    const digest = `sha256:${this.#hash.digest('hex')}`;
    if (expected !== undefined && expected !== digest) {
      await this.discard();
      throw new DigestMismatch(expected, digest);
    }
    await this.#file.datasync();
    await this.#file.close();
    await renameDurably(this.#path, this.#target(digest));
    return { digest, size: this.size };
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => {});
    await rm(this.#path, { force: true });
  }
}
