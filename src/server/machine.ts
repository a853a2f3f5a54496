import { createHash } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { DataDir } from './data-dir.ts';

const MEMORY_DIR = '/dev/shm';

/** Where the secrets of pods lie: in memory where the machine has a place for it. */
export function secretsDir(dirs: DataDir): string {
  return join(memoryDir(dirs), `dispatch-${instanceId(dirs.root)}`);
}

function memoryDir(dirs: DataDir): string {
  try {
    accessSync(MEMORY_DIR, constants.W_OK);
    return MEMORY_DIR;
  } catch {
    return dirs.run;
  }
}

/** Tells apart the servers of one machine. */
export function instanceId(root: string): string {
  return createHash('sha256').update(root).digest('hex').slice(0, 12);
}

export function nodeNameOf(host: string): string {
  const name = host
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '')
    .slice(0, 63);
  return name === '' ? 'localhost' : name;
}

/** The address by which this machine calls itself, outside of its loopback. */
export function hostAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find((item) => item.family === 'IPv4' && !item.internal)?.address ?? '127.0.0.1';
}
