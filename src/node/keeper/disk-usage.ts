import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const BLOCK_BYTES = 512;

/** What a directory takes on the disk; stops counting beyond the limit. */
export async function diskUsage(dir: string, limit: number): Promise<number> {
  let bytes = 0;
  const pending = [dir];
  for (let at = pending.pop(); at !== undefined && bytes <= limit; at = pending.pop()) {
    for (const entry of await readdir(at, { withFileTypes: true }).catch(() => [])) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) pending.push(path);
      // A file may go while we look.
      else bytes += ((await lstat(path).catch(() => undefined))?.blocks ?? 0) * BLOCK_BYTES;
    }
  }
  return bytes;
}
