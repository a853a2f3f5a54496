import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type RenderOptions, Renderer } from './render.ts';
import { SourceTree } from './source-tree.ts';
import { fillTemplate } from './substitute.ts';
import { readAllYaml } from './yaml/read.ts';

const HELM = { release: { name: 'app', namespace: 'default' } };
const CAPABILITIES = { kubeVersion: 'v1.33.1', apiVersions: [] };

interface Place {
  tree: SourceTree;
  root: string;
  render: (options: Partial<RenderOptions>) => Promise<string[]>;
}

async function place(t: TestContext, files: Record<string, string>): Promise<Place> {
  const root = await mkdtemp(join(tmpdir(), 'dispatch-render-'));
  t.after(() => rm(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, 'tree', name)), { recursive: true });
    await writeFile(join(root, 'tree', name), text);
  }
  const tree = new SourceTree(join(root, 'tree'));
  const renderer = new Renderer({
    path: process.env['PATH'] ?? '',
    scratchDir: join(root, 'scratch'),
    now: Date.now,
  });
  const render: Place['render'] = async (options) =>
    (await renderer.render(tree, { path: '', helm: HELM, capabilities: CAPABILITIES, ...options })).map(
      ({ object, file }) => `${file} ${object.kind}/${object.metadata.name}`,
    );
  return { tree, root: join(root, 'tree'), render };
}

const configMap = (name: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`;

test('a directory gives the objects of its files: several in one, lists, JSON, and those further down when asked', async (t) => {
  const { render } = await place(t, {
    'a.yaml': `${configMap('a1')}---\n# nothing\n---\n${configMap('a2')}`,
    'b.json':
      '{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}]}',
    'c.yaml.tmpl': '$({ .image })',
    'deep/d.yml': configMap('d'),
    'deep/e.yaml': configMap('e'),
  });
  const top = ['a.yaml ConfigMap/a1', 'a.yaml ConfigMap/a2', 'b.json Secret/s'];
  assert.deepEqual(await render({}), top);
  assert.deepEqual(await render({ directory: { recurse: true } }), [
    ...top,
    'deep/d.yml ConfigMap/d',
    'deep/e.yaml ConfigMap/e',
  ]);
  assert.deepEqual(await render({ directory: { recurse: true, include: '{deep/d.*,b*}', exclude: 'b*' } }), [
    'deep/d.yml ConfigMap/d',
  ]);
  await assert.rejects(render({ path: 'nowhere' }), /no directory nowhere/);
});

/** A few lines that stand for millions. */
function bomb(): string {
  const names = [...'bcdefghi'];
  const lines = names.map((name, at) => {
    const before = `*${'abcdefghi'[at]}`;
    return `${name}: &${name} [${Array.from({ length: 8 }, () => before).join(',')}]`;
  });
  return `a: &a [x,x,x,x,x,x,x,x]\n${lines.join('\n')}\n`;
}

test('what is no object is refused with the name of its file', async (t) => {
  const cases: [string, RegExp][] = [
    ['just text', /a.yaml holds something that is no object/],
    ['kind: ConfigMap', /a.yaml holds an object without apiVersion and kind/],
    ['apiVersion: v1\nkind: ConfigMap', /a.yaml holds a ConfigMap without a name/],
    ['a: [1', /a.yaml:1: /],
    [bomb(), /a.yaml repeats itself too often by aliases/],
  ];
  for (const [text, message] of cases) {
    const { render } = await place(t, { 'a.yaml': text });
    await assert.rejects(render({}), message, text);
  }
});

test('links out of the repository are refused, links within it are files', async (t) => {
  const { render, root, tree } = await place(t, { 'sub/a.yaml': configMap('a') });
  await symlink('sub/a.yaml', join(root, 'inside.yaml'));
  assert.deepEqual(await render({}), ['inside.yaml ConfigMap/a']);
  await symlink('/etc/hostname', join(root, 'outside.yaml'));
  await assert.rejects(render({}), /outside.yaml is a link that leads out of the repository/);
  await assert.rejects(tree.text('../x'), /leads out of the repository/);
  await symlink('/etc', join(root, 'sub', 'etc'));
  await assert.rejects(tree.text('sub/etc/hostname'), /leads out/);
});

test('kustomize runs on the repository alone', async (t) => {
  const { render } = await place(t, {
    'base/kustomization.yaml': 'resources: [cm.yaml]\nnamePrefix: p-\n',
    'base/cm.yaml': configMap('a'),
    'prod/kustomization.yaml': 'resources: [../base]\nnamespace: prod\n',
    'remote/kustomization.yaml': 'resources: [../indirect]\n',
    'indirect/kustomization.yaml': 'resources: ["https://example.com/x?ref=v1"]\n',
    'escape/kustomization.yaml': 'resources: [../../../../etc/hostname]\n',
    'plugin/kustomization.yaml': 'generators: [gen.yaml]\n',
    'plugin/gen.yaml':
      'apiVersion: x/v1\nkind: Evil\nmetadata: {name: e, annotations: {config.kubernetes.io/function: "exec: {path: /bin/true}"}}\n',
  });
  assert.deepEqual(await render({ path: 'prod' }), ['prod/kustomization.yaml ConfigMap/p-a']);
  assert.deepEqual(
    await render({ path: 'prod', kustomize: { nameSuffix: '-s', commonLabels: { team: 'a' } } }),
    ['prod/kustomization.yaml ConfigMap/p-a-s'],
  );
  await assert.rejects(
    render({ path: 'remote' }),
    /indirect\/kustomization.yaml takes https:.* from another place/,
  );
  await assert.rejects(render({ path: 'escape' }), /leads out of the repository/);
  await assert.rejects(render({ path: 'plugin' }), /kustomize: .*(plugin|exec|alpha)/i);
});

test('a template of a GitOps repository is filled in, and errors name file and line', () => {
  assert.equal(
    fillTemplate('a.tmpl', 'image: $({ .image })\nkeep: {{ .x }} $(y)\n', { image: 'app@sha256:1' }),
    'image: app@sha256:1\nkeep: {{ .x }} $(y)\n',
  );
  assert.throws(
    () => fillTemplate('dir/a.tmpl', 'x\ny: $({ .other })', { image: 'i' }),
    /^RenderError: dir\/a.tmpl:2:.*no entry for key "other"/,
  );
  assert.throws(() => fillTemplate('a.tmpl', '$({ .x', {}), /a.tmpl:1: unclosed action/);
});

test('YAML is read as Kubernetes reads it', () => {
  assert.deepEqual(
    readAllYaml(
      'a: yes\nb: 0o17\nc: 017\nd: 2020-01-01\ne: 1:30\nf: ~\ng: "no"\nh: !!binary aGk=\n<<: {z: 1}\n',
      'x',
    ),
    [{ a: true, b: 15, c: 15, d: '2020-01-01', e: '1:30', f: null, g: 'no', h: 'aGk=', z: 1 }],
  );
});
