import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HttpTransport, KubeClient, loadKubeconfig } from '../../src/kube/index.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/dispatch', import.meta.url));

export const FREE_PORTS = [
  '--no-demo',
  '--api-port',
  '0',
  '--http-port',
  '0',
  '--https-port',
  '0',
  '--registry-port',
  '0',
];

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** The real command on a data directory of its own. */
export class Dispatch implements AsyncDisposable {
  readonly home: string;
  #server: ChildProcess | undefined;

  private constructor(home: string) {
    this.home = home;
  }

  static async make(): Promise<Dispatch> {
    return new Dispatch(await mkdtemp(join(tmpdir(), 'dispatch-e2e-')));
  }

  /** One for all tests of a suite: it runs from before the first until after the last. */
  static ofSuite(...flags: string[]): Dispatch {
    const dispatch = new Dispatch(mkdtempSync(join(tmpdir(), 'dispatch-e2e-')));
    before(() => dispatch.up(...flags));
    after(async () => {
      await dispatch.kill('SIGTERM');
      await dispatch[Symbol.asyncDispose]();
    });
    return dispatch;
  }

  get #env(): NodeJS.ProcessEnv {
    return { PATH: process.env['PATH'], HOME: this.home, DISPATCH_HOME: join(this.home, 'data') };
  }

  get dataDir(): string {
    return join(this.home, 'data');
  }

  /** Starts `dispatch up` and waits until it has said that it is ready. "--demo" lays out the sample project. */
  async up(...flags: string[]): Promise<void> {
    const isDemo = flags.includes('--demo');
    const own = [...FREE_PORTS, ...flags].filter((flag) => !isDemo || !/^--(?:no-)?demo$/.test(flag));
    const child = spawn(process.execPath, [LAUNCHER, 'up', ...own], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#server = child;
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`dispatch up ended with ${code}: ${said}`)));
    });
    child.removeAllListeners('exit');
    child.stdout.resume();
  }

  async pid(): Promise<number> {
    return (JSON.parse(await readFile(join(this.dataDir, 'server.json'), 'utf8')) as { pid: number }).pid;
  }

  /** Ends the server by a signal and waits until it is gone. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#server;
    if (child === undefined) return;
    this.#server = undefined;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    process.kill(await this.pid(), signal);
    await gone;
  }

  /** The real kubectl as this server's administrator. */
  kubectl(...args: string[]): Promise<CommandResult> {
    return this.pipe('', 'kubectl', ...args);
  }

  /** Any program with this server as its cluster; what it says must be what it should. */
  async pipe(input: string, program: string, ...args: string[]): Promise<CommandResult> {
    const env = { ...this.#env, KUBECONFIG: join(this.dataDir, 'kubeconfig') };
    return collect(spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] }), input);
  }

  /** Like kubectl, for what must succeed: gives what it prints. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  async apply(manifest: string): Promise<void> {
    const { code, stderr } = await this.pipe(manifest, 'kubectl', 'apply', '-f', '-');
    if (code !== 0) throw new Error(`kubectl apply: ${stderr}`);
  }

  /** What the server says about itself. */
  async file(): Promise<{ pid: number; api: string; http: string; https: string; registry?: string }> {
    return JSON.parse(await readFile(join(this.dataDir, 'server.json'), 'utf8'));
  }

  client(): KubeClient {
    return new KubeClient(
      new HttpTransport(loadKubeconfig({ path: join(this.dataDir, 'kubeconfig'), allowExec: false })),
    );
  }

  run(...args: string[]): Promise<CommandResult> {
    const child = spawn(process.execPath, [LAUNCHER, ...args], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return collect(child);
  }

  /** The command in another directory. */
  runIn(cwd: string, ...args: string[]): Promise<CommandResult> {
    const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
    return collect(spawn(process.execPath, [LAUNCHER, ...args], { cwd, env: this.#env, stdio }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server !== undefined) await this.kill('SIGKILL').catch(() => undefined);
    // What the killed server left behind may still be writing its last.
    await rm(this.home, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

function collect(child: ChildProcess, input?: string): Promise<CommandResult> {
  const result = { code: -1, stdout: '', stderr: '' };
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    result.stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    result.stderr += text;
  });
  if (input !== undefined) {
    // A program that ends without reading its input is nobody's mistake.
    child.stdin!.on('error', () => {});
    child.stdin!.end(input);
  }
  return new Promise((resolve) => child.once('close', (code) => resolve({ ...result, code: code ?? -1 })));
}
