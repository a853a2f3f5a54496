import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KubeClient, type KubeObject, pause, type ResourceRef } from '../../src/kube/index.ts';
import { Dispatch } from './dispatch.ts';

const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };
const ROUNDS = 20;
const WRITERS = 64;

/** What the outside world knows: values that were acknowledged, and versions in the order they came. */
interface Ledger {
  acknowledged: Map<string, { value: string; version: number }>;
  attempted: Map<string, Set<string>>;
}

async function writer(
  client: KubeClient,
  id: number,
  round: number,
  ledger: Ledger,
  signal: AbortSignal,
): Promise<void> {
  for (let count = 0; !signal.aborted; count++) {
    const name = `w${id}-${count % 3}`;
    const value = `${round}-${count}`;
    ledger.attempted.set(name, (ledger.attempted.get(name) ?? new Set()).add(value));
    try {
      const object: KubeObject = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace: 'default' },
        data: { value },
      };
      const written = await (ledger.acknowledged.has(name)
        ? client.update(CONFIG_MAPS, object)
        : client.apply(CONFIG_MAPS, object, { force: true }));
      ledger.acknowledged.set(name, { value, version: Number(written.metadata.resourceVersion) });
      ledger.attempted.get(name)?.clear();
    } catch {
      // The server is gone: whether this write counts is open, and the next round will tell.
      return;
    }
  }
}

/** Watches from where it stopped, over all crashes; every event must be newer than the one before. */
class Follower {
  version = 0;
  readonly state = new Map<string, string>();
  events = 0;

  async follow(client: KubeClient, signal: AbortSignal): Promise<void> {
    try {
      for await (const { type, object } of client.watch(CONFIG_MAPS, {
        namespace: 'default',
        resourceVersion: String(this.version),
        signal,
      })) {
        const version = Number(object.metadata.resourceVersion);
        assert.ok(version > this.version, `event ${version} came after ${this.version}`);
        this.version = version;
        this.events += 1;
        const data = object['data'] as { value?: string } | undefined;
        if (type === 'DELETED') this.state.delete(object.metadata.name ?? '');
        else if (data?.value !== undefined) this.state.set(object.metadata.name ?? '', data.value);
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
  }
}

test(
  '20 kills under 64 writers lose nothing that was acknowledged, and no watch misses or repeats',
  { timeout: 170_000 },
  async () => {
    await using dispatch = await Dispatch.make();
    const ledger: Ledger = { acknowledged: new Map(), attempted: new Map() };
    const follower = new Follower();
    await dispatch.up();
    {
      const client = dispatch.client();
      follower.version = Number(
        (await client.list(CONFIG_MAPS, { namespace: 'default' })).metadata.resourceVersion,
      );
      await client.close();
    }
    for (let round = 0; round < ROUNDS; round++) {
      const client = dispatch.client();
      const over = new AbortController();
      const following = follower.follow(client, over.signal);
      const writers = Array.from({ length: WRITERS }, (_, id) =>
        writer(client, id, round, ledger, over.signal),
      );
      await pause(100 + Math.random() * 200, new AbortController().signal);
      await dispatch.kill('SIGKILL');
      over.abort();
      await Promise.all([...writers, following]);
      await client.close();
      await dispatch.up();
      await compare(dispatch, ledger);
    }
    const client = dispatch.client();
    const over = new AbortController();
    const following = follower.follow(client, over.signal);
    const { items, metadata } = await client.list(CONFIG_MAPS, {
      namespace: 'default',
      labelSelector: '!none',
    });
    while (follower.version < newest(items)) await pause(20, over.signal);
    over.abort();
    await following;
    const expected = items
      .filter((item) => item.metadata.name?.startsWith('w'))
      .map((item) => [item.metadata.name, (item['data'] as { value: string }).value]);
    assert.deepEqual(
      [...follower.state].sort(),
      expected.sort(),
      'what the watch told adds up to what is there',
    );
    assert.ok(Number(metadata.resourceVersion) >= follower.version);
    assert.ok(ledger.acknowledged.size > WRITERS);
    await client.close();
  },
);

function newest(items: readonly KubeObject[]): number {
  return Math.max(...items.map((item) => Number(item.metadata.resourceVersion)));
}

async function compare(dispatch: Dispatch, ledger: Ledger): Promise<void> {
  const client = dispatch.client();
  const { items } = await client.list(CONFIG_MAPS, { namespace: 'default' });
  const found = new Map(items.map((item) => [item.metadata.name ?? '', item]));
  for (const [name, { value, version }] of ledger.acknowledged) {
    const object = found.get(name);
    assert.ok(object, `${name} was acknowledged and is gone`);
    const now = (object['data'] as { value: string }).value;
    const isOpen = ledger.attempted.get(name)?.has(now) ?? false;
    assert.ok(now === value || isOpen, `${name} holds ${now}, acknowledged was ${value}`);
    assert.ok(
      Number(object.metadata.resourceVersion) >= version,
      `${name} went back from version ${version}`,
    );
    ledger.acknowledged.set(name, { value: now, version: Number(object.metadata.resourceVersion) });
    ledger.attempted.get(name)?.clear();
  }
  await client.close();
}
