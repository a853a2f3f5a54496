import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import type { SourceFile } from '../../../functions/index.ts';
import { UserError } from '../../../server/index.ts';

/** Where files come from that a document names. */
export interface FileBase {
  /** A directory, or the URL of the document. */
  base: string;
}

const MAX_BYTES = 32 * 1024 * 1024;
const MAX_FILES = 10_000;
const SKIPPED = new Set(['.git', '.hg', '.svn', '__pycache__', '.DS_Store']);
const FETCH_MS = 60_000;

/** The text of a file that a document names: beside the document where that came from the web. */
export async function readText({ base }: FileBase, path: string): Promise<string> {
  return (await readBytes({ base }, path)).toString();
}

async function readBytes({ base }: FileBase, path: string): Promise<Buffer> {
  const url = urlOf(base, path);
  if (url !== undefined) return download(url);
  const file = resolve(base, path);
  return readFile(file).catch((error: unknown) => {
    throw new UserError(`${file} cannot be read: ${(error as Error).message}.`, { cause: error });
  });
}

export async function download(url: string): Promise<Buffer> {
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS), redirect: 'follow' });
  } catch (error) {
    throw new UserError(`${url} cannot be fetched: ${String((error as Error).cause ?? error)}.`, {
      cause: error,
    });
  }
  if (!response.ok) throw new UserError(`${url} cannot be fetched: it answered ${response.status}.`);
  const bytes = Buffer.from(await response.arrayBuffer());
  if (bytes.length > MAX_BYTES)
    throw new UserError(`${url} is larger than the ${MAX_BYTES} bytes that are allowed.`);
  return bytes;
}

function urlOf(base: string, path: string): string | undefined {
  if (/^https?:\/\//.test(path)) return path;
  return /^https?:\/\//.test(base) ? new URL(path, base).href : undefined;
}

/** A file or a directory as the source of a function. */
export async function filesOf({ base }: FileBase, path: string): Promise<SourceFile[]> {
  const url = urlOf(base, path);
  if (url !== undefined) {
    const bytes = await download(url);
    return /\.(?:tgz|tar\.gz)$/.test(new URL(url).pathname)
      ? unpack(bytes)
      : [fileOf(basename(new URL(url).pathname), bytes, 0o644)];
  }
  const root = resolve(base, path);
  const found = await stat(root).catch(() => {
    throw new UserError(`There is no ${root}: name a file or a directory.`);
  });
  if (!found.isDirectory()) return [fileOf(basename(root), await readFile(root), found.mode)];
  const files: SourceFile[] = [];
  let size = 0;
  for (const file of await walk(root, await realpath(root))) {
    const bytes = await readFile(file.path);
    size += bytes.length;
    if (size > MAX_BYTES || files.length >= MAX_FILES)
      throw new UserError(
        `${root} is too large for the source of a function: ${MAX_FILES} files with ${MAX_BYTES} bytes are allowed.`,
      );
    files.push(fileOf(relative(root, file.path), bytes, file.mode));
  }
  if (files.length === 0) throw new UserError(`${root} has no files.`);
  return files;
}

/** The files of an archive, as `source` held them of old. */
export async function unpack(archive: Buffer): Promise<SourceFile[]> {
  const reader = extract();
  Readable.from([archive])
    .pipe(createGunzip({ maxOutputLength: MAX_BYTES * 2 }))
    .on('error', (error) => reader.destroy(error))
    .pipe(reader);
  const files: SourceFile[] = [];
  try {
    for await (const entry of reader) {
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      if (entry.header.type === 'file')
        files.push(
          fileOf(entry.header.name.replace(/^\.\//, ''), Buffer.concat(chunks), entry.header.mode ?? 0o644),
        );
    }
  } catch (error) {
    throw new UserError(`The source is no archive (tar, gzip): ${(error as Error).message}.`, {
      cause: error,
    });
  }
  return files;
}

async function walk(dir: string, root: string): Promise<{ path: string; mode: number }[]> {
  const files: { path: string; mode: number }[] = [];
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue;
    const path = join(dir, entry.name);
    const real = await realpath(path);
    if (real !== root && !real.startsWith(`${root}/`))
      throw new UserError(`${path} leads out of the source: a source holds its files itself.`);
    const found = await stat(path);
    if (found.isDirectory()) {
      if (!entry.isSymbolicLink()) files.push(...(await walk(path, root)));
    } else if (found.isFile()) files.push({ path, mode: found.mode });
  }
  return files;
}

function fileOf(path: string, bytes: Buffer, mode: number): SourceFile {
  return { path, data: bytes.toString('base64'), ...((mode & 0o111) !== 0 && { mode: 0o755 }) };
}
