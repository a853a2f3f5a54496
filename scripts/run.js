// Runs a script of the repository on the pinned Node: `node scripts/run.js scripts/check.ts …`.
import { spawnSync } from 'node:child_process';
import { ensureReady, pinnedNode } from './ensure.js';

const root = ensureReady();
const result = spawnSync(pinnedNode(), ['--disable-warning=ExperimentalWarning', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(result.status ?? 1);
