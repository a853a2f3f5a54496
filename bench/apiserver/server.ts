import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const API = fileURLToPath(new URL('./api.ts', import.meta.url));
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=8'];
const LAUNCHER = fileURLToPath(new URL('../../bin/dispatch', import.meta.url));

const ANY_PORTS = ['api', 'http', 'https', 'registry'].flatMap((name) => [`--${name}-port`, '0']);

export interface BenchServer extends AsyncDisposable {
  url: string;
  ca: string;
  authorization: string;
  /** Where its keys lie. */
  pki: string;
  rssMiB: () => Promise<number>;
}

/** Something that was started, once it has said its first word. */
interface Started extends AsyncDisposable {
  root: string;
  pid: number;
  firstWords: string;
  /** Milliseconds from its start to that. */
  readyMs: number;
}

/** The whole platform, in its own process, on its own data. */
export async function startPlatform(): Promise<{ readyMs: number; rssMiB: number }> {
  await using started = await start((root) => [
    LAUNCHER,
    'up',
    '--no-demo',
    '--data-dir',
    root,
    ...ANY_PORTS,
  ]);
  const file = await readFile(join(started.root, 'server.json'), 'utf8');
  return { readyMs: started.readyMs, rssMiB: await rssMiB((JSON.parse(file) as { pid: number }).pid) };
}

/** The API alone, as the peer is. */
export async function startServer(): Promise<BenchServer> {
  const started = await start((root) => [process.execPath, ...NODE_FLAGS, API, root]);
  const { url, ca, token } = JSON.parse(started.firstWords) as { url: string; ca: string; token: string };
  return {
    url,
    ca,
    authorization: `Bearer ${token}`,
    pki: join(started.root, 'pki'),
    rssMiB: () => rssMiB(started.pid),
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}

async function start(command: (root: string) => string[]): Promise<Started> {
  const root = await mkdtemp(join(tmpdir(), 'dispatch-bench-'));
  const startedAt = performance.now();
  const [program = '', ...args] = command(root);
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], HOME: root },
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const firstWords = await Promise.race([
    new Promise<string>((resolve) => child.stdout.setEncoding('utf8').once('data', resolve)),
    exit.then((code) => Promise.reject(new Error(`${program} ended with ${code}`))),
  ]);
  return {
    root,
    pid: child.pid ?? 0,
    firstWords,
    readyMs: performance.now() - startedAt,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await exit;
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function rssMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
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
