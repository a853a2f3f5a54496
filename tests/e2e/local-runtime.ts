import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type {
  CommandEnd,
  CommandOptions,
  CommandStreams,
  LogOptions,
  PodRuntime,
  TerminalSize,
} from '../../src/apiserver/index.ts';
import type { KubeObject } from '../../src/kube/index.ts';

/** Runs the commands of pods as plain processes of this machine: the protocols in front of it are what is tested. */
export class LocalRuntime implements PodRuntime {
  readonly sizes: TerminalSize[] = [];
  readonly logCalls: LogOptions[] = [];

  async logs(pod: KubeObject, options: LogOptions): Promise<AsyncIterable<string>> {
    this.logCalls.push(options);
    const lines = ['one', 'two', 'three'].slice(options.tailLines === undefined ? 0 : -options.tailLines);
    return (async function* () {
      for (const line of lines) yield `${pod.metadata.name}/${options.container}: ${line}\n`;
    })();
  }

  run(_: KubeObject, options: CommandOptions, streams: CommandStreams): Promise<CommandEnd> {
    const [program = 'cat', ...args] = options.command ?? ['cat'];
    const child = spawn(program, args, { stdio: 'pipe', env: { PATH: process.env['PATH'] } });
    streams.onResize((size) => void this.sizes.push(size));
    child.stdin.on('error', () => undefined);
    if (streams.stdin === undefined) child.stdin.end();
    else streams.stdin.pipe(child.stdin);
    if (streams.stdout === undefined) child.stdout.resume();
    else child.stdout.pipe(streams.stdout);
    if (streams.stderr === undefined) child.stderr.resume();
    else child.stderr.pipe(streams.stderr);
    streams.signal.addEventListener('abort', () => void child.kill('SIGKILL'), { once: true });
    return new Promise((resolve) => {
      child.once('error', (error) => resolve({ error: error.message }));
      child.once('close', (code) => resolve({ exitCode: code ?? 137 }));
    });
  }

  dial(_: KubeObject, port: number): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true }, () => resolve(socket));
      socket.once('error', reject);
    });
  }
}
