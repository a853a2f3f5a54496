import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BadSchemaError, checkOf } from './schema.ts';

const HELLO = {
  type: 'object',
  required: ['name'],
  properties: {
    name: { type: 'string', pattern: '^[A-Za-z]+$' },
    place: { type: 'string', pattern: '^[A-Za-z]+$', nullable: true },
  },
};

test('a schema tells every problem by its field', () => {
  const check = checkOf(HELLO);
  assert.equal(check({ name: 'Jon', place: 'Winterfell' }), undefined);
  assert.equal(check({ name: 'Jon', place: null }), undefined);
  assert.match(check({ name: 'Jon1' }) ?? '', /name must match \^\[A-Za-z\]\+\$/);
  assert.match(check({ place: 'Winterfell' }) ?? '', /name/);
  assert.match(check([]) ?? '', /object/);
});

test('a pattern that could take forever answers at once', () => {
  const check = checkOf({ type: 'string', pattern: '^(a+)+$' });
  assert.notEqual(check(`${'a'.repeat(50_000)}!`), undefined);
});

test('what cannot be checked is refused by name', () => {
  for (const [schema, words] of [
    [{ pattern: '(?=a)' }, /look-around/],
    [{ $ref: 'http://127.0.0.1/schema.json' }, /127\.0\.0\.1/],
    [{ patternProperties: { a: {} } }, /patternProperties/],
  ] as const)
    assert.throws(
      () => checkOf(schema),
      (error: unknown) => error instanceof BadSchemaError && words.test(error.message),
    );
});
