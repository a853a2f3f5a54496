import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestServer } from '../../src/apiserver/index.ts';
import {
  Controller,
  DONE,
  EventRecorder,
  Informers,
  type KubeObject,
  LEASES,
  LeaderElection,
  pause,
  type ResourceRef,
  SILENT,
} from '../../src/kube/index.ts';

const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };

function configMap(name: string, data: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data };
}

const forever = new AbortController().signal;

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(5, forever);
}

test(
  'a controller brings every object to its wanted state, over failures and changes',
  { timeout: 30_000 },
  async () => {
    await using server = await TestServer.start();
    const { client } = server;
    const stop = new AbortController();
    const informers = new Informers(client, SILENT);
    const maps = informers.for(CONFIG_MAPS);
    const failed = new Set<string>();
    const controller = new Controller({
      name: 'copy',
      log: SILENT,
      reconcile: async ({ namespace, name }) => {
        const object = maps.get(namespace, name);
        if (object === undefined || !name.startsWith('job')) return DONE;
        if (!failed.has(name)) {
          failed.add(name);
          throw new Error('the first try fails');
        }
        const data = object['data'] as Record<string, string>;
        if (data['done'] !== data['wanted'])
          await client.patch(CONFIG_MAPS, { namespace, name }, 'merge', { data: { done: data['wanted'] } });
        return DONE;
      },
    }).for(maps);
    await client.create(CONFIG_MAPS, configMap('job-before', { wanted: '1' }));
    await informers.start(stop.signal);
    const running = controller.run(stop.signal);
    await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        client.create(CONFIG_MAPS, configMap(`job-${index}`, { wanted: '1' })),
      ),
    );
    await client.patch(CONFIG_MAPS, { namespace: 'default', name: 'job-3' }, 'merge', {
      data: { wanted: '2' },
    });
    await until(async () => {
      const { items } = await client.list(CONFIG_MAPS, { namespace: 'default' });
      const jobs = items
        .filter((item) => item.metadata.name?.startsWith('job'))
        .map((item) => item['data'] as Record<string, string>);
      return jobs.length === 31 && jobs.every((data) => data['done'] === data['wanted']);
    });
    assert.equal(failed.size, 31);
    stop.abort();
    await running;
  },
);

test(
  'an informer keeps its indexes, and notices what changed while its watch was lost',
  { timeout: 30_000 },
  async () => {
    await using server = await TestServer.start({ history: { events: 10, bytes: 1 << 20, ageMs: 600_000 } });
    const { client } = server;
    const stop = new AbortController();
    const informer = new Informers(client, SILENT)
      .for(CONFIG_MAPS)
      .addIndex('owner', (object) => [(object['data'] as { owner?: string } | undefined)?.owner ?? '']);
    const told: string[] = [];
    informer.addHandler({
      added: (object) => void told.push(`+${object.metadata.name}`),
      deleted: (object) => void told.push(`-${object.metadata.name}`),
    });
    informer.start(stop.signal);
    await informer.synced;
    await client.create(CONFIG_MAPS, configMap('a', { owner: 'x' }));
    await until(() => informer.byIndex('owner', 'x').length === 1);
    await client.patch(CONFIG_MAPS, { namespace: 'default', name: 'a' }, 'merge', { data: { owner: 'y' } });
    await until(() => informer.byIndex('owner', 'y').length === 1);
    assert.equal(informer.byIndex('owner', 'x').length, 0);
    await client.delete(CONFIG_MAPS, 'default', 'a');
    await until(() => informer.get('default', 'a') === undefined);
    assert.deepEqual(
      told.filter((line) => line.endsWith('a')),
      ['+a', '-a'],
    );
    stop.abort();
  },
);

test('one of two leads; when it stops, the other takes over at once', { timeout: 30_000 }, async () => {
  await using server = await TestServer.start();
  const leading: string[] = [];
  const stops = { a: new AbortController(), b: new AbortController() };
  const run = (identity: 'a' | 'b') =>
    new LeaderElection({
      client: server.client,
      namespace: 'default',
      name: 'test',
      identity,
      leaseMs: 3000,
      renewMs: 50,
    }).run(async (signal) => {
      leading.push(identity);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    }, stops[identity].signal);
  const a = run('a');
  await until(() => leading.length === 1);
  const b = run('b');
  // The other one has looked several times by the time the holder has renewed this often.
  let renewals = 0;
  for await (const _ of server.client.watch(LEASES, { namespace: 'default' })) if (++renewals === 5) break;
  assert.deepEqual(leading, ['a']);
  stops.a.abort();
  await a;
  await until(() => leading.length === 2);
  assert.deepEqual(leading, ['a', 'b']);
  stops.b.abort();
  await b;
});

test('a leader whose lease was taken stops leading', { timeout: 30_000 }, async () => {
  await using server = await TestServer.start();
  const stop = new AbortController();
  const lost = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const running = new LeaderElection({
    client: server.client,
    namespace: 'default',
    name: 'test',
    identity: 'a',
    leaseMs: 3000,
    renewMs: 30,
  }).run(async (signal) => {
    started.resolve();
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    lost.resolve();
  }, stop.signal);
  await started.promise;
  await server.client.patch(LEASES, { namespace: 'default', name: 'test' }, 'merge', {
    spec: { holderIdentity: 'thief' },
  });
  await lost.promise;
  stop.abort();
  await running;
});

test('equal events are counted, not repeated', async () => {
  await using server = await TestServer.start();
  const object = await server.client.create(CONFIG_MAPS, configMap('a'));
  const recorder = new EventRecorder(server.client, 'tester', SILENT);
  for (let index = 0; index < 3; index++)
    recorder.record(object, { type: 'Warning', reason: 'Broken', message: 'it does not work' });
  recorder.record(object, { type: 'Normal', reason: 'Mended', message: 'it works' });
  await recorder.flush();
  const { items } = await server.client.list({ ...CONFIG_MAPS, plural: 'events' }, { namespace: 'default' });
  assert.deepEqual(items.map((item) => [item['reason'], item['count']]).sort(), [
    ['Broken', 3],
    ['Mended', 1],
  ]);
});
