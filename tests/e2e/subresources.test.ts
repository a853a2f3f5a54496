import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestServer } from '../../src/apiserver/index.ts';
import { ApiError, type KubeObject, type ResourceRef } from '../../src/kube/index.ts';

const core = (plural: string): ResourceRef => ({ group: '', version: 'v1', plural, namespaced: true });
const labels = { app: 'x' };
const pod: KubeObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'default', labels },
  spec: { containers: [{ name: 'c', image: 'i' }] },
};

test('an eviction respects the disruption budget', async () => {
  await using server = await TestServer.start();
  const { client } = server;
  const budgets: ResourceRef = {
    group: 'policy',
    version: 'v1',
    plural: 'poddisruptionbudgets',
    namespaced: true,
  };
  await client.create(core('pods'), pod);
  await client.patch(
    core('pods'),
    { namespace: 'default', name: 'p' },
    'merge',
    { status: { phase: 'Running' } },
    { subresource: 'status' },
  );
  await client.create(budgets, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'b', namespace: 'default' },
    spec: { minAvailable: 1, selector: { matchLabels: labels } },
  });
  const evict = () =>
    client.raw({
      method: 'POST',
      path: '/api/v1/namespaces/default/pods/p/eviction',
      body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } },
    });
  await assert.rejects(evict(), (error) => error instanceof ApiError && error.code === 429);
  await client.patch(
    budgets,
    { namespace: 'default', name: 'b' },
    'merge',
    { status: { disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 } },
    { subresource: 'status' },
  );
  await evict();
  await assert.rejects(
    client.get(core('pods'), 'default', 'p'),
    (error) => error instanceof ApiError && error.code === 404,
  );
});

test('a binding puts a pod on a node once, and only then its deletion waits for the node', async () => {
  await using server = await TestServer.start();
  const { client } = server;
  await client.create(core('pods'), pod);
  const bind = (node: string) =>
    client.raw({
      method: 'POST',
      path: '/api/v1/namespaces/default/pods/p/binding',
      body: {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'p' },
        target: { kind: 'Node', name: node },
      },
    });
  await bind('one');
  await assert.rejects(bind('two'), (error) => error instanceof ApiError && error.code === 409);
  const move = { spec: { nodeName: 'three' } };
  await assert.rejects(
    client.patch(core('pods'), { namespace: 'default', name: 'p' }, 'merge', move),
    /pod updates may not change fields/,
  );
  const bound = await client.get<KubeObject & { spec: { containers: object[] } }>(
    core('pods'),
    'default',
    'p',
  );
  // The order of keys means nothing.
  bound.spec.containers = bound.spec.containers.map((item) =>
    Object.fromEntries(Object.entries(item).reverse()),
  );
  await client.update(core('pods'), bound);
  await client.delete(core('pods'), 'default', 'p');
  const leaving = await client.get<KubeObject>(core('pods'), 'default', 'p');
  assert.equal(leaving.metadata.deletionGracePeriodSeconds, 30);
  await client.delete(core('pods'), 'default', 'p', { gracePeriodSeconds: 0 });
  await assert.rejects(
    client.get(core('pods'), 'default', 'p'),
    (error) => error instanceof ApiError && error.code === 404,
  );
});

test('an autoscaler keeps all its metrics when it is written through the older version', async () => {
  await using server = await TestServer.start();
  const { client } = server;
  const at = (version: string): ResourceRef => ({
    group: 'autoscaling',
    version,
    plural: 'horizontalpodautoscalers',
    namespaced: true,
  });
  const resource = (name: string, averageUtilization: number) => ({
    type: 'Resource',
    resource: { name, target: { type: 'Utilization', averageUtilization } },
  });
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' };
  await client.create(at('v2'), {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'h', namespace: 'default' },
    spec: { maxReplicas: 3, scaleTargetRef, metrics: [resource('cpu', 70), resource('memory', 50)] },
  });
  const old = await client.get<KubeObject & { spec: Record<string, unknown> }>(at('v1'), 'default', 'h');
  assert.equal(old.spec['targetCPUUtilizationPercentage'], 70);
  old.spec['targetCPUUtilizationPercentage'] = 60;
  await client.update(at('v1'), old);
  const now = await client.get<
    KubeObject & {
      spec: { metrics: { resource: { name: string; target: { averageUtilization: number } } }[] };
    }
  >(at('v2'), 'default', 'h');
  assert.deepEqual(
    now.spec.metrics.map(({ resource: { name, target } }) => [name, target.averageUtilization]).sort(),
    [
      ['cpu', 60],
      ['memory', 50],
    ],
  );
});

test('an event is one object under both of its groups', async () => {
  await using server = await TestServer.start();
  const { client } = server;
  await client.create(core('events'), {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e', namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'p' },
    message: 'it happened',
    reason: 'Test',
  });
  const other = await client.get<KubeObject>(
    { group: 'events.k8s.io', version: 'v1', plural: 'events', namespaced: true },
    'default',
    'e',
  );
  assert.equal(other.apiVersion, 'events.k8s.io/v1');
  assert.equal(other['note'], 'it happened');
  assert.deepEqual(other['regarding'], { kind: 'Pod', name: 'p' });
});
