import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DispatchfileRenderer, type ModuleSource } from '../../src/dispatchfile/index.ts';
import { type KubeClient, readLines, type ResourceRef } from '../../src/kube/index.ts';
import type { Row } from '../main.ts';
import { median, Platform } from '../platform.ts';

const TASK_RUNS: ResourceRef = { group: 'tekton.dev', version: 'v1', plural: 'taskruns', namespaced: true };
const BUILDS: ResourceRef = {
  group: 'dispatch.dev',
  version: 'v1alpha1',
  plural: 'builds',
  namespaced: true,
};
const REPOSITORIES: ResourceRef = { ...BUILDS, plural: 'repositories' };
const SHELL = 'dispatch.local/shell';
const STEPS = 20;
const RUNS = 500;
const EVERY_MS = 500;
const PUSHES = 7;
const RENDERS = 15;
const PAUSE_MS = 250;

/** From a push to the first line of its log, what a step costs, and how quickly files are read. */
export async function benchCi(): Promise<Row[]> {
  await using platform = await Platform.start();
  const client = platform.client();
  await runTask(client, 'warm', [{ image: SHELL, command: ['true'] }]);
  const steps: number[] = [];
  for (let run = 0; run < 5; run += 1)
    steps.push(
      await runTask(
        client,
        `steps-${run}`,
        Array.from({ length: STEPS }, () => ({ image: SHELL, command: ['true'] })),
      ),
    );
  const first = await pushes(platform, client);
  const waits = await burst(client);
  await client.close();
  return [
    {
      name: `${STEPS} no-op steps in one task, p50`,
      value: median(steps),
      unit: 'ms',
      peer: 'Tekton 18,000 ms (published 2019)',
      goal: '≤ 1,500 ms',
    },
    {
      name: 'push accepted → first line of the first step, p50',
      value: median(first),
      unit: 'ms',
      peer: '—',
      goal: '≤ 700 ms',
    },
    {
      name: `${RUNS} TaskRuns at 2/s: median wait until they run`,
      value: median(waits),
      unit: 'ms',
      peer: 'Tekton 4 min (500 runs, published 2019)',
      goal: '≤ 2,000 ms',
    },
    {
      name: 'render: Starlark, 200 tasks, 10 loads, warm',
      value: await renderStarlark(),
      unit: 'ms',
      peer: '—',
      goal: '≤ 50 ms',
    },
    { name: 'render: CUE, warm', value: await renderCue(), unit: 'ms', peer: '—', goal: '≤ 120 ms' },
  ];
}

/** Milliseconds until a condition of a task run holds. */
async function runTask(client: KubeClient, name: string, steps: object[], until = 'True'): Promise<number> {
  const stop = new AbortController();
  const { metadata } = await client.list(TASK_RUNS, { namespace: 'default', limit: 1 });
  const events = client.watch(TASK_RUNS, {
    namespace: 'default',
    resourceVersion: metadata.resourceVersion ?? '',
    signal: stop.signal,
  });
  const seen = (async () => {
    for await (const { object } of events) {
      const condition = (
        object['status'] as { conditions?: { status: string; reason: string }[] } | undefined
      )?.conditions?.[0];
      if (
        object.metadata.name === name &&
        (condition?.status === until || condition?.reason === until || condition?.status === 'True')
      )
        return;
    }
  })();
  const begun = performance.now();
  await client.create(TASK_RUNS, {
    apiVersion: 'tekton.dev/v1',
    kind: 'TaskRun',
    metadata: { name, namespace: 'default' },
    spec: { taskSpec: { steps } },
  });
  await seen;
  stop.abort();
  return performance.now() - begun;
}

async function burst(client: KubeClient): Promise<number[]> {
  const waits: Promise<number>[] = [];
  for (let at = 0; at < RUNS; at += 1) {
    waits.push(runTask(client, `burst-${at}`, [{ image: SHELL, command: ['sleep', '1'] }], 'Running'));
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  return Promise.all(waits);
}

async function pushes(platform: Platform, client: KubeClient): Promise<number[]> {
  const { http } = await platform.file();
  const token =
    /token: "?([^"\s]+)/.exec(readFileSync(join(platform.dataDir, 'kubeconfig'), 'utf8'))?.[1] ?? '';
  await client.raw({
    method: 'POST',
    path: '/apis/run.dispatch.dev/v1alpha1/namespaces/default/gitrepositories',
    headers: { 'content-type': 'application/json' },
    body: { metadata: { name: 'bench' } },
  });
  const url = `${http}/dispatch/git/default/bench.git`;
  await client.create(REPOSITORIES, {
    apiVersion: 'dispatch.dev/v1alpha1',
    kind: 'Repository',
    metadata: { name: 'bench', namespace: 'default' },
    spec: { url },
  });
  const dir = mkdtempSync(join(platform.home, 'clone-'));
  const git = (...args: string[]): void =>
    void execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: dir });
  git('init', '--quiet', '--initial-branch=main');
  writeFileSync(
    join(dir, 'Dispatchfile'),
    `#!yaml\nresource: {src: {type: git, params: {url: $(context.git.url), revision: $(context.git.commit)}}}\ntask: {t: {inputs: [src], steps: [{name: s, image: ${SHELL}, command: [echo, hello]}]}}\nactions: [{tasks: [t], on: {push: {}}}]\n`,
  );
  git('add', '--all');
  const times: number[] = [];
  for (let at = 0; at < PUSHES; at += 1) {
    git('commit', '--quiet', '--allow-empty', '--message', `change ${at}`);
    git('push', '--quiet', url.replace('://', `://a:${token}@`), 'main');
    const accepted = performance.now();
    times.push((await firstLine(client, at + 1)) - accepted);
  }
  return times.slice(1);
}

/** When the first line of the newest run is there. */
async function firstLine(client: KubeClient, number: number): Promise<number> {
  for (;;) {
    const { items } = await client.list(BUILDS, { namespace: 'default' });
    const status = items
      .map((item) => item['status'] as { number?: number; pipelineRun?: string; phase?: string } | undefined)
      .find((item) => item?.number === number && item.phase === 'Running');
    if (status?.pipelineRun === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      continue;
    }
    const stream = await client.stream({
      method: 'GET',
      path: `/apis/run.dispatch.dev/v1alpha1/namespaces/default/pipelineruns/${status.pipelineRun}/log`,
      query: new URLSearchParams({ follow: 'true' }),
    });
    for await (const _ of readLines(stream)) return performance.now();
  }
}

async function renderStarlark(): Promise<number> {
  const library =
    'def step(name):\n    return k8s.corev1.Container(name = name, image = "alpine", command = ["true"], env = [k8s.corev1.EnvVar(name = "A", value = "b")])\n';
  const modules: ModuleSource = { fetch: (name) => Promise.resolve({ id: name, file: name, text: library }) };
  const loads = Array.from(
    { length: 10 },
    (_, at) => `load("github.com/a/b/lib${at}@v1", step${at} = "step")\n`,
  ).join('');
  const text = `#!starlark\n${loads}src = resource("src", type = "git", params = {"url": "x"})\ndef make():\n    steps = [${Array.from({ length: 10 }, (_, at) => `step${at}`).join(', ')}]\n    for i in range(200):\n        task("t%d" % i, inputs = [src] + (["t%d" % (i - 1)] if i else []), steps = [s("s%d" % n) for n, s in enumerate(steps)])\nmake()\naction(tasks = ["t199"], on = p.Condition(git = p.GitCondition(push = p.GitPushCondition())))\n`;
  return warm(text, modules);
}

function renderCue(): Promise<number> {
  return warm(readFileSync(new URL('../../examples/pipeline/Dispatchfile', import.meta.url), 'utf8'));
}

/** Files come one by one, with time between them. */
async function warm(text: string, modules?: ModuleSource): Promise<number> {
  await using renderer = new DispatchfileRenderer();
  const times: number[] = [];
  for (let run = 0; run < RENDERS; run += 1) {
    const begun = performance.now();
    await renderer.render(text, { file: 'Dispatchfile', ...(modules && { modules }) });
    times.push(performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return median(times.slice(5));
}
