import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
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

  /** The top layer first. */
  constructor(layers: readonly string[]) {
    this.#layers = layers;
  }

  /** The entry itself, not what it links to. */
  lookup(path: string): ViewEntry | undefined {
    for (const layer of this.#layers) {
      const source = join(layer, path);
      const stats = lstatSync(source, { throwIfNoEntry: false });
      if (stats !== undefined) return isWhiteout(stats) ? undefined : { path, source, stats };
      if (this.#isHidden(layer, path)) return undefined;
    }
    return undefined;
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
    for (const layer of this.#layers) {
      const directory = join(layer, path);
      const stats = lstatSync(directory, { throwIfNoEntry: false });
      if (stats !== undefined && !stats.isDirectory()) break;
      if (stats !== undefined) {
        for (const name of readdirSync(directory)) {
          if (gone.has(name)) continue;
          if (isWhiteout(lstatSync(join(directory, name)))) gone.add(name);
          else found.add(name);
        }
      }
      if (this.#isHidden(layer, path)) break;
    }
    return [...found].sort();
  }

  /** A parent that was removed in this layer hides everything below it in the layers under it. */
  #isHidden(layer: string, path: string): boolean {
    const parts = path.split('/');
    for (let count = 1; count < parts.length; count += 1) {
      const stats = lstatSync(join(layer, ...parts.slice(0, count)), { throwIfNoEntry: false });
      if (stats === undefined) return false;
      if (!stats.isDirectory()) return true;
    }
    return false;
  }
}

function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}
