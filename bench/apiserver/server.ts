import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadKubeconfig } from '../../src/kube/index.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/dispatch', import.meta.url));

export interface BenchServer extends AsyncDisposable {
  url: string;
  ca: string;
  authorization: string;
  /** Milliseconds from the start of the process to the first answer of /readyz. */
  readyMs: number;
  rssMiB: () => Promise<number>;
}

/** A server of its own, in its own process, on its own data. */
export async function startServer(): Promise<BenchServer> {
  const root = await mkdtemp(join(tmpdir(), 'dispatch-bench-'));
  const started = performance.now();
  const child = spawn(LAUNCHER, ['up', '--data-dir', root, '--api-port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], HOME: root },
  });
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    child.stdout.once('data', () => resolve());
  });
  const readyMs = performance.now() - started;
  const { pid } = JSON.parse(await readFile(join(root, 'server.json'), 'utf8')) as { pid: number };
  const access = loadKubeconfig({ path: join(root, 'kubeconfig'), allowExec: false });
  return {
    url: access.server,
    ca: access.ca ?? '',
    authorization: (await access.authorization?.()) ?? '',
    readyMs,
    rssMiB: async () => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
    },
    [Symbol.asyncDispose]: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.removeAllListeners('exit');
      const exit = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await Promise.race([gone, exit]);
      await rm(root, { recursive: true, force: true });
    },
  };
}
