import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HttpTransport, KubeClient, loadKubeconfig } from '../src/kube/index.ts';

export const LAUNCHER = fileURLToPath(new URL('../bin/dispatch', import.meta.url));

/** The real command on a data directory of its own. */
export class Platform implements AsyncDisposable {
  readonly home: string;
  readonly #server: ChildProcess;

  private constructor(home: string, server: ChildProcess) {
    this.home = home;
    this.#server = server;
  }

  static async start({ demo = false } = {}): Promise<Platform> {
    const home = await mkdtemp(join(tmpdir(), 'dispatch-bench-'));
    const ports = [
      ...(demo ? [] : ['--no-demo']),
      '--api-port',
      '0',
      '--http-port',
      '0',
      '--https-port',
      '0',
      '--registry-port',
      '0',
    ];
    const server = spawn(process.execPath, [LAUNCHER, 'up', ...ports], {
      env: { PATH: process.env['PATH'], HOME: home, DISPATCH_HOME: join(home, 'data') },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => server.stdout.once('data', resolve));
    server.stdout.resume();
    return new Platform(home, server);
  }

  get dataDir(): string {
    return join(this.home, 'data');
  }

  async file(): Promise<{ http: string; registry: string }> {
    return JSON.parse(await readFile(join(this.dataDir, 'server.json'), 'utf8'));
  }

  client(): KubeClient {
    return new KubeClient(
      new HttpTransport(loadKubeconfig({ path: join(this.dataDir, 'kubeconfig'), allowExec: false })),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#server.once('exit', resolve));
    this.#server.kill('SIGTERM');
    await gone;
    await rm(this.home, { recursive: true, force: true });
  }
}

export function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
