import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { LogRecord, Store } from './store/index.ts';
import { encodeFrame, scanFrames } from './store/index.ts';

/**
 * A backup is one file: a line of JSON that describes it, then gzip of the store's snapshot in the format of
 * its log. Keys and certificates travel inside, because the encrypted values are worth nothing without them:
 * a backup is as secret as the data directory.
 */
export interface BackupHeader {
  format: 'dispatch-backup';
  version: 1;
  createdAt: string;
  revision: number;
  sha256: string;
  pki: Record<string, string>;
}

/** A backup of this moment, while the server goes on. */
export function createBackup(store: Store, pki: Record<string, string>, now: number): Buffer {
  const { revision } = store;
  const frames = [...store.snapshot()].flatMap((records) => encodeFrame(records));
  const body = gzipSync(Buffer.concat(frames));
  const header: BackupHeader = {
    format: 'dispatch-backup',
    version: 1,
    createdAt: new Date(now).toISOString(),
    revision,
    sha256: createHash('sha256').update(body).digest('hex'),
    pki,
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]);
}

export class BadBackupError extends Error {}

/** Reads a backup and checks that all of it is there. */
export async function readBackup(path: string): Promise<{ header: BackupHeader; frames: Buffer }> {
  const bytes = await readFile(path);
  const end = bytes.indexOf(10);
  const header = parseHeader(bytes.subarray(0, Math.max(end, 0)).toString());
  const body = bytes.subarray(end + 1);
  if (createHash('sha256').update(body).digest('hex') !== header.sha256)
    throw new BadBackupError('its contents do not match its checksum');
  const frames = gunzipSync(body);
  const scan = scanFrames(frames, (_: LogRecord) => undefined);
  if (scan.end !== frames.length) throw new BadBackupError('its records do not read back');
  return { header, frames };
}

function parseHeader(text: string): BackupHeader {
  try {
    const header = JSON.parse(text) as BackupHeader;
    if (header.format === 'dispatch-backup' && header.version === 1) return header;
  } catch {
    // Falls through to the one answer for everything that is no backup.
  }
  throw new BadBackupError('it does not begin like one');
}
