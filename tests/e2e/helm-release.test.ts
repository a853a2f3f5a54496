import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Dispatch } from './dispatch.ts';
import { GitopsRepo } from './gitops-repo.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

interface Release {
  version: number;
  info: { status: string; description: string; notes?: string };
  chart: { metadata: { name: string; version: string } };
  config: object;
  manifest: string;
  hooks: { name: string; events: string[] }[];
}

/** Something that no node takes. */
const never = (name: string): string =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ${name}}\nspec: {selector: {matchLabels: {app: ${name}}}, template: {metadata: {labels: {app: ${name}}}, spec: {nodeSelector: {no: where}, containers: [{name: c, image: dispatch.local/shell}]}}}\n`;

describe('a HelmRelease', () => {
  const dispatch = Dispatch.ofSuite();
  let repo: GitopsRepo;
  before(async () => {
    repo = await GitopsRepo.create(dispatch, 'charts');
    repo.push({ 'README.md': 'charts' });
    await dispatch.apply(`apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: charts}
spec: {url: "${repo.url}", interval: 10m, ref: {branch: main}}
`);
  });

  const release = (name: string, chart: string, more: string): Promise<void> =>
    dispatch.apply(`apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: ${name}}
spec:
  interval: 10m
  chart: {spec: {chart: ${chart}, sourceRef: {kind: GitRepository, name: charts}${chart === 'c' ? ', valuesFiles: [env/prod.yaml]' : ''}}}
${more}
`);
  const says = (name: string, text: RegExp): Promise<void> =>
    eventually(async () => {
      const path = 'jsonpath={.status.conditions[0].status} {.status.conditions[0].message}';
      assert.match(await dispatch.ok('get', 'hr', name, '-o', path), text);
    });
  const valueIn = async (name: string): Promise<string> =>
    (await dispatch.kubectl('get', 'cm', name, '-o', 'jsonpath={.data.value}')).stdout;
  const stored = async (name: string): Promise<Release[]> => {
    const text = await dispatch.ok('get', 'secret', '-l', `owner=helm,name=${name}`, '-o', 'json');
    const { items } = JSON.parse(text) as { items: { type: string; data: { release: string } }[] };
    for (const { type } of items) assert.equal(type, 'helm.sh/release.v1');
    return items
      .map(({ data }) => {
        const packed = Buffer.from(Buffer.from(data.release, 'base64').toString(), 'base64');
        return JSON.parse(gunzipSync(packed).toString()) as Release;
      })
      .sort((a, b) => a.version - b.version);
  };
  const kept = async (name: string): Promise<string[]> =>
    (await stored(name)).map(({ version, info }) => `${version} ${info.status} ${info.description}`);

  test('is kept with its values, as Helm itself would keep it', async () => {
    repo.push({
      'c/Chart.yaml': 'apiVersion: v2\nname: c\nversion: 0.2.0\nappVersion: "7"\n',
      'c/values.yaml': 'a: default\nb: default\n',
      'env/prod.yaml': 'c: {e: prod}\n',
      'c/templates/NOTES.txt': 'Look at {{ .Release.Name }}.',
      'c/templates/a.yaml':
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Name }}"}\ndata: {value: "{{ .Values.a }} {{ .Values.b }} {{ .Values.c.d }} {{ .Release.Revision }} {{ .Release.IsUpgrade }} {{ .Values.c.e }}"}\n',
    });
    await dispatch.apply(
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vals}\ndata: {values.yaml: "a: from map", one: "42"}\n',
    );
    const values = (b: string): Promise<void> =>
      release(
        'rel',
        'c',
        `  valuesFrom: [{kind: ConfigMap, name: vals}, {kind: ConfigMap, name: vals, valuesKey: one, targetPath: c.d}]\n  values: {b: ${b}}\n  postRenderers: [{kustomize: {patches: [{target: {kind: ConfigMap}, patch: '[{"op": "add", "path": "/data/patched", "value": "yes"}]'}]}}]`,
      );
    await values('inline');
    await says('rel', /^True Helm install succeeded for release default\/rel\.v1 with chart c@0\.2\.0$/);
    assert.equal(await valueIn('rel'), 'from map inline 42 1 false prod');
    assert.equal(await dispatch.ok('get', 'cm', 'rel', '-o', 'jsonpath={.data.patched}'), 'yes');
    const [first] = await stored('rel');
    assert.deepEqual(
      [first?.chart.metadata.name, first?.config, first?.info.notes],
      ['c', { a: 'from map', b: 'inline', c: { d: 42, e: 'prod' } }, 'Look at rel.'],
    );
    assert.match(first?.manifest ?? '', /^---\n# Source: c\/templates\/a\.yaml\napiVersion: v1\n/);
    await values('changed');
    await says('rel', /^True Helm upgrade succeeded for release default\/rel\.v2/);
    assert.equal(await valueIn('rel'), 'from map changed 42 2 true prod');
    assert.deepEqual(await kept('rel'), ['1 superseded Install complete', '2 deployed Upgrade complete']);
    // What else there is in the repository is no reason for a release.
    const commit = repo.push({ 'elsewhere.txt': 'more' });
    await eventually(async () =>
      assert.match(
        await dispatch.ok('get', 'hr', 'rel', '-o', 'jsonpath={.status.lastAppliedRevision}'),
        new RegExp(commit),
      ),
    );
    assert.equal((await kept('rel')).length, 2);
    // Somebody has used Helm in between.
    const own = JSON.parse(await dispatch.ok('get', 'secret', 'sh.helm.release.v1.rel.v2', '-o', 'json')) as {
      metadata: { name: string; labels: Record<string, string> };
    };
    const labels = { ...own.metadata.labels, version: '7' };
    const metadata = { name: 'sh.helm.release.v1.rel.v7', labels };
    await dispatch.apply(JSON.stringify({ ...own, metadata }));
    await values('again');
    await says('rel', /^True Helm upgrade succeeded for release default\/rel\.v8/);
    await dispatch.ok('delete', 'secret', 'sh.helm.release.v1.rel.v7');
    // What is the same is no new release, even for a server that was started again.
    await dispatch.kill('SIGKILL');
    await dispatch.up();
    await repo.follow();
    await dispatch.ok('delete', 'cm', 'rel');
    await eventually(async () => assert.equal(await valueIn('rel'), 'from map again 42 8 true prod'));
    assert.equal((await kept('rel')).length, 3);
    await dispatch.ok('delete', 'hr', 'rel');
    assert.equal(await valueIn('rel'), '');
    assert.deepEqual(await stored('rel'), []);
  });

  test('whose upgrade fails is put back to what was there, until something new comes', async () => {
    const chart = (version: string, name: string): void => {
      repo.push({
        'u/Chart.yaml': `apiVersion: v2\nname: u\nversion: ${version}\n`,
        'u/templates/a.yaml': `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: upgraded}\ndata: {value: "${version}"}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: "${name}"}\n`,
      });
    };
    chart('1.0.0', 'fine');
    await release('up', 'u', '  upgrade: {remediation: {retries: 1}}\n  retryInterval: 100ms');
    await says('up', /^True Helm install succeeded/);
    // The server takes the first object, and not the second.
    chart('2.0.0', 'No Name');
    await says(
      'up',
      /^False Failed to upgrade to version 2 of u@2\.0\.0: rolled back to release default\/up\.v3 with chart u@1\.0\.0$/,
    );
    assert.equal(await valueIn('upgraded'), '1.0.0');
    const [one, two, three] = await kept('up');
    assert.deepEqual([one, three], ['1 superseded Install complete', '3 deployed Rollback to 1']);
    assert.match(
      two ?? '',
      /^2 failed one or more objects failed to apply, reason: ConfigMap default\/No Name/,
    );
    // What has failed once is tried again when it comes again.
    chart('1.0.0', 'fine');
    await says('up', /^True Helm upgrade succeeded for release default\/up\.v3 with chart u@1\.0\.0$/);
    chart('2.0.0', 'No Name');
    await says(
      'up',
      /^False Failed to upgrade to version 4 of u@2\.0\.0: rolled back to release default\/up\.v5/,
    );
    chart('3.0.0', 'fine');
    await says('up', /^True Helm upgrade succeeded for release default\/up\.v6 with chart u@3\.0\.0$/);
    assert.equal(await valueIn('upgraded'), '3.0.0');
  });

  test('which fails is tried again after its time, or when somebody asks', async () => {
    repo.push({
      'f/Chart.yaml': 'apiVersion: v2\nname: f\nversion: 1.0.0\n',
      'f/templates/a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "No Name"}\n',
    });
    await release('failing', 'f', '  retryInterval: 10m');
    await says('failing', /^False one or more objects failed to apply/);
    await dispatch.ok('annotate', 'hr', 'failing', 'reconcile.fluxcd.io/requestedAt=now');
    await eventually(async () => {
      const path = 'jsonpath={.status.lastHandledReconcileAt} {.status.failures}';
      assert.equal(await dispatch.ok('get', 'hr', 'failing', '-o', path), 'now 2');
    });
  });

  test('whose installation fails is taken away before it is tried again, and then given up', async () => {
    const chart = (name: string): void => {
      repo.push({
        'i/Chart.yaml': 'apiVersion: v2\nname: i\nversion: 1.0.0\n',
        'i/templates/a.yaml': `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: first}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: "${name}"}\n`,
      });
    };
    const first = async (): Promise<string> =>
      (await dispatch.kubectl('get', 'cm', 'first', '-o', 'jsonpath={.metadata.uid}')).stdout;
    chart('No Name');
    const policy = (more: string): Promise<void> =>
      release('in', 'i', `  install: {remediation: {retries: 1${more}}}\n  retryInterval: 100ms`);
    await policy('');
    await says('in', /^False Failed to install after 2 attempts: one or more objects failed to apply/);
    const left = await first();
    assert.notEqual(left, '');
    // Whatever is changed about it is a new try. The last one goes as well now.
    await policy(', remediateLastFailure: true');
    await eventually(async () => {
      const path = 'jsonpath={.status.failures} {.status.history[0].version} {.status.history[0].status}';
      assert.equal(await dispatch.ok('get', 'hr', 'in', '-o', path), '2 2 uninstalled');
    });
    await says('in', /^False Failed to install after 2 attempts/);
    assert.equal(await first(), '');
    assert.match((await kept('in')).at(-1) ?? '', /^2 uninstalled one or more objects failed to apply/);
    // Nothing about it has changed but what was in its way.
    const ask = (at: string): Promise<string> =>
      dispatch.ok(
        ...['annotate', 'hr', 'in', '--overwrite'],
        ...[`reconcile.fluxcd.io/requestedAt=${at}`, `reconcile.fluxcd.io/resetAt=${at}`],
      );
    const handledAt = async (): Promise<string> =>
      dispatch.ok('get', 'hr', 'in', '-o', 'jsonpath={.status.lastHandledResetAt} {.status.failures}');
    await ask('now');
    await eventually(async () => assert.equal(await handledAt(), 'now 2'));
    await says('in', /^False Failed to install after 2 attempts/);
    chart('second');
    await says('in', /^True Helm install succeeded/);
    assert.notEqual(await first(), left);
  });

  test('has its time for each try', async () => {
    repo.push({
      'l/Chart.yaml': 'apiVersion: v2\nname: l\nversion: 1.0.0\n',
      'l/templates/a.yaml': never('late'),
    });
    await release(
      'late',
      'l',
      '  timeout: 1s\n  retryInterval: 100ms\n  install: {remediation: {retries: 1}}',
    );
    await says(
      'late',
      /^False Failed to install after 2 attempts: timeout waiting for: apps\/Deployment default\/late/,
    );
  });

  test('leaves to others what it is told to, and tells of it', async () => {
    repo.push({
      'd/Chart.yaml': 'apiVersion: v2\nname: d\nversion: 1.0.0\n',
      'd/templates/a.yaml':
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: drifting}\ndata: {value: ours}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: beside}\n',
    });
    const change = (value: string): Promise<string> =>
      dispatch.ok('patch', 'cm', 'drifting', '--type=merge', '-p', `{"data":{"value":"${value}"}}`);
    await release('drift', 'd', '  driftDetection: {mode: warn}');
    await says('drift', /^True Helm install succeeded for release default\/drift.v1 with chart d@1.0.0$/);
    await change('theirs');
    await says('drift', /^True Helm install succeeded .*; changed by others: ConfigMap default\/drifting$/);
    assert.equal(await valueIn('drifting'), 'theirs');
    // Another version puts its own in place.
    await release(
      'drift',
      'd',
      '  driftDetection: {ignore: [{paths: [/data/value], target: {kind: ConfigMap}}]}',
    );
    await says('drift', /^True Helm upgrade succeeded for release default\/drift.v2 with chart d@1.0.0$/);
    await change('theirs again');
    await dispatch.ok('delete', 'cm', 'beside');
    await eventually(() => dispatch.ok('get', 'cm', 'beside'));
    assert.equal(await valueIn('drifting'), 'theirs again');
  });

  test('runs no hooks, waits for nothing and keeps its history where it says so', async () => {
    const hook = (event: string): string =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "quiet-${event}", annotations: {"helm.sh/hook": ${event}}}\n`;
    repo.push({
      'q/Chart.yaml': 'apiVersion: v2\nname: q\nversion: 1.0.0\n',
      'q/templates/a.yaml': [hook('pre-install'), hook('post-delete'), never('never')].join('---\n'),
    });
    await release(
      'quiet',
      'q',
      '  install: {disableHooks: true, disableWait: true}\n  uninstall: {disableHooks: true, keepHistory: true}',
    );
    await says('quiet', /^True Helm install succeeded/);
    await dispatch.ok('delete', 'hr', 'quiet');
    assert.doesNotMatch(await dispatch.ok('get', 'cm', '-o', 'name'), /quiet-/);
    assert.deepEqual(await kept('quiet'), ['1 uninstalled Uninstallation complete']);
    await release('quiet', 'q', '  install: {disableWait: true}');
    await says('quiet', /^True Helm install succeeded for release default\/quiet.v2 /);
    assert.match(await dispatch.ok('get', 'cm', '-o', 'name'), /quiet-pre-install/);
  });

  test('works when its own tests say so', { skip: SKIP_SANDBOX }, async () => {
    const tests =
      'apiVersion: batch/v1\nkind: Job\nmetadata: {name: tested, annotations: {"helm.sh/hook": test}}\nspec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: c, image: dispatch.local/shell, command: ["{{ .Values.command }}"]}]}}}\n';
    repo.push({
      't/Chart.yaml': 'apiVersion: v2\nname: t\nversion: 1.0.0\n',
      't/templates/a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: under-test}\n',
      't/templates/test.yaml': tests,
    });
    const given = (command: string, more = ''): Promise<void> =>
      release('tests', 't', `  values: {command: "${command}"}\n  retryInterval: 10m\n${more}`);
    await given('false');
    await says('tests', /^True Helm install succeeded/);
    assert.equal((await dispatch.kubectl('get', 'job', 'tested', '--ignore-not-found')).stdout, '');
    assert.deepEqual(
      (await stored('tests')).at(-1)?.hooks.map(({ events }) => events.join()),
      ['test'],
    );
    const enabled = (more: string): string => `  test: {enable: true${more}}`;
    await given('false', enabled(''));
    await says('tests', /^False Helm test failed: .*hook batch\/Job default\/tested has failed/);
    await given('false', enabled(', ignoreFailures: true'));
    await says('tests', /^True Helm upgrade succeeded/);
    await given('true', enabled(''));
    await says('tests', /^True Helm upgrade succeeded/);
    await dispatch.ok('delete', 'job', 'tested', '--ignore-not-found');
  });

  test(
    'runs the hooks that are for what happens, and those around its end',
    { skip: SKIP_SANDBOX },
    async () => {
      const hook = (events: string): string =>
        `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "on-${events.replaceAll(',', '-')}", annotations: {"helm.sh/hook": "${events}"}}\n`;
      const job =
        'apiVersion: batch/v1\nkind: Job\nmetadata: {name: goodbye, annotations: {"helm.sh/hook": pre-delete, "helm.sh/hook-delete-policy": hook-succeeded}}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: dispatch.local/shell, command: ["true"]}]}}}\n';
      repo.push({
        'h/Chart.yaml': 'apiVersion: v2\nname: h\nversion: 1.0.0\n',
        'h/templates/a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hooked}\n',
        'h/templates/hooks.yaml': [
          hook('pre-install'),
          hook('post-upgrade'),
          hook('post-install,post-upgrade'),
          hook('test'),
          hook('post-delete'),
          job,
        ].join('---\n'),
      });
      const there = async (): Promise<string[]> =>
        (await dispatch.ok('get', 'cm', '-o', 'name'))
          .split('\n')
          .flatMap((line) => /(?:on-.*|hooked)$/.exec(line)?.[0] ?? []);
      await release('hooks', 'h', '  retryInterval: 200ms');
      await says('hooks', /^True Helm install succeeded/);
      assert.deepEqual(await there(), ['hooked', 'on-post-install-post-upgrade', 'on-pre-install']);
      await release('hooks', 'h', '  retryInterval: 200ms\n  values: {some: thing}');
      await says('hooks', /^True Helm upgrade succeeded/);
      assert.deepEqual(await there(), [
        'hooked',
        'on-post-install-post-upgrade',
        'on-post-upgrade',
        'on-pre-install',
      ]);
      assert.deepEqual(
        (await stored('hooks')).at(-1)?.hooks.map(({ events }) => events.join()),
        ['pre-install', 'post-upgrade', 'post-install,post-upgrade', 'test', 'post-delete', 'pre-delete'],
      );
      // A hook that has failed runs again with the next try.
      const flaky =
        'apiVersion: batch/v1\nkind: Job\nmetadata: {name: flaky, annotations: {"helm.sh/hook": pre-upgrade}}\nspec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: c, image: dispatch.local/shell, command: [sh, -c, "cat /gate/open"], volumeMounts: [{name: gate, mountPath: /gate}]}], volumes: [{name: gate, configMap: {name: gate}}]}}}\n';
      await dispatch.ok('create', 'configmap', 'gate', '--from-literal=shut=yes');
      repo.push({ 'h/templates/flaky.yaml': flaky });
      // What it says of itself lasts until the next try; what is kept of it lasts longer.
      await eventually(async () =>
        assert.match(
          (await kept('hooks')).at(-1) ?? '',
          /^3 failed .*hook batch\/Job default\/flaky has failed/,
        ),
      );
      await dispatch.ok('patch', 'configmap', 'gate', '--type=merge', '-p', '{"data":{"open":"yes"}}');
      await says('hooks', /^True Helm upgrade succeeded/);
      await dispatch.ok('delete', 'hr', 'hooks');
      await eventually(async () => assert.deepEqual(await there(), ['on-post-delete']));
      const { stdout } = await dispatch.kubectl('get', 'job', 'goodbye', '--ignore-not-found');
      assert.equal(stdout, '');
    },
  );
});
