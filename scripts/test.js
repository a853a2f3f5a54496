// Runs the tests: all of them, or the files that are named.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureReady, pinnedNode } from './ensure.js';

const root = ensureReady();
const named = process.argv.slice(2);
const files =
  named.length > 0
    ? named
    : [...find(join(root, 'src')), ...find(join(root, 'tests')), ...find(join(root, 'examples'))];
const result = spawnSync(
  pinnedNode(),
  [
    '--test',
    '--test-reporter=spec',
    '--test-concurrency=2',
    '--test-timeout=180000',
    '--disable-warning=ExperimentalWarning',
    ...files,
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'dispatch') },
  },
);
process.exit(result.status ?? 1);

function find(dir) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(dir, name))
    .sort();
}
