import { lstat, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { RenderError } from './go-template/index.ts';

export interface TreeLimits {
  files: number;
  fileBytes: number;
  totalBytes: number;
  depth: number;
}

interface Found {
  path: string;
  place: string;
  isLink: boolean;
}

/** Files that are read at the same time. */
const BATCH = 32;

const LIMITS: TreeLimits = {
  files: 20_000,
  fileBytes: 16 * 1024 * 1024,
  totalBytes: 256 * 1024 * 1024,
  depth: 40,
};

/** The files of a repository at a commit. Nothing outside of it can be read through it, by links neither. */
export class SourceTree {
  readonly root: string;
  readonly #limits: TreeLimits;
  /** Files that count as not there. */
  readonly #hides: (path: string) => boolean;
  /** Where it really is: it does not move. */
  #real: Promise<string> | undefined;

  constructor(
    root: string,
    limits: Partial<TreeLimits> = {},
    hides: (path: string) => boolean = () => false,
  ) {
    this.root = root;
    this.#limits = { ...LIMITS, ...limits };
    this.#hides = hides;
  }

  /** The same files without some of them. */
  without(hides: (path: string) => boolean): SourceTree {
    return new SourceTree(this.root, this.#limits, (path) => this.#hides(path) || hides(path));
  }

  /** What is hidden here is hidden in the copy, too. */
  copiedTo(root: string): SourceTree {
    return new SourceTree(root, this.#limits, this.#hides);
  }

  /** What a file holds. Undefined where there is none. */
  async read(path: string): Promise<Buffer | undefined> {
    const place = await this.#inside(path);
    if (place === undefined || this.#hides(normal(path))) return undefined;
    const found = await stat(place);
    if (!found.isFile()) return undefined;
    if (found.size > this.#limits.fileBytes)
      throw new RenderError(`${path} is larger than ${this.#limits.fileBytes / 1024 / 1024} MiB`);
    return readFile(place);
  }

  async text(path: string): Promise<string | undefined> {
    return (await this.read(path))?.toString();
  }

  async isDirectory(path: string): Promise<boolean> {
    const place = await this.#inside(path);
    return place !== undefined && (await stat(place)).isDirectory();
  }

  /** Paths of the files below a directory, in their order. Links to directories are not followed. */
  async files(dir: string, { recurse = true } = {}): Promise<string[]> {
    const found: Found[] = [];
    await this.#walk(normal(dir), recurse, 0, found);
    return found.map(({ path }) => path).sort();
  }

  /** Everything below a directory, by its path from there. */
  async contents(
    dir: string,
    ignores: (path: string) => boolean = () => false,
  ): Promise<Map<string, Buffer>> {
    const base = normal(dir);
    const found: Found[] = [];
    await this.#walk(base, true, 0, found);
    const wanted = found
      .map((item) => ({ ...item, name: base === '' ? item.path : item.path.slice(base.length + 1) }))
      .filter(({ name }) => !ignores(name))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
    const contents = new Map<string, Buffer>();
    let total = 0;
    for (let at = 0; at < wanted.length; at += BATCH) {
      const batch = wanted.slice(at, at + BATCH);
      const read = await Promise.all(batch.map((item) => this.#readFound(item)));
      for (const [index, bytes] of read.entries()) {
        if (bytes === undefined) continue;
        total += bytes.length;
        if (total > this.#limits.totalBytes)
          throw new RenderError(`the files below ${base || '.'} are too large together`);
        contents.set(batch[index]!.name, bytes);
      }
    }
    return contents;
  }

  /** What is no link lies where it was found: nothing has to be followed. */
  async #readFound({ path, place, isLink }: Found): Promise<Buffer | undefined> {
    if (isLink) return this.read(path);
    const bytes = await readFile(place);
    if (bytes.length > this.#limits.fileBytes)
      throw new RenderError(`${path} is larger than ${this.#limits.fileBytes / 1024 / 1024} MiB`);
    return bytes;
  }

  async #walk(dir: string, recurse: boolean, depth: number, found: Found[]): Promise<void> {
    if (depth > this.#limits.depth)
      throw new RenderError(`the directories below ${dir} are nested too deeply`);
    const place = await this.#inside(dir);
    if (place === undefined) return;
    for (const entry of await readdir(place, { withFileTypes: true })) {
      const path = dir === '' ? entry.name : `${dir}/${entry.name}`;
      if (entry.isDirectory()) {
        if (recurse && entry.name !== '.git') await this.#walk(path, recurse, depth + 1, found);
        continue;
      }
      if (entry.isSymbolicLink() && !(await this.#isFileLink(path))) continue;
      if ((!entry.isFile() && !entry.isSymbolicLink()) || this.#hides(path)) continue;
      found.push({ path, place: join(place, entry.name), isLink: entry.isSymbolicLink() });
      if (found.length > this.#limits.files)
        throw new RenderError(`there are more than ${this.#limits.files} files`);
    }
  }

  async #isFileLink(path: string): Promise<boolean> {
    const place = await this.#inside(path);
    return place !== undefined && (await stat(place)).isFile();
  }

  /** Where a path really leads. Throws where that is outside. */
  async #inside(path: string): Promise<string | undefined> {
    const relative = normal(path);
    this.#real ??= realpath(this.root);
    const root = await this.#real;
    const place = join(root, relative);
    try {
      const real = await realpath(place);
      if (real !== root && !real.startsWith(root + sep))
        throw new RenderError(`${path} is a link that leads out of the repository`);
      return real;
    } catch (error) {
      if (error instanceof RenderError) throw error;
      if ((await lstat(place).catch(() => undefined))?.isSymbolicLink())
        throw new RenderError(`${path} is a link that leads nowhere`);
      return undefined;
    }
  }
}

/** A path without its dots. Throws where it leads out. */
export function normal(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (parts.length === 0) throw new RenderError(`${path} leads out of the repository`);
      parts.pop();
    } else parts.push(part);
  }
  return parts.join('/');
}
