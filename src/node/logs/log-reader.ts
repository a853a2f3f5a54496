import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface LogQuery {
  follow: boolean;
  timestamps: boolean;
  tailLines: number | undefined;
  limitBytes: number | undefined;
  since: number | undefined;
  /** Only what was printed there; both where it is not given. */
  stream?: 'stdout' | 'stderr' | undefined;
}

export interface LogSource {
  path: string;
  /** Resolves when there may be more to read, or when the container has ended. */
  more: (signal: AbortSignal) => Promise<void>;
  ended: () => boolean;
}

const CHUNK = 256 * 1024;

/** What a container printed, as its reader asks for it. */
export async function* readLog(
  source: LogSource,
  query: LogQuery,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const files = await filesOf(source.path);
  const limiter = new Limiter(query);
  let skip =
    query.tailLines === undefined ? 0 : Math.max(0, (await countLines(files, query)) - query.tailLines);
  for (const path of files.slice(0, -1)) {
    for await (const { lines } of linesOf(path, 0)) {
      for (const line of lines) {
        const text = limiter.take(line, skip > 0);
        if (skip > 0 && isWanted(line, query)) skip -= 1;
        else if (text !== undefined) yield text;
        if (limiter.isFull) return;
      }
    }
  }
  yield* followFile(source, query, { skip, limiter, signal });
}

async function* followFile(
  source: LogSource,
  query: LogQuery,
  state: { skip: number; limiter: Limiter; signal: AbortSignal },
): AsyncGenerator<Buffer> {
  const { limiter, signal } = state;
  let offset = 0;
  let inode = (await stat(source.path).catch(() => undefined))?.ino;
  while (!signal.aborted) {
    const ended = source.ended();
    const more = query.follow && !ended ? source.more(signal) : undefined;
    const out: Buffer[] = [];
    for await (const { lines, end } of linesOf(source.path, offset)) {
      offset = end;
      for (const line of lines) {
        if (state.skip > 0) {
          if (isWanted(line, query)) state.skip -= 1;
          continue;
        }
        const text = limiter.take(line, false);
        if (text !== undefined) out.push(text);
        if (limiter.isFull) break;
      }
      if (limiter.isFull) break;
    }
    if (out.length > 0) yield Buffer.concat(out);
    if (limiter.isFull || more === undefined) return;
    await more;
    const now = (await stat(source.path).catch(() => undefined))?.ino;
    if (now !== inode) {
      // The file was put aside: what it had beyond our place is at the new name.
      yield* rest(`${source.path}.1`, offset, limiter);
      inode = now;
      offset = 0;
    }
  }
}

async function* rest(path: string, offset: number, limiter: Limiter): AsyncGenerator<Buffer> {
  for await (const { lines } of linesOf(path, offset)) {
    for (const line of lines) {
      const text = limiter.take(line, false);
      if (text !== undefined) yield text;
    }
  }
}

/** The files of a log, oldest first; the last one is being written. */
async function filesOf(path: string): Promise<string[]> {
  const names = await readdir(dirname(path)).catch(() => []);
  const name = basename(path);
  const old = names
    .filter((item) => item.startsWith(`${name}.`) && /^\d+$/.test(item.slice(name.length + 1)))
    .sort((a, b) => Number(b.slice(name.length + 1)) - Number(a.slice(name.length + 1)));
  return [...old.map((item) => join(dirname(path), item)), path];
}

async function countLines(files: readonly string[], query: LogQuery): Promise<number> {
  let count = 0;
  for (const path of files)
    for await (const { lines } of linesOf(path, 0))
      count += lines.filter((line) => isWanted(line, query)).length;
  return count;
}

async function* linesOf(path: string, from: number): AsyncGenerator<{ lines: Buffer[]; end: number }> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch {
    return;
  }
  try {
    let offset = from;
    let size = CHUNK;
    for (;;) {
      const buffer = Buffer.alloc(size);
      const { bytesRead } = await file.read(buffer, 0, size, offset);
      const data = buffer.subarray(0, bytesRead);
      const last = data.lastIndexOf(10);
      if (last < 0) {
        if (bytesRead < size) return;
        size *= 2;
        continue;
      }
      const lines: Buffer[] = [];
      for (let at = 0; at <= last; ) {
        const end = data.indexOf(10, at);
        lines.push(data.subarray(at, end));
        at = end + 1;
      }
      offset += last + 1;
      yield { lines, end: offset };
    }
  } finally {
    await file.close();
  }
}

const TIME_LENGTH = '2026-01-01T00:00:00.000000000Z'.length;

function isWanted(line: Buffer, query: LogQuery): boolean {
  const isWhole = line[TIME_LENGTH + ' stdout '.length] === 0x46;
  if (!isWhole) return query.since === undefined;
  return query.since === undefined || Date.parse(line.toString('latin1', 0, TIME_LENGTH)) >= query.since;
}

class Limiter {
  readonly #query: LogQuery;
  #left: number;
  #atStart = true;

  constructor(query: LogQuery) {
    this.#query = query;
    this.#left = query.limitBytes ?? Number.POSITIVE_INFINITY;
  }

  get isFull(): boolean {
    return this.#left <= 0;
  }

  take(line: Buffer, quiet: boolean): Buffer | undefined {
    if (quiet) return undefined;
    const { since, timestamps, stream } = this.#query;
    if (stream !== undefined && line.toString('latin1', TIME_LENGTH + 1, TIME_LENGTH + 7) !== stream)
      return undefined;
    const time = line.subarray(0, TIME_LENGTH);
    if (since !== undefined && Date.parse(time.toString('latin1')) < since) return undefined;
    const whole = line[TIME_LENGTH + 8] === 0x46;
    const parts: Buffer[] = [];
    if (timestamps && this.#atStart) parts.push(time, SPACE);
    parts.push(line.subarray(TIME_LENGTH + 10));
    if (whole) parts.push(NEWLINE);
    this.#atStart = whole;
    const text = Buffer.concat(parts);
    const cut = text.subarray(0, Math.min(text.length, this.#left));
    this.#left -= cut.length;
    return cut;
  }
}

const SPACE = Buffer.from(' ');
const NEWLINE = Buffer.from('\n');
