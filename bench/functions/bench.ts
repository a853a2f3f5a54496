import { spawnSync } from 'node:child_process';
import { FUNCTIONS, type FunctionObject } from '../../src/functions/index.ts';
import { GROUP, VERSION } from '../../src/api/index.ts';
import type { KubeClient, KubeObject, ResourceRef } from '../../src/kube/index.ts';
import type { Row } from '../main.ts';
import { isInstalled, median, Platform } from '../platform.ts';
import { barePeer, frameworkPeer } from './peers.ts';

const NAMESPACE = 'default';
const CONNECTIONS = 64;
const SECONDS = 3;
const ROUNDS = 9;
const COLD = 12;
const CREATED = 10;
const HELLO = "module.exports = (_, { name }) => ({ myField: 'Hello, ' + name });";
const HELLO_PY = 'def handle(ctx, payload):\n    return {"myField": "Hello, %s" % payload.get("name")}\n';

interface Load {
  perSecond: number;
  p50: number;
  p99: number;
}

/** Calls of functions, beside a bare Node server behind the same gateway in the same run. */
export async function benchFunctions(): Promise<Row[]> {
  if (!isInstalled('wrk')) throw new Error('This benchmark needs wrk: install the package wrk.');
  await using platform = await Platform.start();
  const client = platform.client();
  const { http } = await platform.file();
  await images(client);
  await create(client, 'functions', 'Function', 'hello', {
    image: 'nodejs',
    source: { files: { 'hello.js': HELLO } },
  });
  await create(client, 'endpoints', 'Endpoint', 'hello', { function: 'hello', paths: ['/hello'] });
  await ready(client, 'hello');
  await barePeer(client);
  const [ours, peer, other] = ['hello', 'bare', 'framework'].map((name) => `${http}/${name}?name=Jon`);
  const hasFramework = await frameworkPeer(client, platform);
  const urls = [ours!, peer!, ...(hasFramework ? [other!] : [])];
  for (const url of urls) await answered(url);
  const loads = new Map<string, Load[]>(urls.map((url) => [url, []]));
  for (let round = 0; round < ROUNDS; round += 1) for (const [url, found] of loads) found.push(load(url));
  const rows = warmRows(loads.get(ours!)!, loads.get(peer!)!);
  rows.push(...frameworkRows(loads.get(ours!)!, loads.get(other!)));
  rows.push(...(await coldRows(client, http)), await createdRow(client));
  await client.close();
  return rows;
}

/** Ratios are of rounds that were right after each other: a machine that others use too is not equally fast for long. */
function warmRows(all: readonly Load[], peers: readonly Load[]): Row[] {
  const [ours, peer] = [typical(all), typical(peers)];
  const ratio = ratios(all, peers);
  return [
    {
      name: 'warm calls/s at 64, hello in nodejs',
      value: ours.perSecond,
      unit: '/s',
      peer: `bare Node: ${Math.round(peer.perSecond).toLocaleString('en')} /s`,
      goal: '—',
    },
    {
      name: 'warm call p50 at 64',
      value: ours.p50,
      unit: 'ms',
      peer: `bare Node: ${peer.p50.toFixed(2)} ms`,
      goal: '≤ 1.5 ×',
    },
    { name: 'warm call p50 ÷ bare Node', value: ratio('p50'), unit: '×', peer: '1', goal: '≤ 1.5' },
    { name: 'warm call p99 ÷ bare Node', value: ratio('p99'), unit: '×', peer: '1', goal: '≤ 2' },
  ];
}

function ratios(all: readonly Load[], peers: readonly Load[]): (key: keyof Load) => number {
  return (key) => median(all.map((item, at) => item[key] / peers[at]![key]));
}

/** Nothing where the framework is not installed. */
function frameworkRows(ours: readonly Load[], peers: readonly Load[] | undefined): Row[] {
  if (peers === undefined) return [];
  return [
    {
      name: 'warm calls/s ÷ functions-framework for nodejs, in a pod',
      value: ratios(ours, peers)('perSecond'),
      unit: '×',
      peer: `${Math.round(typical(peers).perSecond).toLocaleString('en')} /s`,
      goal: '—',
    },
  ];
}

async function coldRows(client: KubeClient, http: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, image, files, peer, goal] of [
    ['cold-js', 'nodejs', { 'a.js': HELLO }, [process.execPath, '-e', '0'], '≤ 150 ms p50'],
    ['cold-py', 'python3', { 'a.py': HELLO_PY }, ['python3', '-c', 'pass'], '≤ 200 ms'],
  ] as const) {
    await create(client, 'functions', 'Function', name, { image, source: { files }, idleTimeout: '1s' });
    await create(client, 'endpoints', 'Endpoint', name, { function: name, paths: [`/${name}`] });
    await ready(client, name);
    const times: number[] = [];
    for (let at = 0; at < COLD; at += 1) {
      await until(client, name, (fn) => (fn.status?.instances ?? 0) === 0);
      const start = performance.now();
      await (await fetch(`${http}/${name}?name=x`)).arrayBuffer();
      times.push(performance.now() - start);
    }
    const process_ = median(
      Array.from({ length: COLD }, () => {
        const start = performance.now();
        spawnSync(peer[0], peer.slice(1), { env: { PATH: process.env['PATH'] } });
        return performance.now() - start;
      }),
    );
    rows.push({
      name: `cold start, ${image}: from none to the answer, p50`,
      value: median(times),
      unit: 'ms',
      peer: `${peer.slice(image === 'nodejs' ? 1 : 0).join(' ')} as a process: ${process_.toFixed(0)} ms`,
      goal,
    });
  }
  return rows;
}

async function createdRow(client: KubeClient): Promise<Row> {
  const times: number[] = [];
  for (let at = 0; at < CREATED; at += 1) {
    const start = performance.now();
    await create(client, 'functions', 'Function', `new-${at}`, {
      image: 'nodejs',
      source: { files: { 'a.js': `${HELLO}// ${at}` } },
    });
    await ready(client, `new-${at}`);
    times.push(performance.now() - start);
  }
  return {
    name: 'function created → READY, p50',
    value: median(times),
    unit: 'ms',
    peer: '—',
    goal: '≤ 500 ms',
  };
}

export async function images(client: KubeClient): Promise<void> {
  for (const language of ['nodejs', 'python3']) {
    await create(client, 'baseimages', 'BaseImage', `${language}-base`, {
      image: `dispatch.local/${language}-base`,
      language,
    });
    await create(client, 'images', 'Image', language, { baseImage: `${language}-base` });
  }
}

export async function create(
  client: KubeClient,
  plural: string,
  kind: string,
  name: string,
  spec: object,
): Promise<void> {
  const resource: ResourceRef = { group: GROUP, version: VERSION, plural, namespaced: true };
  await client.create<KubeObject>(resource, {
    apiVersion: `${GROUP}/${VERSION}`,
    kind,
    metadata: { name, namespace: NAMESPACE },
    spec,
  });
}

export function ready(client: KubeClient, name: string): Promise<void> {
  return until(client, name, (fn) => fn.status?.phase === 'READY');
}

async function until(client: KubeClient, name: string, isSo: (fn: FunctionObject) => boolean): Promise<void> {
  const fn = await client.get<FunctionObject>(FUNCTIONS, NAMESPACE, name);
  if (isSo(fn)) return;
  const stop = new AbortController();
  try {
    for await (const { object } of client.watch<FunctionObject>(FUNCTIONS, {
      namespace: NAMESPACE,
      fieldSelector: `metadata.name=${name}`,
      resourceVersion: fn.metadata.resourceVersion ?? '',
      signal: stop.signal,
    }))
      if (isSo(object)) return;
  } finally {
    stop.abort();
  }
}

async function answered(url: string): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${url} does not answer.`);
}

function load(url: string): Load {
  const { stdout } = spawnSync('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, '--latency', url], {
    encoding: 'utf8',
  });
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout);
  const latency = (share: string): number => {
    const [, value, unit] = new RegExp(`${share}%\\s+([\\d.]+)(us|ms|s)`).exec(stdout) ?? [];
    return Number(value) * ({ us: 0.001, ms: 1, s: 1000 }[unit ?? 'ms'] ?? 1);
  };
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p50: latency('50'),
    p99: latency('99'),
  };
}

function typical(loads: readonly Load[]): Load {
  const middle = (key: keyof Load): number => median(loads.map((item) => item[key]));
  return { perSecond: middle('perSecond'), p50: middle('p50'), p99: middle('p99') };
}
