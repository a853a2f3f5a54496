import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Application } from '../../src/gitops/index.ts';
import { Dispatch } from './dispatch.ts';
import { GitopsRepo, untilApplication } from './gitops-repo.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

const configMap = (name: string, notes = '', value = '1'): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, annotations: {${notes}}}\ndata: {value: "${value}"}\n---\n`;
const job = (name: string, hook: string, command: string): string =>
  `apiVersion: batch/v1\nkind: Job\nmetadata: {name: ${name}, annotations: {argocd.argoproj.io/hook: ${hook}}}\nspec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: c, image: "dispatch.local/shell", command: [sh, -c, "${command}"]}]}}}\n---\n`;

describe('what an application asks before, and does around its end', () => {
  const dispatch = Dispatch.ofSuite();
  let repo: GitopsRepo;
  before(async () => {
    repo = await GitopsRepo.create(dispatch, 'words');
  });

  const create = (name: string): Promise<void> =>
    repo.application(
      name,
      `  source: {repoURL: "${repo.url}", path: ${name}}\n  destination: {name: in-cluster, namespace: default}\n  syncPolicy: {automated: {prune: true, selfHeal: true}}`,
    );
  const synced = (name: string): Promise<Application> =>
    untilApplication(dispatch, name, ({ status }) =>
      assert.equal(status?.sync?.status, 'Synced', JSON.stringify(status)),
    );
  const isThere = async (kind: string, name: string): Promise<boolean> =>
    (await dispatch.kubectl('get', kind, name)).code === 0;
  const isGone = (kind: string, name: string): Promise<void> =>
    eventually(async () => assert.equal(await isThere(kind, name), false, `${kind}/${name}`));
  const condition = (name: string, text: RegExp): Promise<Application> =>
    untilApplication(dispatch, name, ({ status }) =>
      assert.match(status?.conditions?.map((item) => `${item.type}: ${item.message}`).join() ?? '', text),
    );
  const confirm = async (name: string): Promise<void> => {
    const { code, stderr } = await dispatch.run('gitops', 'app', 'confirm-deletion', name);
    assert.equal(code, 0, stderr);
  };

  test('objects that ask for a word go when it is given, in a synchronisation and at the end', async () => {
    const careful = (option: string): string => `argocd.argoproj.io/sync-options: "${option}"`;
    repo.push({
      'careful/a.yaml': configMap('pruned', careful('Prune=confirm')) + configMap('stays'),
      'careful/b.yaml': configMap('deleted', careful('Delete=confirm,Prune=false')),
    });
    await create('careful');
    await synced('careful');
    repo.push({ 'careful/a.yaml': configMap('stays', '', '2') });
    await untilApplication(dispatch, 'careful', ({ status }) =>
      assert.equal(
        status?.operationState?.message,
        'waiting for pruning confirmation of ConfigMap default/pruned',
      ),
    );
    // Nothing else is done before either.
    assert.equal(await dispatch.ok('get', 'cm', 'stays', '-o', 'jsonpath={.data.value}'), '1');
    await confirm('careful');
    await isGone('cm', 'pruned');
    await synced('careful');
    await dispatch.ok('delete', 'application', 'careful', '--wait=false');
    await condition(
      'careful',
      /ConfirmationRequired: It waits for a word before these go: ConfigMap default\/deleted\. Say so with "dispatch gitops app confirm-deletion careful"/,
    );
    assert.deepEqual([await isThere('cm', 'deleted'), await isThere('cm', 'stays')], [true, true]);
    // The word from before was for something else.
    await confirm('careful');
    await isGone('application', 'careful');
    assert.deepEqual([await isThere('cm', 'deleted'), await isThere('cm', 'stays')], [false, false]);
  });

  test('hooks run before the end of an application and after it', { skip: SKIP_SANDBOX }, async () => {
    repo.push({
      'ended/a.yaml':
        configMap('kept') +
        job('before', 'PreDelete', 'exit 0') +
        configMap('after', 'argocd.argoproj.io/hook: PostDelete'),
    });
    await create('ended');
    const app = await synced('ended');
    assert.deepEqual(app.metadata.finalizers?.toSorted(), [
      'post-delete-finalizer.argocd.argoproj.io',
      'pre-delete-finalizer.argocd.argoproj.io',
      'resources-finalizer.argocd.argoproj.io',
    ]);
    assert.deepEqual([await isThere('job', 'before'), await isThere('cm', 'after')], [false, false]);
    // What Git has by now does not count: only what was deployed.
    assert.equal((await dispatch.run('gitops', 'app', 'suspend', 'ended')).code, 0);
    const commit = repo.push({
      'ended/a.yaml':
        configMap('kept', '', '2') +
        job('before', 'PreDelete', 'exit 1') +
        configMap('after', 'argocd.argoproj.io/hook: PostDelete'),
    });
    await untilApplication(dispatch, 'ended', ({ status }) => assert.equal(status?.sync?.revision, commit));
    await dispatch.ok('delete', 'application', 'ended', '--wait=false');
    await isGone('application', 'ended');
    assert.deepEqual([await isThere('cm', 'kept'), await isThere('cm', 'after')], [false, true]);
  });

  test('a hook that fails holds the end up, and says so', { skip: SKIP_SANDBOX }, async () => {
    repo.push({ 'held/a.yaml': configMap('held') + job('broken', 'PreDelete', 'exit 3') });
    await create('held');
    await synced('held');
    await dispatch.ok('delete', 'application', 'held', '--wait=false');
    await condition('held', /DeletionError: the hook batch\/Job default\/broken has failed/);
    assert.equal(await isThere('cm', 'held'), true);
    const { code, stderr } = await dispatch.run('gitops', 'app', 'delete', 'held', '--no-cascade');
    assert.equal(code, 0, stderr);
    await isGone('application', 'held');
    assert.equal(await isThere('cm', 'held'), true);
    // A cluster that nobody knows any more holds nothing up.
    await create('held');
    await synced('held');
    await dispatch.ok(
      ...['patch', 'application', 'held', '--type=merge', '-p', '{"spec":{"destination":{"name":"gone"}}}'],
    );
    await dispatch.ok('delete', 'application', 'held', '--wait=false');
    await isGone('application', 'held');
  });

  test('rules of health count for kinds of their own, and for those that have some', async () => {
    repo.push({ 'health/a.yaml': configMap('rated') });
    await create('health');
    const is = (code: string): Promise<Application> =>
      untilApplication(dispatch, 'health', ({ status }) => assert.equal(status?.health?.status, code));
    await is('Healthy');
    const rules = (failed: string): Promise<void> =>
      dispatch.apply(
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: 'health-rules', namespace: 'dispatch-system' },
          data: {
            maps: `- {apiVersion: v1, kind: ConfigMap, current: "data.value == '2'", failed: ${JSON.stringify(failed)}}`,
          },
        }),
      );
    await rules("data.value == '3'");
    await is('Progressing');
    repo.push({ 'health/a.yaml': configMap('rated', '', '3') });
    await is('Degraded');
    repo.push({ 'health/a.yaml': configMap('rated', '', '2') });
    await is('Healthy');
    await rules('data.value.nothing(');
    await eventually(async () => {
      const events = await dispatch.ok(
        ...['-n', 'dispatch-system', 'get', 'events', '-o', 'jsonpath={.items[*].message}'],
      );
      assert.match(events, /The rules of health under maps do not count: Unexpected token/);
    });
    await dispatch.ok('-n', 'dispatch-system', 'delete', 'cm', 'health-rules');
    await dispatch.apply(`apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: words}
spec: {url: "${repo.url}", interval: 10m, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: rated}
spec:
  interval: 10m
  sourceRef: {kind: GitRepository, name: words}
  path: ./flux
  prune: true
  wait: true
  timeout: 1s
  healthCheckExprs:
  - {apiVersion: v1, kind: ConfigMap, current: "data.value == '2'", failed: "data.value == '3'"}
`);
    const says = (value: string, text: RegExp): Promise<void> => {
      repo.push({ 'flux/a.yaml': configMap('flux', '', value) });
      return eventually(async () =>
        assert.match(
          await dispatch.ok('get', 'ks', 'rated', '-o', 'jsonpath={.status.conditions[0].message}'),
          text,
        ),
      );
    };
    await says('1', /^timeout waiting for: ConfigMap default\/flux is Progressing/);
    await says('3', /ConfigMap default\/flux is Degraded: ConfigMap has failed/);
    await says('2', /Applied revision/);
  });
});
