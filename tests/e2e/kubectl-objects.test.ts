import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Kubectl, KUBECTLS, SKIP_KUBECTL } from './kubectl.ts';

const DEPLOYMENT = (image: string, replicas: number): string => `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: ${image}
        ports: [{containerPort: 8080}]
        env: [{name: A, value: "1"}, {name: B, value: "2"}]
`;

for (const program of KUBECTLS.length > 0 ? KUBECTLS : ['kubectl']) {
  describe(`objects with ${program}`, { skip: SKIP_KUBECTL }, () => {
    test('create, get in every format, label, annotate, replace and delete', async () => {
      await using kubectl = await Kubectl.start(program);
      await kubectl.ok('create configmap settings --from-literal=color=red --from-literal=size=9');
      assert.equal(await kubectl.ok('get configmap settings -o jsonpath={.data.color}'), 'red');
      assert.match(await kubectl.ok('get cm settings'), /NAME\s+DATA\s+AGE\nsettings\s+2\s+\d+s/);
      assert.equal(
        await kubectl.ok('get cm settings -o custom-columns=N:.metadata.name,C:.data.color --no-headers'),
        'settings   red',
      );
      assert.equal(await kubectl.ok('get cm settings -o name'), 'configmap/settings');
      assert.equal(JSON.parse(await kubectl.ok('get cm settings -o json')).data.size, '9');
      assert.equal(await kubectl.ok('get cm settings -o go-template={{.data.size}}'), '9');
      await kubectl.ok('label cm settings tier=web');
      await kubectl.ok('annotate cm settings note=hello');
      assert.match(await kubectl.ok('get cm -l tier=web -o name'), /settings/);
      assert.equal(
        await kubectl.ok('get cm -l', 'tier notin (web)', '-o', 'name'),
        'configmap/kube-root-ca.crt',
      );
      assert.match(await kubectl.ok('get cm --field-selector metadata.name=settings -o name'), /settings/);
      const refused = await kubectl.run('label cm settings tier=api');
      assert.match(refused.stderr, /already has a value/);
      await kubectl.ok('label cm settings tier-');
      const replacement = await kubectl.file(
        'replacement.yaml',
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {color: blue}\n',
      );
      await kubectl.ok('replace -f', replacement);
      assert.deepEqual(JSON.parse(await kubectl.ok('get cm settings -o json')).data, { color: 'blue' });
      assert.match(await kubectl.ok('describe cm settings'), /color:\n----\nblue/);
      await kubectl.ok('delete cm settings');
      assert.match(
        (await kubectl.run('get cm settings')).stderr,
        /Error from server \(NotFound\): configmaps "settings" not found/,
      );
    });

    test('client-side apply merges three ways, and diff tells what it would change', async () => {
      await using kubectl = await Kubectl.start(program);
      const first = await kubectl.file('first.yaml', DEPLOYMENT('shop:1', 2));
      assert.match(await kubectl.ok('apply -f', first), /created/);
      await kubectl.ok('scale deployment web --replicas=5');
      const second = await kubectl.file(
        'second.yaml',
        DEPLOYMENT('shop:2', 2).replace(', {name: B, value: "2"}', ''),
      );
      const diff = await kubectl.run('diff -f', second);
      assert.equal(diff.code, 1);
      assert.match(diff.stdout, /-\s+- image: shop:1|-\s+image: shop:1/);
      assert.match(diff.stdout, /\+\s+(- )?image: shop:2/);
      assert.match(await kubectl.ok('apply -f', second), /configured/);
      const spec = JSON.parse(await kubectl.ok('get deployment web -o json')).spec;
      assert.equal(spec.replicas, 2);
      assert.deepEqual(spec.template.spec.containers[0].env, [{ name: 'A', value: '1' }]);
      assert.match(await kubectl.ok('apply -f', second), /unchanged/);
      assert.equal((await kubectl.run('diff -f', second)).code, 0);
    });

    test('server-side apply finds conflicts, and takes over with --force-conflicts', async () => {
      await using kubectl = await Kubectl.start(program);
      const mine = await kubectl.file('mine.yaml', DEPLOYMENT('shop:1', 2));
      const theirs = await kubectl.file('theirs.yaml', DEPLOYMENT('shop:2', 2));
      await kubectl.ok('apply --server-side --field-manager=alice -f', mine);
      const conflict = await kubectl.run('apply --server-side --field-manager=bob -f', theirs);
      assert.notEqual(conflict.code, 0);
      assert.match(
        conflict.stderr,
        /conflict with "alice".*\.spec\.template\.spec\.containers\[name="app"\]\.image/s,
      );
      await kubectl.ok('apply --server-side --field-manager=bob --force-conflicts -f', theirs);
      assert.equal(
        await kubectl.ok('get deployment web -o jsonpath={.spec.template.spec.containers[0].image}'),
        'shop:2',
      );
      assert.match(
        await kubectl.ok('apply --server-side --field-manager=bob -f', theirs),
        /serverside-applied/,
      );
    });

    test('a field that server-side apply no longer names goes, unless somebody else wants it', async () => {
      await using kubectl = await Kubectl.start(program);
      const both = await kubectl.file(
        'both.yaml',
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: "1", b: "2"}\n',
      );
      const one = await kubectl.file(
        'one.yaml',
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: "1"}\n',
      );
      await kubectl.ok('apply --server-side --field-manager=alice -f', both);
      await kubectl.ok('apply --server-side --field-manager=bob -f', one);
      await kubectl.ok('apply --server-side --field-manager=alice -f', one);
      assert.deepEqual(JSON.parse(await kubectl.ok('get cm c -o json')).data, { a: '1' });
      const none = await kubectl.file('none.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n');
      await kubectl.ok('apply --server-side --field-manager=alice -f', none);
      assert.deepEqual(JSON.parse(await kubectl.ok('get cm c -o json')).data, { a: '1' });
    });

    test('patch in three kinds', async () => {
      await using kubectl = await Kubectl.start(program);
      await kubectl.ok('apply -f', await kubectl.file('web.yaml', DEPLOYMENT('shop:1', 2)));
      await kubectl.ok(
        'patch deployment web -p',
        '{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"shop:2"}]}}}}',
      );
      const merged = JSON.parse(await kubectl.ok('get deployment web -o json')).spec.template.spec
        .containers[0];
      assert.equal(merged.image, 'shop:2');
      assert.equal(merged.env.length, 2);
      await kubectl.ok('patch deployment web --type=merge -p', '{"spec":{"replicas":7,"paused":null}}');
      await kubectl.ok(
        'patch deployment web --type=json -p',
        '[{"op":"test","path":"/spec/replicas","value":7},{"op":"remove","path":"/spec/template/spec/containers/0/env/1"}]',
      );
      const patched = JSON.parse(await kubectl.ok('get deployment web -o json')).spec;
      assert.equal(patched.replicas, 7);
      assert.deepEqual(patched.template.spec.containers[0].env, [{ name: 'A', value: '1' }]);
      await kubectl.ok('set image deployment/web app=shop:3');
      await kubectl.ok('set env deployment/web C=3');
      assert.match(await kubectl.ok('get deployment web -o wide'), /shop:3/);
    });

    test('an edit is a patch of what the editor changed', async () => {
      await using kubectl = await Kubectl.start(program);
      await kubectl.ok('create configmap edited --from-literal=a=1');
      process.env['TEST_EDITOR'] = 'sed -i s/a:./a:\\ "2"/';
      try {
        await kubectl.ok('edit configmap edited');
      } finally {
        delete process.env['TEST_EDITOR'];
      }
      assert.match(await kubectl.ok('get cm edited -o jsonpath={.data.a}'), /2/);
    });

    test('a misspelt field and a wrong value are refused by name', async () => {
      await using kubectl = await Kubectl.start(program);
      const misspelt = await kubectl.file(
        'misspelt.yaml',
        DEPLOYMENT('shop:1', 2).replace('containerPort', 'containerPrt'),
      );
      const refused = await kubectl.run('apply -f', misspelt);
      assert.notEqual(refused.code, 0);
      assert.match(refused.stderr, /containerPrt/);
      const wrong = await kubectl.file('wrong.yaml', DEPLOYMENT('shop:1', -1));
      assert.match((await kubectl.run('apply -f', wrong)).stderr, /spec\.replicas: Invalid value: -1/);
      const unmatched = await kubectl.file(
        'unmatched.yaml',
        DEPLOYMENT('shop:1', 1).replace('matchLabels: {app: web}', 'matchLabels: {app: other}'),
      );
      assert.match((await kubectl.run('apply -f', unmatched)).stderr, /selector.* does not match template/);
    });

    test('get -w shows changes as they happen, and wait sees conditions', async () => {
      await using kubectl = await Kubectl.start(program);
      const watch = kubectl.spawn(['get', 'configmaps', '-w', '--no-headers', '-l', 'seen=yes']);
      const lines = watch.lines[Symbol.asyncIterator]();
      await kubectl.ok('create configmap watched --from-literal=a=1');
      await kubectl.ok('label cm watched seen=yes');
      assert.match((await lines.next()).value, /^watched\s+1/);
      await kubectl.ok('patch cm watched --type=merge -p', '{"data":{"b":"2"}}');
      assert.match((await lines.next()).value, /^watched\s+2/);
      watch.stop();
      await watch.done;
      const waiting = kubectl.run('wait --for=delete cm/watched --timeout=20s');
      await kubectl.ok('delete cm watched');
      assert.equal((await waiting).code, 0);
    });

    test('deletion: background, orphan and foreground', async () => {
      await using kubectl = await Kubectl.start(program);
      const owned = async (owner: string, name: string): Promise<void> => {
        await kubectl.ok(`create configmap ${owner}`);
        const uid = await kubectl.ok(`get cm ${owner} -o jsonpath={.metadata.uid}`);
        await kubectl.ok(
          'apply -f',
          await kubectl.file(
            `${name}.yaml`,
            `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: ${owner}, uid: ${uid}, blockOwnerDeletion: true}]\n`,
          ),
        );
      };
      await owned('background', 'goes');
      await kubectl.ok('delete cm background');
      await kubectl.ok('wait --for=delete cm/goes --timeout=20s');
      await owned('orphaning', 'stays');
      const isOld = !/orphan/.test(await kubectl.ok('delete --help'));
      await kubectl.ok(`delete cm orphaning --cascade=${isOld ? 'false' : 'orphan'}`);
      assert.equal(await kubectl.ok('get cm stays -o jsonpath={.metadata.ownerReferences}'), '');
      await owned('foreground', 'first');
      await kubectl.ok(`delete cm foreground --cascade=${isOld ? 'true' : 'foreground'}`);
      await kubectl.ok('wait --for=delete cm/first --timeout=20s');
    });
  });
}
