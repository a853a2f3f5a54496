import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editManifests, partsOf } from './edit-manifest.ts';

const FILE = `# The shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web # the front
spec:
  replicas: 1
  template:
    spec:
      containers:
        - name: app
          image: app:1 # pinned
        - name: side
          image: side:1
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other, namespace: x}
data: {a: "1"}
`;
const web = { kind: 'Deployment', name: 'web', namespace: 'shop' };

test('fields are changed where they stand, and everything else stays, comments included', () => {
  const text = editManifests(FILE, [
    {
      place: web,
      fields: [
        { path: 'spec.replicas', from: 3, to: 1 },
        { path: 'spec.template.spec.containers[name=side].image', from: 'side:2', to: 'side:1' },
        { path: 'spec.paused', from: true, to: undefined },
        { path: 'metadata.annotations["a.b/c"]', from: 'x', to: undefined },
      ],
    },
  ]);
  assert.equal(
    text,
    FILE.replace('replicas: 1', 'replicas: 3')
      .replace('side:1', 'side:2')
      .replace('image: side:2\n', 'image: side:2\n  paused: true\n')
      .replace('  name: web # the front\n', '  name: web # the front\n  annotations:\n    a.b/c: x\n')
      .replace('{name: other, namespace: x}', '{ name: other, namespace: x }')
      .replace('{a: "1"}', '{ a: "1" }'),
  );
});

test('an object that is to go goes, and one that is not there is told', () => {
  const text = editManifests(FILE, [
    { place: { kind: 'ConfigMap', name: 'other', namespace: 'x' }, fields: 'remove' },
  ]);
  assert.ok(text?.startsWith('# The shop.') && !text.includes('ConfigMap'));
  assert.equal(
    editManifests(FILE, [{ place: { kind: 'ConfigMap', name: 'other', namespace: 'y' }, fields: [] }]),
    undefined,
  );
  assert.equal(editManifests('', [{ place: web, fields: [] }]), undefined);
});

test('paths are taken apart as they are written', () => {
  assert.deepEqual(partsOf('a.b[0]["c.d"][name=e f].g'), ['a', 'b', 0, 'c.d', { name: 'e f' }, 'g']);
});
