import { request } from 'node:http';
import { Agent } from 'node:http';
import type { KubeClient } from '../../src/kube/index.ts';
import { SUBSCRIPTIONS, type SubscriptionObject } from '../../src/events/index.ts';
import { create, images, ready } from '../functions/bench.ts';
import type { Row } from '../main.ts';
import { median, Platform } from '../platform.ts';

const CODE =
  'module.exports = ({ event = {} }, { at }) => at === undefined ? null : performance.timeOrigin + performance.now() - at;';
const SINGLE = 300;
const BATCHES = 300;
const BATCH = 100;
const IN_FLIGHT = 4;
const TOKEN_PATH = '/api/v1/namespaces/default/serviceaccounts/default/token';

/** Events: from whoever sends them to the function, and how many in a second. */
export async function benchEvents(): Promise<Row[]> {
  await using platform = await Platform.start();
  const client = platform.client();
  const { http } = await platform.file();
  await images(client);
  await create(client, 'functions', 'Function', 'heard', {
    image: 'nodejs',
    source: { files: { 'a.js': CODE } },
  });
  await ready(client, 'heard');
  await create(client, 'subscriptions', 'Subscription', 'heard', { function: 'heard', eventType: 'bench.*' });
  await subscribed(client);
  const token = await tokenOf(client);
  const agent = new Agent({ keepAlive: true });
  const send = (body: string, type: string): Promise<number> =>
    post(agent, `${http}/dispatch/events`, { body, type, token });
  for (let at = 0; at < SINGLE; at += 1)
    await send(
      JSON.stringify(event(`single-${at}`, { at: performance.timeOrigin + performance.now() })),
      'cloudevents+json',
    );
  const late = await outputs(client, SINGLE);
  const start = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (next < BATCHES) {
        const batch = next++;
        const events = Array.from({ length: BATCH }, (_, at) => event(`${batch}-${at}`, {}));
        await send(JSON.stringify(events), 'cloudevents-batch+json');
      }
    }),
  );
  const accepted = (performance.now() - start) / 1000;
  await delivered(client, SINGLE + BATCHES * BATCH);
  const total = (performance.now() - start) / 1000;
  agent.destroy();
  await client.close();
  return [
    { name: 'emit → function called, p50', value: median(late), unit: 'ms', peer: '—', goal: '≤ 5 ms' },
    {
      name: 'events accepted, on disk',
      value: (BATCHES * BATCH) / accepted,
      unit: '/s',
      peer: '—',
      goal: '≥ 5,000 /s',
    },
    {
      name: 'events delivered to a function',
      value: (BATCHES * BATCH) / total,
      unit: '/s',
      peer: '—',
      goal: '—',
    },
  ];
}

function event(id: string, data: object): object {
  return { specversion: '1.0', id, source: 'bench', subject: id, type: 'bench.event', data };
}

function post(
  agent: Agent,
  url: string,
  { body, type, token }: { body: string; type: string; token: string },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': `application/${type}`,
      'content-length': Buffer.byteLength(body),
      authorization: `Bearer ${token}`,
    };
    const sent = request(url, { method: 'POST', agent, headers }, (answer) => {
      answer.resume();
      answer.once('end', () => {
        if (answer.statusCode === 202) resolve(202);
        else reject(new Error(`${url} answered ${answer.statusCode}`));
      });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

async function tokenOf(client: KubeClient): Promise<string> {
  await client.raw({
    method: 'POST',
    path: '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings',
    headers: { 'content-type': 'application/json' },
    body: {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'bench', namespace: 'default' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'edit' },
      subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }],
    },
  });
  const { status } = await client.raw<{ status: { token: string } }>({
    method: 'POST',
    path: TOKEN_PATH,
    headers: { 'content-type': 'application/json' },
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
  });
  return status.token;
}

async function subscribed(client: KubeClient): Promise<void> {
  for (;;) {
    const { status } = await client.get<SubscriptionObject>(SUBSCRIPTIONS, 'default', 'heard');
    if (status?.phase === 'READY') return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function outputs(client: KubeClient, count: number): Promise<number[]> {
  for (;;) {
    const { items } = await client.raw<{ items: { status: { output?: unknown } }[] }>({
      method: 'GET',
      path: '/apis/run.dispatch.dev/v1alpha1/namespaces/default/functionruns',
      query: new URLSearchParams({ function: 'heard' }),
    });
    const found = items.flatMap(({ status }) => (typeof status.output === 'number' ? [status.output] : []));
    if (found.length >= count) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function delivered(client: KubeClient, count: number): Promise<void> {
  for (;;) {
    const { status } = await client.get<SubscriptionObject>(SUBSCRIPTIONS, 'default', 'heard');
    if ((status?.delivered ?? 0) >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
