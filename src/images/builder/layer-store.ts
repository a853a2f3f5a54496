import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  chmod,
  copyFile,
  lchown,
  link,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ContentStore } from '../content/content-store.ts';
import { writeAtomically } from '../content/durable.ts';
import { TAR_END, type TarEntry, tarHeader, tarPadding } from '../content/tar-writer.ts';
import { opaqueFile } from './layer-view.ts';
import type { LayerPart, StepRunner } from './types.ts';

/** A layer that is ready to be used: as content for manifests, and as a directory for what comes on top. */
export interface Layer {
  digest: string;
  size: number;
  dir: string;
}

/** One file of a layer that is made without running anything. */
export interface NewEntry {
  entry: TarEntry;
  /** A file with the bytes, or the bytes themselves. */
  source?: string;
  content?: Buffer;
}

const CHUNK = 1024 * 1024;

/** Layers of builds, kept by what went into them. */
export class LayerStore {
  readonly #root: string;
  readonly #content: ContentStore;
  readonly #owners: boolean;
  readonly #runner: StepRunner;

  constructor(options: { root: string; content: ContentStore; owners: boolean; runner: StepRunner }) {
    this.#root = options.root;
    this.#content = options.content;
    this.#owners = options.owners;
    this.#runner = options.runner;
  }

  async open(): Promise<void> {
    for (const dir of ['layers', 'cache', 'building', 'mounts'])
      await mkdir(join(this.#root, dir), { recursive: true, mode: 0o711 });
  }

  /** The layer that the same step on the same ground gave before, if all of it is still here. */
  async cached(key: string): Promise<Layer | undefined> {
    const text = await readFile(join(this.#root, 'cache', key), 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    const { digest, size } = JSON.parse(text) as { digest: string; size: number };
    const dir = this.#dirOf(digest);
    const there = (await this.#content.has(digest)) && (await stat(dir).catch(() => undefined)) !== undefined;
    return there ? { digest, size, dir } : undefined;
  }

  async remember(key: string, layer: Layer): Promise<void> {
    const path = join(this.#root, 'cache', key);
    await writeAtomically(path, JSON.stringify({ digest: layer.digest, size: layer.size }));
  }

  /** A directory for a program to run on. */
  async workspace(): Promise<string> {
    const dir = join(this.#root, 'building', randomUUID());
    await mkdir(dir, { recursive: true });
    return dir;
  }

  mountDir(name: string): string {
    return join(this.#root, 'mounts', createHash('sha256').update(name).digest('hex').slice(0, 32));
  }

  /** Makes a layer of what a program has written. */
  async fromRun(workspace: string): Promise<Layer> {
    const upper = join(workspace, 'upper');
    const incoming = await this.#content.begin();
    const opaque: string[] = [];
    try {
      await this.#runner.readLayer(upper, async (part, content) => {
        if (part.opaque) opaque.push(part.path);
        for (const entry of entriesOf(part)) {
          await incoming.write(tarHeader(entry));
          if (entry.type !== 'file' || part.whiteout) continue;
          for await (const chunk of content) await incoming.write(chunk);
          await incoming.write(tarPadding(part.size));
        }
      });
      await incoming.write(TAR_END);
    } catch (error) {
      await incoming.discard();
      throw error;
    }
    const { digest, size } = await incoming.commit();
    const dir = this.#dirOf(digest);
    if (opaque.length > 0) await writeAtomically(opaqueFile(dir), JSON.stringify(opaque));
    if ((await stat(dir).catch(() => undefined)) === undefined) await rename(upper, dir);
    await this.#runner.removeFiles(workspace);
    return { digest, size, dir };
  }

  /** Makes a layer of given files; parents come before what is in them. */
  async fromEntries(entries: readonly NewEntry[]): Promise<Layer> {
    const { digest, size } = await this.#content.put(tarOf(entries));
    const dir = this.#dirOf(digest);
    if ((await stat(dir).catch(() => undefined)) === undefined) {
      const workspace = await this.workspace();
      const upper = join(workspace, 'upper');
      await mkdir(upper);
      for (const entry of entries) await this.#materialize(upper, entry);
      await rename(upper, dir);
      await rm(workspace, { recursive: true, force: true });
    }
    return { digest, size, dir };
  }

  #dirOf(digest: string): string {
    return join(this.#root, 'layers', digest.slice(7));
  }

  async #materialize(root: string, { entry, source, content }: NewEntry): Promise<void> {
    const path = join(root, entry.name);
    await mkdir(dirname(path), { recursive: true });
    switch (entry.type) {
      case 'directory':
        await mkdir(path, { recursive: true });
        break;
      case 'symlink':
        await symlink(entry.linkname ?? '', path);
        break;
      case 'link':
        await link(join(root, entry.linkname ?? ''), path);
        return;
      default:
        if (source === undefined) await writeFile(path, content ?? '');
        else await copyFile(source, path);
    }
    if (this.#owners) await lchown(path, entry.uid ?? 0, entry.gid ?? 0);
    if (entry.type !== 'symlink') await chmod(path, entry.mode);
  }
}

async function* tarOf(entries: readonly NewEntry[]): AsyncGenerator<Buffer> {
  for (const { entry, source, content } of entries) {
    yield tarHeader(entry);
    if (entry.type !== 'file') continue;
    if (content !== undefined) yield content;
    else if (source !== undefined && (entry.size ?? 0) <= CHUNK) yield await readFile(source);
    else if (source !== undefined)
      yield* createReadStream(source, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>;
    yield tarPadding(entry.size ?? 0);
  }
  yield TAR_END;
}

/** How a layer's file is written in an image: what is gone is a file with a name that says so. */
function entriesOf(part: LayerPart): TarEntry[] {
  const { path, type, mode, uid, gid, size, linkname } = part;
  const slash = path.lastIndexOf('/');
  const parent = slash < 0 ? '' : `${path.slice(0, slash)}/`;
  if (part.whiteout)
    return [{ name: `${parent}.wh.${path.slice(slash + 1)}`, type: 'file', mode: 0, size: 0 }];
  const entry: TarEntry = {
    name: path,
    type,
    mode,
    uid,
    gid,
    size,
    ...(linkname !== undefined && { linkname }),
  };
  if (!part.opaque) return [entry];
  return [entry, { name: `${path}/.wh..wh..opq`, type: 'file', mode: 0, size: 0 }];
}
