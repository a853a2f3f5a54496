import { gunzipSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { RenderError } from './go-template/index.ts';

const MAX_UNPACKED = 128 * 1024 * 1024;

/** The files of a packed directory, by their paths. What is no file, or would lie outside, is left out. */
export async function unpackArchive(archive: Buffer, place: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  let tar: Buffer;
  try {
    tar = gunzipSync(archive, { maxOutputLength: MAX_UNPACKED });
  } catch (error) {
    throw new RenderError(`${place} cannot be unpacked: ${(error as Error).message}`, { cause: error });
  }
  const reader = extract();
  reader.end(tar);
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const path = entry.header.name.replace(/^(?:\.?\/)+/, '');
    if (entry.header.type !== 'file' || path === '' || path.split('/').includes('..')) continue;
    files.set(path, Buffer.concat(chunks));
  }
  return files;
}
