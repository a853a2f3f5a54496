import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalQuantity, compileCel, parseQuantity } from '../../kube/index.ts';
import { compileJsonPath } from '../crd/index.ts';
import { duration } from '../kinds/columns.ts';
import { builtinKinds } from '../kinds/index.ts';
import { decode } from './decode.ts';
import type { FieldError } from './field-error.ts';
import { parseTypes } from './notation.ts';
import { validate } from './validate.ts';

test('the notation: required fields, defaults, lists, maps, options', () => {
  const { types } = parseTypes(
    'x',
    'Thing # A thing.\n  name! string # Its name.\n  size int =3 min:1\n  tags [string] set\n  parts [Part] map:id patch:id\n  labels {string}\n  mode string in:a|b =a\nPart\n  id! string\n  inner Thing\n',
  );
  const thing = types.get('Thing')!;
  assert.equal(thing.description, 'A thing.');
  assert.deepEqual(thing.properties?.get('name'), {
    schema: { type: 'string' },
    required: true,
    description: 'Its name.',
  });
  assert.equal(thing.properties?.get('size')?.default, 3);
  assert.deepEqual(thing.properties?.get('parts')?.schema.listKeys, ['id']);
  assert.equal(types.get('Part')?.properties?.get('inner')?.schema, thing);
  const findings = { unknown: [] as string[], mistyped: [] as FieldError[] };
  const value = decode(
    thing,
    { name: 'n', odd: 1, parts: [{ id: 'p', inner: { name: 'm', nope: 1 } }], labels: { a: null } },
    '',
    findings,
  );
  assert.deepEqual(value, {
    name: 'n',
    size: 3,
    mode: 'a',
    parts: [{ id: 'p', inner: { name: 'm', size: 3, mode: 'a' } }],
    labels: {},
  });
  assert.deepEqual(findings.unknown, ['odd', 'parts[0].inner.nope']);
  const errors: FieldError[] = [];
  validate(thing, { size: 0, mode: 'c', tags: ['a', 'a'], parts: [{}] }, 'spec', errors);
  assert.deepEqual(errors.map((error) => `${error.kind} ${error.field}`).sort(), [
    'duplicate spec.tags[1]',
    'invalid spec.size',
    'notSupported spec.mode',
    'required spec.name',
    'required spec.parts[0].id',
  ]);
});

test('every built-in kind has a schema that its own defaults pass', () => {
  for (const resource of builtinKinds().resources) {
    const findings = { unknown: [] as string[], mistyped: [] as FieldError[] };
    decode(resource.schema, { apiVersion: 'v1', kind: resource.kind, metadata: {}, spec: {} }, '', findings);
    assert.deepEqual(findings.mistyped, [], resource.kind);
  }
});

test('quantities are exact and canonical', () => {
  const rows: [string, string][] = [
    ['0.5', '500m'],
    ['1000m', '1'],
    ['1024Mi', '1Gi'],
    ['1e3', '1e3'],
    ['1500', '1500'],
    ['100000', '100k'],
    ['0.1Gi', '107374182400m'],
    ['-1.5', '-1500m'],
    ['0', '0'],
    ['1Ki', '1Ki'],
    ['.5', '500m'],
  ];
  for (const [text, canonical] of rows) assert.equal(canonicalQuantity(text), canonical, text);
  for (const bad of ['', 'x', '1 Gi', '1GiB', '--1', '1e', '9'.repeat(100)])
    assert.equal(parseQuantity(bad), undefined, bad);
});

test('JSONPath of printer columns', () => {
  const object = {
    a: { 'b.c': 1 },
    list: [
      { type: 'Ready', status: 'True' },
      { type: 'Other', status: 'False' },
    ],
  };
  assert.deepEqual(compileJsonPath('.a.b\\.c')(object), [1]);
  assert.deepEqual(compileJsonPath(".a['b.c']")(object), [1]);
  assert.deepEqual(compileJsonPath('.list[?(@.type=="Ready")].status')(object), ['True']);
  assert.deepEqual(compileJsonPath('.list[*].type')(object), ['Ready', 'Other']);
  assert.deepEqual(compileJsonPath('.list[-1].type')(object), ['Other']);
  assert.deepEqual(compileJsonPath('{.list[0].status}')(object), ['True']);
  assert.deepEqual(compileJsonPath('.none.at.all')(object), []);
  for (const bad of ['.a[', '.a[?(b)]', ']']) assert.throws(() => compileJsonPath(bad), Error, bad);
});

test('CEL: Kubernetes functions, and steps that are bounded', () => {
  const run = (source: string, self: unknown): unknown => compileCel(source, ['self']).run({ self });
  assert.equal(run("self.find('[0-9]+')", 'ab123c'), '123');
  assert.equal(run('[1, 2, 3].sum() == 6 && [3, 1].max() == 3 && [1, 2].isSorted()', null), true);
  assert.equal(run("isURL('https://a') && !isIP('x') && isQuantity('5Gi')", null), true);
  assert.equal(run("self.matches('^a.c$')", 'abc'), true);
  assert.throws(
    () =>
      run(
        'self.all(x, self.all(y, x == y))',
        Array.from({ length: 2000 }, (_, index) => BigInt(index)),
      ),
    /more than 1000000 steps/,
  );
  assert.throws(() => compileCel('self.foo(', ['self']));
  assert.throws(() => compileCel('other == 1', ['self']), /other/);
});

test('ages in the short form of kubectl', () => {
  const rows: [number, string][] = [
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [200, '3m20s'],
    [700, '11m'],
    [3 * 3600, '3h'],
    [3 * 3600 + 300, '3h5m'],
    [50 * 3600, '2d2h'],
    [20 * 86_400, '20d'],
    [800 * 86_400, '2y70d'],
  ];
  for (const [seconds, text] of rows) assert.equal(duration(seconds), text);
});
