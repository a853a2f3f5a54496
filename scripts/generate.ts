import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatedFiles } from './generated.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
for (const [path, text] of generatedFiles(root)) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
