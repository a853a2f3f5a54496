import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ImageStore } from './content/image-store.ts';
import type { Index, Manifest } from './manifest.ts';
import type { Repositories } from './registry/repositories.ts';

export interface PruneOptions {
  images: ImageStore;
  repositories: Repositories;
  /** Digests of images that must stay. */
  inUse: () => ReadonlySet<string>;
  root: string;
  now: () => number;
  /** Only what nobody has used for so long. */
  olderThanMs?: number;
}

const SHORTEST_MS = 60_000;

/** Removes content that no name, no repository and no pod needs. Returns how much there is more room now. */
export async function pruneImages(options: PruneOptions): Promise<{ removed: number; bytes: number }> {
  const { images, now } = options;
  const keep = await reachable(options);
  // What is being pushed or pulled at this moment has no name yet.
  const before = now() - Math.max(SHORTEST_MS, options.olderThanMs ?? 0);
  let removed = 0;
  let bytes = 0;
  for (const { digest, size, usedAt } of await images.content.list()) {
    if (keep.has(digest) || usedAt > before) continue;
    await images.content.delete(digest);
    removed += 1;
    bytes += size;
  }
  for (const dir of ['roots', 'layers']) {
    const names = await readdir(join(options.root, dir)).catch(() => []);
    for (const name of names) {
      const path = join(options.root, dir, name);
      if (keep.has(`sha256:${name}`) || (await stat(path)).ctimeMs > before) continue;
      await removeTree(path);
      removed += 1;
    }
  }
  return { removed, bytes };
}

/** Nobody may take what is left of a directory for all of it: it has another name before the first file goes. */
export async function removeTree(path: string): Promise<void> {
  const gone = join(dirname(path), `.gone-${randomUUID()}`);
  await rename(path, gone);
  await rm(gone, { recursive: true, force: true });
}

async function reachable({ images, repositories, inUse }: PruneOptions): Promise<Set<string>> {
  const found = new Set<string>();
  const visit = async (digest: string): Promise<void> => {
    if (found.has(digest) || !(await images.content.has(digest))) return;
    found.add(digest);
    const document = await images.content.readJson<Manifest | Index>(digest).catch(() => undefined);
    if (document === undefined) return;
    if ('manifests' in document) for (const item of document.manifests) await visit(item.digest);
    else if ('layers' in document) {
      for (const item of [document.config, ...document.layers]) found.add(item.digest);
      const list = document.annotations?.['dev.dispatch.files'];
      if (list !== undefined) found.add(list);
    }
  };
  for (const digest of images.names().values()) await visit(digest);
  for (const { digest } of repositories.all()) await visit(digest);
  for (const digest of inUse()) await visit(digest);
  return found;
}
