import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Dispatcher, request } from 'undici';
import { unpackLayer } from '../content/unpack.ts';
import { ContextTree, type Source } from './sources.ts';
import { IgnoreList } from './ignore.ts';
import { BuildError } from './types.ts';

const MAX_DOWNLOAD = 4 * 1024 ** 3;
const MAX_REDIRECTS = 5;

/** What a URL brings, by the name at its end. */
export async function download(
  url: string,
  checksum: string | undefined,
  { signal, dispatcher }: { signal: AbortSignal; dispatcher?: Dispatcher | undefined },
): Promise<{ name: string; content: Buffer }> {
  let target = new URL(url);
  for (let hops = 0; ; hops += 1) {
    const response = await request(target, { signal, ...(dispatcher && { dispatcher }) });
    const { location } = response.headers;
    if (response.statusCode >= 300 && response.statusCode < 400 && typeof location === 'string') {
      await response.body.dump();
      if (hops >= MAX_REDIRECTS) throw new BuildError(`${url} redirects in circles`);
      target = new URL(location, target);
      continue;
    }
    if (response.statusCode !== 200) throw new BuildError(`${url} answered ${response.statusCode}`);
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_DOWNLOAD) throw new BuildError(`${url} is too large`);
      chunks.push(chunk);
    }
    const content = Buffer.concat(chunks);
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    if (checksum !== undefined && checksum !== digest)
      throw new BuildError(`${url} is ${digest}, not ${checksum}`);
    return { name: new URL(url).pathname.split('/').at(-1) || 'index.html', content };
  }
}

/** How a file is packed, by its first bytes; undefined when it is no archive. */
export async function archiveType(path: string): Promise<string | undefined> {
  await using file = await open(path);
  const start = Buffer.alloc(512);
  const { bytesRead } = await file.read(start, 0, 512, 0);
  if (bytesRead >= 3 && start[0] === 0x1f && start[1] === 0x8b) return 'tar+gzip';
  if (bytesRead >= 4 && start.readUInt32LE(0) === 0xfd2fb528) return 'tar+zstd';
  return start.toString('latin1', 257, 262) === 'ustar' ? 'tar' : undefined;
}

/** The contents of an archive, as a source; gone when the work with it is done. */
export async function withArchive<T>(
  path: string,
  type: string,
  use: (source: Source) => Promise<T>,
): Promise<T | undefined> {
  const dir = await mkdtemp(join(tmpdir(), 'dispatch-add-'));
  try {
    try {
      await unpackLayer(createReadStream(path, { highWaterMark: 1024 * 1024 }), type, dir, {
        owners: process.getuid?.() === 0,
      });
    } catch {
      // A compressed file that is no archive is copied as it is.
      return undefined;
    }
    const [source] = new ContextTree(dir, new IgnoreList('')).find('');
    // The directory that it was unpacked to is none of its files.
    const entries = source?.entries.filter(({ relative }) => relative !== '') ?? [];
    return source === undefined ? undefined : await use({ ...source, entries });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

export async function ignoreListOf(contextDir: string, dockerfile: string | undefined): Promise<IgnoreList> {
  for (const path of [
    ...(dockerfile === undefined ? [] : [`${dockerfile}.dockerignore`]),
    join(contextDir, '.dockerignore'),
  ]) {
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text !== undefined) return new IgnoreList(text);
  }
  return new IgnoreList('');
}
