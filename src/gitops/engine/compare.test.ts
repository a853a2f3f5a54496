import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparable, contains, fieldChanges } from './compare.ts';

test('what is wanted is there when its fields are, in whatever way a server writes amounts', () => {
  const yes: [unknown, unknown][] = [
    [{ a: 1, b: 2 }, { a: 1 }],
    [{ a: [{ b: 1, c: 2 }] }, { a: [{ b: 1 }] }],
    [{ cpu: '500m' }, { cpu: 0.5 }],
    [{ memory: '1Gi' }, { memory: '1024Mi' }],
    [{}, { a: null, b: {}, c: [] }],
    [undefined, {}],
  ];
  for (const [live, desired] of yes) assert.ok(contains(live, desired), JSON.stringify([live, desired]));
  const no: [unknown, unknown][] = [
    [{ a: 1 }, { a: 2 }],
    [{ a: [1, 2] }, { a: [1] }],
    [{ a: '1' }, { a: true }],
    [{ a: 'x' }, { a: { b: 1 } }],
    [{ version: '1.10' }, { version: '1.1x' }],
    [{}, { a: 0 }],
  ];
  for (const [live, desired] of no) assert.ok(!contains(live, desired), JSON.stringify([live, desired]));
});

test('texts of Secrets are compared where they end up, and what servers add is left out', () => {
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', uid: 'u', resourceVersion: '3' },
    stringData: { a: 'x' },
    data: { b: 'eQ==' },
  };
  assert.deepEqual(comparable(secret), {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    data: { a: 'eA==', b: 'eQ==' },
  });
});

test('changes name the field, in lists by name where there are names', () => {
  const from = {
    spec: {
      containers: [
        { name: 'a', image: '1' },
        { name: 'b', image: '1' },
      ],
      ports: [1, 2],
    },
    data: { 'a.b': 'x' },
  };
  const to = {
    spec: {
      containers: [
        { name: 'b', image: '2' },
        { name: 'a', image: '1' },
      ],
      ports: [1],
    },
    data: { 'a.b': 'y' },
  };
  assert.deepEqual(fieldChanges(from, to), [
    { path: 'spec.containers[name=b].image', from: '1', to: '2' },
    { path: 'spec.ports[1]', from: 2, to: undefined },
    { path: 'data["a.b"]', from: 'x', to: 'y' },
  ]);
});
