import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadKubeconfig } from '../../src/kube/index.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/dispatch', import.meta.url));

const ANY_PORTS = ['api', 'http', 'https', 'registry'].flatMap((name) => [`--${name}-port`, '0']);

export interface BenchServer extends AsyncDisposable {
  url: string;
  ca: string;
  authorization: string;
  /** Milliseconds from the start of the process to the first answer of /readyz. */
  readyMs: number;
  /** Where its keys lie. */
  pki: string;
  rssMiB: () => Promise<number>;
}

/** A server of its own, in its own process, on its own data. */
export async function startServer(): Promise<BenchServer> {
  const root = await mkdtemp(join(tmpdir(), 'dispatch-bench-'));
  const started = performance.now();
  const child = spawn(LAUNCHER, ['up', '--no-demo', '--data-dir', root, ...ANY_PORTS], {
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
    pki: join(root, 'pki'),
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

/** The same certificate in front of nothing, in a process of its own. */
export async function startBareServer(like: BenchServer): Promise<{ server: BenchServer; stop: () => void }> {
  const script = fileURLToPath(new URL('./bare.ts', import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, like.pki], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await new Promise<string>((resolve) => child.stdout.setEncoding('utf8').once('data', resolve));
  return { server: { ...like, url: `https://127.0.0.1:${port.trim()}` }, stop: () => void child.kill() };
}
