import { constants } from 'node:fs';
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';

/** Reads what containers have left in the volumes of their pods, and nothing that lies outside of them. */
export class VolumeReader {
  readonly #podsDir: string;

  constructor(podsDir: string) {
    this.#podsDir = podsDir;
  }

  dirOf(podUid: string, volume: string): string {
    if (!/^[\w-]+$/.test(podUid) || !/^[\w.-]+$/.test(volume) || volume.startsWith('.'))
      throw new Error(`${podUid}/${volume} names no volume`);
    return join(this.#podsDir, podUid, 'volumes', volume);
  }

  /** Undefined where there is no such file. */
  read = async (
    podUid: string,
    volume: string,
    path: string,
    maxBytes: number,
  ): Promise<Buffer | undefined> => {
    const file = await openInside(this.dirOf(podUid, volume), path);
    if (file === undefined) return undefined;
    try {
      const { size } = await file.stat();
      if (size > maxBytes) throw new Error(`${path} is larger than ${maxBytes} bytes`);
      return await file.readFile();
    } finally {
      await file.close();
    }
  };
}

/** Opens a plain file below a directory. Where the opened file lies is asked afterwards: links cannot be swapped in. */
export async function openInside(dir: string, path: string): Promise<FileHandle | undefined> {
  let file: FileHandle;
  try {
    // A pipe without writer must not hold up its reader.
    file = await open(join(dir, path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw error;
  }
  const real = await readlink(`/proc/self/fd/${file.fd}`);
  const inside = real.startsWith(`${await realpath(dir)}/`);
  if (inside && (await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}

/**
 * Writes a new file into a directory of a directory. Whoever has that one may have put links in the way: each name is
 * opened by what was opened before it, and none of them is followed.
 */
export async function writeInside(
  dir: string,
  { directory, file, text }: { directory: string; file: string; text: string },
): Promise<void> {
  const only = constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let inner: FileHandle | undefined;
  try {
    inner = await open(join(dir, directory), constants.O_RDONLY | constants.O_DIRECTORY | only);
    const made = await open(
      `/proc/self/fd/${inner.fd}/${file}`,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | only,
      0o644,
    );
    await made.writeFile(text).finally(() => made.close());
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    // It is there already, or somebody has made something else of the place.
    if (!['EEXIST', 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'EROFS'].includes(code)) throw error;
  } finally {
    await inner?.close();
  }
}
