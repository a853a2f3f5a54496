import { PassThrough, type Readable, type Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { TIOCSWINSZ } from './constants.ts';
import type { Syscalls } from './syscalls.ts';

/**
 * A pseudo-terminal: what a person types goes in, what the program prints comes out. It belongs to the container,
 * whose programs have to find it by its name; our end of it comes when the container is there.
 */
export class Terminal {
  readonly #sys: Syscalls;
  readonly #output = new PassThrough();
  readonly #input = new PassThrough();
  #master: number | undefined;
  #stream: ReadStream | undefined;
  #size: { width: number; height: number } | undefined;

  constructor(sys: Syscalls) {
    this.#sys = sys;
    this.#input.on('error', () => {});
  }

  get output(): Readable {
    return this.#output;
  }

  get input(): Writable {
    return this.#input;
  }

  /** Takes over our end from the process that has opened it. */
  take(pid: number, fd: number): void {
    const master = this.#sys.takeDescriptor(pid, fd);
    const stream = new ReadStream(master);
    this.#master = master;
    this.#stream = stream;
    // The end of the last program on it shows as an error of reading.
    stream.on('error', () => {});
    stream.on('close', () => this.#output.end());
    stream.on('data', (chunk: Buffer) => {
      if (this.#output.write(chunk)) return;
      stream.pause();
      this.#output.once('drain', () => stream.resume());
    });
    this.#input.pipe(stream as unknown as Writable, { end: false });
    if (this.#size !== undefined) this.resize(this.#size.width, this.#size.height);
  }

  resize(width: number, height: number): void {
    this.#size = { width, height };
    if (this.#master === undefined || this.#stream?.destroyed) return;
    const size = Buffer.alloc(8);
    size.writeUInt16LE(height, 0);
    size.writeUInt16LE(width, 2);
    this.#sys.ioctl(this.#master, TIOCSWINSZ, size);
  }

  /** The program has never come to use it. */
  abandon(): void {
    if (this.#stream === undefined) this.#output.end();
  }
}
