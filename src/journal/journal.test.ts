import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Stream } from './stream.ts';
import { Table } from './table.ts';

async function inDirectory(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'dispatch-journal-'));
  try {
    await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

test('a table is after a restart what it was, also when its log was written anew', () =>
  inDirectory(async (dir) => {
    {
      await using table = await Table.open(dir);
      const large = Buffer.alloc(256 * 1024, 'x');
      for (let round = 0; round < 60; round++) await table.put('large', large);
      await Promise.all(
        Array.from({ length: 500 }, (_, at) => table.put(`key-${at}`, Buffer.from(String(at)))),
      );
      for (let at = 0; at < 500; at += 2) await table.delete(`key-${at}`);
      assert.equal(table.size, 251);
    }
    assert.ok((await readdir(dir)).some((name) => name.endsWith('.base')));
    await using table = await Table.open(dir);
    assert.equal(table.size, 251);
    assert.equal(table.get('key-7')?.toString(), '7');
    assert.equal(table.get('key-8'), undefined);
    assert.equal(
      table.bytes,
      [...table.entries()].reduce((sum, [key, value]) => sum + key.length + value.length, 0),
    );
  }));

test('a stream gives every record in order, from memory and from older files, over restarts', () =>
  inDirectory(async (dir) => {
    const options = { segmentBytes: 4000, tailBytes: 2000 };
    {
      await using stream = await Stream.open(dir, undefined, options);
      for (let round = 0; round < 20; round++)
        await Promise.all(
          Array.from({ length: 10 }, (_, at) =>
            stream.append('k', Buffer.from(`${round * 10 + at}`.padEnd(100))),
          ),
        );
      assert.equal(stream.last, 200);
    }
    // What a crash leaves of a record that was being written was never acknowledged.
    const last = (await readdir(dir))
      .filter((name) => name.endsWith('.log'))
      .sort()
      .at(-1)!;
    await appendFile(join(dir, last), Buffer.from([1, 2, 3]));
    await using stream = await Stream.open(dir, undefined, options);
    const seen: string[] = [];
    for (let next = 1; next <= stream.last; ) {
      const records = await stream.read(next, 7);
      assert.ok(records.length > 0);
      for (const { sequence, value } of records) {
        assert.equal(sequence, next++);
        seen.push(value.toString().trim());
      }
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 200 }, (_, at) => String(at)),
    );
    await stream.drop(150);
    assert.ok(stream.first > 1 && stream.first <= 150);
    assert.equal((await stream.read(1, 1))[0]?.sequence, stream.first);
    assert.equal(await stream.append('k', Buffer.from('more')), 201);
  }));

test('a reader of a stream is woken by what it waits for', () =>
  inDirectory(async (dir) => {
    await using stream = await Stream.open(dir);
    const waiting = stream.news(0, new AbortController().signal);
    await stream.append('k', Buffer.from('v'));
    await waiting;
    const stop = new AbortController();
    const never = stream.news(1, stop.signal);
    stop.abort();
    await never;
  }));
