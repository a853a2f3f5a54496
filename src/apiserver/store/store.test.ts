import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cipher } from './cipher.ts';
import { DamagedLogError } from '../../journal/index.ts';
import { CompactedError, ConflictError, Store, type StoreOptions } from './store.ts';

const KEY = { id: 1, secret: Buffer.alloc(32, 7) };

class Scratch implements AsyncDisposable {
  readonly dir: string;
  now = 0;
  #open: Store | undefined;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async make(): Promise<Scratch> {
    return new Scratch(await mkdtemp(join(tmpdir(), 'dispatch-store-')));
  }

  async open(options: Partial<StoreOptions> = {}): Promise<Store> {
    await this.#open?.close();
    this.#open = await Store.open({
      dir: this.dir,
      history: { events: 1000, bytes: 1 << 20, ageMs: 60_000 },
      checkpointBytes: 1 << 30,
      cipher: new Cipher([KEY]),
      encrypted: new Set(['/secrets']),
      now: () => this.now,
      ...options,
    });
    return this.#open;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open?.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}

async function logOf(scratch: Scratch): Promise<string> {
  return (await readdir(scratch.dir)).find((name) => name.endsWith('.log')) ?? '';
}

function put(store: Store, key: string, text: string, collection = '/configmaps'): Promise<unknown> {
  const expected = store.latest(collection, key)?.revision ?? 0;
  return store.write({ collection, key, expected, encode: (revision) => Buffer.from(`${text}@${revision}`) });
}

function remove(store: Store, key: string): Promise<unknown> {
  const expected = store.latest('/configmaps', key)?.revision ?? 0;
  return store.write({
    collection: '/configmaps',
    key,
    expected,
    remove: true,
    encode: (revision) => Buffer.from(`gone@${revision}`),
  });
}

const dump = (store: Store): string[] =>
  [...store.shelf('/configmaps').live.range('')].map((entry) => `${entry.key}=${entry.bytes}`);

test('what was acknowledged is there after a restart, with its history', async () => {
  await using scratch = await Scratch.make();
  const store = await scratch.open();
  await Promise.all([put(store, 'a/1', 'one'), put(store, 'a/2', 'two'), put(store, 'b/1', 'three')]);
  await put(store, 'a/1', 'uno');
  await remove(store, 'b/1');
  const again = await scratch.open();
  assert.deepEqual(dump(again), ['a/1=uno@4', 'a/2=two@2']);
  assert.equal(again.revision, 5);
  const changes = again
    .changes('/configmaps', 3)
    .map((event) => [event.revision, event.key, event.removed, String(event.bytes)]);
  assert.deepEqual(changes, [
    [4, 'a/1', false, 'uno@4'],
    [5, 'b/1', true, 'gone@5'],
  ]);
});

test('a reader never sees what is not durable, a writer builds on it', async () => {
  await using scratch = await Scratch.make();
  const store = await scratch.open();
  const write = put(store, 'a/1', 'one');
  assert.equal(store.get('/configmaps', 'a/1'), undefined);
  assert.equal(String(store.latest('/configmaps', 'a/1')?.bytes), 'one@1');
  const second = put(store, 'a/1', 'two');
  assert.throws(
    () =>
      void store.write({
        collection: '/configmaps',
        key: 'a/1',
        expected: 1,
        encode: () => Buffer.from('late'),
      }),
    ConflictError,
  );
  await Promise.all([write, second]);
  assert.equal(String(store.get('/configmaps', 'a/1')?.bytes), 'two@2');
});

test('a torn frame at the end is cut off; what came before it stays', async () => {
  await using scratch = await Scratch.make();
  const store = await scratch.open();
  await put(store, 'a/1', 'one');
  await store.close();
  const name = await logOf(scratch);
  const whole = await readFile(join(scratch.dir, name));
  for (const length of [1, 5, 11, 12, 20, whole.length - 1]) {
    await writeFile(join(scratch.dir, name), whole);
    await appendFile(join(scratch.dir, name), whole.subarray(0, length));
    const again = await scratch.open();
    assert.deepEqual(dump(again), ['a/1=one@1'], `torn after ${length} bytes`);
    await put(again, 'a/2', 'two');
    assert.deepEqual(dump(await scratch.open()), ['a/1=one@1', 'a/2=two@2']);
  }
});

test('damage in front of acknowledged writes is refused, not skipped', async () => {
  await using scratch = await Scratch.make();
  const store = await scratch.open();
  await put(store, 'a/1', 'one');
  await put(store, 'a/2', 'two');
  await store.close();
  const name = await logOf(scratch);
  const bytes = await readFile(join(scratch.dir, name));
  bytes[30]! ^= 1;
  await writeFile(join(scratch.dir, name), bytes);
  await assert.rejects(scratch.open(), DamagedLogError);
});

test('a checkpoint keeps state, history and revision, and shortens the log', async () => {
  await using scratch = await Scratch.make();
  const store = await scratch.open({ history: { events: 5, bytes: 1 << 20, ageMs: 60_000 } });
  for (let index = 0; index < 100; index++) await put(store, `a/${index % 3}`, 'x'.repeat(500));
  await store.checkpoint();
  await put(store, 'a/9', 'after');
  const before = dump(store);
  const again = await scratch.open({ history: { events: 5, bytes: 1 << 20, ageMs: 60_000 } });
  assert.deepEqual(dump(again), before);
  assert.equal(again.revision, 101);
  assert.throws(() => again.changes('/configmaps', 50), CompactedError);
  assert.equal(again.changes('/configmaps', 98).length, 3);
  const sizes = await Promise.all(
    (await readdir(scratch.dir)).map(async (name) => (await readFile(join(scratch.dir, name))).length),
  );
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) < 10_000);
});

test('a list at an earlier revision shows what was there then', async () => {
  await using scratch = await Scratch.make();
  const store = await scratch.open();
  await put(store, 'a/1', 'one');
  await put(store, 'a/2', 'two');
  await put(store, 'a/1', 'uno');
  await remove(store, 'a/2');
  await put(store, 'a/3', 'three');
  const at = (revision: number, after = ''): string[] =>
    store.listAt('/configmaps', revision, 'a/', after).map((entry) => `${entry.key}=${entry.bytes}`);
  assert.deepEqual(at(1), ['a/1=one@1']);
  assert.deepEqual(at(2), ['a/1=one@1', 'a/2=two@2']);
  assert.deepEqual(at(3, 'a/1'), ['a/2=two@2']);
  assert.deepEqual(at(5), ['a/1=uno@3', 'a/3=three@5']);
});

test('history goes by age', async () => {
  await using scratch = await Scratch.make();
  const store = await scratch.open({ history: { events: 1000, bytes: 1 << 20, ageMs: 1000 } });
  await put(store, 'a/1', 'one');
  scratch.now = 900;
  await put(store, 'a/2', 'two');
  scratch.now = 1500;
  store.compact();
  assert.equal(store.compactedRevision, 1);
  assert.equal(store.changes('/configmaps', 1).length, 1);
});

test('secrets are not readable on disk, and a rotated key still opens the old ones', async () => {
  await using scratch = await Scratch.make();
  const store = await scratch.open();
  await put(store, 'a/1', 'hunter2', '/secrets');
  await store.close();
  const name = await logOf(scratch);
  assert.ok(!(await readFile(join(scratch.dir, name))).includes('hunter2'));
  const rotated = await scratch.open({ cipher: new Cipher([KEY, { id: 2, secret: Buffer.alloc(32, 9) }]) });
  assert.equal(String(rotated.get('/secrets', 'a/1')?.bytes), 'hunter2@1');
  await put(rotated, 'a/2', 'swordfish', '/secrets');
  await rotated.close();
  await assert.rejects(scratch.open(), /key 2 .* is missing/);
});

test('data of a newer version is refused as it is', async () => {
  await using scratch = await Scratch.make();
  await put(await scratch.open(), 'a/1', 'one');
  await writeFile(join(scratch.dir, 'format'), '2\n');
  await assert.rejects(scratch.open(), /written by a newer version .*format 2, this one knows 1/);
  await writeFile(join(scratch.dir, 'format'), '1\n');
  assert.deepEqual(dump(await scratch.open()), ['a/1=one@1']);
});
