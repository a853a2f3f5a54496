import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indentContinuations } from './indent.ts';
import { readAllYaml, readYaml } from './read.ts';

test('what goes on over lines is read wherever its lines begin', () => {
  const text = `
spec:
  description: 'APIVersion of it''s
  schema: # not a comment, and no key
  of an object.'
  double: "one \\
two \\" {[
  three"
  list: [
a,
    {b: c, d: 'e
f'},
  ]
  plain: it's [not] 'quoted' {here}
  block: |
    'open [
  folded: >-
    "open {
  - x
  last: {a: 1,
b: 2}
- never: read
`;
  assert.throws(() => readYaml(text, 'f'), /f:\d+: /);
  assert.deepEqual(readYaml(text.replace('  - x\n', '').replace('- never: read\n', ''), 'f'), {
    spec: {
      description: "APIVersion of it's schema: # not a comment, and no key of an object.",
      double: 'one two " {[ three',
      list: ['a', { b: 'c', d: 'e f' }],
      plain: "it's [not] 'quoted' {here}",
      block: "'open [\n",
      folded: '"open {',
      last: { a: 1, b: 2 },
    },
  });
});

test('it takes no longer than it has to', () => {
  for (const part of [`"a`, `- [`, `: '`, '! ', `x"`, ': |\n'])
    assert.equal(typeof indentContinuations(part.repeat(500_000)), 'string');
});

test('the lines of what is wrong are told as they were', () => {
  assert.throws(() => readAllYaml("a: 'x\ny'\nb: [\n1\n}\n", 'f'), /^RenderError: f:5: /);
});
