import { closeSync, openSync, renameSync, statSync, write } from 'node:fs';

export interface AccessEntry {
  client: string;
  method: string;
  host: string;
  path: string;
  status: number;
  bytes: number;
  seconds: number;
  route: string | undefined;
}

const FLUSH_MS = 200;
const FLUSH_BYTES = 64 * 1024;
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_PENDING = 8 * 1024 * 1024;
const MAX_PATH = 2048;

/** One line of JSON for each request, written in large pieces beside the requests. */
export class AccessLog implements Disposable {
  readonly #path: string | undefined;
  readonly #now: () => number;
  #fd: number | undefined;
  #size = 0;
  #pending: string[] = [];
  #bytes = 0;
  #writing = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(path: string | undefined, now: () => number) {
    this.#path = path;
    this.#now = now;
    if (path !== undefined) this.#open(path);
  }

  write(entry: AccessEntry): void {
    if (this.#fd === undefined || this.#bytes > MAX_PENDING) return;
    const path = entry.path.length > MAX_PATH ? `${entry.path.slice(0, MAX_PATH)}…` : entry.path;
    const line = `{"time":"${this.#time()}","client":"${entry.client}","method":"${entry.method}","host":${JSON.stringify(entry.host)},"path":${JSON.stringify(path)},"status":${entry.status},"bytes":${entry.bytes},"seconds":${entry.seconds.toFixed(4)},"route":"${entry.route ?? ''}"}\n`;
    this.#pending.push(line);
    this.#bytes += line.length;
    if (this.#bytes >= FLUSH_BYTES) this.#flush();
    else if (this.#timer === undefined) this.#timer = setTimeout(() => this.#flush(), FLUSH_MS);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#flush();
  }

  #lastMs = 0;
  #lastText = '';

  #time(): string {
    const now = this.#now();
    if (now !== this.#lastMs) {
      this.#lastMs = now;
      this.#lastText = new Date(now).toISOString();
    }
    return this.#lastText;
  }

  #open(path: string): void {
    this.#fd = openSync(path, 'a', 0o600);
    this.#size = statSync(path).size;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing || this.#pending.length === 0 || this.#fd === undefined) return;
    const text = this.#pending.join('');
    this.#pending = [];
    this.#bytes = 0;
    this.#writing = true;
    write(this.#fd, text, () => {
      this.#writing = false;
      this.#size += text.length;
      if (this.#size > MAX_BYTES) this.#rotate();
      if (this.#bytes >= FLUSH_BYTES) this.#flush();
    });
  }

  #rotate(): void {
    const path = this.#path!;
    closeSync(this.#fd!);
    renameSync(path, `${path}.1`);
    this.#open(path);
  }
}
