import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubeObject, ManagedFieldsEntry } from '../../kube/index.ts';
import { builtinKinds } from '../kinds/index.ts';
import { difference, type FieldSet, intersection, isEmptySet, union } from './field-set.ts';
import { applyConfiguration, trackUpdate } from './managers.ts';

const SCHEMA = builtinKinds().resources.find((resource) => resource.kind === 'Deployment')!.schema;
const author = (manager: string) => ({
  manager,
  apiVersion: 'apps/v1',
  subresource: '',
  time: '2026-01-01T00:00:00Z',
});
const object = (spec: object, managedFields: ManagedFieldsEntry[] = []): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd', managedFields },
  spec,
});
const container = (fields: object) => ({ template: { spec: { containers: [{ name: 'c', ...fields }] } } });

function apply(live: KubeObject, spec: object, manager: string, force = false): KubeObject {
  const { managedFields: _, ...config } = object(spec).metadata;
  const applied = applyConfiguration(
    SCHEMA,
    live,
    { ...object(spec), metadata: config },
    author(manager),
    force,
  );
  applied.object.metadata.managedFields = applied.managedFields;
  return applied.object;
}

const NOTHING: KubeObject = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' } };

test('what a manager no longer applies goes; what others set stays', () => {
  const first = apply(
    NOTHING,
    { replicas: 2, ...container({ image: 'a', env: [{ name: 'X', value: '1' }] }) },
    'alice',
  );
  (first['spec'] as Record<string, unknown>)['paused'] = true;
  const second = apply(first, container({ image: 'b' }), 'alice');
  assert.deepEqual(second['spec'], { paused: true, ...container({ image: 'b' }) });
});

test('two managers may want the same; another value is a conflict, and force takes over', () => {
  const first = apply(NOTHING, container({ image: 'a' }), 'alice');
  const both = apply(first, container({ image: 'a' }), 'bob');
  assert.equal(both.metadata.managedFields?.length, 2);
  assert.throws(
    () => apply(both, container({ image: 'b' }), 'carol'),
    /2 conflicts.*"alice".*image.*"bob".*image/s,
  );
  const forced = apply(both, container({ image: 'b' }), 'carol', true);
  assert.deepEqual(forced['spec'], container({ image: 'b' }));
  const owners = forced.metadata.managedFields
    ?.filter((entry) => JSON.stringify(entry.fieldsV1).includes('f:image'))
    .map((entry) => entry.manager);
  assert.deepEqual(owners, ['carol']);
});

test('an update takes the fields that it changes away from those who applied them', () => {
  const applied = apply(NOTHING, { replicas: 2, ...container({ image: 'a' }) }, 'alice');
  const updated = { ...applied, spec: { ...(applied['spec'] as object), replicas: 5 } };
  const entries = trackUpdate(SCHEMA, applied, updated, author('scaler'));
  const fields = (manager: string) =>
    JSON.stringify(entries.find((entry) => entry.manager === manager)?.fieldsV1);
  assert.equal(fields('scaler'), '{"f:spec":{"f:replicas":{}}}');
  assert.ok(!fields('alice').includes('f:replicas'));
  const again = { ...updated, metadata: { ...updated.metadata, managedFields: entries } };
  assert.throws(
    () => apply(again, { replicas: 2, ...container({ image: 'a' }) }, 'alice'),
    /conflict with "scaler" using apps\/v1: \.spec\.replicas/,
  );
});

test('the default of a key tells list elements apart', () => {
  const first = apply(NOTHING, container({ ports: [{ containerPort: 80, protocol: 'TCP' }] }), 'alice');
  const second = apply(first, container({ ports: [{ containerPort: 80, name: 'web' }] }), 'bob');
  assert.deepEqual(
    second['spec'],
    container({ ports: [{ containerPort: 80, protocol: 'TCP', name: 'web' }] }),
  );
});

/** Random sets in the form that managedFields have. */
const sets: fc.Arbitrary<FieldSet> = fc.letrec<{ set: FieldSet }>((tie) => ({
  set: fc.dictionary(
    fc.constantFrom('f:a', 'f:b', 'f:c', 'k:{"name":"x"}', 'v:1'),
    fc.oneof(
      { depthSize: 'small' },
      fc.constant({}),
      tie('set').map((inner) => (isEmptySet(inner) ? inner : { '.': {}, ...inner })),
      tie('set'),
    ),
    { maxKeys: 4 },
  ) as fc.Arbitrary<FieldSet>,
})).set;

const sameSet = (a: FieldSet, b: FieldSet): boolean =>
  isEmptySet(difference(a, b)) && isEmptySet(difference(b, a));

test('sets of fields obey the laws of sets', () => {
  fc.assert(
    fc.property(sets, sets, (a, b) => {
      assert.ok(sameSet(union(a, b), union(b, a)));
      assert.ok(sameSet(intersection(a, b), intersection(b, a)));
      assert.ok(sameSet(union(difference(a, b), intersection(a, b)), a));
      assert.ok(isEmptySet(intersection(difference(a, b), b)));
      assert.ok(isEmptySet(difference(a, union(a, b))));
    }),
    { numRuns: 1000 },
  );
});
