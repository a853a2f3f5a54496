import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SILENT } from '../kube/index.ts';
import { ImageSpool, type TaggedImage } from './image-spool.ts';

const IMAGE: TaggedImage = {
  names: ['registry/team/app:1', '127.0.0.1:7050/team/app:1'],
  digest: 'sha256:a',
};

test('an image that was tagged is told of, by the next server where this one could not', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'dispatch-spool-'));
  try {
    // One life of a server: what it tells of, and whether somebody takes it.
    const live = async (
      takes: boolean,
      during: (spool: ImageSpool) => Promise<void>,
    ): Promise<TaggedImage[]> => {
      const told: TaggedImage[] = [];
      const first = Promise.withResolvers<void>();
      const spool = await ImageSpool.open(
        dir,
        async (tagged) => {
          told.push(tagged);
          first.resolve();
          if (!takes) throw new Error('nobody is there');
        },
        SILENT,
      );
      const stop = new AbortController();
      await during(spool);
      const running = spool.run(stop.signal);
      await Promise.race([first.promise, running.then(() => undefined)]);
      stop.abort();
      await running;
      await spool[Symbol.asyncDispose]();
      return told;
    };
    assert.deepEqual(await live(false, (spool) => spool.put(IMAGE)), [IMAGE]);
    assert.deepEqual(await live(true, async () => undefined), [IMAGE]);
    const later = { ...IMAGE, digest: 'sha256:b' };
    assert.deepEqual(await live(true, (spool) => spool.put(later)), [later]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
