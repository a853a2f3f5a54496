import { join } from 'node:path';
import { stringify } from 'yaml';
import { KINDS, toDefinition } from '../src/api/index.ts';

/** Files that are made from the sources, by path. */
export function generatedFiles(root: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const kind of KINDS) {
    const definition = toDefinition(kind);
    const header = '# Generated from src/api by "npm run generate": change the definition there.\n';
    files.set(
      join(root, 'charts', 'dispatch', 'crds', `${definition.metadata.name}.yaml`),
      header + stringify(definition, { lineWidth: 110 }),
    );
  }
  return files;
}
