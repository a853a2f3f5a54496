import { closeSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

export interface LogLimits {
  fileBytes: number;
  files: number;
}

const MAX_LINE = 16_384;

/** Writes what a container prints, a line of the file for each of its own: time, stream, F or P, text. */
export class LogWriter {
  readonly #path: string;
  readonly #limits: LogLimits;
  readonly #written: () => void;
  readonly #rest: Record<'stdout' | 'stderr', Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  #fd: number;
  #size: number;
  #last = 0;

  constructor(path: string, limits: LogLimits, written: () => void) {
    this.#path = path;
    this.#limits = limits;
    this.#written = written;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#fd = openSync(path, 'a', 0o600);
    this.#size = statSync(path).size;
  }

  write(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    const rest = this.#rest[stream];
    let data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const out: (Buffer | string)[] = [];
    const prefix = `${this.#time()} ${stream} `;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10)) {
      splitLong(data.subarray(0, end), prefix, out);
      data = data.subarray(end + 1);
    }
    // A program that never ends its line must not fill the memory.
    while (data.length >= MAX_LINE) {
      out.push(`${prefix}P `, data.subarray(0, MAX_LINE), '\n');
      data = data.subarray(MAX_LINE);
    }
    this.#rest[stream] = Buffer.from(data);
    this.#append(out);
  }

  /** The end of a stream: what has no newline yet is a line too. */
  end(stream: 'stdout' | 'stderr'): void {
    const rest = this.#rest[stream];
    if (rest.length > 0) this.#append([`${this.#time()} ${stream} P `, rest, '\n']);
    this.#rest[stream] = Buffer.alloc(0);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #append(parts: (Buffer | string)[]): void {
    if (parts.length === 0) return;
    const bytes = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
    try {
      if (this.#size > 0 && this.#size + bytes.length > this.#limits.fileBytes) this.#rotate();
      writeSync(this.#fd, bytes);
      this.#size += bytes.length;
    } catch {
      // A full disk loses lines of a log; the container goes on.
    }
    this.#written();
  }

  #rotate(): void {
    closeSync(this.#fd);
    rmSync(`${this.#path}.${this.#limits.files - 1}`, { force: true });
    for (let at = this.#limits.files - 2; at >= 0; at -= 1) {
      const from = at === 0 ? this.#path : `${this.#path}.${at}`;
      try {
        renameSync(from, `${this.#path}.${at + 1}`);
      } catch {
        // There are fewer files than the limit allows.
      }
    }
    this.#fd = openSync(this.#path, 'a', 0o600);
    this.#size = 0;
  }

  /** Microseconds, never the same and never back, so that readers can go on from the last one. */
  #time(): string {
    const now = Math.max(this.#last + 1, Math.floor((performance.timeOrigin + performance.now()) * 1000));
    this.#last = now;
    const micros = String(now % 1_000_000).padStart(6, '0');
    return `${new Date(Math.floor(now / 1000)).toISOString().slice(0, 20)}${micros}000Z`;
  }
}

function splitLong(line: Buffer, prefix: string, out: (Buffer | string)[]): void {
  let rest = line;
  while (rest.length > MAX_LINE) {
    out.push(`${prefix}P `, rest.subarray(0, MAX_LINE), '\n');
    rest = rest.subarray(MAX_LINE);
  }
  out.push(`${prefix}F `, rest, '\n');
}
