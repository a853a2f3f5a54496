import { constants } from 'node:fs';
import {
  chmod,
  lchown,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  readlink,
  rm,
  symlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import type { Readable } from 'node:stream';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const MAX_LINKS = 40;
/** Small pieces cost a way to another thread and back each. */
const CHUNK = 512 * 1024;

export interface UnpackLimits {
  /** Of one layer, unpacked: an archive can say much with few bytes. */
  maxBytes: number;
  maxEntries: number;
}

export const UNPACK_LIMITS: UnpackLimits = { maxBytes: 64 * 1024 ** 3, maxEntries: 2_000_000 };

export class BadLayerError extends Error {
  constructor(why: string) {
    super(`The layer cannot be unpacked: ${why}.`);
    this.name = 'BadLayerError';
  }
}

/** Lays the files of one layer over a directory. Nothing is ever written outside of it, whatever the layer says. */
export async function unpackLayer(
  layer: Readable,
  mediaType: string,
  root: string,
  options: { owners: boolean; limits?: UnpackLimits },
): Promise<void> {
  const unpacker = new Unpacker(root, options.owners, options.limits ?? UNPACK_LIMITS);
  const tar = extract();
  const stages = [layer, ...decompression(mediaType), tar];
  const read = (async () => {
    for await (const entry of tar) await unpacker.add(entry.header, entry as unknown as Readable);
  })();
  read.catch((error: Error) => tar.destroy(error));
  try {
    await Promise.all([pipeline(stages as [Readable, ...NodeJS.ReadWriteStream[]]), read]);
  } catch (error) {
    if (error instanceof BadLayerError) throw error;
    throw new BadLayerError(error instanceof Error ? error.message : String(error));
  }
  await unpacker.finish();
}

export function decompression(mediaType: string): NodeJS.ReadWriteStream[] {
  if (mediaType.endsWith('zstd')) return [createZstdDecompress({ chunkSize: CHUNK })];
  if (mediaType.endsWith('gzip')) return [createGunzip({ chunkSize: CHUNK })];
  return [];
}

class Unpacker {
  readonly #root: string;
  readonly #owners: boolean;
  readonly #limits: UnpackLimits;
  /** Directories known to be real ones: their check is the dearest part of a small file. */
  readonly #known = new Set<string>(['']);
  readonly #added = new Set<string>();
  readonly #times: [path: string, time: Date][] = [];
  #bytes = 0;
  #entries = 0;

  constructor(root: string, owners: boolean, limits: UnpackLimits) {
    this.#root = root;
    this.#owners = owners;
    this.#limits = limits;
  }

  async add(header: Header, body: Readable): Promise<void> {
    this.#bytes += header.size ?? 0;
    this.#entries += 1;
    if (this.#bytes > this.#limits.maxBytes || this.#entries > this.#limits.maxEntries)
      throw new BadLayerError('it is too large');
    const path = cleanPath(header.name);
    const name = path.split('/').at(-1) ?? '';
    if (name === OPAQUE) await this.#empty(dirname(path) === '.' ? '' : dirname(path));
    else if (name.startsWith(WHITEOUT)) await this.#remove(join(dirname(path), name.slice(WHITEOUT.length)));
    else if (path !== '') await this.#write(path, header, body);
    body.resume();
  }

  /** Times of directories come last: every file in them changes them. */
  async finish(): Promise<void> {
    for (const [path, time] of this.#times.reverse()) await lutimes(path, time, time).catch(() => {});
  }

  async #write(path: string, header: Header, body: Readable): Promise<void> {
    const parent = await this.#directory(dirname(path) === '.' ? '' : dirname(path));
    const target = join(this.#root, parent, path.split('/').at(-1)!);
    const mode = (header.mode ?? 0o644) & 0o7777;
    const time = header.mtime ?? new Date(0);
    this.#note(path);
    if (header.type === 'directory') {
      await this.#makeDirectory(target);
      await this.#own(target, header);
      await chmod(target, mode);
      this.#times.push([target, time]);
      return;
    }
    const old = await lstat(target).catch(() => undefined);
    if (old !== undefined) {
      await rm(target, { recursive: true, force: true });
      if (old.isDirectory()) this.#known.clear();
    }
    switch (header.type) {
      case 'file':
      case 'contiguous-file':
        await this.#file(target, body, header, mode);
        break;
      case 'symlink':
        await symlink(header.linkname ?? '', target);
        await this.#own(target, header);
        break;
      case 'link':
        await link(join(this.#root, await this.#existing(cleanPath(header.linkname ?? ''))), target);
        return;
      default:
        // Devices and pipes: containers get their devices from the runtime, and nobody else's.
        return;
    }
    await lutimes(target, time, time);
  }

  async #file(target: string, body: Readable, header: Header, mode: number): Promise<void> {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
    const file = await open(target, flags, 0o600);
    try {
      for await (const chunk of body) await file.write(chunk as Buffer);
      if (this.#owners) await file.chown(header.uid ?? 0, header.gid ?? 0);
      await file.chmod(mode);
    } finally {
      await file.close();
    }
  }

  async #own(target: string, header: Header): Promise<void> {
    if (this.#owners) await lchown(target, header.uid ?? 0, header.gid ?? 0);
  }

  async #makeDirectory(target: string): Promise<void> {
    const old = await lstat(target).catch(() => undefined);
    if (old?.isDirectory()) return;
    if (old !== undefined) await rm(target, { force: true });
    await mkdir(target, 0o755);
  }

  /** The real path below the root of a directory that is made if need be; links are followed inside only. */
  async #directory(path: string): Promise<string> {
    if (this.#known.has(path)) return path;
    const pending = path.split('/').filter((part) => part !== '');
    const at: string[] = [];
    for (let links = 0; pending.length > 0; ) {
      const part = pending.shift()!;
      if (part === '..') {
        at.pop();
        continue;
      }
      const here = join(this.#root, ...at, part);
      const found = await lstat(here).catch(() => undefined);
      if (found?.isSymbolicLink()) {
        if (++links > MAX_LINKS) throw new BadLayerError(`${path} has too many symbolic links`);
        const to = await readlink(here);
        if (to.startsWith('/')) at.length = 0;
        pending.unshift(...to.split('/').filter((piece) => piece !== '' && piece !== '.'));
        continue;
      }
      if (!found?.isDirectory()) {
        if (found !== undefined) await rm(here, { force: true });
        await mkdir(here, 0o755);
      }
      at.push(part);
    }
    const real = at.join('/');
    if (real === path) this.#known.add(path);
    return real;
  }

  async #existing(path: string): Promise<string> {
    const parent = await this.#directory(dirname(path) === '.' ? '' : dirname(path));
    return join(parent, path.split('/').at(-1)!);
  }

  async #remove(path: string): Promise<void> {
    await rm(join(this.#root, await this.#existing(path)), { recursive: true, force: true });
    this.#known.clear();
  }

  /** The directory shows nothing of the layers below; what this layer has put there stays. */
  async #empty(path: string): Promise<void> {
    const real = await this.#directory(path);
    for (const name of await readdir(join(this.#root, real))) {
      const entry = real === '' ? name : `${real}/${name}`;
      if (!this.#added.has(entry)) await rm(join(this.#root, entry), { recursive: true, force: true });
    }
    this.#known.clear();
  }

  #note(path: string): void {
    for (let at = path; at !== '' && at !== '.' && !this.#added.has(at); at = dirname(at))
      this.#added.add(at);
  }
}

function cleanPath(name: string): string {
  if (name.includes('\0')) throw new BadLayerError('a path has a zero byte');
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts.join('/');
}
