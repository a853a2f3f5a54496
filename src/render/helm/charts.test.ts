import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RenderError } from '../go-template/index.ts';
import { Renderer } from '../render.ts';
import { SourceTree } from '../source-tree.ts';
import { readAllYaml } from '../yaml/read.ts';
import { loadChart } from './chart.ts';
import { coalesceValues } from './coalesce.ts';
import { renderTemplates } from './engine.ts';
import { renderChart } from './render.ts';

const CHARTS = fileURLToPath(new URL('../../../tests/charts/', import.meta.url));
const CAPABILITIES = { kubeVersion: 'v1.33.1', apiVersions: ['v1', 'apps/v1'] };
const renderer = new Renderer({ path: '', scratchDir: '/tmp', now: Date.now });

type Named = { kind: string; metadata: { name: string } };
const keyOf = (object: unknown): string => `${(object as Named).kind}/${(object as Named).metadata.name}`;

async function chartOf(files: Record<string, string>): Promise<Parameters<typeof renderChart>[0]> {
  const base = { 'Chart.yaml': 'apiVersion: v2\nname: c\nversion: 0.1.0\n' };
  return loadChart(
    new Map(Object.entries({ ...base, ...files }).map(([name, text]) => [name, Buffer.from(text)])),
    'c',
  );
}

async function rendered(files: Record<string, string>, set: string[] = []): Promise<string> {
  const { manifests } = renderChart(await chartOf(files), {
    release: { name: 'rel', namespace: 'default' },
    values: { set },
    capabilities: CAPABILITIES,
    now: Date.now,
  });
  return manifests.map(({ object }) => (object as unknown as { data: { v: string } }).data.v).join('|');
}

/** A template that shows one value. */
const shows = (action: string): Record<string, string> => ({
  'templates/a.yaml': `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {v: "${action}"}\n`,
});

test('a chart with everything that charts do gives the objects that helm gives, checksums included', async () => {
  const tree = new SourceTree(CHARTS);
  const { manifests, notes } = await renderer.helm(tree, {
    path: 'everything',
    capabilities: CAPABILITIES,
    helm: {
      release: { name: 'rel', namespace: 'prod' },
      values: { set: ['removed=null,image.tag=v\\,2'] },
    },
  });
  const golden = readAllYaml(await readFile(`${CHARTS}/everything.golden.yaml`, 'utf8'), 'golden');
  assert.deepEqual(
    Object.fromEntries(manifests.map(({ object }) => [keyOf(object), object])),
    Object.fromEntries(golden.map((object) => [keyOf(object), object])),
  );
  assert.match(notes, /Thank you for everything rel/);
});

test('functions give what helm gives, byte by byte', async () => {
  const chart = await loadChart(await new SourceTree(`${CHARTS}/functions`).contents(''), 'functions');
  const out = renderTemplates(chart, coalesceValues(chart, new Map()), {
    release: { name: 'rel', namespace: 'default' },
    capabilities: CAPABILITIES,
    now: Date.now,
  });
  const text = [...out]
    .sort()
    .map(([name, body]) => `---\n# Source: ${name}\n${body.trim()}\n`)
    .join('');
  assert.equal(text, await readFile(`${CHARTS}/functions.golden.txt`, 'utf8'));
});

test('nothing is a map without anything, values have methods, and dashes end a document', async () => {
  const both = (action: string): Promise<string> =>
    rendered({ 'values.yaml': 'a: {b: 1}\n', ...shows(action) });
  assert.equal(await both('{{ (merge (index .Values `none`) (dict `x` `y`)).x }}'), 'y');
  assert.equal(await both('{{ hasKey .Values.AsMap `a` }} {{ (.Values.Table `a`).b }}'), 'true 1');
  assert.equal(
    await both('{{ .Values.YAML | trim | b64enc }}'),
    Buffer.from('a:\n  b: 1').toString('base64'),
  );
  await assert.rejects(both('{{ hasKey .Values.none `a` }}'), /wrong type for value; expected map/);
  const map = (name: string): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {v: ${name}}\n`;
  const files = { 'templates/a.yaml': `${map('a')}\n---# and\n${map('b')}--- # then\n${map('c')}` };
  assert.equal(await rendered(files), 'a|b|c');
});

test('errors name the file, the line and what was looked at', async () => {
  const cases: [string, RegExp][] = [
    [
      '{{ .Values.a.b }}',
      /executing \\?"c\/templates\/a.yaml\\?" at <.Values.a.b>: nil pointer evaluating interface {}.b/,
    ],
    ['{{ required `name it` .Values.x }}', /execution error at \(c\/templates\/a.yaml:4:\d+\): name it/],
    ['{{ fail `stop` }}', /execution error at .*: stop/],
    ['{{ include `nope` . }}', /no template \\?"nope\\?"/],
    ['{{ nosuch 1 }}', /parse error at \(c.templates.a.yaml:4\): function "nosuch" not defined/],
    ['{{ .Values.x | upper }}', /<upper>: invalid value; expected string/],
    ['{{ upper .Values.x }}', /<.Values.x>: wrong type for value; expected string; got interface {}/],
    ['{{ eq 1 `a` }}', /incompatible types for comparison/],
    ['{{ index (list 1) 4 }}', /index out of range: 4/],
    ['{{ define `l` }}{{ include `l` . }}{{ end }}{{ include `l` . }}', /nested reference name: l/],
    ['{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}', /takes more than \d+ steps/],
    ['{{ repeat 100000000 `xx` }}', /too long/],
    ['{{ if }}{{ end }}', /missing value for if/],
    ['{{ tpl `{{ .Values.a.b }}` . }}', /error during tpl function execution/],
  ];
  for (const [action, message] of cases)
    await assert.rejects(
      rendered(shows(action)),
      (error: Error) => error instanceof RenderError && message.test(error.message),
      action,
    );
});

test('null takes a default away, at every depth, and globals go down', async () => {
  const files = {
    'values.yaml': 'a: {b: 1, c: {d: 2, e: 3}}\nglobal: {g: top}\n',
    'charts/k/Chart.yaml': 'apiVersion: v2\nname: k\nversion: 0.1.0\n',
    'charts/k/values.yaml': 'own: 1\ngone: 2\nglobal: {g: inner, h: 3}\n',
    'charts/k/templates/k.yaml':
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: k}\ndata: {v: {{ toJson .Values | quote }}}\n',
    ...shows('{{ .Values.a | toJson | b64enc }}'),
  };
  const [own, inner] = (await rendered(files, ['a.c.d=null', 'k.gone=null']))
    .split('|')
    .sort((a, b) => a.length - b.length);
  assert.equal(Buffer.from(own!, 'base64').toString(), '{"b":1,"c":{"e":3}}');
  assert.deepEqual(JSON.parse(inner!), { own: 1, global: { g: 'top', h: 3 } });
});

test('a schema, a version of Kubernetes, and charts that are not there refuse a chart with a reason', async () => {
  const schema = {
    'values.schema.json': '{"properties":{"size":{"type":"integer"}}}',
    'values.yaml': 'size: x',
  };
  await assert.rejects(rendered({ ...schema, ...shows('1') }), /don't meet the specifications.*c:\n- size:/s);
  const old = { 'Chart.yaml': 'apiVersion: v2\nname: c\nversion: 0.1.0\nkubeVersion: "<1.20"\n' };
  await assert.rejects(rendered({ ...old, ...shows('1') }), /requires kubeVersion: <1.20/);
  const lacking = {
    'Chart.yaml': 'apiVersion: v2\nname: c\nversion: 0.1.0\ndependencies: [{name: d, version: 1.x}]\n',
  };
  await assert.rejects(rendered({ ...lacking, ...shows('1') }), /depends on d/);
});

test('certificates that a chart makes are signed by its authority', async () => {
  const { X509Certificate } = await import('node:crypto');
  const action =
    '{{ $ca := genCA `my-ca` 30 }}{{ $c := genSignedCert `host` (list `10.0.0.1`) (list `a.example`) 5 $ca }}{{ list $ca.Cert $c.Cert $c.Key | toJson | b64enc }}';
  const [ca, cert, key] = JSON.parse(
    Buffer.from(await rendered(shows(action)), 'base64').toString(),
  ) as string[];
  const leaf = new X509Certificate(cert!);
  assert.equal(leaf.subject, 'CN=host');
  assert.match(leaf.subjectAltName ?? '', /10\.0\.0\.1.*a\.example/);
  assert.ok(leaf.verify(new X509Certificate(ca!).publicKey));
  assert.ok(new X509Certificate(ca!).ca);
  assert.match(key!, /BEGIN RSA PRIVATE KEY/);
});

test('--set understands lists, indexes, escapes and types', async () => {
  const set = ['l={a,b}', 'm[1].n=x', 's=a\\,b', 'k.with\\.dot=1', 'n=010', 'b=true', 'z=null', 'e='];
  assert.deepEqual(
    JSON.parse(Buffer.from(await rendered(shows('{{ toJson .Values | b64enc }}'), set), 'base64').toString()),
    {
      l: ['a', 'b'],
      m: [null, { n: 'x' }],
      s: 'a,b',
      k: { 'with.dot': 1 },
      n: '010',
      b: true,
      z: null,
      e: '',
    },
  );
});
