import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Writes `dist/`: the sources without their types, because Node strips none under `node_modules`. */
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });
for (const file of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
  // What runs inside of containers goes along as it is.
  if (file.includes('runtimes/') && /\.(?:mjs|py|java)$/.test(file)) {
    mkdirSync(dirname(join(dist, file)), { recursive: true });
    cpSync(join(root, 'src', file), join(dist, file));
  }
  if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
  const code = stripTypeScriptTypes(readFileSync(join(root, 'src', file), 'utf8'));
  const target = join(dist, file.replace(/\.ts$/, '.js'));
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, code.replaceAll(/((?:from|import)\s*\(?\s*'\.[^']+)\.ts'/g, "$1.js'"));
}
