const MAX_LINE = 64 * 1024 * 1024;

/** Cuts a stream of bytes into lines. */
export class LineReader {
  readonly #onLine: (line: string, rest: Buffer) => void;
  #chunks: Buffer[] = [];
  #size = 0;
  #stopped = false;

  constructor(onLine: (line: string, rest: Buffer) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0 && !this.#stopped; end = rest.indexOf(10)) {
      const line = Buffer.concat([...this.#chunks, rest.subarray(0, end)]).toString();
      this.#chunks = [];
      this.#size = 0;
      rest = rest.subarray(end + 1);
      this.#onLine(line, rest);
    }
    if (rest.length === 0 || this.#stopped) return;
    this.#size += rest.length;
    if (this.#size > MAX_LINE) throw new Error('A message of the keeper protocol is too long.');
    this.#chunks.push(rest);
  }

  /** What follows is not in lines. */
  stop(): void {
    this.#stopped = true;
  }
}
