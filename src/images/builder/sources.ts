import { createHash } from 'node:crypto';
import {
  createReadStream,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  type Stats,
} from 'node:fs';
import { join } from 'node:path';
import { hasWildcard, type IgnoreList, toPattern } from './ignore.ts';
import type { LayerView } from './layer-view.ts';

export interface SourceEntry {
  /** Relative to what was named. '' for the thing itself. */
  relative: string;
  source: string;
  stats: Stats;
}

/** Something that was named, with all that is in it. */
export interface Source {
  /** The last part of its name. */
  name: string;
  isDirectory: boolean;
  entries: SourceEntry[];
}

/** Where COPY and ADD have their files from. */
export interface Tree {
  find: (pattern: string) => Source[];
}

/** The directory that a build was given, without what it ignores. */
export class ContextTree implements Tree {
  readonly #root: string;
  readonly #ignore: IgnoreList;

  constructor(root: string, ignore: IgnoreList) {
    this.#root = root;
    this.#ignore = ignore;
  }

  find(pattern: string): Source[] {
    const path = inside(pattern);
    const found = hasWildcard(path) ? this.#match(path) : [path];
    return found.flatMap((item) => {
      const source = this.#locate(item);
      const stats = lstatSync(source, { throwIfNoEntry: false });
      if (stats === undefined || (this.#ignore.ignores(item) && !stats.isDirectory())) return [];
      const entries: SourceEntry[] = [];
      this.#walk(item, source, '', entries);
      if (entries.length === 0) return [];
      return [{ name: item.split('/').at(-1) ?? '', isDirectory: stats.isDirectory(), entries }];
    });
  }

  /** Links on the way to a file are followed as long as they stay inside. */
  #locate(path: string): string {
    return insideOf(this.#root, path);
  }

  #walk(path: string, source: string, relative: string, into: SourceEntry[]): void {
    const stats = lstatSync(source);
    const ignored = path !== '' && this.#ignore.ignores(path);
    if (ignored && !(stats.isDirectory() && this.#ignore.hasExceptions)) return;
    if (!ignored) into.push({ relative, source, stats });
    if (!stats.isDirectory()) return;
    for (const name of readdirSync(source).sort()) {
      const child = path === '' ? name : `${path}/${name}`;
      this.#walk(child, join(source, name), relative === '' ? name : `${relative}/${name}`, into);
    }
  }

  #match(pattern: string): string[] {
    return matchNames(pattern, (path) => {
      const stats = lstatSync(join(this.#root, path), { throwIfNoEntry: false });
      return stats?.isDirectory() ? readdirSync(join(this.#root, path)).sort() : [];
    });
  }
}

/** The files of another stage or image. */
export class LayerTree implements Tree {
  readonly #view: LayerView;

  constructor(view: LayerView) {
    this.#view = view;
  }

  find(pattern: string): Source[] {
    const path = inside(pattern);
    const found = hasWildcard(path) ? matchNames(path, (dir) => this.#view.names(dir)) : [path];
    return found.flatMap((item) => {
      const real = this.#view.resolve(item);
      const top = this.#view.lookup(real);
      if (top === undefined) return [];
      const entries: SourceEntry[] = [];
      this.#walk(real, '', entries);
      return [{ name: item.split('/').at(-1) ?? '', isDirectory: top.stats.isDirectory(), entries }];
    });
  }

  #walk(path: string, relative: string, into: SourceEntry[]): void {
    const found = this.#view.lookup(path);
    if (found === undefined) return;
    into.push({ relative, source: found.source, stats: found.stats });
    if (!found.stats.isDirectory()) return;
    for (const name of this.#view.names(path))
      this.#walk(
        path === '' ? name : `${path}/${name}`,
        relative === '' ? name : `${relative}/${name}`,
        into,
      );
  }
}

/** A word for everything that matters of some sources: it changes when one of their bytes does. */
export async function digestOf(sources: readonly Source[]): Promise<string> {
  const hash = createHash('sha256');
  for (const { name, entries } of sources) {
    for (const { relative, source, stats } of entries) {
      hash.update(`${name}\0${relative}\0${stats.mode.toString(8)}\0${stats.isFile() ? stats.size : ''}\0`);
      if (stats.isSymbolicLink()) hash.update(readlinkSync(source));
      else if (stats.isFile() && stats.size <= 1024 * 1024) hash.update(readFileSync(source));
      else if (stats.isFile())
        for await (const chunk of createReadStream(source, { highWaterMark: 1024 * 1024 }))
          hash.update(chunk as Buffer);
    }
  }
  return hash.digest('hex');
}

function matchNames(pattern: string, names: (dir: string) => string[]): string[] {
  let found = [''];
  for (const part of pattern.split('/')) {
    const test = toPattern(part);
    found = found.flatMap((dir) =>
      names(dir)
        .filter((name) => test.test(name))
        .map((name) => (dir === '' ? name : `${dir}/${name}`)),
    );
  }
  return found;
}

/** A path below the root of its tree: ".." leads to the root at most. */
function inside(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts.join('/');
}

/** A path below a directory, its own last link not followed. Refuses one whose links lead out of the directory. */
export function insideOf(root: string, path: string): string {
  const clean = inside(path);
  const parts = clean.split('/');
  const name = parts.pop() ?? '';
  const real = realpathSync(root);
  let parent: string;
  try {
    parent = realpathSync(join(real, ...parts));
  } catch {
    // What is not there is told by whoever looks for it.
    return join(real, clean);
  }
  if (parent !== real && !parent.startsWith(`${real}/`))
    throw new Error(`${path} leads out of the build context`);
  return join(parent, name);
}
