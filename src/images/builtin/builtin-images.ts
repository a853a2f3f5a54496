import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { chmod, copyFile, link, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageStore, Image } from '../content/image-store.ts';
import { TAR_END, type TarEntry, tarHeader, tarPadding } from '../content/tar-writer.ts';
import { hostPlatform, type ImageConfig, type Manifest, MEDIA } from '../manifest.ts';
import type { Reference } from '../reference.ts';
import type { Files } from './collect.ts';
import { type Host, RECIPES } from './recipes.ts';

export const BUILTIN_HOST = 'dispatch.local';

const DIRECTORIES = [
  'dev',
  'etc',
  'home',
  'opt',
  'proc',
  'root',
  'run',
  'srv',
  'sys',
  'tmp',
  'usr',
  'usr/bin',
  'usr/lib',
  'usr/lib64',
  'usr/lib32',
  'usr/sbin',
  'usr/local',
  'usr/local/bin',
  'var',
  'var/tmp',
  'workspace',
];
const LINKS: Record<string, string> = {
  bin: 'usr/bin',
  sbin: 'usr/sbin',
  lib: 'usr/lib',
  lib64: 'usr/lib64',
  lib32: 'usr/lib32',
  'var/run': '../run',
};
const NPM_LINKS: Record<string, string> = {
  'usr/bin/npm': '../lib/node_modules/npm/bin/npm-cli.js',
  'usr/bin/npx': '../lib/node_modules/npm/bin/npx-cli.js',
};
const TEXTS: Record<string, string> = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\nnode:x:1000:1000::/home/node:/bin/sh\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\nnode:x:1000:\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
  'etc/os-release':
    'NAME="Dispatch"\nID=dispatch\nPRETTY_NAME="Dispatch, made from the programs of this machine"\n',
  'etc/hosts': '127.0.0.1 localhost\n',
};
const FINGERPRINT = 'dev.dispatch.fingerprint';
const FILES = 'dev.dispatch.files';
const NPM_CLI = 'usr/lib/node_modules/npm/bin/npm-cli.js';
const CHUNK = 1024 * 1024;
const SMALL = 64 * 1024;
/** Entries that are read before their turn. */
const AHEAD = 64;

/** Images of others whose work a program of ours does. */
const STAND_INS: Readonly<Record<string, string>> = {
  'docker.io/mesosphere/update-gitops-repo': 'update-gitops-repo',
};

function recipeName({ host, repository }: Reference): string | undefined {
  if (host === BUILTIN_HOST && Object.hasOwn(RECIPES, repository)) return repository;
  return STAND_INS[`${host}/${repository}`];
}

export interface BuiltinOptions {
  images: ImageStore;
  host: Host;
  arch: string;
}

/** Images that are made of this machine's own programs when they are first asked for: no internet is needed. */
export class BuiltinImages {
  readonly #options: BuiltinOptions;
  readonly #making = new Map<string, Promise<Image>>();

  constructor(options: BuiltinOptions) {
    this.#options = options;
  }

  has(reference: Reference): boolean {
    return recipeName(reference) !== undefined;
  }

  names(): string[] {
    return Object.keys(RECIPES).map((name) => `${BUILTIN_HOST}/${name}`);
  }

  /** The image, made anew when the programs have changed since. */
  get(reference: Reference): Promise<Image> {
    const name = recipeName(reference)!;
    let making = this.#making.get(name);
    if (making === undefined) {
      making = this.#make(name);
      this.#making.set(name, making);
      making.catch(() => this.#making.delete(name));
    }
    return making;
  }

  /** The image as it was made before, if the programs are still the same: looking for them takes half a second. */
  async #known(name: string, config: object): Promise<Image | undefined> {
    const { content } = this.#options.images;
    const digest = this.#options.images.digestOf(name);
    if (digest === undefined || !(await content.has(digest))) return undefined;
    const manifest = await content.readJson<Manifest>(digest);
    const list = manifest.annotations?.[FILES];
    if (list === undefined || !(await content.has(list))) return undefined;
    const files: Files = new Map(Object.entries(await content.readJson<Record<string, string>>(list)));
    if (!isCurrent(manifest, files, config)) return undefined;
    const [layer] = manifest.layers;
    content.addLazy(layer!.digest, { size: layer!.size, make: () => layerOf(files) });
    return this.#options.images.load(digest, name);
  }

  async #make(name: string): Promise<Image> {
    const { images, host, arch } = this.#options;
    const recipe = RECIPES[name]!;
    const files: Files = new Map();
    const fullName = `${BUILTIN_HOST}/${name}:latest`;
    const known = await this.#known(fullName, recipe.config);
    if (known !== undefined) return known;
    await recipe.collect(files, host);
    const fingerprint = fingerprintOf(files, recipe.config);
    const list = await images.content.putJson(Object.fromEntries(files));
    const layer = await describe(layerOf(files));
    images.content.addLazy(layer.digest, { size: layer.size, make: () => layerOf(files) });
    const { os, architecture } = hostPlatform(arch);
    const config: ImageConfig = {
      architecture,
      os,
      config: recipe.config,
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
      history: [{ created_by: 'the programs of this machine' }],
    };
    const storedConfig = await images.content.putJson(config);
    const manifest: Manifest = {
      schemaVersion: 2,
      mediaType: MEDIA.manifest,
      config: { mediaType: MEDIA.config, ...storedConfig },
      layers: [{ mediaType: MEDIA.layer, ...layer }],
      annotations: { [FINGERPRINT]: fingerprint, [FILES]: list.digest },
    };
    const { digest } = await images.content.putJson(manifest);
    await images.makeRoot(digest, (dir) => fillRoot(dir, files));
    await images.tag(fullName, digest);
    return { digest, name: fullName, manifest, config, size: layer.size };
  }
}

async function describe(content: AsyncIterable<Buffer>): Promise<{ digest: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of content) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { digest: `sha256:${hash.digest('hex')}`, size };
}

function isCurrent(manifest: Manifest, files: Files, config: object): boolean {
  try {
    return manifest.annotations?.[FINGERPRINT] === fingerprintOf(files, config);
  } catch {
    // A program that is gone makes the image an old one.
    return false;
  }
}

/** Changes when a program does, without reading them all. */
function fingerprintOf(files: Files, config: object): string {
  const hash = createHash('sha256').update(JSON.stringify([config, TEXTS, LINKS, DIRECTORIES]));
  for (const [path, source] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const { size, mtimeMs } = statSync(source);
    hash.update(`${path}\0${source}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/** The entries of the layer, in the order in which they come: parents first, and always the same. */
function entriesOf(files: Files): { entry: TarEntry; source?: string; text?: string }[] {
  const entries: { entry: TarEntry; source?: string; text?: string }[] = [];
  const made = new Set<string>();
  const directory = (path: string): void => {
    if (path === '' || made.has(path)) return;
    directory(parentOf(path));
    made.add(path);
    const mode = path === 'tmp' || path === 'var/tmp' ? 0o1777 : 0o755;
    entries.push({ entry: { name: path, type: 'directory', mode } });
  };
  for (const path of DIRECTORIES) directory(path);
  const links = files.has(NPM_CLI) ? { ...LINKS, ...NPM_LINKS } : LINKS;
  for (const [name, linkname] of Object.entries(links))
    entries.push({ entry: { name, type: 'symlink', mode: 0o777, linkname } });
  for (const [name, text] of Object.entries(TEXTS)) {
    directory(parentOf(name));
    entries.push({ entry: { name, type: 'file', mode: 0o644, size: Buffer.byteLength(text) }, text });
  }
  const written = new Map<string, string>();
  for (const [name, source] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    directory(parentOf(name));
    const { size, mode, dev, ino } = statSync(source);
    const twin = written.get(`${dev}:${ino}`);
    if (twin === undefined) {
      written.set(`${dev}:${ino}`, name);
      entries.push({ entry: { name, type: 'file', mode: mode & 0o111 ? 0o755 : 0o644, size }, source });
    } else {
      entries.push({ entry: { name, type: 'link', mode: 0o755, linkname: twin } });
    }
  }
  return entries;
}

async function* layerOf(files: Files): AsyncGenerator<Buffer> {
  const entries = entriesOf(files);
  const isSmall = (at: number): boolean =>
    entries[at]?.source !== undefined && (entries[at].entry.size ?? 0) <= SMALL;
  // Small files are read before it is their turn: one after the other they wait more than they are read.
  const reading = new Map<number, Promise<Buffer>>();
  let ahead = 0;
  for (const [at, { entry, source, text }] of entries.entries()) {
    for (; ahead < Math.min(at + AHEAD, entries.length); ahead += 1) {
      if (!isSmall(ahead)) continue;
      const bytes = readFile(entries[ahead]!.source!);
      // Told when it is asked for.
      bytes.catch(() => {});
      reading.set(ahead, bytes);
    }
    yield tarHeader(entry);
    if (text !== undefined) yield Buffer.from(text);
    const small = reading.get(at);
    reading.delete(at);
    if (small !== undefined) yield await small;
    else if (source !== undefined)
      yield* createReadStream(source, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>;
    if (entry.type === 'file') yield tarPadding(entry.size ?? 0);
  }
  yield TAR_END;
}

/** The same files without a way round through the layer: links to those of this machine where that is possible. */
async function fillRoot(dir: string, files: Files): Promise<void> {
  const linking: Promise<void>[] = [];
  for (const { entry, source, text } of entriesOf(files)) {
    const path = join(dir, entry.name);
    if (source !== undefined) {
      linking.push(link(source, path).catch(() => copyFile(source, path)));
      continue;
    }
    if (entry.type === 'link') await Promise.all(linking);
    if (entry.type === 'directory') {
      await mkdir(path);
      await chmod(path, entry.mode);
    } else if (entry.type === 'symlink') await symlink(entry.linkname!, path);
    else if (entry.type === 'link') await link(join(dir, entry.linkname!), path);
    else await writeFile(path, text ?? '');
  }
  await Promise.all(linking);
}

function parentOf(path: string): string {
  return path.split('/').slice(0, -1).join('/');
}
