import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { generatedFiles } from './generated.ts';

export function checkGenerated(root: string): string[] {
  return [...generatedFiles(root)]
    .filter(([path, text]) => !existsSync(path) || readFileSync(path, 'utf8') !== text)
    .map(([path]) => `${relative(root, path)} is not what the sources give: run "npm run generate"`);
}
