import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runName } from './names.ts';

test('runs are named after repository, number, build and commit, and never too long', () => {
  const commit = '0a1b2c3d4e5f';
  assert.match(
    runName({ repository: 'hello-world', number: 7, build: 'main', commit }),
    /^hello-world-7-main-0a1b2c3-[a-z0-9]{5}$/,
  );
  assert.match(
    runName({ repository: 'a', number: 1, build: 'feature/Ünïcode__x', commit }),
    /^a-1-feature-n-code-x-0a1b2c3-[a-z0-9]{5}$/,
  );
  for (const [repository, build] of [
    ['r'.repeat(80), 'b'.repeat(80)],
    ['x', '---'],
    ['', ''],
  ] as const) {
    const name = runName({ repository, number: 123_456, build, commit });
    assert.ok(name.length <= 63, name);
    assert.match(name, /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
  }
});
