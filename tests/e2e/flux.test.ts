import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { GitopsRepo } from './gitops-repo.ts';
import { ObjectStore, SKIP_OBJECT_STORE } from './object-store.ts';
import { ociLayout, packed } from './oci-layout.ts';
import { ScmDouble } from './scm-double.ts';
import { eventually } from './pods.ts';

const SKIP_SKOPEO =
  process.env['CI'] === 'true' || spawnSync('skopeo', ['--version']).error === undefined
    ? false
    : 'skopeo is not installed (package skopeo)';

const configMap = (name: string, value: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {value: "${value}"}\n`;

describe('the kinds of Flux', () => {
  let dispatch: Dispatch;
  let repo: GitopsRepo;

  before(async () => {
    dispatch = await Dispatch.make();
    await dispatch.up();
    repo = await GitopsRepo.create(dispatch, 'fleet');
    repo.push({ 'README.md': 'fleet' });
    await dispatch.apply(`apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: default}
spec: {url: "${repo.url}", interval: 10m, ref: {branch: main}}
`);
  });
  after(() => dispatch[Symbol.asyncDispose]());

  const kustomization = (name: string, more: string): Promise<void> =>
    dispatch.apply(`apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: ${name}, namespace: default}
spec:
  interval: 10m
  sourceRef: {kind: GitRepository, name: fleet}
  prune: true
${more}
`);
  const valueIn = (name: string, namespace = 'default'): Promise<string> =>
    dispatch
      .kubectl('-n', namespace, 'get', 'cm', name, '-o', 'jsonpath={.data.value}')
      .then(({ stdout }) => stdout);
  const ready = (kind: string, name: string): Promise<string> =>
    dispatch.ok(
      'get',
      kind,
      name,
      '-o',
      'jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].message}',
    );

  test('a Kustomization is kept, pruned and put back; pushes are taken up at once', async () => {
    repo.push({ 'apps/a.yaml': configMap('a', '1'), 'apps/deep/b.yaml': configMap('b', '1') });
    await kustomization('apps', '  path: ./apps');
    await eventually(async () =>
      assert.match(await ready('ks', 'apps'), /^True Applied revision: main@sha1:[0-9a-f]{40}$/),
    );
    assert.deepEqual([await valueIn('a'), await valueIn('b')], ['1', '1']);
    assert.match(await ready('gitrepo', 'fleet'), /^True stored artifact for revision 'main@sha1:/);
    repo.push({ 'apps/a.yaml': configMap('a', '2'), 'apps/deep/b.yaml': undefined });
    await eventually(
      async () => assert.deepEqual([await valueIn('a'), await valueIn('b')], ['2', '']),
      5_000,
    );
    await dispatch.ok('patch', 'cm', 'a', '--type=merge', '-p', '{"data":{"value":"drift"}}');
    await eventually(async () => assert.equal(await valueIn('a'), '2'), 5_000);
    const inventory = await dispatch.ok(
      'get',
      'ks',
      'apps',
      '-o',
      'jsonpath={.status.inventory.entries[*].id}',
    );
    assert.equal(inventory, 'default_a__ConfigMap');
    await dispatch.ok('patch', 'ks', 'apps', '--type=merge', '-p', '{"spec":{"suspend":true}}');
    repo.push({ 'apps/a.yaml': configMap('a', '3') });
    await kustomization('other', '  path: ./apps\n  targetNamespace: kube-public');
    await eventually(async () => assert.equal(await valueIn('a', 'kube-public'), '3'));
    assert.equal(await valueIn('a'), '2');
    await dispatch.ok('delete', 'ks', 'other');
    assert.equal(await valueIn('a', 'kube-public'), '');
  });

  test('a source is asked when somebody wants it, and says so', async () => {
    await using double = await ScmDouble.start('github');
    double.commit({ 'a.yaml': configMap('asked', '1') });
    await dispatch.ok(
      ...['create', 'secret', 'generic', 'ada', '--from-literal=username=ada'],
      `--from-literal=password=${double.token}`,
    );
    await dispatch.apply(`apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: quiet}
spec: {url: "${double.cloneUrl}", interval: 10m, ref: {branch: main}, secretRef: {name: ada}}
`);
    await kustomization('asked', '  path: ./\n  sourceRef: {kind: GitRepository, name: quiet}');
    await eventually(async () => assert.equal(await valueIn('asked'), '1'));
    double.commit({ 'a.yaml': configMap('asked', '2') });
    for (const [kind, name] of [
      ['gitrepo', 'quiet'],
      ['ks', 'asked'],
    ] as const) {
      await dispatch.ok('annotate', kind, name, 'reconcile.fluxcd.io/requestedAt=now');
      await eventually(async () => {
        const path = 'jsonpath={.status.lastHandledReconcileAt}';
        assert.equal(await dispatch.ok('get', kind, name, '-o', path), 'now');
      });
    }
    assert.equal(await valueIn('asked'), '2');
    await dispatch.ok('delete', 'ks', 'asked');
  });

  test('what acts as an account may do what that may, and nothing else', async () => {
    const role = (name: string, namespace: string, resources: string): string => `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: ${name}, namespace: ${namespace}}
rules: [{apiGroups: [""], resources: [${resources}], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: ${name}, namespace: ${namespace}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: ${name}}
subjects: [{kind: ServiceAccount, name: keeper, namespace: default}]
`;
    await dispatch.ok('create', 'serviceaccount', 'keeper');
    await dispatch.apply(role('keeper', 'default', 'configmaps'));
    repo.push({ 'acting/a.yaml': configMap('acting', '1'), 'elsewhere/a.yaml': configMap('elsewhere', '1') });
    await kustomization('acting', '  path: ./acting\n  serviceAccountName: keeper');
    const away = '  path: ./elsewhere\n  serviceAccountName: keeper\n  targetNamespace: kube-public';
    await kustomization('elsewhere', `${away}\n  retryInterval: 1s`);
    await eventually(async () => assert.equal(await valueIn('acting'), '1'));
    await eventually(async () =>
      assert.match(
        await ready('ks', 'elsewhere'),
        /^False .*User "system:serviceaccount:default:keeper" cannot \w+ resource "configmaps".* in the namespace "kube-public"/,
      ),
    );
    const secret = 'apiVersion: v1\nkind: Secret\nmetadata: {name: acting}\n';
    repo.push({ 'acting/b.yaml': secret });
    await eventually(async () =>
      assert.match(await ready('ks', 'acting'), /^False .*default:keeper" cannot \w+ resource "secrets"/),
    );
    assert.equal((await dispatch.kubectl('get', 'secret', 'acting')).code, 1);
    await dispatch.apply(role('keeper', 'kube-public', 'configmaps'));
    await eventually(async () => assert.equal(await valueIn('elsewhere', 'kube-public'), '1'));

    // Its objects go by its rights as well, and nothing is held up where the account has gone before.
    await dispatch.ok('delete', 'ks', 'elsewhere', '--timeout=30s');
    assert.equal(await valueIn('elsewhere', 'kube-public'), '');
    await dispatch.ok('delete', 'serviceaccount', 'keeper');
    await dispatch.ok('delete', 'ks', 'acting', '--timeout=30s');
    assert.equal(await valueIn('acting'), '1');
  });

  test('files of other tools are no manifests, and a source says what else is none', async () => {
    repo.push({
      'ignored/.github/workflows/ci.yaml': 'on: push\n',
      'ignored/a.yaml': configMap('ignored-a', '1'),
      'ignored/b.yaml': configMap('ignored-b', '1'),
      'ignored/c.yaml': configMap('ignored-c', '1'),
      '.sourceignore': '/ignored/c.yaml\n',
    });
    const values = (): Promise<string[]> =>
      Promise.all(['ignored-a', 'ignored-b', 'ignored-c'].map((name) => valueIn(name)));
    await kustomization('ignored', '  path: ./ignored');
    await eventually(async () => assert.deepEqual(await values(), ['1', '1', '']));
    const ignore = '.github/\n/ignored/b.yaml\n!/ignored/c.yaml\n';
    const patch = JSON.stringify({ spec: { ignore } });
    await dispatch.ok('patch', 'gitrepository', 'fleet', '--type=merge', '-p', patch);
    await eventually(async () => assert.deepEqual(await values(), ['1', '', '1']));
    await dispatch.ok(
      'patch',
      'gitrepository',
      'fleet',
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/spec/ignore"}]',
    );
    repo.push({ '.sourceignore': undefined });
  });

  test('values are substituted, dependencies waited for, and problems told', async () => {
    repo.push({
      'base/a.yaml': configMap('base', '1'),
      'later/a.yaml': `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: later}\ndata: {value: "\${region:=nowhere}-\${tier}-$\${kept}"}\n`,
      'broken/a.yaml': 'kind: Nothing\n',
    });
    await dispatch.apply('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars}\ndata: {tier: gold}\n');
    await kustomization(
      'later',
      '  path: ./later\n  dependsOn: [{name: base}]\n  postBuild: {substitute: {tier: silver}, substituteFrom: [{kind: ConfigMap, name: vars}]}',
    );
    await eventually(async () =>
      assert.match(await ready('ks', 'later'), /^False The dependency 'default\/base' is not there/),
    );
    await kustomization('base', '  path: ./base');
    await eventually(async () => assert.equal(await valueIn('later'), `nowhere-silver-\${kept}`));
    await kustomization('broken', '  path: ./broken');
    await eventually(async () =>
      assert.match(await ready('ks', 'broken'), /^False broken\/a.yaml holds an object without apiVersion/),
    );
    await kustomization('missing', '  path: ./apps\n  sourceRef: {kind: GitRepository, name: nope}');
    await eventually(async () =>
      assert.match(await ready('ks', 'missing'), /^False There is no GitRepository default\/nope/),
    );
    await dispatch.apply(
      'apiVersion: v1\nkind: Secret\nmetadata: {name: files}\nstringData: {value: "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: {server: \'https://127.0.0.1:1\', certificate-authority: /etc/hostname}}], users: [{name: u, user: {exec: {command: touch}}}]}"}\n',
    );
    await kustomization('files', '  path: ./base\n  kubeConfig: {secretRef: {name: files}}');
    await eventually(async () =>
      assert.match(
        await ready('ks', 'files'),
        /^False .*names a file of this machine \(certificate-authority\)/,
      ),
    );
  });

  test(
    'a Kustomization of what was pushed to a registry follows its tag',
    { skip: SKIP_SKOPEO },
    async () => {
      const { registry = '' } = await dispatch.file();
      await dispatch.ok('create', 'serviceaccount', 'pusher');
      await dispatch.ok(
        ...['create', 'rolebinding', 'pusher', '--clusterrole=edit', '--serviceaccount=default:pusher'],
      );
      const token = (await dispatch.ok('create', 'token', 'pusher')).trim();
      const push = async (name: string, files: Record<string, string>): Promise<void> => {
        const layer = {
          mediaType: 'application/vnd.cncf.flux.content.v1.tar+gzip',
          bytes: await packed(files),
        };
        const layout = ociLayout(
          join(dispatch.home, name),
          [layer],
          'application/vnd.cncf.flux.config.v1+json',
        );
        execFileSync('skopeo', [
          ...['copy', '--dest-tls-verify=false', '--dest-creds', `any:${token}`],
          ...[`oci:${layout}:v1`, `docker://${registry}/default/manifests:stable`],
        ]);
      };
      const source = `apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: packed, namespace: default}
spec: {url: "oci://${registry}/default/manifests", interval: 10m, ref: {tag: stable}, secretRef: {name: pull}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: packed, namespace: default}
spec: {interval: 1s, sourceRef: {kind: OCIRepository, name: packed}, path: ./deploy, prune: true}
`;
      await push('first', {
        'deploy/packed.yaml': configMap('packed', '1'),
        '../outside.yaml': configMap('no', '1'),
      });
      await dispatch.apply(source);
      await eventually(async () =>
        assert.match(await ready('ocirepository', 'packed'), /^False There is no Secret pull/),
      );
      // The login has come: it is tried at once.
      await dispatch.ok(
        ...['create', 'secret', 'docker-registry', 'pull', `--docker-server=${registry}`],
        ...['--docker-username=any', `--docker-password=${token}`],
      );
      await eventually(async () => assert.match(await ready('ocirepository', 'packed'), /^True /), 5_000);
      await eventually(async () =>
        assert.match(await ready('ks', 'packed'), /^True Applied revision: stable@sha256:[0-9a-f]{64}$/),
      );
      assert.equal(await valueIn('packed'), '1');
      await push('second', { './deploy/packed.yaml': configMap('packed', '2') });
      await eventually(async () => assert.equal(await valueIn('packed'), '2'));
      assert.equal(await valueIn('no'), '');
      await dispatch.ok('delete', 'ocirepository', 'packed');
      await eventually(async () =>
        assert.match(await ready('ks', 'packed'), /^False There is no OCIRepository/),
      );
    },
  );

  test('a Kustomization of a bucket follows what lies in it', { skip: SKIP_OBJECT_STORE }, async () => {
    await using store = await ObjectStore.start();
    await store.createBucket('fleet');
    for (let at = 0; at < 3; at += 1) await store.put('fleet', `apps/m ${at}.yaml`, configMap(`m${at}`, '1'));
    await store.put('fleet', 'apps/ignored/broken.yaml', 'kind: [');
    await store.put('fleet', 'other/x.yaml', configMap('elsewhere', '1'));
    await store.put('fleet', 'apps/../../escape.yaml', configMap('escape', '1'));
    // The storage is another machine: loopback is out of reach of what users name.
    const address = await dispatch.ok(
      ...['get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[0].address}'],
    );
    await dispatch.ok('create', 'secret', 'generic', 'store', '--from-literal=accesskey=x');
    const bucket = (endpoint: string): Promise<void> =>
      dispatch.apply(`apiVersion: source.toolkit.fluxcd.io/v1
kind: Bucket
metadata: {name: store}
spec: {endpoint: "${endpoint}", bucketName: fleet, prefix: apps/, insecure: true, interval: 1s, ignore: "ignored/", secretRef: {name: store}}
`);
    const says = (text: RegExp): Promise<void> =>
      eventually(async () => assert.match(await ready('bucket', 'store'), text));
    await bucket(`127.0.0.1:${store.port}`);
    await says(/^False The Secret store has no accesskey and secretkey/);
    const keys = (secret: string): string =>
      JSON.stringify({ stringData: { accesskey: store.accessKey, secretkey: secret } });
    await dispatch.ok('patch', 'secret', 'store', '--type=merge', '-p', keys(store.secretKey));
    await says(/^False .*cannot be reached: 127.0.0.1 is an address of this machine/);
    await dispatch.ok('patch', 'secret', 'store', '--type=merge', '-p', keys('guessed'));
    await bucket(`${address}:${store.port}`);
    await says(/^False the storage .* refused fleet: /);
    await dispatch.ok('patch', 'secret', 'store', '--type=merge', '-p', keys(store.secretKey));
    await says(/^True stored artifact for revision 'sha256:/);
    await kustomization('stored', '  path: ./apps\n  sourceRef: {kind: Bucket, name: store}');
    await eventually(async () => assert.equal(await valueIn('m2'), '1'));
    await store.put('fleet', 'apps/m 0.yaml', configMap('m0', '2'));
    await store.remove('fleet', 'apps/m 1.yaml');
    await eventually(async () => assert.deepEqual([await valueIn('m0'), await valueIn('m1')], ['2', '']));
    assert.deepEqual([await valueIn('elsewhere'), await valueIn('escape')], ['', '']);
  });

  test('what is encrypted in Git is decrypted with the keys of a Secret, and stays nowhere else', async () => {
    const fixture = (name: string): string =>
      readFileSync(new URL(`../../src/render/sops/fixtures/${name}`, import.meta.url), 'utf8');
    repo.push({
      'sealed/database.yaml': fixture('database.yaml'),
      'sealed/values.env': fixture('values.env'),
      'sealed/kustomization.yaml':
        'resources: [database.yaml]\nsecretGenerator: [{name: user, envs: [values.env], options: {disableNameSuffixHash: true}}]\n',
    });
    await kustomization(
      'sealed',
      '  path: ./sealed\n  decryption: {provider: sops, secretRef: {name: keys}}',
    );
    const says = (text: RegExp): Promise<void> =>
      eventually(async () => assert.match(await ready('ks', 'sealed'), text));
    await says(/^False There is no Secret keys with keys to decrypt with/);
    await dispatch.ok('create', 'secret', 'generic', 'keys', '--from-literal=x.agekey=AGE-SECRET-KEY-1NO');
    await says(/^False a key of age cannot be read/);
    const patch = { data: { 'x.agekey': Buffer.from(fixture('age.agekey')).toString('base64') } };
    await dispatch.ok('patch', 'secret', 'keys', '--type=merge', '-p', JSON.stringify(patch));
    await says(/^True Applied revision/);
    const field = async (name: string, key: string): Promise<string> => {
      const text = await dispatch.ok('get', 'secret', name, '-o', `jsonpath={.data.${key}}`);
      return Buffer.from(text, 'base64').toString();
    };
    assert.equal(await field('database', 'password'), 's3cret');
    assert.equal(await field('user', 'PASSWORD'), 'a=b c');
    const left = readdirSync(join(dispatch.dataDir, 'checkouts'));
    assert.deepEqual(
      left.filter((name) => name.startsWith('decrypted-')),
      [],
    );
  });
});
