import { randomUUID } from 'node:crypto';
import {
  ContentTooLarge,
  type ContentStore,
  DigestMismatch,
  type IncomingBlob,
  type Stored,
} from '../content/content-store.ts';
import { Refusal } from './errors.ts';

interface Upload {
  repository: string;
  blob: IncomingBlob;
  usedAt: number;
  busy: boolean;
}

const MAX_AGE_MS = 60 * 60_000;
const MAX_UPLOADS = 256;
const MAX_BYTES = 32 * 1024 ** 3;

/** Blobs on their way in, over one request or many. */
export class Uploads implements AsyncDisposable {
  readonly #content: ContentStore;
  readonly #now: () => number;
  readonly #uploads = new Map<string, Upload>();

  constructor(content: ContentStore, now: () => number) {
    this.#content = content;
    this.#now = now;
  }

  async begin(repository: string): Promise<string> {
    await this.#expire();
    if (this.#uploads.size >= MAX_UPLOADS)
      throw new Refusal('DENIED', `More than ${MAX_UPLOADS} uploads are under way: finish or cancel some.`);
    const id = randomUUID();
    this.#uploads.set(id, {
      repository,
      blob: await this.#content.begin(),
      usedAt: this.#now(),
      busy: false,
    });
    return id;
  }

  sizeOf(repository: string, id: string): number {
    return this.#find(repository, id).blob.size;
  }

  /** Adds what the body brings; with a range it must begin where the last one ended. */
  async append(
    repository: string,
    id: string,
    body: AsyncIterable<Uint8Array>,
    start: number | undefined,
  ): Promise<number> {
    const upload = this.#find(repository, id);
    if (start !== undefined && start !== upload.blob.size)
      throw new Refusal('RANGE_INVALID', `The next byte of this upload is ${upload.blob.size}.`, {
        range: `0-${Math.max(0, upload.blob.size - 1)}`,
      });
    if (upload.busy) throw new Refusal('BLOB_UPLOAD_INVALID', 'Another request writes to this upload.');
    upload.busy = true;
    try {
      for await (const chunk of body) {
        await upload.blob.write(chunk);
        if (upload.blob.size > MAX_BYTES)
          throw new Refusal('SIZE_INVALID', `A blob may have at most ${MAX_BYTES} bytes.`);
      }
    } finally {
      upload.busy = false;
      upload.usedAt = this.#now();
    }
    return upload.blob.size;
  }

  async finish(repository: string, id: string, digest: string): Promise<Stored> {
    const upload = this.#find(repository, id);
    this.#uploads.delete(id);
    try {
      return await upload.blob.commit(digest);
    } catch (error) {
      if (error instanceof DigestMismatch || error instanceof ContentTooLarge)
        throw new Refusal('DIGEST_INVALID', error.message);
      throw error;
    }
  }

  async cancel(repository: string, id: string): Promise<void> {
    const upload = this.#find(repository, id);
    this.#uploads.delete(id);
    await upload.blob.discard();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { blob } of this.#uploads.values()) await blob.discard();
    this.#uploads.clear();
  }

  #find(repository: string, id: string): Upload {
    const upload = this.#uploads.get(id);
    if (upload?.repository !== repository)
      throw new Refusal('BLOB_UPLOAD_UNKNOWN', 'This upload is not known: begin a new one.');
    return upload;
  }

  async #expire(): Promise<void> {
    for (const [id, upload] of this.#uploads) {
      if (upload.busy || this.#now() - upload.usedAt < MAX_AGE_MS) continue;
      this.#uploads.delete(id);
      await upload.blob.discard();
    }
  }
}
