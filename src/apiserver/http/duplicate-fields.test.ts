import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { duplicateFields } from './duplicate-fields.ts';

test('keys that come twice are named with their path', () => {
  assert.deepEqual(duplicateFields('{"a":1,"b":{"c":[{"d":1, "d" : 2}]},"a":"x","\\u0061":{}}'), [
    'b.c[0].d',
    'a',
    'a',
  ]);
  assert.deepEqual(duplicateFields(' [ {"a":"}{\\"a\\":1"} , null, true, -1.5e3 ] '), []);
});

test('JSON that was written by a program has none', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.boolean(), (value, pretty) => {
      assert.deepEqual(duplicateFields(JSON.stringify(value, undefined, pretty ? 2 : 0)), []);
    }),
    { numRuns: 1000 },
  );
});
