import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cleanPath } from './paths.ts';

test('every way to write a path becomes one', () => {
  for (const [written, clean] of [
    ['/a/b', '/a/b'],
    ['/a/../b', '/b'],
    ['/../../b', '/b'],
    ['/a/%2e%2e/b', '/b'],
    ['/a/%2E./b', '/b'],
    ['//a///b/', '/a/b/'],
    ['/a\\..\\b', '/b'],
    ['/a/..', '/'],
    ['/a/b/.', '/a/b/'],
    ['/.hidden/x', '/.hidden/x'],
  ] as const)
    assert.equal(cleanPath(written), clean, written);
});

test('a clean path stays as it is, and no path leads up', () => {
  const part = fc.constantFrom('a', 'b', '.', '..', '', '%2e', '%2e%2e', 'c.d', '%2f');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const once = cleanPath(`/${parts.join('/')}`);
      assert.equal(cleanPath(once), once);
      assert.ok(!once.split('/').includes('..'));
      assert.ok(once.startsWith('/'));
    }),
  );
});
