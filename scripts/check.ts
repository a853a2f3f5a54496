import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkBoundaries } from './check-boundaries.ts';
import { checkDocs } from './check-docs.ts';
import { checkGenerated } from './check-generated.ts';
import { checkSizes } from './check-sizes.ts';

/** Everything that must hold for a commit: format, lint, types, boundaries, sizes, generated files, docs. */
const root = dirname(dirname(fileURLToPath(import.meta.url)));

function tool(name: string, args: string[]): string[] {
  const result = spawnSync(`${root}/node_modules/.bin/${name}`, args, { cwd: root, encoding: 'utf8' });
  return result.status === 0 ? [] : [`${result.stdout}${result.stderr}`.trim()];
}

const CHECKS: [name: string, run: () => string[]][] = [
  ['format and lint', () => tool('biome', ['ci', '.', '--colors=off'])],
  ['types', () => tool('tsc', [])],
  ['import boundaries', () => checkBoundaries(root)],
  ['file sizes', () => checkSizes(root)],
  ['generated files', () => checkGenerated(root)],
  ['documentation', () => checkDocs(root)],
];

let failed = 0;
for (const [name, run] of CHECKS) {
  const problems = run();
  console.log(`${problems.length === 0 ? '✓' : '✗'} ${name}`);
  for (const problem of problems) console.log(`    ${problem.replaceAll('\n', '\n    ')}`);
  failed += problems.length;
}
process.exitCode = failed === 0 ? 0 : 1;
