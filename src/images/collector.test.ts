import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SILENT } from '../kube/index.ts';
import { COLLECTOR_DEFAULTS, ImageCollector } from './collector.ts';
import { ContentStore } from './content/content-store.ts';
import { type Image, ImageStore, OWN_HOST } from './content/image-store.ts';
import { Repositories } from './registry/repositories.ts';

const DAY_MS = 24 * 3_600_000;

/** A store with one image per name; each was used so many days ago. */
async function storeWith(ages: Readonly<Record<string, number>>) {
  const root = await mkdtemp(join(tmpdir(), 'dispatch-collector-'));
  const now = Date.now();
  const content = new ContentStore(root);
  const images = new ImageStore({ root, content, arch: 'x64', owners: false, now: () => now });
  await images.open();
  const repositories = new Repositories(root);
  await repositories.open();
  const digests: Record<string, string> = {};
  for (const [name, days] of Object.entries(ages)) {
    const config = await content.putJson({ name, config: {} });
    const manifest = await content.putJson({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [],
    });
    for (const { digest } of [config, manifest]) await content.touch(digest, now - days * DAY_MS);
    await images.tag(name, manifest.digest);
    digests[name] = manifest.digest;
  }
  const collector = (inUse: readonly string[], fullness: readonly number[]): ImageCollector => {
    const readings = [...fullness];
    return new ImageCollector({
      images,
      repositories,
      root,
      now: () => now,
      log: SILENT,
      settings: COLLECTOR_DEFAULTS,
      inUse: () => new Set(inUse.map((name) => digests[name]!)),
      fullness: async () => (readings.length > 1 ? readings.shift()! : readings[0]!),
    });
  };
  return {
    root,
    images,
    collector,
    names: () => [...images.names().keys()].sort(),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

const AGES = {
  'docker.io/library/old:1': 30,
  'docker.io/library/running:1': 30,
  'docker.io/library/new:1': 1,
  'docker.io/library/newer:1': 0.5,
  [`${OWN_HOST}/mine:1`]: 400,
};

test('what was fetched goes when nobody has used it for long; what runs or was built here stays', async () => {
  await using store = await storeWith(AGES);
  const dropped = await store.collector(['docker.io/library/running:1'], [10]).collect();
  assert.deepEqual(dropped, ['docker.io/library/old:1']);
  assert.deepEqual(
    store.names(),
    Object.keys(AGES)
      .filter((name) => !name.includes('old'))
      .sort(),
  );
  assert.equal((await store.images.content.list()).length, 8);
});

test('where the disk fills more goes, what was used last at the end, and no more than needed', async () => {
  await using store = await storeWith(AGES);
  const image = (await store.images.find('docker.io/library/new:1')) as Image;
  await store.images.root(image);
  const dropped = await store.collector(['docker.io/library/running:1'], [90, 90, 79]).collect();
  assert.deepEqual(dropped, ['docker.io/library/old:1', 'docker.io/library/newer:1']);
  // Somebody has just put its files together, and is about to start it.
  assert.equal((await readdir(join(store.root, 'roots'))).length, 1);
  assert.ok(store.names().includes('docker.io/library/new:1'));
});

test('an image that has just been used is not taken away, however full the disk is', async () => {
  await using store = await storeWith({ 'docker.io/library/now:1': 0.01 });
  assert.deepEqual(await store.collector([], [99]).collect(), []);
  assert.deepEqual(store.names(), ['docker.io/library/now:1']);
});
