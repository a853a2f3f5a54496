import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const MAX_SOURCE = 500;
const MAX_TEST = 800;

/** A file that outgrows these is two rooms in one. */
export function checkSizes(root: string): string[] {
  const problems: string[] = [];
  for (const top of ['src', 'scripts', 'bench', 'tests']) {
    for (const file of readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts')) continue;
      const lines = readFileSync(join(root, top, file), 'utf8').split('\n').length - 1;
      const limit = file.endsWith('.test.ts') ? MAX_TEST : MAX_SOURCE;
      if (lines > limit) problems.push(`${top}/${file} has ${lines} lines, more than ${limit}`);
    }
  }
  return problems;
}
