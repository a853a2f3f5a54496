import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KubeObject, type ResourceRef, SILENT } from '../../kube/index.ts';
import { TestServer } from '../test-server.ts';
import { EventExpiry } from './event-expiry.ts';

const EVENTS: ResourceRef = { group: '', version: 'v1', plural: 'events', namespaced: true };

test('events go an hour after they last happened', async () => {
  let now = Date.parse('2026-01-01T12:00:00Z');
  await using server = await TestServer.start({ now: () => now });
  const event = (name: string, lastTimestamp: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'p' },
    lastTimestamp,
  });
  await server.client.create(EVENTS, event('early', '2026-01-01T11:30:00Z'));
  await server.client.create(EVENTS, event('late', '2026-01-01T11:50:00Z'));
  now += 35 * 60_000;
  await new EventExpiry(server.api.core.deps.registry, SILENT).expire(new AbortController().signal);
  const { items } = await server.client.list(EVENTS, { namespace: 'default' });
  assert.deepEqual(
    items.map((item) => item.metadata.name),
    ['late'],
  );
});
