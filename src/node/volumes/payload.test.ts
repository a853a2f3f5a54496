import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type PayloadFile, writePayload } from './payload.ts';

const file = (path: string, text: string): PayloadFile => ({ path, content: Buffer.from(text), mode: 0o644 });

test('files of a volume are written by whoever comes after one that was killed, at whichever line', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'dispatch-payload-'));
  const read = (path: string): Promise<string> => readFile(join(dir, path), 'utf8');
  try {
    // Killed with files laid out, and the link to them not yet in its place.
    await mkdir(join(dir, '..0123456789abcdef'));
    await symlink('..0123456789abcdef', join(dir, '..data_tmp'));
    assert.equal(await writePayload(dir, [file('a', '1'), file('deep/b', '2')]), true);
    assert.deepEqual([await read('a'), await read('deep/b')], ['1', '2']);
    // Killed with everything there but the names that programs read.
    await rm(join(dir, 'a'));
    assert.equal(await writePayload(dir, [file('a', '1'), file('deep/b', '2')]), false);
    assert.equal(await read('a'), '1');
    assert.equal(await writePayload(dir, [file('a', '3')]), true);
    assert.equal(await read('a'), '3');
    assert.deepEqual(
      (await readdir(dir)).filter((name) => !name.startsWith('..')),
      ['a'],
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
