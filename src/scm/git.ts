import { type ChildProcess, spawn } from 'node:child_process';

export interface GitOptions {
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  input?: string | Buffer;
  signal?: AbortSignal;
  maxBytes?: number;
}

export class GitError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.name = 'GitError';
    this.exitCode = exitCode;
  }
}

const MAX_BYTES = 64 * 1024 * 1024;
/** Nothing of the machine's or the user's configuration, no questions, and no protocols but those of the network. */
const SAFE_ENVIRONMENT: Readonly<Record<string, string>> = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: 'true',
  GIT_ALLOW_PROTOCOL: 'file:http:https:ssh',
  GIT_OPTIONAL_LOCKS: '0',
  LC_ALL: 'C',
  HOME: '/nonexistent',
};

/** The `git` program, with an environment of its own. */
export class Git {
  readonly #path: string;

  /** Where programs of this machine are looked for. */
  constructor(path: string) {
    this.#path = path;
  }

  environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return { ...SAFE_ENVIRONMENT, PATH: this.#path, ...more };
  }

  spawn(args: readonly string[], options: GitOptions = {}): ChildProcess {
    return spawn('git', [...args], {
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      env: this.environment(options.env),
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.signal && { signal: options.signal }),
    });
  }

  /** What git prints. Throws a `GitError` with what it complains about. */
  async run(args: readonly string[], options: GitOptions = {}): Promise<string> {
    return (await this.bytes(args, options)).toString();
  }

  async bytes(args: readonly string[], options: GitOptions = {}): Promise<Buffer> {
    const child = this.spawn(args, options);
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    let size = 0;
    child.stdout!.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > (options.maxBytes ?? MAX_BYTES)) child.kill();
      else output.push(chunk);
    });
    child.stderr!.on('data', (chunk: Buffer) => errors.length < 100 && errors.push(chunk));
    child.stdin!.on('error', () => {});
    child.stdin!.end(options.input);
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          error.code === 'ENOENT'
            ? new GitError('git is not installed on this machine: install it, then try again', 127)
            : error,
        ),
      );
      child.once('close', (code) => resolve(code ?? 137));
    });
    if (exitCode === 0) return Buffer.concat(output);
    throw new GitError(
      withoutCredentials(Buffer.concat(errors).toString().trim()) ||
        `git ${args[0]} ended with exit code ${exitCode}`,
      exitCode,
    );
  }
}

/** URLs in messages lose the user and password that they may carry. */
export function withoutCredentials(text: string): string {
  return text.replaceAll(/(\w+:\/\/)[^/@\s]+@/g, '$1');
}

/** What may be given to git as a revision: nothing that it would take for an option. */
export function isSafeRevision(text: string): boolean {
  return /^[\w][\w./+@{}~^-]*$/.test(text) && !text.includes('..') && text.length <= 256;
}
