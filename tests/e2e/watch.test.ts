import assert from 'node:assert/strict';
import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { TestServer } from '../../src/apiserver/index.ts';
import {
  ApiError,
  type KubeObject,
  type ResourceRef,
  readLines,
  type WatchEvent,
} from '../../src/kube/index.ts';

const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };
const SMALL_HISTORY = { events: 50, bytes: 1 << 20, ageMs: 600_000 };

function configMap(
  name: string,
  data: Record<string, string> = {},
  labels: Record<string, string> = {},
): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default', labels }, data };
}

async function revisionOf(server: TestServer): Promise<string> {
  return (
    (await server.client.list(CONFIG_MAPS, { namespace: 'default', limit: 1 })).metadata.resourceVersion ?? ''
  );
}

/** The first `count` events of a watch. */
async function take(events: AsyncIterable<WatchEvent>, count: number): Promise<WatchEvent[]> {
  const taken: WatchEvent[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

const brief = ({ type, object }: WatchEvent): string => `${type} ${object.metadata.name}`;

/** A watch over a real connection. */
function open(server: TestServer, query: string): Promise<IncomingMessage> {
  const { url, pki } = server.api;
  return new Promise((resolve, reject) => {
    const call = request(
      `${url}/api/v1/namespaces/default/configmaps?watch=true&${query}`,
      {
        ca: pki.caCertificate,
        servername: 'localhost',
        agent: false,
        headers: { authorization: `Bearer ${pki.adminToken}` },
      },
      resolve,
    );
    call.on('error', reject);
    call.end();
  });
}

test('events come in the order of their versions, each once, with the object as it was then', async () => {
  await using server = await TestServer.start();
  const { client } = server;
  const watching = take(
    client.watch(CONFIG_MAPS, { namespace: 'default', resourceVersion: await revisionOf(server) }),
    300,
  );
  await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      await client.create(CONFIG_MAPS, configMap(`c${index}`, { step: '1' }));
      await client.update(CONFIG_MAPS, configMap(`c${index}`, { step: '2' }));
      await client.delete(CONFIG_MAPS, 'default', `c${index}`);
    }),
  );
  const events = await watching;
  const versions = events.map((event) => Number(event.object.metadata.resourceVersion));
  assert.deepEqual(
    versions,
    [...new Set(versions)].sort((a, b) => a - b),
  );
  const story = (name: string) =>
    events
      .filter((event) => event.object.metadata.name === name)
      .map((event) => [event.type, (event.object['data'] as { step: string }).step]);
  for (let index = 0; index < 100; index++)
    assert.deepEqual(story(`c${index}`), [
      ['ADDED', '1'],
      ['MODIFIED', '2'],
      ['DELETED', '2'],
    ]);
});

test('a selector makes objects appear and disappear', async () => {
  await using server = await TestServer.start();
  const { client } = server;
  const watching = take(
    client.watch(CONFIG_MAPS, {
      namespace: 'default',
      labelSelector: 'on=yes',
      resourceVersion: await revisionOf(server),
    }),
    4,
  );
  await client.create(CONFIG_MAPS, configMap('a'));
  await client.patch(CONFIG_MAPS, { namespace: 'default', name: 'a' }, 'merge', {
    metadata: { labels: { on: 'yes' } },
  });
  await client.patch(CONFIG_MAPS, { namespace: 'default', name: 'a' }, 'merge', { data: { x: '1' } });
  await client.patch(CONFIG_MAPS, { namespace: 'default', name: 'a' }, 'merge', {
    metadata: { labels: { on: 'no' } },
  });
  await client.create(CONFIG_MAPS, configMap('b', {}, { on: 'yes' }));
  assert.deepEqual((await watching).map(brief), ['ADDED a', 'MODIFIED a', 'DELETED a', 'ADDED b']);
});

test('a watch without a version begins with what is there; with initial events a bookmark ends them', async () => {
  await using server = await TestServer.start();
  const { client } = server;
  await client.create(CONFIG_MAPS, configMap('a'));
  const plain = await take(client.watch(CONFIG_MAPS, { namespace: 'default' }), 2);
  assert.deepEqual(plain.map(brief), ['ADDED a', 'ADDED kube-root-ca.crt']);
  const listed = await take(
    client.watch(CONFIG_MAPS, { namespace: 'default', sendInitialEvents: true, allowBookmarks: true }),
    3,
  );
  assert.deepEqual(
    listed.map((event) => event.type),
    ['ADDED', 'ADDED', 'BOOKMARK'],
  );
  assert.equal(listed[2]?.object.metadata.annotations?.['k8s.io/initial-events-end'], 'true');
});

test('a version that is no longer known is answered with 410, at the start and in between', async () => {
  await using server = await TestServer.start({ history: SMALL_HISTORY });
  const { client } = server;
  const old = await revisionOf(server);
  for (let index = 0; index < 120; index++) await client.create(CONFIG_MAPS, configMap(`c${index}`));
  await assert.rejects(
    take(client.watch(CONFIG_MAPS, { namespace: 'default', resourceVersion: old }), 1),
    (error) => error instanceof ApiError && error.code === 410,
  );
  await assert.rejects(
    client.list(CONFIG_MAPS, { namespace: 'default', resourceVersion: old, limit: 5 }),
    (error) => error instanceof ApiError && error.code === 410,
  );
  const ahead = String(Number(await revisionOf(server)) + 1000);
  await assert.rejects(
    take(client.watch(CONFIG_MAPS, { namespace: 'default', resourceVersion: ahead }), 1),
    (error) => error instanceof ApiError && error.code === 504,
  );
});

test('pages of a list are all of one moment', async () => {
  await using server = await TestServer.start();
  const { client } = server;
  for (let index = 0; index < 10; index++) await client.create(CONFIG_MAPS, configMap(`c${index}`));
  const first = await client.list(CONFIG_MAPS, { namespace: 'default', limit: 4 });
  assert.equal(first.metadata.remainingItemCount, 7);
  await client.delete(CONFIG_MAPS, 'default', 'c8');
  await client.create(CONFIG_MAPS, configMap('c99'));
  const names = first.items.map((item) => item.metadata.name);
  for (let next = first.metadata.continue; next; ) {
    const page = await client.list(CONFIG_MAPS, { namespace: 'default', limit: 4, continue: next });
    assert.equal(page.metadata.resourceVersion, first.metadata.resourceVersion);
    names.push(...page.items.map((item) => item.metadata.name));
    next = page.metadata.continue ?? '';
  }
  assert.deepEqual(names, [...Array.from({ length: 10 }, (_, index) => `c${index}`), 'kube-root-ca.crt']);
});

test(
  'a reader that does not read costs no memory, and others do not notice',
  { timeout: 60_000 },
  async () => {
    await using server = await TestServer.start({ history: { events: 100, bytes: 4 << 20, ageMs: 600_000 } });
    const { client } = server;
    const version = await revisionOf(server);
    const slow = await Promise.all(
      Array.from({ length: 20 }, () => open(server, `resourceVersion=${version}`)),
    );
    for (const answer of slow) answer.pause();
    const quick = take(client.watch(CONFIG_MAPS, { namespace: 'default', resourceVersion: version }), 600);
    const filler = 'x'.repeat(100_000);
    const before = process.memoryUsage().external + process.memoryUsage().arrayBuffers;
    for (let index = 0; index < 600; index++)
      await client.apply(CONFIG_MAPS, configMap('large', { filler, index: String(index) }), { force: true });
    assert.equal((await quick).length, 600);
    const grown = process.memoryUsage().external + process.memoryUsage().arrayBuffers - before;
    // 60 MB went to each of 20 readers: queues would hold over a gigabyte.
    assert.ok(grown < 300 * 1024 * 1024, `${Math.round(grown / 1024 / 1024)} MiB more`);
    for (const answer of slow) answer.destroy();
  },
);

test('a reader that falls behind history is told so', { timeout: 60_000 }, async () => {
  await using server = await TestServer.start({ history: SMALL_HISTORY });
  const { client } = server;
  const slow = await open(server, `resourceVersion=${await revisionOf(server)}`);
  slow.pause();
  const filler = 'x'.repeat(200_000);
  for (let index = 0; index < 400; index++)
    await client.apply(CONFIG_MAPS, configMap('large', { filler, index: String(index) }), { force: true });
  slow.resume();
  let last: WatchEvent | undefined;
  for await (const line of readLines(slow)) last = JSON.parse(line) as WatchEvent;
  assert.equal(last?.type, 'ERROR');
  assert.equal((last?.object as unknown as { code: number }).code, 410);
});

test(
  '1,000 watches over real connections all see the same, in bounded memory',
  { timeout: 90_000 },
  async () => {
    await using server = await TestServer.start();
    const version = await revisionOf(server);
    const answers: IncomingMessage[] = [];
    for (let index = 0; index < 1000; index += 50)
      answers.push(
        ...(await Promise.all(Array.from({ length: 50 }, () => open(server, `resourceVersion=${version}`)))),
      );
    const counting = answers.map(async (answer) => {
      const names: string[] = [];
      for await (const line of readLines(answer)) {
        names.push((JSON.parse(line) as WatchEvent).object.metadata.name ?? '');
        if (names.length === 20) break;
      }
      answer.destroy();
      return names.join(',');
    });
    for (let index = 0; index < 20; index++) await server.client.create(CONFIG_MAPS, configMap(`c${index}`));
    const seen = new Set(await Promise.all(counting));
    assert.deepEqual([...seen], [Array.from({ length: 20 }, (_, index) => `c${index}`).join(',')]);
  },
);

test('a watch ends when its time is over', async () => {
  await using server = await TestServer.start();
  const events = await take(
    server.client.watch(CONFIG_MAPS, {
      namespace: 'default',
      resourceVersion: await revisionOf(server),
      timeoutSeconds: 1,
    }),
    1,
  );
  assert.deepEqual(events, []);
});
