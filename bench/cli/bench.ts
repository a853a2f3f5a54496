import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { KubeClient } from '../../src/kube/index.ts';
import { CHANGE_REQUESTS } from '../../src/scm/index.ts';
import type { Row } from '../main.ts';
import { isInstalled, LAUNCHER, median, Platform } from '../platform.ts';

const RUNS = 15;
const POLL_MS = 20;

/** What it takes until a command has said something, and until a newcomer sees the first result. */
export async function benchCli(): Promise<Row[]> {
  const first = await firstResult();
  await using platform = await Platform.start();
  const env = {
    PATH: process.env['PATH'],
    HOME: platform.home,
    DISPATCH_HOME: platform.dataDir,
    KUBECONFIG: join(platform.dataDir, 'kubeconfig'),
  };
  const own = (...args: string[]): Promise<number> => timed(process.execPath, [LAUNCHER, ...args], env);
  const kubectl = isInstalled('kubectl')
    ? `kubectl get namespaces ${Math.round(await timed('kubectl', ['get', 'namespaces'], env))} ms`
    : 'kubectl is not installed';
  return [
    { name: 'dispatch version, p50', value: await own('version'), unit: 'ms', peer: '—', goal: '≤ 150 ms' },
    { name: 'dispatch git list, p50', value: await own('git', 'list'), unit: 'ms', peer: kubectl, goal: '—' },
    {
      name: 'dispatch gitops app list, p50',
      value: await own('gitops', 'app', 'list'),
      unit: 'ms',
      peer: kubectl,
      goal: '—',
    },
    {
      name: 'dispatch up in an empty directory → the sample project has built, tested and proposed',
      value: first / 1000,
      unit: 's',
      peer: '—',
      goal: '—',
    },
  ];
}

async function firstResult(): Promise<number> {
  const started = performance.now();
  await using platform = await Platform.start({ demo: true });
  const client = platform.client();
  while ((await requests(client)) === 0) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  await client.close();
  return performance.now() - started;
}

async function requests(client: KubeClient): Promise<number> {
  return (await client.list(CHANGE_REQUESTS, { namespace: 'default' })).items.length;
}

async function timed(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run <= RUNS; run += 1) {
    const started = performance.now();
    const child = spawn(program, args, { env, stdio: 'ignore' });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}`);
    times.push(performance.now() - started);
  }
  // The first one fills caches.
  return median(times.slice(1));
}
