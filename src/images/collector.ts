import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type Logger, pause } from '../kube/index.ts';
import { OWN_HOST } from './content/image-store.ts';
import { BUILTIN_HOST } from './builtin/builtin-images.ts';
import { type PruneOptions, pruneImages, removeTree } from './prune.ts';

export interface CollectorSettings {
  /** Images that were fetched and that nobody has used for so long are dropped. */
  maxAgeMs: number;
  /** Above so much of the disk more is dropped, until no more than `lowPercent` is taken. */
  highPercent: number;
  lowPercent: number;
}

export interface CollectorOptions extends PruneOptions {
  settings: CollectorSettings;
  log: Logger;
  /** How full the disk is, in percent. */
  fullness?: () => Promise<number>;
}

export const COLLECTOR_DEFAULTS: CollectorSettings = {
  maxAgeMs: 7 * 24 * 3_600_000,
  highPercent: 85,
  lowPercent: 80,
};
const EVERY_MS = 5 * 60_000;
/** Content without a name: somebody may still be building on it. */
const NAMELESS_MS = 24 * 3_600_000;
/** What was used just now may be about to be started. */
const GRACE_MS = 3_600_000;

/**
 * Drops images that nobody needs any more: by age, and sooner where the disk fills. What was pushed to the registry
 * of this server or built here is somebody's only copy, and stays; so does what runs.
 */
export class ImageCollector {
  readonly #options: CollectorOptions;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(EVERY_MS, signal);
      if (signal.aborted) return;
      await this.collect().catch((error: unknown) =>
        this.#options.log.warn({ err: error }, 'images could not be collected'),
      );
    }
  }

  /** Returns the names that were dropped. */
  async collect(): Promise<string[]> {
    const { settings, now } = this.#options;
    const unused = await this.#unused();
    const old = unused.filter(({ usedAt }) => now() - usedAt > settings.maxAgeMs);
    const dropped = await this.#drop(old);
    await pruneImages({ ...this.#options, olderThanMs: NAMELESS_MS });
    const fullness = this.#options.fullness ?? (() => fullnessOf(this.#options.root));
    if ((await fullness()) < settings.highPercent) return dropped;
    await pruneImages(this.#options);
    await this.#dropRoots();
    for (const image of unused.filter((item) => !old.includes(item))) {
      if ((await fullness()) <= settings.lowPercent) break;
      dropped.push(...(await this.#drop([image])));
    }
    return dropped;
  }

  /** Fetched images that do not run, those first that were not used for longest. */
  async #unused(): Promise<{ name: string; usedAt: number }[]> {
    const { images, inUse, now } = this.#options;
    const used = inUse();
    const unused: { name: string; usedAt: number }[] = [];
    for (const [name, digest] of images.names()) {
      if (name.startsWith(`${OWN_HOST}/`) || name.startsWith(`${BUILTIN_HOST}/`)) continue;
      const image = await images.load(digest, name);
      if (image !== undefined && used.has(image.digest)) continue;
      const info = await stat(images.content.pathOf(image?.digest ?? digest)).catch(() => undefined);
      const usedAt = info?.mtimeMs ?? 0;
      if (now() - usedAt > GRACE_MS) unused.push({ name, usedAt });
    }
    return unused.sort((a, b) => a.usedAt - b.usedAt);
  }

  async #drop(images: readonly { name: string }[]): Promise<string[]> {
    for (const { name } of images) await this.#options.images.untag(name);
    if (images.length > 0) {
      this.#options.log.info(
        { images: images.map(({ name }) => name) },
        'images that nobody uses are dropped',
      );
      await pruneImages(this.#options);
    }
    return images.map(({ name }) => name);
  }

  /** Unpacked files of images that do not run: they can be unpacked again. */
  async #dropRoots(): Promise<void> {
    const { root, inUse, now } = this.#options;
    const used = inUse();
    for (const name of await readdir(join(root, 'roots')).catch(() => [])) {
      const path = join(root, 'roots', name);
      const info = await stat(path).catch(() => undefined);
      if (used.has(`sha256:${name}`) || info === undefined || now() - info.ctimeMs < GRACE_MS) continue;
      await removeTree(path);
    }
  }
}

async function fullnessOf(path: string): Promise<number> {
  const { blocks, bfree, bavail } = await statfs(path);
  return (100 * (blocks - bfree)) / (blocks - bfree + bavail);
}
