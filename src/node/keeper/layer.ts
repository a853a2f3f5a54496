import { createReadStream, lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { LayerPart } from '../../images/index.ts';
import type { Syscalls } from './syscalls.ts';

const OPAQUE = ['user.overlay.opaque', 'trusted.overlay.opaque'];

/** Sends what a container has written, sorted, so that the same files always give the same bytes. */
export async function serveLayer(sys: Syscalls, dir: string, socket: Socket): Promise<void> {
  try {
    for (const { file, source } of walk(sys, dir)) {
      socket.write(`${JSON.stringify(file)}\n`);
      if (file.type === 'file' && file.size > 0)
        await pipeline(createReadStream(source, { highWaterMark: 1024 * 1024, end: file.size - 1 }), socket, {
          end: false,
        });
    }
    socket.end(`${JSON.stringify({ end: true })}\n`);
  } catch (error) {
    socket.end(`${JSON.stringify({ error: (error as Error).message })}\n`);
  }
}

function walk(sys: Syscalls, root: string): { file: LayerPart; source: string }[] {
  const found: { file: LayerPart; source: string }[] = [];
  const links = new Map<string, string>();
  const visit = (path: string): void => {
    for (const name of readdirSync(join(root, path)).sort()) {
      const child = path === '' ? name : `${path}/${name}`;
      const source = join(root, child);
      const stats = lstatSync(source);
      const file = describe(sys, child, source, stats, links);
      if (file === undefined) continue;
      found.push({ file, source });
      if (file.type === 'directory') visit(child);
    }
  };
  visit('');
  return found;
}

function describe(
  sys: Syscalls,
  path: string,
  source: string,
  stats: Stats,
  links: Map<string, string>,
): LayerPart | undefined {
  const base = { path, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid, size: 0 };
  if (stats.isCharacterDevice() && stats.rdev === 0) return { ...base, type: 'file', whiteout: true };
  if (stats.isDirectory()) {
    const opaque = OPAQUE.some((name) => sys.attribute(source, name) === 'y');
    return { ...base, type: 'directory', ...(opaque && { opaque }) };
  }
  if (stats.isSymbolicLink()) return { ...base, type: 'symlink', linkname: readlinkSync(source) };
  if (stats.isFIFO()) return { ...base, type: 'fifo' };
  if (!stats.isFile()) return undefined;
  const key = `${stats.dev}:${stats.ino}`;
  const twin = stats.nlink > 1 ? links.get(key) : undefined;
  if (twin !== undefined) return { ...base, type: 'link', linkname: twin };
  links.set(key, path);
  return { ...base, type: 'file', size: stats.size };
}
