import { existsSync } from 'node:fs';
import { rotateKey } from '../apiserver/index.ts';
import { dataDir } from './data-dir.ts';
import { DataDirLock } from './lock.ts';
import { UserError } from './user-error.ts';

/** Seals the secrets of a stopped server with a new key. */
export async function rotateEncryption(root: string, now: () => number): Promise<{ keyId: number }> {
  const dirs = dataDir(root);
  if (!existsSync(dirs.store)) throw new UserError(`${root} holds no data: name the right --data-dir.`);
  await using _ = await DataDirLock.acquire(dirs.lockFile, root);
  return rotateKey(root, now);
}
