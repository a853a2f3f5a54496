import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Informer, KubeClient } from '../../kube/index.ts';
import { type Application, type AppProject, IN_CLUSTER } from '../resources.ts';
import { isWindowOpen, projectOf, projectProblems, refusalOf } from './project.ts';

const HERE = { server: IN_CLUSTER, name: 'in-cluster', isShared: true };

function app(namespace: string, target: string, project = 'default'): Application {
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: { name: 'web', namespace },
    spec: {
      project,
      source: { repoURL: 'https://git.example.com/team/web' },
      destination: { server: IN_CLUSTER, namespace: target },
    },
  };
}

/** Projects as the cache has them. */
function projects(...items: AppProject[]): Informer<AppProject> {
  const client = new KubeClient({
    request: () => Promise.reject(new Error('nothing is asked')),
    close: async () => {},
  });
  const informer = new Informer<AppProject>({
    client,
    log: console as never,
    resource: { group: '', version: 'v1', plural: 'x', namespaced: true },
  });
  informer.get = (namespace, name) =>
    items.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
  return informer;
}

function project(namespace: string, name: string, spec: AppProject['spec']): AppProject {
  return { apiVersion: 'argoproj.io/v1alpha1', kind: 'AppProject', metadata: { namespace, name }, spec };
}

test('without a project an application stays in its namespace', () => {
  const own = projectOf(app('team', 'team'), projects());
  assert.deepEqual(projectProblems(app('team', 'team'), own, HERE), []);
  assert.equal(projectProblems(app('team', 'other'), own, HERE).length, 1);
  const key = { group: '', version: 'v1', kind: 'ConfigMap', namespace: 'other', name: 'a' };
  assert.match(refusalOf(own, key, HERE) ?? '', /not in that namespace/);
  assert.equal(refusalOf(own, { ...key, namespace: 'team' }, HERE), undefined);
  assert.match(
    refusalOf(own, { ...key, kind: 'Namespace', namespace: '' }, HERE) ?? '',
    /does not allow Namespace/,
  );
  // A cluster that the namespace has brought along is its own to use.
  assert.equal(
    refusalOf(own, { ...key, kind: 'Namespace', namespace: '' }, { ...HERE, isShared: false }),
    undefined,
  );
});

test('a project counts where administrators keep it, and for the namespaces that it takes', () => {
  const wide: AppProject['spec'] = { sourceRepos: ['*'], destinations: [{ server: '*', namespace: '*' }] };
  assert.throws(
    () => projectOf(app('team', 'x', 'wide'), projects(project('team', 'wide', wide))),
    /There is no project wide/,
  );
  assert.throws(
    () => projectOf(app('team', 'x', 'wide'), projects(project('dispatch-system', 'wide', wide))),
    /does not take applications of the namespace team/,
  );
  const found = projectOf(
    app('team-a', 'x', 'wide'),
    projects(project('dispatch-system', 'wide', { ...wide, sourceNamespaces: ['team-*'] })),
  );
  assert.deepEqual(projectProblems(app('team-a', 'x', 'wide'), found, HERE), []);
});

test('patterns fit the whole text, and denials win', () => {
  const rules = (spec: AppProject['spec']): ReturnType<typeof projectOf> => ({ name: 'p', project: spec });
  const check = (spec: AppProject['spec']): number =>
    projectProblems(app('a', 'prod'), rules(spec), HERE).length;
  const all = [{ server: '*', namespace: '*' }];
  assert.equal(check({ sourceRepos: ['https://git.example.com/*'], destinations: all }), 0);
  assert.equal(check({ sourceRepos: ['git.example.com'], destinations: all }), 1);
  assert.equal(check({ sourceRepos: ['*', '!https://git.example.com/team/*'], destinations: all }), 1);
  assert.equal(check({ sourceRepos: ['*'], destinations: [...all, { server: '*', namespace: '!prod' }] }), 1);
  assert.equal(check({ sourceRepos: ['*'], destinations: [{ server: '*', namespace: 'pro' }] }), 1);
});

test('windows let in and keep out', () => {
  const at = Date.parse('2026-03-02T10:30:00Z');
  const open = (windows: AppProject['spec']['syncWindows'], isManual = false): boolean =>
    isWindowOpen(
      app('a', 'prod'),
      { name: 'p', project: { ...(windows && { syncWindows: windows }) } },
      { now: at, isManual, cluster: 'in-cluster' },
    );
  assert.ok(open(undefined));
  assert.ok(open([{ kind: 'allow', schedule: '0 10 * * *', duration: '1h', applications: ['*'] }]));
  assert.ok(!open([{ kind: 'allow', schedule: '0 12 * * *', duration: '1h', applications: ['*'] }]));
  assert.ok(!open([{ kind: 'deny', schedule: '0 10 * * *', duration: '1h', namespaces: ['prod'] }]));
  assert.ok(
    open(
      [{ kind: 'deny', schedule: '0 10 * * *', duration: '1h', namespaces: ['prod'], manualSync: true }],
      true,
    ),
  );
  assert.ok(open([{ kind: 'deny', schedule: '0 10 * * *', duration: '1h', namespaces: ['test'] }]));
});
