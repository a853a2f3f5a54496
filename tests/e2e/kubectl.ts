import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiServerOptions, TestServer } from '../../src/apiserver/index.ts';

export interface Run {
  code: number;
  stdout: string;
  stderr: string;
}

/** Every kubectl that the tests shall use: DISPATCH_TEST_KUBECTL, paths with colons between, or the one on PATH. */
export const KUBECTLS = (process.env['DISPATCH_TEST_KUBECTL'] ?? 'kubectl')
  .split(':')
  .filter((program) => spawnSync(program, ['version', '--client']).status === 0);

/** Why a test of kubectl does not run, or false. With CI=true nothing may be left out. */
export const SKIP_KUBECTL: string | false =
  KUBECTLS.length > 0 || process.env['CI'] === 'true'
    ? false
    : 'kubectl is not installed (package kubernetes-client)';

/** A real kubectl against a real server. */
export class Kubectl implements AsyncDisposable {
  readonly server: TestServer;
  readonly dir: string;
  readonly #program: string;

  private constructor(program: string, server: TestServer, dir: string) {
    this.#program = program;
    this.server = server;
    this.dir = dir;
  }

  static async start(program: string, options: Partial<ApiServerOptions> = {}): Promise<Kubectl> {
    const server = await TestServer.start(options);
    const dir = await mkdtemp(join(tmpdir(), 'dispatch-kubectl-'));
    const kubectl = new Kubectl(program, server, dir);
    await kubectl.useToken(server.api.pki.adminToken);
    return kubectl;
  }

  async useToken(token: string): Promise<void> {
    const { url, pki } = this.server.api;
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [
        {
          name: 'test',
          cluster: {
            server: url,
            'certificate-authority-data': Buffer.from(pki.caCertificate).toString('base64'),
          },
        },
      ],
      users: [{ name: 'test', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    };
    await writeFile(join(this.dir, 'config'), JSON.stringify(config));
  }

  async file(name: string, text: string): Promise<string> {
    const path = join(this.dir, name);
    await writeFile(path, text);
    return path;
  }

  /** Runs a command line, words separated by spaces; further words may hold anything. */
  run(line: string, ...more: string[]): Promise<Run> {
    return this.spawn([...line.split(' '), ...more]).done;
  }

  /** Runs a command that must succeed and gives what it prints. */
  async ok(line: string, ...more: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(line, ...more);
    if (code !== 0)
      throw new Error(`kubectl ${line} ${more.join(' ')} ended with ${code}: ${stderr || stdout}`);
    return stdout.trim();
  }

  spawn(
    args: string[],
    input?: string,
  ): { done: Promise<Run>; lines: AsyncIterable<string>; stop: () => void } {
    const child = spawn(this.#program, args, {
      env: {
        PATH: process.env['PATH'],
        HOME: this.dir,
        KUBECONFIG: join(this.dir, 'config'),
        KUBECTL_EXTERNAL_DIFF: 'diff -u',
        KUBE_EDITOR: process.env['TEST_EDITOR'] ?? 'true',
      },
    });
    child.stdin.end(input);
    let stdout = '';
    let stderr = '';
    const lines = new Lines();
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      lines.push(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const done = new Promise<Run>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        lines.end();
        resolve({ code: code ?? -1, stdout, stderr });
      });
    });
    return { done, lines, stop: () => void child.kill('SIGTERM') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Lines as they come, for commands that go on. */
class Lines implements AsyncIterable<string> {
  readonly #ready: string[] = [];
  #rest = '';
  #ended = false;
  #wake: (() => void) | undefined;

  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    this.#ready.push(...lines);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (;;) {
      const line = this.#ready.shift();
      if (line !== undefined) yield line;
      else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}
