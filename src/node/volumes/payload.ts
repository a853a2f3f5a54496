import {
  chmod,
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { randomBytes } from 'node:crypto';

export interface PayloadFile {
  path: string;
  content: Buffer;
  mode: number;
}

const CURRENT = '..data';
const NEXT = '..data_tmp';

/**
 * Writes files so that a reader sees all of the old or all of the new: they lie in a directory of their own, and
 * one rename of a link changes them together. Returns whether anything changed.
 */
export async function writePayload(dir: string, files: readonly PayloadFile[]): Promise<boolean> {
  await mkdir(dir, { recursive: true });
  await chmod(dir, 0o755);
  if (await isSame(dir, files)) {
    // Whoever wrote them may have been killed before the last step.
    await linkTopLevel(dir, files);
    return false;
  }
  const name = `..${randomBytes(8).toString('hex')}`;
  const staged = join(dir, name);
  await mkdir(staged);
  await chmod(staged, 0o755);
  for (const { path, content, mode } of files) {
    const target = join(staged, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
    await chmod(target, mode);
  }
  const before = await readlink(join(dir, CURRENT)).catch(() => undefined);
  // One that was killed in between has left it.
  await rm(join(dir, NEXT), { force: true });
  await symlink(name, join(dir, NEXT));
  await rename(join(dir, NEXT), join(dir, CURRENT));
  await linkTopLevel(dir, files);
  if (before !== undefined) await rm(join(dir, before), { recursive: true, force: true });
  return true;
}

/** A path that a volume may have: inside, and not one of the names that we keep for ourselves. */
export function isSafePath(path: string): boolean {
  const clean = normalize(path);
  return path !== '' && !path.startsWith('/') && !clean.startsWith('..') && !path.split('/').includes('..');
}

async function linkTopLevel(dir: string, files: readonly PayloadFile[]): Promise<void> {
  const wanted = new Set(files.map(({ path }) => path.split('/')[0]!));
  for (const name of await readdir(dir))
    if (!name.startsWith('..') && !wanted.has(name)) await rm(join(dir, name), { force: true });
  for (const name of wanted) {
    const link = join(dir, name);
    if ((await lstat(link).catch(() => undefined)) === undefined) await symlink(join(CURRENT, name), link);
  }
}

async function isSame(dir: string, files: readonly PayloadFile[]): Promise<boolean> {
  const current = join(dir, CURRENT);
  const there = await readdir(current, { recursive: true, withFileTypes: true }).catch(() => undefined);
  if (there === undefined || there.filter((entry) => entry.isFile()).length !== files.length) return false;
  for (const { path, content } of files) {
    const found = await readFile(join(current, path)).catch(() => undefined);
    if (found === undefined || !found.equals(content)) return false;
  }
  return true;
}
