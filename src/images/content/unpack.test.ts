import assert from 'node:assert/strict';
import { lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { TAR_END, type TarEntry, tarHeader, tarPadding } from './tar-writer.ts';
import { BadLayerError, unpackLayer } from './unpack.ts';

function layer(entries: (Omit<TarEntry, 'mode'> & { mode?: number; text?: string })[]): Buffer {
  const parts = entries.flatMap(({ text, ...entry }) => {
    const bytes = Buffer.from(text ?? '');
    const header = tarHeader({ mode: 0o644, ...entry, ...(entry.type === 'file' && { size: bytes.length }) });
    return entry.type === 'file' ? [header, bytes, tarPadding(bytes.length)] : [header];
  });
  return Buffer.concat([...parts, TAR_END]);
}

async function inDirectory(work: (root: string, outside: string) => Promise<void>): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), 'dispatch-unpack-'));
  try {
    await writeFile(join(base, 'secret'), 'untouched');
    await unpackLayer(
      Readable.from([layer([{ name: 'root', type: 'directory', mode: 0o755 }])]),
      'tar',
      base,
      { owners: false },
    );
    await work(join(base, 'root'), join(base, 'secret'));
    assert.equal(await readFile(join(base, 'secret'), 'utf8'), 'untouched');
    assert.deepEqual((await readdir(base)).sort(), ['root', 'secret']);
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

const unpack = (root: string, bytes: Buffer, type = 'tar'): Promise<void> =>
  unpackLayer(Readable.from([bytes]), type, root, { owners: false });

test('paths of a layer never lead out of its directory', () =>
  inDirectory(async (root) => {
    await unpack(
      root,
      layer([
        { name: '../secret', type: 'file', text: 'evil' },
        { name: '/../../secret', type: 'file', text: 'evil' },
        { name: 'a/../../../secret', type: 'file', text: 'evil' },
        { name: 'up', type: 'symlink', linkname: '..' },
        { name: 'up/secret', type: 'file', text: 'evil' },
        { name: 'abs', type: 'symlink', linkname: '/' },
        { name: 'abs/inside', type: 'file', text: 'inside' },
        { name: 'self', type: 'symlink', linkname: '../../secret' },
        { name: 'self', type: 'file', text: 'replaced' },
      ]),
    );
    assert.equal(await readFile(join(root, 'inside'), 'utf8'), 'inside');
    assert.equal(await readFile(join(root, 'self'), 'utf8'), 'replaced');
    assert.equal(await readFile(join(root, 'secret'), 'utf8'), 'evil');
  }));

test('a hard link reaches files of the image only', () =>
  inDirectory(async (root) => {
    await assert.rejects(
      unpack(root, layer([{ name: 'stolen', type: 'link', linkname: '../secret' }])),
      BadLayerError,
    );
    await assert.rejects(
      unpack(
        root,
        layer([
          { name: 'l', type: 'symlink', linkname: 'l' },
          { name: 'l/x', type: 'file', text: '' },
        ]),
      ),
      BadLayerError,
    );
  }));

test('whiteouts remove, an opaque directory hides what was below and keeps what is beside it', () =>
  inDirectory(async (root) => {
    await unpack(
      root,
      layer([
        { name: 'd/old', type: 'file', text: '1' },
        { name: 'd/sub/x', type: 'file', text: '2' },
        { name: 'gone', type: 'file', text: '3' },
      ]),
    );
    await unpack(
      root,
      layer([
        { name: 'd/new', type: 'file', text: '4' },
        { name: 'd/.wh..wh..opq', type: 'file' },
        { name: '.wh.gone', type: 'file' },
        { name: '.wh.never', type: 'file' },
      ]),
    );
    assert.deepEqual(await readdir(root, { recursive: true }), ['d', 'd/new']);
  }));

test('long names, modes and times come through; gzip is recognised by its type', () =>
  inDirectory(async (root) => {
    const name = `${'long/'.repeat(30)}ü.txt`;
    await unpack(
      root,
      gzipSync(layer([{ name, type: 'file', text: 'x', mode: 0o4755, mtime: 1_000 }])),
      'tar+gzip',
    );
    const stats = await lstat(join(root, name));
    assert.equal(stats.mode & 0o7777, 0o4755);
    assert.equal(stats.mtimeMs, 1_000_000);
  }));

test('what is cut off or too large is refused', () =>
  inDirectory(async (root) => {
    const whole = layer([{ name: 'f', type: 'file', text: 'x'.repeat(10_000) }]);
    await assert.rejects(unpack(root, whole.subarray(0, 5_000)), BadLayerError);
    await assert.rejects(unpack(root, gzipSync(whole).subarray(0, 40), 'tar+gzip'), BadLayerError);
    const limits = { maxBytes: 5_000, maxEntries: 10 };
    await assert.rejects(
      unpackLayer(Readable.from([whole]), 'tar', root, { owners: false, limits }),
      BadLayerError,
    );
  }));
