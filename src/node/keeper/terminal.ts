import { closeSync, constants, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { TIOCSWINSZ } from './constants.ts';
import type { Syscalls } from './syscalls.ts';

/** A pseudo-terminal: what a person types goes in, what the program prints comes out. */
export class Terminal {
  readonly path: string;
  readonly #sys: Syscalls;
  readonly #master: number;
  readonly #stream: ReadStream;
  #guard: number | undefined;

  constructor(sys: Syscalls) {
    this.#sys = sys;
    const { master, path } = sys.openTerminal();
    this.#master = master;
    this.path = path;
    // A terminal that nobody has opened looks like one that everybody has left.
    this.#guard = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
    this.#stream = new ReadStream(master);
    // The end of the last program on it shows as an error of reading.
    this.#stream.on('error', () => {});
  }

  get output(): Readable {
    return this.#stream;
  }

  get input(): Writable {
    return this.#stream as unknown as Writable;
  }

  resize(width: number, height: number): void {
    if (this.#stream.destroyed) return;
    const size = Buffer.alloc(8);
    size.writeUInt16LE(height, 0);
    size.writeUInt16LE(width, 2);
    this.#sys.ioctl(this.#master, TIOCSWINSZ, size);
  }

  /** The program has opened it, or never will: its end is the terminal's end from now on. */
  handOver(): void {
    if (this.#guard !== undefined) closeSync(this.#guard);
    this.#guard = undefined;
  }
}
