import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BadBackupError, readBackup, writeDurably } from '../apiserver/index.ts';
import { dataDir } from './data-dir.ts';
import { DataDirLock } from './lock.ts';
import { UserError } from './user-error.ts';

const BASE_NAME = '00000001.base';

/** Puts the contents of a backup in place of what a data directory holds. The server must be stopped. */
export async function restore(
  root: string,
  file: string,
  options: { force: boolean },
): Promise<{ revision: number; createdAt: string }> {
  const dirs = dataDir(root);
  await mkdir(root, { recursive: true, mode: 0o700 });
  await using _ = await DataDirLock.acquire(dirs.lockFile, root);
  const { header, frames } = await read(file);
  const existing = await readdir(dirs.store).catch(() => []);
  if (existing.length > 0 && !options.force) {
    throw new UserError(
      `${root} already holds data: restore into an empty --data-dir, or replace what is there with --force.`,
    );
  }
  // The new state is complete beside the old one before the old one goes.
  const incoming = `${dirs.store}.restore`;
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  await writeFile(join(incoming, BASE_NAME), frames, { mode: 0o600, flush: true });
  await mkdir(dirs.pki, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(header.pki)) {
    if (!/^[a-z.]+$/.test(name))
      throw new UserError(
        `${file} is not a backup that can be restored: it names a key file ${JSON.stringify(name)}.`,
      );
    await writeDurably(join(dirs.pki, name), text);
  }
  await rm(dirs.store, { recursive: true, force: true });
  await rename(incoming, dirs.store);
  return { revision: header.revision, createdAt: header.createdAt };
}

async function read(file: string): ReturnType<typeof readBackup> {
  try {
    return await readBackup(file);
  } catch (error) {
    const why =
      error instanceof BadBackupError
        ? error.message
        : (error as NodeJS.ErrnoException).code === 'ENOENT'
          ? 'it does not exist'
          : 'it cannot be read';
    throw new UserError(`${file} is not a backup that can be restored: ${why}.`, { cause: error });
  }
}
