import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { CLONE } from './constants.ts';
import type { HoldSpec, LaunchFailure, LaunchSpec, TerminalOffer } from './launch-spec.ts';
import type { Terminal } from './terminal.ts';
import type { Syscalls } from './syscalls.ts';

const INIT = fileURLToPath(import.meta.url).replace(/[^/]+(\.[jt]s)$/, 'init$1');

// Who shares a process namespace may send signals: none of them opens a debugger.
const FLAGS = ['--no-warnings', '--disable-sigusr1', '--v8-pool-size=1', '--max-semi-space-size=1'];

export class LaunchError extends Error {
  readonly code: number;

  constructor(failure: LaunchFailure) {
    super(failure.message);
    this.code = failure.code;
  }
}

/** A process and its streams, which are real pipes: programs open /dev/stdout anew, and sockets refuse that. */
export interface Program {
  child: ChildProcess;
  stdin: Socket;
  stdout: Socket;
  stderr: Socket;
}

/**
 * Starts programs in containers. A few processes are kept ready, each in a process namespace of its own, waiting
 * to be told what to become: a start then costs no start of an interpreter.
 */
export class Launcher {
  readonly #sys: Syscalls;
  readonly #ownPids: number;
  readonly #env: NodeJS.ProcessEnv;
  readonly #spares: Program[] = [];
  readonly #wanted: number;

  constructor(sys: Syscalls, options: { spares: number; compileCache: string | undefined }) {
    this.#sys = sys;
    this.#ownPids = openSync('/proc/thread-self/ns/pid', 'r');
    this.#wanted = options.spares;
    this.#env = options.compileCache === undefined ? {} : { NODE_COMPILE_CACHE: options.compileCache };
  }

  /** Makes the processes that are kept ready. */
  fill(): void {
    while (this.#spares.length < this.#wanted) {
      const spare = this.#spawn(undefined);
      spare.child.once('exit', () => {
        const at = this.#spares.indexOf(spare);
        if (at >= 0) this.#spares.splice(at, 1);
      });
      this.#spares.push(spare);
    }
  }

  /** The process becomes what the spec says; rejects when it could not, after it has ended. */
  async start(
    spec: LaunchSpec,
    onProgram: (program: Program) => void,
    options: { joins?: number; terminal?: Terminal | undefined } = {},
  ): Promise<void> {
    const { joins, terminal } = options;
    const program =
      joins === undefined ? (this.#spares.shift() ?? this.#spawn(undefined)) : this.#spawn(joins);
    const { child } = program;
    child.removeAllListeners('exit');
    onProgram(program);
    const channel = child.stdio[3] as Duplex;
    const said: Buffer[] = [];
    const done = new Promise<void>((resolve) => {
      channel.on('data', (chunk: Buffer) => {
        if (terminal === undefined || said.length > 0 || !chunk.includes('"terminal"')) {
          said.push(chunk);
          return;
        }
        // It waits for us before it goes on: there is nothing else in this piece.
        terminal.take(child.pid ?? 0, (JSON.parse(chunk.toString()) as TerminalOffer).terminal);
        channel.write('taken\n');
      });
      channel.on('error', () => resolve());
      channel.on('close', () => resolve());
      channel.on('end', () => resolve());
    });
    channel.write(`${JSON.stringify(spec)}\n`);
    await done;
    channel.destroy();
    setImmediate(() => this.fill());
    if (said.length > 0) throw new LaunchError(JSON.parse(Buffer.concat(said).toString()) as LaunchFailure);
  }

  /** A process that keeps a process namespace until it is killed. */
  async hold(): Promise<ChildProcess> {
    const { child, stdin, stdout, stderr } = this.#spares.shift() ?? this.#spawn(undefined);
    child.removeAllListeners('exit');
    for (const stream of [stdin, stdout, stderr]) stream.destroy();
    const channel = child.stdio[3] as Duplex;
    channel.on('error', () => {});
    const held = new Promise<void>((resolve, reject) => {
      channel.once('data', () => resolve());
      child.once('exit', () => reject(new Error('A process namespace could not be made.')));
    });
    const spec: HoldSpec = { hold: true };
    channel.write(`${JSON.stringify(spec)}\n`);
    await held;
    setImmediate(() => this.fill());
    return child;
  }

  #spawn(joins: number | undefined): Program {
    const [input, output, errors] = [this.#sys.pipe(), this.#sys.pipe(), this.#sys.pipe()];
    if (joins === undefined) this.#sys.unshare(CLONE.NEWPID);
    else {
      const pids = openSync(`/proc/${joins}/ns/pid`, 'r');
      this.#sys.setns(pids, CLONE.NEWPID);
      closeSync(pids);
    }
    try {
      const child = spawn(process.execPath, [...FLAGS, INIT], {
        cwd: '/',
        env: this.#env,
        stdio: [input.read, output.write, errors.write, 'pipe'],
      });
      return {
        child,
        stdin: new Socket({ fd: input.write, readable: false, writable: true }),
        stdout: new Socket({ fd: output.read, readable: true, writable: false }),
        stderr: new Socket({ fd: errors.read, readable: true, writable: false }),
      };
    } finally {
      this.#sys.setns(this.#ownPids, CLONE.NEWPID);
      for (const fd of [input.read, output.write, errors.write]) closeSync(fd);
    }
  }
}
