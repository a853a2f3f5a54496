import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Application } from '../../src/gitops/index.ts';
import { Dispatch } from './dispatch.ts';
import { application, GitopsRepo, untilApplication } from './gitops-repo.ts';
import { eventually } from './pods.ts';

const KILLS = Number(process.env['DISPATCH_TEST_KILLS'] ?? 2);
const PLAN_KILLS = Math.ceil(KILLS / 2);
const WAVES = 60;

const AUTO = 'syncPolicy: {automated: {prune: true, selfHeal: true}}';
const configMap = (name: string, value: string, annotations = ''): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n  annotations: {${annotations}}\ndata: {value: "${value}"}\n`;
const conditions = (app: Application): string =>
  (app.status?.conditions ?? []).map(({ type, message }) => `${type}: ${message}`).join('\n');

describe('applications on a second cluster', () => {
  let here: Dispatch;
  let there: Dispatch;
  let repo: GitopsRepo;
  let server: string;

  before(async () => {
    here = await Dispatch.make();
    there = await Dispatch.make();
    await Promise.all([here.up(), there.up()]);
    repo = await GitopsRepo.create(here, 'deploy');
    const kubeconfig = join(there.dataDir, 'kubeconfig');
    const listed = await here.run(
      'gitops',
      'cluster',
      'add',
      '--list-available',
      '--cluster-kubeconfig',
      kubeconfig,
    );
    const context = /^\*\s+(\S+)/m.exec(listed.stdout)?.[1] ?? '';
    const added = await here.run(
      'gitops',
      'cluster',
      'add',
      context,
      '--cluster-kubeconfig',
      kubeconfig,
      '--name',
      'there',
    );
    assert.equal(added.code, 0, added.stderr);
    server = (await there.file()).api;
  });

  after(async () => {
    await here[Symbol.asyncDispose]();
    await there[Symbol.asyncDispose]();
  });

  const create = (name: string, path: string, more = AUTO): Promise<void> =>
    repo.application(
      name,
      `  source: {repoURL: "${repo.url}", path: ${path}, targetRevision: HEAD}\n  destination: {server: "${server}", namespace: ${name}}\n  ${more}`,
    );
  const valueIn = (name: string, namespace: string): Promise<string> =>
    there
      .kubectl('-n', namespace, 'get', 'configmap', name, '-o', 'jsonpath={.data.value}')
      .then(({ stdout }) => stdout);

  test('the cluster is listed, with an account of its own there', async () => {
    const { stdout } = await here.run('gitops', 'cluster', 'list');
    assert.match(stdout, /^SERVER +NAME +VERSION +STATUS\n/);
    assert.match(stdout, new RegExp(`${server} +there +v1\\.\\d+\\S+ +Successful`));
    assert.match(
      await there.ok('get', 'clusterrolebinding', 'argocd-manager-role-binding', '-o', 'yaml'),
      /name: argocd-manager-role/,
    );
  });

  test('a rotated token works, and the one before is worth nothing', async () => {
    const config = async (): Promise<{ bearerToken: string }> => {
      const text = await here.ok(
        'get',
        'secret',
        '-l',
        'argocd.argoproj.io/secret-type=cluster',
        '-o',
        'jsonpath={.items[0].data.config}',
      );
      return JSON.parse(Buffer.from(text, 'base64').toString()) as { bearerToken: string };
    };
    const ask = async (token: string): Promise<number> => {
      const { code } = await there.pipe(
        '',
        'kubectl',
        '--kubeconfig',
        '/dev/null',
        '--server',
        server,
        '--insecure-skip-tls-verify',
        '--token',
        token,
        'get',
        'nodes',
      );
      return code;
    };
    const before = (await config()).bearerToken;
    assert.equal(await ask(before), 0);
    const rotated = await here.run('gitops', 'cluster', 'rotate', 'there');
    assert.equal(rotated.code, 0, rotated.stderr);
    assert.notEqual(await ask(before), 0);
    assert.equal(await ask((await config()).bearerToken), 0);
  });

  test('objects come, change, go, and are put back', async () => {
    await there.ok('create', 'namespace', 'one');
    repo.push({ 'one/a.yaml': configMap('a', '1'), 'one/b.yaml': configMap('b', '1') });
    await create('one', 'one');
    await untilApplication(here, 'one', (app) =>
      assert.equal(app.status?.sync?.status, 'Synced', conditions(app)),
    );
    assert.equal(await valueIn('a', 'one'), '1');
    repo.push({ 'one/a.yaml': configMap('a', '2'), 'one/b.yaml': undefined });
    await eventually(async () => {
      assert.equal(await valueIn('a', 'one'), '2');
      assert.equal(await valueIn('b', 'one'), '');
    });
    await there.ok(
      '-n',
      'one',
      'patch',
      'configmap',
      'a',
      '--type=merge',
      '-p',
      '{"data":{"value":"drift"}}',
    );
    await eventually(async () => assert.equal(await valueIn('a', 'one'), '2'));
    await there.ok('-n', 'one', 'delete', 'configmap', 'a');
    await eventually(async () => assert.equal(await valueIn('a', 'one'), '2'));
  });

  test('a suspended application shows its drift, which is adopted by a change request', async () => {
    await there.ok('create', 'namespace', 'adopt');
    repo.push({ 'adopt/a.yaml': `# why it is so\n${configMap('a', '1')}---\n${configMap('b', '1')}` });
    await create('adopt', 'adopt');
    await untilApplication(here, 'adopt', (app) =>
      assert.equal(app.status?.sync?.status, 'Synced', conditions(app)),
    );
    assert.equal((await here.run('gitops', 'app', 'suspend', 'adopt')).code, 0);
    await there.ok(
      '-n',
      'adopt',
      'patch',
      'configmap',
      'a',
      '--type=merge',
      '-p',
      '{"data":{"value":"by hand"}}',
    );
    await untilApplication(here, 'adopt', (app) => assert.equal(app.status?.sync?.status, 'OutOfSync'));
    const diff = await here.run('gitops', 'app', 'diff', 'adopt');
    assert.equal(diff.code, 1);
    assert.equal(diff.stdout, '~ ConfigMap adopt/a  (adopt/a.yaml)\n    data.value: by hand → 1\n');
    const adopted = await here.run('gitops', 'app', 'adopt', 'adopt');
    assert.match(
      adopted.stdout,
      /\/dispatch\/changes\/default\/deploy-1\n {2}ConfigMap adopt\/a\n/,
      adopted.stderr,
    );
    assert.match(
      (await here.run('change', 'diff', 'deploy-1')).stdout,
      /^-data: \{value: "1"\}\n\+data: \{ ?value: "?by hand"? ?\}/m,
    );
    assert.equal((await here.run('change', 'merge', 'deploy-1')).code, 0);
    await untilApplication(here, 'adopt', (app) => assert.equal(app.status?.sync?.status, 'Synced'));
    repo.pull();
    assert.match(repo.git('show', 'HEAD:adopt/a.yaml'), /^# why it is so\n/);
    assert.equal((await here.run('gitops', 'app', 'diff', 'adopt')).stdout, '');
    assert.equal((await here.run('gitops', 'app', 'resume', 'adopt')).code, 0);
    await eventually(async () => assert.equal(await valueIn('a', 'adopt'), 'by hand'));
  });

  test('a change request is told what it would change, and does not wait for anybody else', async () => {
    await there.ok('create', 'namespace', 'plan');
    const secret = (value: string): string =>
      `apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: ${value}}\n`;
    repo.push({
      'plan/a.yaml': configMap('a', '1'),
      'plan/b.yaml': configMap('b', '1'),
      'plan/s.yaml': secret('hidden-1'),
    });
    await create('plan', 'plan');
    await untilApplication(here, 'plan', (app) =>
      assert.equal(app.status?.sync?.status, 'Synced', conditions(app)),
    );
    repo.git('checkout', '--quiet', '-b', 'proposal');
    repo.push(
      {
        'plan/a.yaml': configMap('a', '2'),
        'plan/b.yaml': undefined,
        'plan/c.yaml': configMap('c', '1'),
        'plan/s.yaml': secret('hidden-2'),
      },
      'proposal',
    );
    repo.git('checkout', '--quiet', 'main');
    const created = await here.run('change', 'create', '--repository', 'deploy', '--source', 'proposal');
    const name = /changerequest.dispatch.dev\/(\S+)/.exec(created.stdout)?.[1] ?? '';
    const shown = await eventually(async () => {
      const { stdout } = await here.run('change', 'show', name);
      assert.match(stdout, /dispatch\/plan\/plan: success 1 created, 2 changed, 1 deleted/);
      assert.match(stdout, /~ ConfigMap plan\/a {2}\(plan\/a.yaml\)\n {4}data.value: 1 → 2/);
      return stdout;
    });
    assert.match(shown, /\+ ConfigMap plan\/c[\s\S]*- ConfigMap plan\/b/);
    assert.doesNotMatch(shown, /hidden|aGlkZGVu/);
    assert.equal(await valueIn('a', 'plan'), '1');
    assert.equal((await here.run('change', 'close', name)).code, 0);
  });

  test('waves and hooks run in their order, and a failing hook stops what follows', async () => {
    await there.ok('create', 'namespace', 'waves');
    const wave = (name: string, at: number): string =>
      configMap(name, '1', `argocd.argoproj.io/sync-wave: "${at}"`);
    const hook = (name: string, phase: string): string =>
      configMap(
        name,
        '1',
        `argocd.argoproj.io/hook: ${phase}, argocd.argoproj.io/hook-delete-policy: HookSucceeded`,
      );
    repo.push({
      'waves/all.yaml': [
        wave('late', 5),
        wave('early', -5),
        hook('before', 'PreSync'),
        hook('behind', 'PostSync'),
        hook('never', 'Skip'),
      ].join('---\n'),
    });
    await create('waves', 'waves');
    const app = await untilApplication(here, 'waves', (found) =>
      assert.equal(found.status?.operationState?.phase, 'Succeeded', conditions(found)),
    );
    assert.deepEqual(
      app.status?.operationState?.syncResult?.resources?.map(({ name, syncPhase }) => `${syncPhase} ${name}`),
      ['PreSync before', 'Sync early', 'Sync late', 'PostSync behind'],
    );
    // Hooks that are to go when they have done their work are gone, and are no part of the application.
    assert.equal(await valueIn('before', 'waves'), '');
    assert.deepEqual(
      app.status?.resources?.map(({ name }) => name),
      ['early', 'late'],
    );
    const job = `apiVersion: batch/v1\nkind: Job\nmetadata: {name: check, annotations: {argocd.argoproj.io/hook: PreSync}}\nspec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: c, image: "dispatch.local/shell", command: ["false"]}]}}}\n`;
    repo.push({ 'waves/all.yaml': [wave('late', 5), job, configMap('new', '1')].join('---\n') });
    await untilApplication(here, 'waves', (found) =>
      assert.match(conditions(found), /SyncError: .*hook batch\/Job waves\/check has failed/),
    );
    assert.equal(await valueIn('new', 'waves'), '');
    repo.push({ 'waves/all.yaml': [wave('late', 5), configMap('new', '1')].join('---\n') });
    await eventually(async () => assert.equal(await valueIn('new', 'waves'), '1'));
  });

  test('what is protected stays, and what would go in numbers waits for a word', async () => {
    await there.ok('create', 'namespace', 'budget');
    const all = Array.from({ length: 8 }, (_, at) => configMap(`c${at}`, '1'));
    repo.push({
      'budget/a.yaml': [...all, configMap('kept', '1', 'argocd.argoproj.io/sync-options: Prune=false')].join(
        '---\n',
      ),
    });
    await create('budget', 'budget');
    await untilApplication(here, 'budget', (app) =>
      assert.equal(app.status?.sync?.status, 'Synced', conditions(app)),
    );
    repo.push({ 'budget/a.yaml': configMap('c0', '2') });
    await untilApplication(here, 'budget', (app) =>
      assert.match(
        conditions(app),
        /ConfirmationRequired: 8 of 9 objects would be taken away or made anew \(ConfigMap\/c1, .*ConfigMap\/kept\)/,
      ),
    );
    assert.equal(await valueIn('c5', 'budget'), '1');
    const synced = await here.run('gitops', 'app', 'sync', 'budget', '--prune');
    assert.equal(synced.code, 0, synced.stderr);
    assert.match(synced.stdout, /c5 +Pruned/);
    await eventually(async () => assert.equal(await valueIn('c5', 'budget'), ''));
    assert.equal(await valueIn('c0', 'budget'), '2');
    assert.equal(await valueIn('kept', 'budget'), '1');
    repo.push({ 'budget/a.yaml': undefined });
    await untilApplication(here, 'budget', (app) =>
      assert.match(conditions(app), /no directory budget|Git has no object any more/),
    );
    assert.equal(await valueIn('c0', 'budget'), '2');
  });

  test('fields that others look after are left alone, by pointer, by path expression and by manager', async () => {
    await there.ok('create', 'namespace', 'ignore');
    repo.push({
      'ignore/a.yaml':
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {p: "1", q: "1", m: "1", own: "1"}\n',
    });
    const rules = `ignoreDifferences: [{kind: ConfigMap, jsonPointers: [/data/p], jqPathExpressions: ['.data | .q'], managedFieldsManagers: [other]}]`;
    await create('ignore', 'ignore', `${AUTO}\n  ${rules}`);
    await untilApplication(here, 'ignore', (app) =>
      assert.equal(app.status?.sync?.status, 'Synced', conditions(app)),
    );
    await there.ok(
      '-n',
      'ignore',
      'patch',
      'configmap',
      'a',
      '--type=merge',
      '-p',
      '{"data":{"p":"2","q":"2"}}',
    );
    await there.ok(
      '-n',
      'ignore',
      'patch',
      'configmap',
      'a',
      '--type=merge',
      '--field-manager=other',
      '-p',
      '{"data":{"m":"2"}}',
    );
    await there.ok('-n', 'ignore', 'patch', 'configmap', 'a', '--type=merge', '-p', '{"data":{"own":"2"}}');
    await eventually(async () =>
      assert.equal(await there.ok('-n', 'ignore', 'get', 'cm', 'a', '-o', 'jsonpath={.data.own}'), '1'),
    );
    await untilApplication(here, 'ignore', (app) => assert.equal(app.status?.sync?.status, 'Synced'));
  });

  test('two applications that want one object both say so, and one of them keeps it', async () => {
    await there.ok('create', 'namespace', 'shared');
    repo.push({ 'first/a.yaml': configMap('same', 'first'), 'second/a.yaml': configMap('same', 'second') });
    const at = (path: string): string =>
      `  source: {repoURL: "${repo.url}", path: ${path}}\n  destination: {name: there, namespace: shared}\n  ${AUTO}`;
    await repo.application('first', at('first'));
    await untilApplication(here, 'first', (app) =>
      assert.equal(app.status?.sync?.status, 'Synced', conditions(app)),
    );
    await repo.application('second', at('second'));
    await untilApplication(here, 'second', (app) =>
      assert.match(
        conditions(app),
        /SharedResourceWarning: ConfigMap shared\/same is also wanted by default\/first/,
      ),
    );
    await untilApplication(here, 'first', (app) =>
      assert.match(
        conditions(app),
        /SharedResourceWarning: ConfigMap shared\/same is also wanted by default\/second/,
      ),
    );
    assert.equal(await valueIn('same', 'shared'), 'first');
    await here.ok('delete', 'application', 'first');
    await eventually(async () => assert.equal(await valueIn('same', 'shared'), 'second'));
  });

  test('a failing synchronisation is retried, and interrupted by the commit that mends it', async () => {
    await there.ok('create', 'namespace', 'broken');
    repo.push({
      'broken/a.yaml': `apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 99999}]}\n---\n${configMap('ok', '1')}`,
    });
    await create(
      'broken',
      'broken',
      'syncPolicy: {automated: {}, retry: {limit: 5, backoff: {duration: 1m}}}',
    );
    await untilApplication(here, 'broken', (app) =>
      assert.match(
        app.status?.operationState?.message ?? '',
        /Service broken\/s: .*port.*Retrying attempt #1/s,
      ),
    );
    repo.push({ 'broken/a.yaml': configMap('ok', '2') });
    await untilApplication(here, 'broken', (app) =>
      assert.equal(app.status?.sync?.status, 'Synced', conditions(app)),
    );
    assert.equal(await valueIn('ok', 'broken'), '2');
  });

  test('a rollback pins, and as a commit it goes on', async () => {
    await there.ok('create', 'namespace', 'back');
    repo.push({ 'back/a.yaml': configMap('a', 'old') });
    await create('back', 'back');
    await untilApplication(here, 'back', (app) =>
      assert.equal(app.status?.history?.length, 1, conditions(app)),
    );
    repo.push({ 'back/a.yaml': configMap('a', 'new') });
    await untilApplication(here, 'back', (app) => assert.equal(app.status?.history?.length, 2));
    const back = await here.run('gitops', 'app', 'rollback', 'back');
    assert.equal(back.code, 0, back.stderr);
    assert.equal(await valueIn('a', 'back'), 'old');
    assert.match((await here.run('gitops', 'app', 'list')).stdout, /back .*OutOfSync .*Suspended/);
    assert.equal((await here.run('gitops', 'app', 'resume', 'back')).code, 0);
    await eventually(async () => assert.equal(await valueIn('a', 'back'), 'new'));
    const history = (await application(here, 'back')).status?.history ?? [];
    const commit = await here.run('gitops', 'app', 'rollback', 'back', String(history[0]!.id), '--as-commit');
    assert.match(commit.stdout, /^main is at [0-9a-f]{12}, with everything as it was at/, commit.stderr);
    await eventually(async () => assert.equal(await valueIn('a', 'back'), 'old'));
    repo.pull();
  });

  test('charts, kustomizations and several sources become objects', async () => {
    await there.ok('create', 'namespace', 'kinds');
    repo.push({
      'chart/Chart.yaml': 'apiVersion: v2\nname: c\nversion: 0.1.0\n',
      'chart/values.yaml': 'value: default\nother: x\n',
      'chart/templates/a.yaml':
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Name }}-chart"}\ndata: {value: "{{ .Values.value }} {{ .Values.other }} {{ .Release.Namespace }} {{ .Values.own }} {{ .Values.deep.afar }}"}\n',
      'values/prod.yaml': 'value: from values\n',
      'chart/files/own.txt': 'own, file',
      'values/text.txt': 'from afar',
      'kust/kustomization.yaml': 'resources: [a.yaml]\nnamePrefix: k-\n',
      'kust/a.yaml': configMap('a', 'kustomized'),
    });
    const destination = `  destination: {name: there, namespace: kinds}\n  ${AUTO}`;
    await repo.application(
      'kinds',
      `  sources:\n  - {repoURL: "${repo.url}", path: chart, helm: {valueFiles: [$vals/values/prod.yaml], parameters: [{name: other, value: "a,b"}], fileParameters: [{name: own, path: files/own.txt}, {name: deep.afar, path: $vals/values/text.txt}]}}\n  - {repoURL: "${repo.url}", ref: vals}\n  - {repoURL: "${repo.url}", path: kust}\n${destination}`,
    );
    await untilApplication(here, 'kinds', (app) =>
      assert.equal(app.status?.sync?.status, 'Synced', conditions(app)),
    );
    assert.equal(await valueIn('kinds-chart', 'kinds'), 'from values a,b kinds own, file from afar');
    assert.equal(await valueIn('k-a', 'kinds'), 'kustomized');
  });

  test('a definition and its objects come together, with the namespace that they are for', async () => {
    repo.push({
      'crd/a.yaml': `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.org}
spec:
  group: example.org
  names: {kind: Gadget, listKind: GadgetList, plural: gadgets, singular: gadget}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}}]
---
apiVersion: example.org/v1
kind: Gadget
metadata: {name: one}
spec: {size: 1}
`,
    });
    const policy =
      'syncPolicy: {automated: {prune: true, selfHeal: true}, syncOptions: [CreateNamespace=true]}';
    await create('crd', 'crd', policy);
    await untilApplication(here, 'crd', (app) =>
      assert.equal(app.status?.sync?.status, 'Synced', conditions(app)),
    );
    assert.equal(await there.ok('-n', 'crd', 'get', 'gadget', 'one', '-o', 'jsonpath={.spec.size}'), '1');
    await there.ok('-n', 'crd', 'patch', 'gadget', 'one', '--type=merge', '-p', '{"spec":{"size":2}}');
    await eventually(async () =>
      assert.equal(await there.ok('-n', 'crd', 'get', 'gadget', 'one', '-o', 'jsonpath={.spec.size}'), '1'),
    );
    // The namespace was made for it, and stays.
    await here.ok('delete', 'application', 'crd');
    assert.match(await there.ok('get', 'namespace', 'crd', '-o', 'name'), /namespace\/crd/);
    await eventually(async () =>
      assert.match((await there.kubectl('get', 'crd', 'gadgets.example.org')).stderr, /NotFound/),
    );
  });

  test('what is wrong is said in a sentence, and nothing is touched', async () => {
    repo.push({ 'bad/a.yaml': 'kind: ConfigMap\n', 'worse/a.yaml': 'a: [1\n' });
    const cases: [string, string, RegExp][] = [
      [
        'bad',
        `  source: {repoURL: "${repo.url}", path: bad}\n  destination: {name: there, namespace: x}`,
        /ComparisonError: bad\/a.yaml holds an object without apiVersion/,
      ],
      [
        'worse',
        `  source: {repoURL: "${repo.url}", path: worse}\n  destination: {name: there, namespace: x}`,
        /ComparisonError: worse\/a.yaml:\d: /,
      ],
      [
        'nowhere',
        `  source: {repoURL: "${repo.url}", path: ../../etc}\n  destination: {name: there, namespace: x}`,
        /ComparisonError: .*leads out of the repository/,
      ],
      [
        'norev',
        `  source: {repoURL: "${repo.url}", path: ., targetRevision: "--upload-pack=touch /tmp/x"}\n  destination: {name: there, namespace: x}`,
        /ComparisonError: there is no revision --upload-pack/,
      ],
      [
        'nocluster',
        `  source: {repoURL: "${repo.url}", path: .}\n  destination: {name: mars, namespace: x}`,
        /InvalidSpecError: There is no cluster mars/,
      ],
      [
        'noproject',
        `  source: {repoURL: "${repo.url}", path: .}\n  destination: {name: there}\n  project: secret`,
        /InvalidSpecError: There is no project secret/,
      ],
      [
        'norepo',
        `  source: {repoURL: "file:///etc", path: .}\n  destination: {name: there, namespace: x}`,
        /ComparisonError: "file:\/\/\/etc" cannot be read from/,
      ],
    ];
    for (const [name, spec, message] of cases) {
      await here.apply(
        `apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: ${name}, namespace: default}\nspec:\n  ${/project:/.test(spec) ? '' : 'project: default'}\n${spec}\n`,
      );
      await untilApplication(here, name, (app) => assert.match(conditions(app), message));
    }
  });

  test('applications of other namespaces stay in them unless a project lets them', async () => {
    await here.ok('create', 'namespace', 'team');
    await here.ok('create', 'namespace', 'prize');
    repo.push({
      'team/a.yaml': configMap('mine', '1'),
      'team-2/a.yaml': `${configMap('theirs', '1').replace('name: theirs', 'name: theirs\n  namespace: prize')}`,
    });
    const app = (name: string, path: string, namespace: string): string =>
      `apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: ${name}, namespace: team}\nspec:\n  project: default\n  source: {repoURL: "${repo.url}", path: ${path}}\n  destination: {server: "https://kubernetes.default.svc", namespace: ${namespace}}\n  ${AUTO}\n`;
    await here.apply(app('outside', 'team', 'prize'));
    const team = (name: string): Promise<Application> =>
      here.ok('-n', 'team', 'get', 'app', name, '-o', 'json').then((text) => JSON.parse(text) as Application);
    await eventually(async () =>
      assert.match(conditions(await team('outside')), /does not allow the namespace prize/),
    );
    // A repository of another namespace cannot be read either.
    await here.apply(app('inside', 'team', 'team'));
    await eventually(async () =>
      assert.match(conditions(await team('inside')), /belongs to the namespace default/),
    );
  });

  test('a cluster that hangs holds up nobody else, and comes back', async () => {
    await here.ok('create', 'namespace', 'local');
    await using hanging = await hangingServer();
    await here.apply(
      `apiVersion: v1\nkind: Secret\nmetadata: {name: hanging, namespace: default, labels: {argocd.argoproj.io/secret-type: cluster}}\nstringData: {name: hanging, server: "${hanging.url}", config: '{"bearerToken":"x"}'}\n`,
    );
    repo.push({ 'local/a.yaml': configMap('a', '1') });
    for (let at = 0; at < 20; at += 1)
      await repo.application(
        `hung-${at}`,
        `  source: {repoURL: "${repo.url}", path: local}\n  destination: {name: hanging, namespace: x}\n  ${AUTO}`,
      );
    await repo.application(
      'quick',
      `  source: {repoURL: "${repo.url}", path: local}\n  destination: {name: in-cluster, namespace: local}\n  ${AUTO}`,
    );
    await eventually(
      async () =>
        assert.equal(
          await here.ok('-n', 'local', 'get', 'cm', 'a', '-o', 'jsonpath={.data.value}').catch(() => ''),
          '1',
        ),
      5_000,
    );
    await untilApplication(here, 'hung-7', (app) =>
      assert.match(conditions(app), /cannot be reached: (it does not answer in time|Connect Timeout)/),
    );
  });

  test('a kubeconfig or Secret that would run a program is refused', async () => {
    await here.apply(
      `apiVersion: v1\nkind: Secret\nmetadata: {name: exec, namespace: default, labels: {argocd.argoproj.io/secret-type: cluster}}\nstringData: {name: exec, server: "https://127.0.0.1:1", config: '{"execProviderConfig":{"command":"touch"}}'}\n`,
    );
    await repo.application(
      'exec',
      `  source: {repoURL: "${repo.url}", path: .}\n  destination: {name: exec, namespace: x}`,
    );
    await untilApplication(here, 'exec', (app) =>
      assert.match(conditions(app), /wants to run a program to log in/),
    );
  });

  test('deleting an application takes its objects along, or leaves them', async () => {
    for (const name of ['gone', 'left']) {
      await there.ok('create', 'namespace', name);
      repo.push({ [`${name}/a.yaml`]: configMap('a', '1') });
      await create(name, name);
      await untilApplication(here, name, (app) =>
        assert.equal(app.status?.sync?.status, 'Synced', conditions(app)),
      );
    }
    assert.equal((await here.run('gitops', 'app', 'delete', 'gone')).code, 0);
    await eventually(async () => assert.equal(await valueIn('a', 'gone'), ''));
    await eventually(async () =>
      assert.match((await here.kubectl('get', 'application', 'gone')).stderr, /NotFound/),
    );
    assert.equal((await here.run('gitops', 'app', 'delete', 'left', '--no-cascade')).code, 0);
    await eventually(async () =>
      assert.match((await here.kubectl('get', 'application', 'left')).stderr, /NotFound/),
    );
    assert.equal(await valueIn('a', 'left'), '1');
  });

  test('a federated repository is in place on every cluster that its namespace has added', async () => {
    for (const cluster of [here, there]) await cluster.ok('create', 'namespace', 'fleet');
    const kubeconfig = join(there.dataDir, 'kubeconfig');
    const context = await there.ok('config', 'current-context');
    const run = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await here.run(...args, '--namespace', 'fleet');
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const fleet = await GitopsRepo.create(here, 'everywhere', '--namespace', 'fleet');
    fleet.push({ 'a.yaml': configMap('everywhere', '1') });
    await run(
      ...['cd', 'gitops-repository', 'create', 'fleet', '--repository-url', fleet.url, '--federated'],
    );
    const ready = (clusters: string): Promise<void> =>
      eventually(async () => {
        const path = 'jsonpath={.status.conditions[0].status} {.status.clusters[?(@.ready)].name}';
        const args = ['-n', 'fleet', 'get', 'gitopsrepository', 'fleet', '-o', path];
        assert.equal(await here.ok(...args), clusters);
      });
    await ready('True in-cluster');
    assert.equal(await valueIn('everywhere', 'fleet'), '');
    await run(
      ...['gitops', 'cluster', 'add', context.trim(), '--cluster-kubeconfig', kubeconfig],
      ...['--name', 'There!'],
    );
    await ready('True in-cluster There!');
    assert.equal(await valueIn('everywhere', 'fleet'), '1');
    const names = await here.ok('-n', 'fleet', 'get', 'applications', '-o', 'name');
    assert.match(names, /fleet\n.*fleet-there-[0-9a-f]{8}\n/);
    await run('gitops', 'cluster', 'rm', 'There!');
    await ready('True in-cluster');
    // Somebody else's application of the same name stays theirs.
    const other = {
      source: { repoURL: fleet.url, path: '.' },
      destination: { name: 'in-cluster' },
      project: 'default',
    };
    await here.apply(
      JSON.stringify({
        apiVersion: 'argoproj.io/v1alpha1',
        kind: 'Application',
        metadata: { name: 'taken', namespace: 'fleet' },
        spec: other,
      }),
    );
    await run('cd', 'gitops-repository', 'create', 'taken', '--repository-url', fleet.url, '--path', 'x');
    await eventually(async () => {
      const path = 'jsonpath={.status.conditions[0].message}';
      const message = await here.ok('-n', 'fleet', 'get', 'gitopsrepository', 'taken', '-o', path);
      assert.match(message, /There is an application taken already/);
    });
    assert.equal(
      await here.ok('-n', 'fleet', 'get', 'application', 'taken', '-o', 'jsonpath={.spec.source.path}'),
      '.',
    );
    await run('cd', 'gitops-repository', 'delete', 'taken');
    await run('cd', 'gitops-repository', 'delete', 'fleet');
    await eventually(async () => {
      const { stdout } = await here.kubectl('-n', 'fleet', 'get', 'configmap', 'everywhere', '-o', 'name');
      assert.equal(stdout, '');
    });
  });

  // Those after it know the server by another port.
  test(`a plan is told, however often the server is killed (${PLAN_KILLS}×)`, async () => {
    await there.ok('create', 'namespace', 'told');
    repo.push({ 'told/a.yaml': configMap('a', '0') });
    await create('told', 'told');
    await untilApplication(here, 'told', (app) =>
      assert.equal(app.status?.sync?.status, 'Synced', conditions(app)),
    );
    for (let kill = 1; kill <= PLAN_KILLS; kill += 1) {
      const branch = `told-${kill}`;
      repo.git('checkout', '--quiet', '-b', branch);
      repo.push({ 'told/a.yaml': configMap('a', String(kill)) }, branch);
      repo.git('checkout', '--quiet', 'main');
      const created = await here.run('change', 'create', '--repository', 'deploy', '--source', branch);
      const name = /changerequest.dispatch.dev\/(\S+)/.exec(created.stdout)?.[1] ?? '';
      await here.kill('SIGKILL');
      await here.up();
      await repo.follow();
      const found = await eventually(async () => {
        const { stdout } = await here.run('change', 'show', name);
        assert.match(stdout, /dispatch\/plan\/told: success 0 created, 1 changed, 0 deleted/);
        return stdout;
      });
      assert.match(found, new RegExp(`data.value: 0 → ${kill}\n`));
      await eventually(async () => {
        const notes = (await application(here, 'told')).metadata.annotations ?? {};
        assert.deepEqual(
          Object.keys(notes).filter((note) => note.startsWith('plan.')),
          [],
        );
      });
    }
  });

  // The last test here: others know the server by its first port.
  test(`after ${KILLS} crashes in the middle of synchronisations the last is taken to its end`, async () => {
    await there.ok('create', 'namespace', 'crash');
    const push = (value: number): void => {
      const many = Array.from({ length: WAVES }, (_, at) =>
        configMap(`c${at}`, String(value), `argocd.argoproj.io/sync-wave: "${at}"`),
      );
      repo.push({ 'crash/a.yaml': many.join('---\n') });
    };
    for (let kill = 1; kill <= KILLS; kill += 1) {
      push(kill);
      if (kill === 1) await create('crash', 'crash');
      const wave = Math.floor(Math.random() * (WAVES - 10));
      await eventually(async () => assert.equal(await valueIn(`c${wave}`, 'crash'), String(kill)));
      await here.kill('SIGKILL');
      await here.up();
      await repo.follow();
    }
    await eventually(async () => {
      const { stdout } = await there.kubectl(
        ...['-n', 'crash', 'get', 'cm', '-l', '!none', '-o', 'jsonpath={.items[*].data.value}'],
      );
      assert.equal(stdout, Array.from({ length: WAVES }, () => String(KILLS)).join(' '));
    });
    await untilApplication(here, 'crash', (app) =>
      assert.equal(app.status?.sync?.status, 'Synced', conditions(app)),
    );
  });
});

/** Something that takes connections and never answers. */
async function hangingServer(): Promise<AsyncDisposable & { url: string }> {
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => void open.add(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as { port: number }).port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
