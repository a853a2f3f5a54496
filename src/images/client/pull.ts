import { createHash } from 'node:crypto';
import { choosePlatform, type Image, type ImageStore } from '../content/image-store.ts';
import type { Descriptor, Index, Manifest } from '../manifest.ts';
import { isIndexType, isManifestType, MEDIA } from '../manifest.ts';
import { formatReference, type Reference } from '../reference.ts';
import type { Keychain } from './credentials.ts';
import { type RegistryClient, RegistryError } from './registry-client.ts';

const MAX_MANIFEST = 8 * 1024 * 1024;
const MAX_LAYERS = 512;
const MAX_LAYER = 32 * 1024 ** 3;
const PARALLEL = 4;
const TRIES = 4;
const ACCEPT = [MEDIA.manifest, MEDIA.index, MEDIA.dockerManifest, MEDIA.dockerList].join(', ');

export interface PullOptions {
  client: RegistryClient;
  images: ImageStore;
  keychain: Keychain;
  arch: string;
  signal?: AbortSignal;
}

/** Fetches an image into the store, and only what the store does not have. Every byte is checked by its digest. */
export async function pullImage(reference: Reference, options: PullOptions): Promise<Image> {
  const { client, images, signal } = options;
  const failures: string[] = [];
  const bases = client.bases(reference.host);
  if (bases.length === 0)
    throw new RegistryError(`${reference.host} is not on this machine, and nothing may leave it.`, 503);
  for (const base of bases) {
    try {
      return await new Puller(base, reference, options).run();
    } catch (error) {
      if (signal?.aborted) throw error;
      failures.push(reasonOf(error));
      // A registry that answers has the last word, unless it is only a mirror of another.
      const isMirror = !base.includes(reference.host) && bases.length > 1 && base !== bases.at(-1);
      if (error instanceof RegistryError && !isMirror) break;
    }
  }
  const known = await images.find(reference);
  if (known !== undefined) return known;
  throw new RegistryError(failures.at(-1) ?? 'it cannot be reached', 502);
}

class Puller {
  readonly #base: string;
  readonly #reference: Reference;
  readonly #options: PullOptions;

  constructor(base: string, reference: Reference, options: PullOptions) {
    this.#base = base;
    this.#reference = reference;
    this.#options = options;
  }

  async run(): Promise<Image> {
    const { images } = this.#options;
    const { tag, digest } = this.#reference;
    const top = await this.#manifest(digest ?? tag ?? 'latest');
    await this.#take(top.digest);
    const name = formatReference(this.#reference);
    if (digest === undefined) await images.tag(name, top.digest);
    const image = await images.load(top.digest, name);
    if (image === undefined) throw new Error(`${name} has no image for this machine.`);
    return image;
  }

  /** A manifest by tag or digest, put into the store as the bytes that it is. */
  async #manifest(reference: string): Promise<{ digest: string }> {
    const { client, keychain, images, signal } = this.#options;
    if (reference.startsWith('sha256:') && (await images.content.has(reference)))
      return { digest: reference };
    const response = await client.call(
      this.#base,
      this.#reference.repository,
      `manifests/${reference}`,
      keychain,
      {
        headers: { accept: ACCEPT },
        actions: 'pull',
        signal,
      },
    );
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_MANIFEST) throw new Error('The manifest is too large.');
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks);
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    if (reference.startsWith('sha256:') && digest !== reference)
      throw new Error(`The manifest is ${digest}, not ${reference} as was asked for.`);
    refuseStrange(bytes);
    await images.content.put(bytes, { digest });
    return { digest };
  }

  async #take(digest: string): Promise<void> {
    const { images, arch } = this.#options;
    const document = await images.content.readJson<Manifest | Index>(digest);
    if ('manifests' in document) {
      const chosen = choosePlatform(document.manifests, arch);
      if (chosen === undefined)
        throw new Error(`${formatReference(this.#reference)} has no image for this machine.`);
      await this.#manifest(chosen.digest);
      await this.#take(chosen.digest);
      return;
    }
    const blobs = [document.config, ...document.layers];
    const waiting = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
    const workers = Array.from({ length: PARALLEL }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await this.#blob(next);
    });
    await Promise.all(workers);
  }

  async #blob(blob: Descriptor): Promise<void> {
    const { images } = this.#options;
    if (await images.content.has(blob.digest)) return;
    if (blob.size > MAX_LAYER) throw new Error(`A layer of ${blob.size} bytes is too large.`);
    const incoming = await images.content.begin();
    try {
      for (let attempt = 1; incoming.size < blob.size || attempt === 1; attempt += 1) {
        try {
          await this.#download(blob, incoming);
          break;
        } catch (error) {
          // What has come stays: the next attempt asks for the rest.
          if (attempt >= TRIES || this.#options.signal?.aborted || error instanceof RegistryError)
            throw error;
        }
      }
      await incoming.commit(blob.digest);
    } catch (error) {
      await incoming.discard();
      throw error;
    }
  }

  async #download(
    blob: Descriptor,
    incoming: Awaited<ReturnType<ImageStore['content']['begin']>>,
  ): Promise<void> {
    const { client, keychain, signal } = this.#options;
    const response = await client.call(
      this.#base,
      this.#reference.repository,
      `blobs/${blob.digest}`,
      keychain,
      {
        headers: incoming.size > 0 ? { range: `bytes=${incoming.size}-` } : {},
        actions: 'pull',
        signal,
      },
    );
    // A registry that does not know ranges begins at the beginning: that part is there already.
    let skip = incoming.size > 0 && response.statusCode === 200 ? incoming.size : 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      const part = skip >= chunk.length ? undefined : chunk.subarray(skip);
      skip = Math.max(0, skip - chunk.length);
      if (part === undefined) continue;
      if (incoming.size + part.length > blob.size)
        throw new RegistryError('A layer is longer than its manifest says.', 502);
      await incoming.write(part);
    }
    if (incoming.size < blob.size) throw new Error('The connection was lost in the middle of a layer.');
  }
}

function refuseStrange(bytes: Buffer): void {
  const document = JSON.parse(bytes.toString()) as Partial<Manifest & Index>;
  const type = document.mediaType;
  if (type !== undefined && !isIndexType(type) && !isManifestType(type))
    throw new Error(`${JSON.stringify(type)} is no kind of image.`);
  const isImage = Array.isArray(document.layers) && typeof document.config?.digest === 'string';
  if (!isImage && !Array.isArray(document.manifests)) throw new Error('The manifest is malformed.');
  if ((document.layers ?? []).length > MAX_LAYERS)
    throw new Error(`The image has more than ${MAX_LAYERS} layers.`);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined || error instanceof RegistryError ? error.message : `${error.message} (${code})`;
}
