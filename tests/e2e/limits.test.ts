import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { TestServer } from '../../src/apiserver/index.ts';
import { ApiError, type KubeObject, type ResourceRef } from '../../src/kube/index.ts';
import { HttpsService } from './https-service.ts';

const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };

function configMap(name: string, data: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data };
}

const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;

test(
  'a full disk refuses writes with 507, goes on reading, and recovers',
  { skip: canMount ? false : 'mounting a small file system needs root' },
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dispatch-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', dir]);
    try {
      const server = await TestServer.start({ dataDir: dir });
      const { client } = server;
      const filler = 'x'.repeat(200_000);
      let written = 0;
      const full = await (async () => {
        for (;;) {
          try {
            await client.create(CONFIG_MAPS, configMap(`c${written}`, { filler }));
            written += 1;
          } catch (error) {
            return error;
          }
        }
      })();
      assert.ok(full instanceof ApiError && full.code === 507, String(full));
      assert.match(full.message, /disk of the store is full.*Nothing was changed/);
      assert.equal((await client.list(CONFIG_MAPS, { namespace: 'default' })).items.length, written + 1);
      await client.create(CONFIG_MAPS, configMap('small'));
      execFileSync('mount', ['-o', 'remount,size=16m', dir]);
      await client.create(CONFIG_MAPS, configMap('large', { filler }));
      await server.api.close();
      const again = await TestServer.start({ dataDir: dir });
      assert.equal(
        (await again.client.list(CONFIG_MAPS, { namespace: 'default' })).items.length,
        written + 3,
      );
      await again.api.close();
    } finally {
      execFileSync('umount', ['-l', dir]);
      await rm(dir, { recursive: true, force: true });
    }
  },
);

test('above the limit of requests at once: 429, when to come back, and watches are not counted', async () => {
  await using server = await TestServer.start({ maxInFlight: 2 });
  await using service = await HttpsService.start();
  const held = Promise.withResolvers<void>();
  const waiting: (() => void)[] = [];
  service.hold = () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve);
      if (waiting.length === 2) held.resolve();
    });
  service.answer = ({ body }) => ({
    body: {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: (body as { request: { uid: string } }).request.uid, allowed: true },
    },
  });
  await server.client.create(
    {
      group: 'admissionregistration.k8s.io',
      version: 'v1',
      plural: 'validatingwebhookconfigurations',
      namespaced: false,
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'slow' },
      webhooks: [
        {
          name: 'slow.example.dev',
          clientConfig: { url: service.url, caBundle: service.caBundle },
          rules: [
            { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] },
          ],
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
        },
      ],
    },
  );
  const { url, pki } = server.api;
  const { Agent, request } = await import('undici');
  const dispatcher = new Agent({ connect: { ca: pki.caCertificate } });
  const call = (method: string, path: string, body?: object) =>
    request(`${url}${path}`, {
      method: method as 'GET',
      dispatcher,
      headers: { authorization: `Bearer ${pki.adminToken}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
  const slow = ['a', 'b'].map((name) =>
    call('POST', '/api/v1/namespaces/default/configmaps', configMap(name)),
  );
  await held.promise;
  const refused = await call('GET', '/api/v1/namespaces');
  assert.equal(refused.statusCode, 429);
  assert.equal(refused.headers['retry-after'], '1');
  assert.equal(((await refused.body.json()) as { reason: string }).reason, 'TooManyRequests');
  const watch = await call('GET', '/api/v1/namespaces?watch=true');
  assert.equal(watch.statusCode, 200);
  watch.body.destroy();
  for (const release of waiting) release();
  for (const answer of await Promise.all(slow)) assert.equal(answer.statusCode, 201);
  assert.equal((await call('GET', '/api/v1/namespaces')).statusCode, 200);
  await dispatcher.destroy();
});

test('quotas, limit ranges and priorities hold for new pods', async () => {
  await using server = await TestServer.start();
  const { client } = server;
  const core = (plural: string): ResourceRef => ({ group: '', version: 'v1', plural, namespaced: true });
  const pod = (name: string, spec: object = {}): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'i:1' }], ...spec },
  });
  await client.create(core('limitranges'), {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: 'l', namespace: 'default' },
    spec: {
      limits: [
        { type: 'Container', default: { cpu: '500m' }, defaultRequest: { cpu: '250m' }, max: { cpu: '1' } },
      ],
    },
  });
  await client.create(core('resourcequotas'), {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'q', namespace: 'default' },
    spec: { hard: { pods: '2', 'requests.cpu': '1' } },
  });
  const created = await client.create(core('pods'), pod('a', { priorityClassName: 'system-node-critical' }));
  const spec = created['spec'] as {
    priority: number;
    serviceAccountName: string;
    containers: { resources: object; volumeMounts: { mountPath: string }[] }[];
  };
  assert.equal(spec.priority, 2_000_001_000);
  assert.equal(spec.serviceAccountName, 'default');
  assert.deepEqual(spec.containers[0]?.resources, { limits: { cpu: '500m' }, requests: { cpu: '250m' } });
  assert.equal(
    spec.containers[0]?.volumeMounts[0]?.mountPath,
    '/var/run/secrets/kubernetes.io/serviceaccount',
  );
  await assert.rejects(
    client.create(
      core('pods'),
      pod('big', { containers: [{ name: 'c', image: 'i', resources: { limits: { cpu: '2' } } }] }),
    ),
    /maximum cpu usage per Container is 1, but limit is 2/,
  );
  await client.create(core('pods'), pod('b'));
  await assert.rejects(
    client.create(core('pods'), pod('c')),
    /exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2/,
  );
  for await (const event of client.watch(core('resourcequotas'), { namespace: 'default' })) {
    const status = event.object['status'] as { used?: Record<string, string> } | undefined;
    if (status?.used?.['pods'] === '2' && status.used['requests.cpu'] === '500m') break;
  }
});
