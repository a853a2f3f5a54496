import { lstat, readdir, readFile, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';

export interface TemplateFile {
  path: string;
  executable: boolean;
  data: Buffer;
}

const MAX_FILES = 500;
const MAX_BYTES = 8 * 1024 * 1024;

/**
 * A directory of an image that says how others are made of it: plain files, among them a Dockerfile. What is in an
 * image is somebody else's: links are not followed, and nothing outside of it is read. Undefined where it is not there.
 */
export async function readTemplate(rootfs: string, place: string): Promise<TemplateFile[] | undefined> {
  const root = await realpath(rootfs);
  const dir = await realpath(join(root, join('/', place))).catch(() => undefined);
  if (dir === undefined || !dir.startsWith(root + sep)) return undefined;
  const files: TemplateFile[] = [];
  let bytes = 0;
  const walk = async (below: string): Promise<void> => {
    for (const name of (await readdir(join(dir, below))).sort()) {
      const path = join(below, name);
      const info = await lstat(join(dir, path));
      if (info.isDirectory()) await walk(path);
      if (!info.isFile()) continue;
      bytes += info.size;
      if (files.length >= MAX_FILES || bytes > MAX_BYTES)
        throw new Error(
          `The template ${place} of the image is too large: ${MAX_FILES} files and 8 MiB are read.`,
        );
      files.push({ path, executable: (info.mode & 0o111) !== 0, data: await readFile(join(dir, path)) });
    }
  };
  await walk('');
  return files.some(({ path }) => path === 'Dockerfile') ? files : undefined;
}
