import { randomUUID } from 'node:crypto';
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What a file in the making is called: one that a crash left behind is nobody's. */
const UNFINISHED = '.unfinished-';

/** A reader sees the old text or the new one. Resolves when the new one is on disk. */
export async function writeAtomically(path: string, text: string): Promise<void> {
  const temporary = `${path}${UNFINISHED}${randomUUID()}`;
  try {
    await writeFile(temporary, text, { flush: true, mode: 0o600 });
    await renameDurably(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The new name is on disk too. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await using directory = await open(dirname(to));
  await directory.sync();
}

export function isUnfinished(name: string): boolean {
  return name.includes(UNFINISHED);
}
