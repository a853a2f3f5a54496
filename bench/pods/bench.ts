import { spawnSync } from 'node:child_process';
import { DEPLOYMENTS, INGRESSES, type KubeClient, type Pod, PODS, SERVICES } from '../../src/kube/index.ts';
import type { Row } from '../main.ts';
import { isInstalled, median, Platform } from '../platform.ts';

const RUNS = 20;
const MANY = 50;
const PODMAN =
  '--runtime runc --cgroup-manager=cgroupfs run --rm --network=none --ulimit nofile=1024:1024 localhost/bench-true /bin/true'.split(
    ' ',
  );
const SERVER = "require('http').createServer((q, a) => a.end('ok')).listen(8080)";

/** How quickly pods run: one, many at once, and three that serve. */
export async function benchPods(): Promise<Row[]> {
  await using platform = await Platform.start();
  const client = platform.client();
  const { http } = await platform.file();
  // The image is made when it is first used; the measures are of a machine that has it.
  await timed(client, ['warm']);
  const single: number[] = [];
  for (let run = 0; run < RUNS; run += 1) single.push(await timed(client, [`one-${run}`]));
  const many = await timed(
    client,
    Array.from({ length: MANY }, (_, at) => `many-${at}`),
  );
  await serving(client, http, 'warm');
  const serve: number[] = [];
  for (let run = 0; run < 5; run += 1) serve.push(await serving(client, http, `serve-${run}`));
  await client.close();
  return [
    {
      name: 'pod created → running, p50',
      value: median(single),
      unit: 'ms',
      peer: podman(),
      goal: '≤ 60 ms',
    },
    { name: `${MANY} pods at once → all running`, value: many, unit: 'ms', peer: '—', goal: '≤ 2,000 ms' },
    {
      name: 'Deployment of 3 → serving through the gateway, p50',
      value: median(serve),
      unit: 'ms',
      peer: '—',
      goal: '≤ 500 ms',
    },
  ];
}

async function timed(client: KubeClient, names: readonly string[]): Promise<number> {
  const waiting = new Set(names);
  const stop = new AbortController();
  const { metadata } = await client.list(PODS, { namespace: 'default', limit: 1 });
  const seen = (async () => {
    const events = client.watch<Pod>(PODS, {
      namespace: 'default',
      resourceVersion: metadata.resourceVersion ?? '',
      signal: stop.signal,
    });
    for await (const { object } of events) {
      if (object.status?.phase === 'Running') waiting.delete(object.metadata.name ?? '');
      if (waiting.size === 0) return;
    }
  })();
  const begun = performance.now();
  await Promise.all(
    names.map((name) =>
      client.create(PODS, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'default' },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: 'c',
              image: 'dispatch.local/shell',
              imagePullPolicy: 'IfNotPresent',
              command: ['sleep', '1000'],
            },
          ],
        },
      }),
    ),
  );
  await seen;
  const took = performance.now() - begun;
  stop.abort();
  for (const name of names) await client.delete(PODS, 'default', name, { gracePeriodSeconds: 0 });
  return took;
}

async function serving(client: KubeClient, http: string, name: string): Promise<number> {
  const namespace = 'default';
  const labels = { app: name };
  const begun = performance.now();
  const deployment = client.create(DEPLOYMENTS, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: 'c',
              image: 'dispatch.local/node',
              imagePullPolicy: 'IfNotPresent',
              command: ['node', '-e', SERVER],
            },
          ],
        },
      },
    },
  });
  const service = client.create(SERVICES, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
  });
  const ingress = client.create(INGRESSES, {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace },
    spec: {
      rules: [
        {
          http: {
            paths: [
              { path: `/${name}`, pathType: 'Prefix', backend: { service: { name, port: { number: 80 } } } },
            ],
          },
        },
      ],
    },
  });
  await Promise.all([deployment, service, ingress]);
  for (;;) {
    const { status } = await client.get(DEPLOYMENTS, namespace, name);
    if ((status as { readyReplicas?: number } | undefined)?.readyReplicas === 3) break;
  }
  for (;;) {
    const answer = await fetch(`${http}/${name}`);
    await answer.arrayBuffer();
    if (answer.status === 200) break;
  }
  const took = performance.now() - begun;
  await client.delete(DEPLOYMENTS, namespace, name, { propagationPolicy: 'Foreground' });
  await client.delete(SERVICES, namespace, name);
  await client.delete(INGRESSES, namespace, name);
  return took;
}

/** The same with podman, where it is installed: an image of one static program, run and ended. */
function podman(): string {
  if (!isInstalled('podman') || !isInstalled('buildah')) return 'podman is not installed';
  const made = spawnSync(
    'sh',
    [
      '-c',
      'c=$(buildah from scratch) && m=$(buildah mount $c) && mkdir -p $m/bin && cp "/bin/true" $m/bin/true && for l in $(ldd "/bin/true" | grep -o "/[^ ]*"); do mkdir -p $m$(dirname $l); cp -L $l $m$l; done && buildah commit -q $c localhost/bench-true && buildah rm $c',
    ],
    { encoding: 'utf8' },
  );
  if (made.status !== 0) return 'podman cannot make its image here';
  const times: number[] = [];
  for (let run = 0; run < 5; run += 1) {
    const begun = performance.now();
    const result = spawnSync('podman', PODMAN, { timeout: 20_000 });
    if (result.status !== 0) return 'podman cannot run here';
    times.push(performance.now() - begun);
  }
  return `podman run: ${Math.round(median(times))} ms`;
}
