// Plain JavaScript on purpose: the launcher asks it before it knows which Node it has.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const STAMP = '.sources';

/** Tells one state of the sources from another. */
export function sourceStamp(root) {
  const files = [];
  collect(root, 'src', files);
  const lock = statSync(join(root, 'package-lock.json'));
  return [`${lock.mtimeMs} ${lock.size}`, ...files.sort()].join('\n');
}

/** Whether `dist/` is made of exactly these sources. */
export function isBuilt(root) {
  try {
    return readFileSync(join(root, 'dist', STAMP), 'utf8') === sourceStamp(root);
  } catch {
    return false;
  }
}

function collect(root, dir, files) {
  for (const entry of readdirSync(join(root, dir), { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) collect(root, path, files);
    else if (!entry.name.endsWith('.test.ts')) {
      const { mtimeMs, size } = statSync(join(root, path));
      files.push(`${path} ${mtimeMs} ${size}`);
    }
  }
}
