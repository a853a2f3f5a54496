import { createHash, randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import {
  compareVersions,
  decryptFile,
  normal,
  parseVersion,
  satisfies,
  type SopsKeys,
  SourceTree,
  unpackArchive,
} from '../../render/index.ts';
import { isSafeRevision, type Mirrors, MissingRevisionError, type Remote } from '../../scm/index.ts';

export interface RepositoriesOptions {
  mirrors: Mirrors;
  dir: string;
  now: () => number;
}

/** How long nobody asks a repository again whether it has changed. */
export const POLL_MS = 180_000;
const RETRY_MS = 10_000;
const KEPT = 64;
const MAX_CONTENTS = 10_000;
const MAX_ENCRYPTED = 8 * 1024 * 1024;
const COMMIT = /^[0-9a-f]{40}$/;

export type WriteFile = (path: string, bytes: Buffer) => Promise<void>;

interface Asked {
  until: number;
  refs: Promise<Map<string, string>>;
}

/** What repositories are at, and their files: each is asked once, however many applications want to know. */
export class Repositories {
  readonly #options: RepositoriesOptions;
  readonly #asked = new Map<string, Asked>();
  /** A commit never changes: git is asked once. */
  readonly #contents = new Map<string, Promise<string>>();
  readonly #trees = new Map<string, { used: number; tree: Promise<SourceTree> }>();

  constructor(options: RepositoriesOptions) {
    this.#options = options;
  }

  /** Checkouts of before are of no use: nobody knows whether they are whole. */
  async start(): Promise<void> {
    const { dir } = this.#options;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    for (const name of await readdir(dir)) await rm(join(dir, name), { recursive: true, force: true });
  }

  /** The repository is asked again when somebody next wants to know. */
  forget(url: string): void {
    for (const key of this.#asked.keys()) if (key.startsWith(`${url}\n`)) this.#asked.delete(key);
  }

  /** When it will be asked again by itself. */
  nextPollMs(remote: Remote): number {
    const known = this.#asked.get(keyOf(remote));
    return Math.max(1000, (known?.until ?? 0) - this.#options.now());
  }

  /** The commit that a branch, a tag, HEAD or a range of versions stands for. */
  async resolve(remote: Remote, revision: string): Promise<string> {
    if (COMMIT.test(revision)) return revision;
    const refs = await this.#refs(remote);
    const name = revision === '' ? 'HEAD' : revision;
    const found =
      refs.get(name) ??
      refs.get(`refs/heads/${name}`) ??
      refs.get(`refs/tags/${name}`) ??
      newestTag(refs, name);
    if (found !== undefined) return found;
    // A short commit is known to the repository alone.
    if (!/^[0-9a-f]{7,39}$/.test(name) || !isSafeRevision(name)) throw new MissingRevisionError(name);
    return this.#options.mirrors.resolve(remote, name);
  }

  #refs(remote: Remote): Promise<Map<string, string>> {
    const { mirrors, now } = this.#options;
    const key = keyOf(remote);
    const known = this.#asked.get(key);
    if (known !== undefined && known.until > now()) return known.refs;
    const asked: Asked = { until: now() + POLL_MS, refs: mirrors.refs(remote) };
    this.#asked.set(key, asked);
    asked.refs.catch(() => {
      asked.until = Math.min(asked.until, now() + RETRY_MS);
    });
    return asked.refs;
  }

  /** The files of a commit. */
  tree(remote: Remote, commit: string): Promise<SourceTree> {
    const key = `${createHash('sha256').update(remote.url).digest('hex').slice(0, 16)}-${commit}`;
    return this.#kept(key, (dir) => this.#options.mirrors.checkout(remote, commit, dir));
  }

  /** Stands for what lies below some paths of a commit: the same at other commits where nothing of that differs. */
  async contentId(remote: Remote, commit: string, paths: readonly string[]): Promise<string> {
    const wanted = paths.map((path) => normal(path));
    const key = JSON.stringify([remote.url, commit, ...wanted]);
    let known = this.#contents.get(key);
    if (known === undefined) {
      if (this.#contents.size >= MAX_CONTENTS) this.#contents.clear();
      known = this.#options.mirrors.contentHash(remote, commit, wanted.includes('') ? [] : wanted);
      this.#contents.set(key, known);
      known.catch(() => this.#contents.delete(key));
    }
    return known;
  }

  /** The files of an archive, which are always the same under their digest. */
  archive(digest: string, fetch: () => Promise<Buffer>): Promise<SourceTree> {
    return this.files(digest, async (write) => {
      for (const [path, bytes] of await unpackArchive(await fetch(), digest)) await write(path, bytes);
    });
  }

  /** Files that come one by one, and are always the same under their digest. */
  files(digest: string, fill: (write: WriteFile) => Promise<void>): Promise<SourceTree> {
    return this.#kept(digest.replace(':', '-'), async (dir) => {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await fill(async (path, bytes) => {
        const place = join(dir, normal(path));
        await mkdir(dirname(place), { recursive: true, mode: 0o700 });
        await writeFile(place, bytes);
      });
    });
  }

  /** Lends files in which nothing is encrypted any more: they are there only for as long as it takes. */
  async decrypted<T>(tree: SourceTree, keys: SopsKeys, use: (tree: SourceTree) => Promise<T>): Promise<T> {
    const dir = join(this.#options.dir, `decrypted-${randomUUID()}`);
    try {
      await cp(tree.root, dir, { recursive: true, verbatimSymlinks: true });
      // What links lead to is decrypted where it lies.
      for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
        const place = join(entry.parentPath, entry.name);
        if (!entry.isFile() || (await stat(place)).size > MAX_ENCRYPTED) continue;
        const bytes = await readFile(place);
        const plain = await decryptFile(relative(dir, place), bytes, keys);
        if (plain !== bytes) await writeFile(place, plain);
      }
      return await use(tree.copiedTo(dir));
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  async #kept(key: string, fill: (dir: string) => Promise<void>): Promise<SourceTree> {
    let known = this.#trees.get(key);
    if (known === undefined) {
      known = { used: 0, tree: this.#layOut(join(this.#options.dir, key), fill) };
      this.#trees.set(key, known);
      known.tree.catch(() => this.#trees.delete(key));
      await this.#dropOld();
    }
    known.used = this.#options.now();
    return known.tree;
  }

  async #layOut(dir: string, fill: (dir: string) => Promise<void>): Promise<SourceTree> {
    const temporary = `${dir}.new`;
    await rm(temporary, { recursive: true, force: true });
    try {
      await fill(temporary);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
    if ((await stat(dir).catch(() => undefined)) !== undefined) await rm(dir, { recursive: true });
    await rename(temporary, dir);
    return new SourceTree(dir);
  }

  /** Old ones go when nobody has used them for longer than a rendering may take. */
  async #dropOld(): Promise<void> {
    if (this.#trees.size <= KEPT) return;
    const old = [...this.#trees]
      .sort(([, a], [, b]) => a.used - b.used)
      .filter(([, { used }]) => used < this.#options.now() - POLL_MS)
      .slice(0, this.#trees.size - KEPT);
    for (const [key] of old) {
      this.#trees.delete(key);
      await rm(join(this.#options.dir, key), { recursive: true, force: true });
    }
  }
}

function keyOf({ url, credentials, ssh }: Remote): string {
  const login =
    credentials === undefined ? (ssh?.key ?? '') : `${credentials.username}:${credentials.secret}`;
  return `${url}\n${createHash('sha256').update(login).digest('hex')}`;
}

function newestTag(refs: ReadonlyMap<string, string>, range: string): string | undefined {
  if (!/[\^~*<>=|xX]|\s-\s/.test(range)) return undefined;
  const fitting = [...refs].flatMap(([ref, commit]) => {
    const version = parseVersion(/^refs\/tags\/(.+)$/.exec(ref)?.[1] ?? '');
    try {
      return version !== undefined && satisfies(range, version) ? [{ version, commit }] : [];
    } catch {
      return [];
    }
  });
  fitting.sort((a, b) => compareVersions(b.version, a.version));
  return fitting[0]?.commit;
}
