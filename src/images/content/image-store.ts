import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hostPlatform, type ImageConfig, type Index, type Manifest, type Descriptor } from '../manifest.ts';
import { formatReference, parseReference, type Reference } from '../reference.ts';
import { isUnfinished, writeAtomically } from './durable.ts';
import type { ContentStore } from './content-store.ts';
import { unpackLayer } from './unpack.ts';

export interface Image {
  /** Of the manifest for this machine's platform. */
  digest: string;
  /** As it was asked for, in full. */
  name: string;
  manifest: Manifest;
  config: ImageConfig;
  /** Of its layers, as they are stored. */
  size: number;
}

/** The host in the names of images that were pushed to or built for the registry of this server. */
export const OWN_HOST = 'registry.dispatch.local';

export interface ImageStoreOptions {
  root: string;
  content: ContentStore;
  arch: string;
  /** Whether files can be given to their owners: by root, and in a user namespace. */
  owners: boolean;
  now: () => number;
}

const USE_NOTED_MS = 10 * 60_000;

/** Images by name: what a build made, a push brought or a pull fetched is here, once, for all who use it. */
export class ImageStore {
  readonly content: ContentStore;
  /** The names under which the registry of this server is reached. */
  ownHosts: readonly string[] = [];
  readonly #options: ImageStoreOptions;
  readonly #names = new Map<string, string>();
  readonly #unpacking = new Map<string, Promise<string>>();
  readonly #usedAt = new Map<string, number>();
  readonly #listeners: ((name: string, digest: string) => Promise<void>)[] = [];

  constructor(options: ImageStoreOptions) {
    this.#options = options;
    this.content = options.content;
  }

  async open(): Promise<void> {
    await this.content.open();
    for (const dir of ['names', 'roots'])
      await mkdir(join(this.#options.root, dir), { recursive: true, mode: 0o700 });
    for (const file of await readdir(join(this.#options.root, 'names'))) {
      if (isUnfinished(file)) {
        await rm(join(this.#options.root, 'names', file), { force: true });
        continue;
      }
      const [name, digest] = (await readFile(join(this.#options.root, 'names', file), 'utf8')).split('\n');
      if (name && digest) this.#names.set(name, digest);
    }
    // Roots that were being put together when an earlier server ended.
    for (const dir of ['roots', 'layers'])
      for (const name of await readdir(join(this.#options.root, dir)).catch(() => []))
        if (name.startsWith('.'))
          await rm(join(this.#options.root, dir, name), { recursive: true, force: true });
  }

  /** A name is given when every listener has it safe. */
  onTagged(listener: (name: string, digest: string) => Promise<void>): void {
    this.#listeners.push(listener);
  }

  /** Every name with what it stands for: a manifest or an index. */
  names(): ReadonlyMap<string, string> {
    return this.#names;
  }

  digestOf(name: string): string | undefined {
    return this.#names.get(name);
  }

  async tag(name: string, digest: string): Promise<void> {
    await writeAtomically(this.#nameFile(name), `${name}\n${digest}\n`);
    this.#names.set(name, digest);
    for (const listener of this.#listeners) await listener(name, digest);
  }

  async untag(name: string): Promise<boolean> {
    await rm(this.#nameFile(name), { force: true });
    return this.#names.delete(name);
  }

  /** The registry of this server has many names, and one under which its images are kept. */
  canonical(reference: Reference): Reference {
    return this.isOurs(reference) ? { ...reference, host: OWN_HOST } : reference;
  }

  /** Whether the name belongs to the registry of this server: nobody else can know a newer image of it. */
  isOurs(reference: Reference): boolean {
    return reference.host === OWN_HOST || this.ownHosts.includes(reference.host);
  }

  /** The image of a name, if all of it is here. */
  async find(reference: string | Reference): Promise<Image | undefined> {
    const parsed = this.canonical(typeof reference === 'string' ? parseReference(reference) : reference);
    const name = formatReference(parsed);
    const digest = parsed.digest ?? this.#names.get(name);
    return digest === undefined ? undefined : this.load(digest, name);
  }

  async load(digest: string, name: string): Promise<Image | undefined> {
    if (!(await this.content.has(digest))) return undefined;
    const document = await this.content.readJson<Manifest | Index>(digest);
    if ('manifests' in document) {
      const chosen = choosePlatform(document.manifests, this.#options.arch);
      return chosen === undefined ? undefined : this.load(chosen.digest, name);
    }
    const blobs = [document.config, ...document.layers];
    const there = await Promise.all(blobs.map((blob) => this.content.has(blob.digest)));
    if (there.includes(false)) return undefined;
    const config = await this.content.readJson<ImageConfig>(document.config.digest);
    const size = document.layers.reduce((sum, layer) => sum + layer.size, 0);
    return { digest, name, manifest: document, config, size };
  }

  /** The directory with the image's files, made when it is first asked for. Nobody may write to it. */
  root(image: Image): Promise<string> {
    this.#noteUse(image.digest);
    return this.#rootOnce(image.digest, async (dir) => {
      for (const layer of image.manifest.layers)
        await unpackLayer(await this.content.read(layer.digest), layer.mediaType, dir, {
          owners: this.#options.owners,
        });
    });
  }

  /** What is used is not collected: that it was is written down now and then. */
  #noteUse(digest: string): void {
    const now = this.#options.now();
    if (now - (this.#usedAt.get(digest) ?? 0) < USE_NOTED_MS) return;
    this.#usedAt.set(digest, now);
    void this.content.touch(digest, now);
  }

  /** Puts the root of an image together in another way than from its layers, with the same result. */
  makeRoot(digest: string, fill: (dir: string) => Promise<void>): Promise<string> {
    return this.#rootOnce(digest, fill);
  }

  #rootOnce(digest: string, fill: (dir: string) => Promise<void>): Promise<string> {
    const path = join(this.#options.root, 'roots', digest.slice(7));
    let making = this.#unpacking.get(path);
    if (making === undefined) {
      making = this.#makeRoot(path, fill);
      this.#unpacking.set(path, making);
      void making.catch(() => {}).then(() => this.#unpacking.delete(path));
    }
    return making;
  }

  async #makeRoot(path: string, fill: (dir: string) => Promise<void>): Promise<string> {
    if ((await stat(path).catch(() => undefined)) !== undefined) return path;
    const temporary = join(this.#options.root, 'roots', `.${randomUUID()}`);
    await mkdir(temporary, { mode: 0o755 });
    try {
      await fill(temporary);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
    return path;
  }

  #nameFile(name: string): string {
    return join(this.#options.root, 'names', createHash('sha256').update(name).digest('hex'));
  }
}

export function choosePlatform(manifests: readonly Descriptor[], arch: string): Descriptor | undefined {
  const host = hostPlatform(arch);
  const images = manifests.filter((item) => item.platform?.os !== 'unknown');
  return (
    images.find(
      (item) => item.platform?.os === host.os && item.platform.architecture === host.architecture,
    ) ?? (images.length === 1 && images[0]!.platform === undefined ? images[0] : undefined)
  );
}
