import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deletePaths, JqError } from './jq-paths.ts';

function without(expression: string, object: unknown): unknown {
  const copy = structuredClone(object);
  deletePaths(copy, expression);
  return copy;
}

const OBJECT = {
  spec: {
    containers: [
      { name: 'app', image: 'a', env: [{ name: 'X', value: '1' }] },
      { name: 'side', image: 'b' },
    ],
    'odd key': 1,
    replicas: 3,
  },
};

test('path expressions take away what they lead to, and nothing else', () => {
  const cases: [string, (object: typeof OBJECT) => void][] = [
    ['.spec.replicas', ({ spec }) => delete (spec as { replicas?: number }).replicas],
    ['.spec["odd key"]', ({ spec }) => delete (spec as Record<string, unknown>)['odd key']],
    ['.spec."odd key"', ({ spec }) => delete (spec as Record<string, unknown>)['odd key']],
    ['.spec.containers[1]', ({ spec }) => spec.containers.pop()],
    ['.spec.containers[-1]', ({ spec }) => spec.containers.pop()],
    ['.spec.containers[] | select(.name == "side")', ({ spec }) => spec.containers.pop()],
    ['.spec.containers[] | select(.name | startswith("si"))', ({ spec }) => spec.containers.pop()],
    ['.spec.containers[] | select(.name != "app" and (.image == "b"))', ({ spec }) => spec.containers.pop()],
    [
      '.spec.containers[].image',
      ({ spec }) => {
        for (const item of spec.containers) delete (item as { image?: string }).image;
      },
    ],
    ['.spec.containers[]?.env[]?', ({ spec }) => spec.containers[0]!.env!.pop()],
    ['.spec.nothing[].here, .spec.replicas', ({ spec }) => delete (spec as { replicas?: number }).replicas],
  ];
  for (const [expression, change] of cases) {
    const wanted = structuredClone(OBJECT);
    change(wanted);
    assert.deepEqual(without(expression, OBJECT), wanted, expression);
  }
});

test('what is no path is refused, whatever it is', () => {
  for (const expression of [
    '',
    'spec',
    '.a[',
    '.a | env',
    'input',
    '.a |',
    '.a as $x',
    'def f: 1; .a',
    'select(.a',
    `.${'a.'.repeat(5000)}b`,
  ])
    assert.throws(() => without(expression, OBJECT), JqError, expression);
  fc.assert(
    fc.property(fc.string(), (expression) => {
      try {
        without(expression, OBJECT);
      } catch (error) {
        assert.ok(error instanceof JqError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
