import { constants, writevSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { checkFormat } from './format.ts';
import { encodeFrame, type LogRecord, scanFrames } from './frame.ts';

const IN_PLACE_BYTES = 16 * 1024;
const QUICK_WRITE_MS = 0.6;
const NAME = /^(\d{8})\.(log|base)$/;
const SYNCED_APPEND = constants.O_WRONLY | constants.O_CREAT | constants.O_DSYNC;

/** Acknowledged bytes on disk no longer read back. */
export class DamagedLogError extends Error {
  constructor(file: string, offset: number) {
    super(
      `The store is damaged: ${file} no longer reads back from byte ${offset} on. Restore a backup with "dispatch restore FILE".`,
    );
    this.name = 'DamagedLogError';
  }
}

/**
 * A write-ahead log of segments (`00000003.log`), each preceded by an optional base (`00000003.base`): the
 * state and history that all earlier segments add up to. `append` calls must not overlap; the store's writer
 * is the only caller.
 */
export class Log {
  readonly #dir: string;
  #file: FileHandle | undefined;
  #number: number;
  #size: number;
  /** Moving average of what a write in place takes. */
  #writeMs = 0;

  private constructor(dir: string, number: number, size: number) {
    this.#dir = dir;
    this.#number = number;
    this.#size = size;
  }

  /** `visit` sees every record that counts, in order, with the segment that it lies in. */
  static async open(dir: string, visit: (record: LogRecord, segment: number) => void): Promise<Log> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await checkFormat(dir);
    const files = await segmentFiles(dir);
    const base = files.findLast((file) => file.type === 'base')?.number ?? 0;
    await removeFiles(dir, files, base);
    const live = files.filter((file) => file.number >= base);
    live.sort((a, b) => a.number - b.number || (a.type === 'base' ? -1 : 1));
    let number = Math.max(base, 1);
    let size = 0;
    for (const [index, file] of live.entries()) {
      const bytes = await readFile(join(dir, file.name));
      const scan = scanFrames(bytes, (record) => visit(record, file.number));
      const torn = scan.end < bytes.length;
      const mayBeTorn = index === live.length - 1 && file.type === 'log';
      if (scan.damaged || (torn && !mayBeTorn)) throw new DamagedLogError(join(dir, file.name), scan.end);
      if (torn) await truncate(join(dir, file.name), scan.end);
      if (file.type === 'log') {
        number = file.number;
        size = scan.end;
      }
    }
    return new Log(dir, number, size);
  }

  /** Bytes in the segment being written. */
  get size(): number {
    return this.#size;
  }

  /** Resolves when the records are on disk. On failure nothing of them is kept. */
  async append(records: readonly LogRecord[]): Promise<void> {
    const file = await this.#current();
    const parts = encodeFrame(records);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    try {
      if (!this.#writeInPlace(file, parts, length)) await writeAll(file, parts, length, this.#size);
    } catch (error) {
      // Without this, a later and shorter frame would leave the tail of this one behind it.
      await file.truncate(this.#size).catch(() => undefined);
      throw error;
    }
    this.#size += length;
  }

  /**
   * A small frame on a quick disk is written right here: handing it to another thread and back takes longer
   * than the write. Returns false when that would hold up the process.
   */
  #writeInPlace(file: FileHandle, parts: Buffer[], length: number): boolean {
    if (length > IN_PLACE_BYTES || this.#writeMs > QUICK_WRITE_MS) {
      // A slow moment is forgotten little by little, so that a quick disk is noticed again.
      this.#writeMs *= 0.999;
      return false;
    }
    const started = performance.now();
    const written = writevSync(file.fd, parts, this.#size);
    this.#writeMs = this.#writeMs * 0.9 + (performance.now() - started) * 0.1;
    return written === length;
  }

  /** Starts a new segment; `base` later replaces everything before it. Returns the new segment's number. */
  async rotate(): Promise<number> {
    await this.#file?.close();
    this.#file = undefined;
    this.#number += 1;
    this.#size = 0;
    return this.#number;
  }

  /** Writes the base of segment `number` and removes what it replaces. */
  async writeBase(number: number, chunks: Iterable<LogRecord[]>): Promise<void> {
    const path = join(this.#dir, segmentName(number, 'base'));
    await writeFrames(`${path}.tmp`, chunks);
    await rename(`${path}.tmp`, path);
    await syncDirectory(this.#dir);
    await removeFiles(this.#dir, await segmentFiles(this.#dir), number);
  }

  /** The segment being written. */
  get segment(): number {
    return this.#number;
  }

  /** Every record of a segment that is complete. */
  async read(segment: number, visit: (record: LogRecord) => void): Promise<void> {
    scanFrames(await readFile(join(this.#dir, segmentName(segment, 'log'))), visit);
  }

  /** Forgets the segments below one, for logs whose past nobody needs. */
  async drop(below: number): Promise<void> {
    await removeFiles(this.#dir, await segmentFiles(this.#dir), below);
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #current(): Promise<FileHandle> {
    if (this.#file === undefined) {
      this.#file = await open(join(this.#dir, segmentName(this.#number, 'log')), SYNCED_APPEND, 0o600);
      await this.#file.truncate(this.#size);
      await syncDirectory(this.#dir);
    }
    return this.#file;
  }
}

export async function writeFrames(path: string, chunks: Iterable<LogRecord[]>): Promise<void> {
  await using file = await open(path, 'w', 0o600);
  let at = 0;
  for (const records of chunks) {
    const parts = encodeFrame(records);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    await writeAll(file, parts, length, at);
    at += length;
  }
  await file.datasync();
}

async function writeAll(file: FileHandle, parts: Buffer[], length: number, at: number): Promise<void> {
  const { bytesWritten } = await file.writev(parts, at);
  if (bytesWritten === length) return;
  // A short write happens on a full disk or past the vector limit: go on with the rest, or learn why not.
  const rest = Buffer.concat(parts).subarray(bytesWritten);
  for (let done = 0; done < rest.length; ) {
    const result = await file.write(rest, done, rest.length - done, at + bytesWritten + done);
    done += result.bytesWritten;
  }
}

interface SegmentFile {
  name: string;
  number: number;
  type: 'log' | 'base';
}

function segmentName(number: number, type: 'log' | 'base'): string {
  return `${String(number).padStart(8, '0')}.${type}`;
}

async function segmentFiles(dir: string): Promise<SegmentFile[]> {
  const files: SegmentFile[] = [];
  for (const name of (await readdir(dir)).sort()) {
    const match = NAME.exec(name);
    if (match) files.push({ name, number: Number(match[1]), type: match[2] as 'log' | 'base' });
    else if (name.endsWith('.tmp')) await rm(join(dir, name));
  }
  return files;
}

async function removeFiles(dir: string, files: SegmentFile[], below: number): Promise<void> {
  for (const file of files) if (file.number < below) await rm(join(dir, file.name), { force: true });
}

async function syncDirectory(dir: string): Promise<void> {
  await using handle = await open(dir, 'r');
  await handle.sync();
}
