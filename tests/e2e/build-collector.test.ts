import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KINDS, toDefinition } from '../../src/api/index.ts';
import { TestServer } from '../../src/apiserver/index.ts';
import {
  type Build,
  BuildCollector,
  BUILDS,
  type CiContext,
  REPOSITORIES,
  type Repository,
} from '../../src/ci/index.ts';
import { Informers, type KubeObject, pause, type ResourceRef, SILENT } from '../../src/kube/index.ts';
import { PIPELINE_RUNS, tektonDefinitions } from '../../src/pipelines/index.ts';

const DEFINITIONS: ResourceRef = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  namespaced: false,
};
const NOW = Date.parse('2026-06-30T12:00:00Z');
const HOUR = 3_600_000;

test('runs go after two days, builds with their logs by the rules of their repository', async () => {
  await using server = await TestServer.start();
  const { client } = server;
  for (const definition of [...tektonDefinitions(), ...KINDS.map(toDefinition)])
    await client.create(DEFINITIONS, definition as unknown as KubeObject);
  const ago = (hours: number): string => new Date(NOW - hours * HOUR).toISOString();
  const repository = (
    name: string,
    logStorageRules: NonNullable<Repository['spec']['logStorageRules']>,
  ): Promise<Repository> =>
    client.create<Repository>(REPOSITORIES, {
      apiVersion: 'dispatch.dev/v1alpha1',
      kind: 'Repository',
      metadata: { name, namespace: 'default' },
      spec: { url: 'https://example.com/a/b', logStorageRules },
    });
  await repository('short', [{ maxAge: '24h' }]);
  await repository('few', [{ maxCount: 2 }]);
  const build = async (name: string, of: string, hours: number | undefined): Promise<void> => {
    const made = await client.create<Build>(BUILDS, {
      apiVersion: 'dispatch.dev/v1alpha1',
      kind: 'Build',
      metadata: { name, namespace: 'default' },
      spec: { repository: of, event: { type: 'push' } },
    });
    const status =
      hours === undefined
        ? { phase: 'Running' }
        : { phase: 'Succeeded', pipelineRun: `run-${name}`, finishedAt: ago(hours) };
    await client.update(BUILDS, { ...made, status }, { subresource: 'status' });
    await pause(1, new AbortController().signal);
  };
  await build('short-old', 'short', 25);
  await build('short-new', 'short', 23);
  await build('short-running', 'short', undefined);
  for (const at of [1, 2, 3]) await build(`few-${at}`, 'few', 4 - at);
  await build('orphan-old', 'gone', 24 * 31);
  for (const [name, hours] of [
    ['old', 49],
    ['new', 47],
  ] as const) {
    const run = await client.create<KubeObject>(PIPELINE_RUNS, {
      apiVersion: 'tekton.dev/v1',
      kind: 'PipelineRun',
      metadata: { name, namespace: 'default' },
      spec: {},
    });
    await client.update(
      PIPELINE_RUNS,
      { ...run, status: { completionTime: ago(hours) } },
      { subresource: 'status' },
    );
  }
  const forgotten: string[] = [];
  const stop = new AbortController();
  const informers = new Informers(client, SILENT);
  const context = {
    client,
    informers,
    log: SILENT,
    now: () => NOW,
    forgetRun: (_: string, run: string) => Promise.resolve(void forgotten.push(run)),
  };
  const collector = new BuildCollector(context as unknown as CiContext);
  await informers.start(stop.signal);
  await collector.collect();
  stop.abort();
  const names = async (resource: ResourceRef): Promise<string[]> =>
    (await client.list(resource, { namespace: 'default' })).items
      .map((item) => item.metadata.name ?? '')
      .sort();
  assert.deepEqual(await names(PIPELINE_RUNS), ['new']);
  // Of one moment the order is not known: how many are left is.
  const left = await names(BUILDS);
  assert.deepEqual(
    left.filter((name) => !name.startsWith('few')),
    ['short-new', 'short-running'],
  );
  assert.equal(left.filter((name) => name.startsWith('few')).length, 2);
  assert.ok(['run-short-old', 'run-orphan-old'].every((run) => forgotten.includes(run)));
  assert.equal(forgotten.length, 3);
});
