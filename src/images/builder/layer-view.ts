import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';

const MAX_LINKS = 40;

export interface ViewEntry {
  /** Below the root, without a slash in front. */
  path: string;
  /** Where the bytes are on this machine. */
  source: string;
  stats: Stats;
}

/** Layers laid over each other, as one tree: what is on top hides what is below. Links lead nowhere else. */
export class LayerView {
  readonly #layers: readonly string[];
  readonly #opaque = new Map<string, ReadonlySet<string>>();

  /** The top layer first. */
  constructor(layers: readonly string[]) {
    this.#layers = layers;
  }

  /** The entry itself, not what it links to. */
  lookup(path: string): ViewEntry | undefined {
    for (const layer of this.#layers) {
      const parent = this.#descend(layer, parentOf(path));
      if (parent === 'blocked') return undefined;
      const source = join(layer, path);
      const stats = parent === 'missing' ? undefined : lstatSync(source, { throwIfNoEntry: false });
      if (stats !== undefined) return isWhiteout(stats) ? undefined : { path, source, stats };
      if (this.#isOpaque(layer, parentOf(path))) return undefined;
    }
    return undefined;
  }

  /** The directories of this machine that lie over each other at a path, top first. */
  directories(path: string): string[] {
    const found: string[] = [];
    for (const layer of this.#layers) {
      const here = this.#descend(layer, path);
      if (here === 'blocked') break;
      if (here === 'there') found.push(join(layer, path));
      if (this.#isOpaque(layer, path)) break;
    }
    return found;
  }

  /** The path with every link on the way followed; the last part may be missing. */
  resolve(path: string, followLast = true): string {
    const pending = path.split('/').filter((part) => part !== '' && part !== '.');
    const at: string[] = [];
    for (let links = 0; pending.length > 0; ) {
      const part = pending.shift()!;
      if (part === '..') {
        at.pop();
        continue;
      }
      const here = [...at, part].join('/');
      const found = this.lookup(here);
      if (found?.stats.isSymbolicLink() && (followLast || pending.length > 0)) {
        if (++links > MAX_LINKS) throw new Error(`/${path} has too many symbolic links`);
        const to = readlinkSync(found.source);
        if (to.startsWith('/')) at.length = 0;
        pending.unshift(...to.split('/').filter((piece) => piece !== '' && piece !== '.'));
      } else at.push(part);
    }
    return at.join('/');
  }

  names(path: string): string[] {
    const found = new Set<string>();
    const gone = new Set<string>();
    for (const directory of this.directories(path)) {
      for (const name of readdirSync(directory)) {
        if (gone.has(name)) continue;
        if (!found.has(name) && isWhiteout(lstatSync(join(directory, name)))) gone.add(name);
        else found.add(name);
      }
    }
    return [...found].sort();
  }

  /**
   * Whether a layer has a directory at a path. Every step is looked at: a link of a layer means another place
   * inside the image, and would lead the host's kernel to a place on the host.
   */
  #descend(layer: string, path: string): 'there' | 'missing' | 'blocked' {
    let at = layer;
    for (const part of path.split('/').filter((item) => item !== '' && item !== '.')) {
      at = join(at, part);
      const stats = lstatSync(at, { throwIfNoEntry: false });
      if (stats === undefined) return 'missing';
      if (!stats.isDirectory()) return 'blocked';
    }
    return 'there';
  }

  /** Whether the layer shows nothing of those below it at this path. */
  #isOpaque(layer: string, path: string): boolean {
    let opaque = this.#opaque.get(layer);
    if (opaque === undefined) {
      opaque = readOpaque(layer);
      this.#opaque.set(layer, opaque);
    }
    for (let at = path; at !== ''; at = parentOf(at)) if (opaque.has(at)) return true;
    return false;
  }
}

/** Which directories of a layer hide what lies below them is written beside the layer. */
export function opaqueFile(layer: string): string {
  return `${layer}.opaque`;
}

function readOpaque(layer: string): ReadonlySet<string> {
  try {
    return new Set(JSON.parse(readFileSync(opaqueFile(layer), 'utf8')) as string[]);
  } catch {
    return new Set();
  }
}

function parentOf(path: string): string {
  return path.split('/').slice(0, -1).join('/');
}

function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}
