import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Containers } from './containers.ts';
import { frame, FrameReader } from './frames.ts';
import { LaunchError, type Launcher, type Program } from './launcher.ts';
import { type CommandResult, FRAME, type Opening } from './protocol.ts';
import { Terminal } from './terminal.ts';
import type { Syscalls } from './syscalls.ts';

export interface CommandDeps {
  sys: Syscalls;
  launcher: Launcher;
  containers: Containers;
  singleUser: boolean;
}

/** A command in a container, over a connection of its own; it ends with the connection. */
export async function serveCommand(
  deps: CommandDeps,
  opening: Extract<Opening, { open: 'command' }>,
  socket: Socket,
): Promise<void> {
  let terminal: Terminal | undefined;
  let child: ChildProcess | undefined;
  socket.on('close', () => child?.kill('SIGKILL'));
  try {
    const { pid, namespaces, cgroups } = deps.containers.entrance(opening.container);
    terminal = opening.tty ? new Terminal(deps.sys) : undefined;
    const ends: Promise<unknown>[] = [];
    let exit: Promise<number> | undefined;
    await deps.launcher.start(
      {
        ...opening.launch,
        namespaces,
        cgroups,
        singleUser: deps.singleUser,
        terminal: terminal !== undefined,
      },
      (program) => {
        child = program.child;
        exit = exitOf(program.child);
        // Who waits for the start hears of its failure there.
        exit.catch(() => {});
        ends.push(...connect(program, terminal, socket, opening.launch.stdin));
      },
      { joins: pid, terminal },
    );
    terminal?.abandon();
    const exitCode = await exit!;
    await Promise.all(ends);
    finish(socket, { exitCode });
  } catch (error) {
    terminal?.abandon();
    finish(socket, failureOf(error));
  }
}

/** The streams of a container that runs. */
export async function serveAttach(containers: Containers, id: string, socket: Socket): Promise<void> {
  try {
    using attachment = containers.attach(id, (stream, chunk) => {
      socket.write(frame(stream === 'stdout' ? FRAME.STDOUT : FRAME.STDERR, chunk));
    });
    const reader = new FrameReader((kind, payload) => {
      if (kind === FRAME.STDIN) attachment.stdin?.write(payload);
      if (kind === FRAME.RESIZE) attachment.resize(payload.readUInt16BE(0), payload.readUInt16BE(2));
      if (kind === FRAME.STDIN_END) attachment.stdin?.end();
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    const closed = new Promise<undefined>((resolve) => socket.once('close', () => resolve(undefined)));
    const record = await Promise.race([attachment.ended, closed]);
    if (record !== undefined) finish(socket, { exitCode: record.exitCode ?? 0 });
  } catch (error) {
    finish(socket, failureOf(error));
  }
}

function connect(
  program: Program,
  terminal: Terminal | undefined,
  socket: Socket,
  wantsInput: boolean,
): Promise<unknown>[] {
  const input = terminal?.input ?? program.stdin;
  input.on('error', () => {});
  if (terminal !== undefined || !wantsInput) program.stdin.destroy();
  const reader = new FrameReader((kind, payload) => {
    if (kind === FRAME.STDIN && !input.destroyed && !input.write(payload)) {
      socket.pause();
      input.once('drain', () => socket.resume());
    }
    if (kind === FRAME.STDIN_END && terminal === undefined) input.end();
    if (kind === FRAME.RESIZE) terminal?.resize(payload.readUInt16BE(0), payload.readUInt16BE(2));
  });
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
  if (terminal !== undefined) return [forward(terminal.output, FRAME.STDOUT, socket)];
  return [forward(program.stdout, FRAME.STDOUT, socket), forward(program.stderr, FRAME.STDERR, socket)];
}

function forward(source: Readable, kind: number, socket: Socket): Promise<void> {
  source.on('data', (chunk: Buffer) => {
    if (socket.destroyed || socket.write(frame(kind, chunk))) return;
    source.pause();
    socket.once('drain', () => source.resume());
  });
  return new Promise((resolve) => {
    source.on('error', () => resolve());
    source.on('close', () => resolve());
  });
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) =>
      resolve(signal === null ? (code ?? 0) : 128 + constants.signals[signal]),
    );
  });
}

function failureOf(error: unknown): CommandResult {
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof LaunchError ? { exitCode: error.code, error: message } : { error: message };
}

function finish(socket: Socket, result: CommandResult): void {
  if (!socket.destroyed) socket.end(frame(FRAME.END, Buffer.from(JSON.stringify(result))));
}
