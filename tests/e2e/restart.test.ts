import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { TestServer } from '../../src/apiserver/index.ts';
import type { KubeObject, ResourceRef } from '../../src/kube/index.ts';

const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };
const DEFINITIONS: ResourceRef = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  namespaced: false,
};
const THINGS: ResourceRef = { group: 'example.dev', version: 'v1', plural: 'things', namespaced: true };

const configMap = (name: string, more: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', ...more },
});

/** One data directory, several lives of a server. */
async function lives(...steps: ((server: TestServer) => Promise<void>)[]): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'dispatch-lives-'));
  try {
    for (const step of steps) {
      const server = await TestServer.start({ dataDir });
      try {
        await step(server);
      } finally {
        await server.api.close();
      }
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

test('definitions and their objects are served from the first request after a restart', async () => {
  const schema = {
    type: 'object',
    properties: { spec: { type: 'object', properties: { size: { type: 'integer', default: 1 } } } },
  };
  await lives(
    async ({ client }) => {
      await client.create(DEFINITIONS, {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name: 'things.example.dev' },
        spec: {
          group: 'example.dev',
          scope: 'Namespaced',
          names: { plural: 'things', kind: 'Thing' },
          versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
        },
      });
      await client.create(THINGS, {
        apiVersion: 'example.dev/v1',
        kind: 'Thing',
        metadata: { name: 'one', namespace: 'default' },
        spec: {},
      });
    },
    async ({ client }) => {
      assert.deepEqual((await client.get<KubeObject>(THINGS, 'default', 'one'))['spec'], { size: 1 });
      await assert.rejects(
        client.create(THINGS, {
          apiVersion: 'example.dev/v1',
          kind: 'Thing',
          metadata: { name: 'two', namespace: 'default' },
          spec: { size: 'x' },
        }),
        /spec\.size/,
      );
    },
  );
});

test('deletions that were under way go on: namespaces, foreground deletion, orphans of owners', async () => {
  let uid = '';
  await lives(
    async ({ client, api }) => {
      const owner = await client.create(CONFIG_MAPS, configMap('owner'));
      uid = owner.metadata.uid ?? '';
      await client.create(
        CONFIG_MAPS,
        configMap('dependent', {
          ownerReferences: [
            { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid, blockOwnerDeletion: true },
          ],
        }),
      );
      await client.create(
        { ...CONFIG_MAPS, plural: 'namespaces', namespaced: false },
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
      );
      await client.create(CONFIG_MAPS, {
        ...configMap('kept'),
        metadata: { name: 'kept', namespace: 'shop', finalizers: ['example.dev/hold'] },
      });
      await client.delete({ ...CONFIG_MAPS, plural: 'namespaces', namespaced: false }, '', 'shop');
      // The server goes before its collector has had a turn.
      void client
        .delete(CONFIG_MAPS, 'default', 'owner', { propagationPolicy: 'Foreground' })
        .catch(() => undefined);
      await api.store.close();
    },
    async ({ client }) => {
      await client
        .delete(CONFIG_MAPS, 'default', 'owner', { propagationPolicy: 'Foreground' })
        .catch(() => undefined);
      await client.patch(CONFIG_MAPS, { namespace: 'shop', name: 'kept' }, 'merge', {
        metadata: { finalizers: null },
      });
      const gone = async (ref: ResourceRef, fieldSelector: string) => {
        const list = await client.list(ref, { fieldSelector });
        if (list.items.length === 0) return;
        for await (const event of client.watch(ref, {
          fieldSelector,
          resourceVersion: list.metadata.resourceVersion ?? '',
        }))
          if (event.type === 'DELETED') return;
      };
      await Promise.all([
        gone(CONFIG_MAPS, 'metadata.name=owner'),
        gone(CONFIG_MAPS, 'metadata.name=dependent'),
        gone({ ...CONFIG_MAPS, plural: 'namespaces', namespaced: false }, 'metadata.name=shop'),
      ]);
    },
  );
});

test('a hundred clients that change one object at once lose no change', async () => {
  await using server = await TestServer.start();
  await server.client.create(CONFIG_MAPS, configMap('shared'));
  await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      server.client.patch(CONFIG_MAPS, { namespace: 'default', name: 'shared' }, 'merge', {
        data: { [`k${index}`]: 'x' },
      }),
    ),
  );
  const object = await server.client.get<KubeObject>(CONFIG_MAPS, 'default', 'shared');
  assert.equal(Object.keys(object['data'] as object).length, 100);
  const version = object.metadata.resourceVersion;
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) =>
      server.client.update(CONFIG_MAPS, { ...object, data: { winner: String(index) } }),
    ),
  );
  assert.equal(
    outcomes.filter((outcome) => outcome.status === 'fulfilled').length,
    1,
    `only one may build on version ${version}`,
  );
});

test('what every namespace has comes back when it is deleted', async () => {
  await using server = await TestServer.start();
  const { client } = server;
  for (const [plural, name] of [
    ['serviceaccounts', 'default'],
    ['configmaps', 'kube-root-ca.crt'],
  ] as const) {
    const ref = { ...CONFIG_MAPS, plural };
    const fieldSelector = `metadata.name=${name}`;
    const { metadata } = await client.list(ref, { namespace: 'default', fieldSelector });
    await client.delete(ref, 'default', name);
    const seen: string[] = [];
    for await (const event of client.watch(ref, {
      namespace: 'default',
      fieldSelector,
      resourceVersion: metadata.resourceVersion ?? '',
    })) {
      seen.push(event.type);
      if (event.type === 'ADDED') break;
    }
    assert.deepEqual(seen, ['DELETED', 'ADDED']);
  }
});
