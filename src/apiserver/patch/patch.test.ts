import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinKinds } from '../kinds/index.ts';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { applyStrategicMerge } from './strategic-merge.ts';

const POD = builtinKinds().type('v1', 'Pod');
const pod = (containers: object[], more: object = {}): object => ({ spec: { containers, ...more } });
const strategic = (target: object, patch: object): unknown => applyStrategicMerge(target, patch, POD);

test('JSON patch: the examples of the standard', () => {
  assert.deepEqual(applyJsonPatch({ foo: ['bar', 'baz'] }, [{ op: 'add', path: '/foo/1', value: 'qux' }]), {
    foo: ['bar', 'qux', 'baz'],
  });
  assert.deepEqual(applyJsonPatch({ foo: ['a'] }, [{ op: 'add', path: '/foo/-', value: ['b'] }]), {
    foo: ['a', ['b']],
  });
  assert.deepEqual(
    applyJsonPatch({ foo: { bar: 1 }, q: { c: 2 } }, [{ op: 'move', from: '/foo/bar', path: '/q/t' }]),
    { foo: {}, q: { c: 2, t: 1 } },
  );
  assert.deepEqual(
    applyJsonPatch({ '/': 9, '~1': 10 }, [
      { op: 'test', path: '/~01', value: 10 },
      { op: 'test', path: '/~1', value: 9 },
    ]),
    { '/': 9, '~1': 10 },
  );
  assert.throws(
    () => applyJsonPatch({ baz: 'qux' }, [{ op: 'test', path: '/baz', value: 'bar' }]),
    /test of \/baz failed/,
  );
  assert.throws(() => applyJsonPatch({ a: [] }, [{ op: 'remove', path: '/a/0' }]), /does not have/);
  assert.throws(() => applyJsonPatch({}, [{ op: 'replace', path: '/a', value: 1 }]), /does not have/);
});

test('JSON patch cannot reach the prototype', () => {
  for (const path of ['/__proto__/polluted', '/constructor/prototype/polluted', '/__proto__']) {
    assert.throws(() => applyJsonPatch({}, [{ op: 'add', path, value: true }]));
  }
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('merge patch: null removes, objects merge, all else replaces', () => {
  assert.deepEqual(applyMergePatch({ a: 'b', c: { d: 'e', f: 'g' } }, { a: 'z', c: { f: null } }), {
    a: 'z',
    c: { d: 'e' },
  });
  assert.deepEqual(applyMergePatch({ a: [1] }, { a: [2, null] }), { a: [2, null] });
  assert.deepEqual(applyMergePatch({ a: 'x' }, { a: { b: null, c: 1 } }), { a: { c: 1 } });
});

test('strategic merge: lists of objects merge by their key', () => {
  const before = pod([
    { name: 'a', image: '1', env: [{ name: 'X', value: '1' }] },
    { name: 'b', image: '1' },
  ]);
  assert.deepEqual(
    strategic(before, pod([{ name: 'a', image: '2', env: [{ name: 'Y', value: '2' }] }])),
    pod([
      {
        name: 'a',
        image: '2',
        env: [
          { name: 'X', value: '1' },
          { name: 'Y', value: '2' },
        ],
      },
      { name: 'b', image: '1' },
    ]),
  );
  assert.deepEqual(
    strategic(before, pod([{ name: 'b', $patch: 'delete' }])),
    pod([{ name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }]),
  );
  assert.deepEqual(
    strategic(before, pod([{ $patch: 'replace' }, { name: 'c', image: '3' }])),
    pod([{ name: 'c', image: '3' }]),
  );
});

test('strategic merge: directives for order, scalars and unions', () => {
  assert.deepEqual(
    strategic(
      { metadata: { finalizers: ['a', 'b', 'c'] } },
      { metadata: { '$deleteFromPrimitiveList/finalizers': ['b'], finalizers: ['d'] } },
    ),
    { metadata: { finalizers: ['a', 'c', 'd'] } },
  );
  const ordered = strategic(pod([{ name: 'a' }, { name: 'b' }]), {
    spec: {
      '$setElementOrder/containers': [{ name: 'b' }, { name: 'c' }, { name: 'a' }],
      containers: [{ name: 'c' }],
    },
  });
  assert.deepEqual(ordered, pod([{ name: 'b' }, { name: 'c' }, { name: 'a' }]));
  const volumes = strategic(pod([], { volumes: [{ name: 'v', emptyDir: {} }] }), {
    spec: { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/x' } }] },
  });
  assert.deepEqual(volumes, pod([], { volumes: [{ name: 'v', hostPath: { path: '/x' } }] }));
});

test('strategic merge: a list without a merge key is replaced', () => {
  assert.deepEqual(
    strategic(pod([{ name: 'a', args: ['1', '2'] }]), pod([{ name: 'a', args: ['3'] }])),
    pod([{ name: 'a', args: ['3'] }]),
  );
});
