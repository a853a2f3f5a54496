import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { expandVariables, splitWords } from './expand.ts';
import { DockerfileError, execForm, parseDockerfile } from './parse.ts';

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
test('instructions: flags, continuations, comments, directives and texts', () => {
  const { instructions, escape: escaper } = parseDockerfile(
    '# syntax=x\n# escape=`\n# plain comment\nFROM a AS b\nCOPY --from=x --chown="1:2" `\n  # inside\n\n  f `\n  g\nRUN <<EOF cat\nline $X\nEOF\nrun [ "a", "b" ]\n',
  );
  assert.equal(escaper, '`');
  assert.deepEqual(
    instructions.map(({ name, text, line }) => [name, text, line]),
    [
      ['FROM', 'a AS b', 4],
      ['COPY', 'f   g', 5],
      ['RUN', '<<EOF cat', 10],
      ['RUN', '[ "a", "b" ]', 13],
    ],
  );
  assert.deepEqual(instructions[1]!.flags, [
    { name: 'from', value: 'x' },
    { name: 'chown', value: '1:2' },
  ]);
  assert.deepEqual(instructions[2]!.heredocs, [{ name: 'EOF', content: 'line $X\n', expand: true }]);
  assert.deepEqual(execForm('[ "a", "b" ]'), ['a', 'b']);
  assert.equal(execForm('[ not json'), undefined);
});

test('variables in all their forms', () => {
  const variables = { A: 'x.y.z', EMPTY: '' };
  for (const [text, expected] of [
    ['$A-${A}', 'x.y.z-x.y.z'],
    ['${NO:-d}|${EMPTY:-d}|${EMPTY-d}|${NO-d}', 'd|d||d'],
    ['${A:+set}|${EMPTY:+set}|${EMPTY+set}|${NO+set}', 'set||set|'],
    ['${A#*.}|${A##*.}|${A%.*}|${A%%.*}', 'y.z|z|x.y|x'],
    ['${A/./-}|${A//./-}', 'x-y.z|x-y-z'],
    ['${NO:-${A}}', 'x.y.z'],
    ['\\$A \'$A\' "$A"', '$A \'$A\' "x.y.z"'],
    ['100% $', '100% $'],
  ] as const)
    assert.equal(expandVariables(text, variables), expected, text);
  assert.throws(() => expandVariables('${NO:?is needed}', {}), /is needed/);
  assert.deepEqual(splitWords('a "b c" d\\ e \'f "g\''), ['a', 'b c', 'd e', 'f "g']);
});
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles

test('a pattern with many stars takes no time to speak of', () => {
  const variables = { A: 'a'.repeat(20_000) };
  assert.equal(expandVariables(`\${A%%${'*a'.repeat(30)}b}`, variables), variables.A);
});

test('whatever a file says, it is read or refused with a line', () => {
  const word = fc.constantFrom(
    'FROM',
    'RUN',
    'COPY',
    '--from=',
    '<<EOF',
    'EOF',
    '\\',
    '\n',
    '${',
    '}',
    '"',
    "'",
    '$A',
    ' ',
    '#',
    '[',
    '"x"]',
    'a/b',
    '`',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string({ maxLength: 6 })), { maxLength: 30 }), (words) => {
      try {
        for (const { text } of parseDockerfile(words.join('')).instructions) {
          splitWords(text);
          try {
            expandVariables(text, { A: 'b' });
          } catch (error) {
            assert.ok(error instanceof Error);
          }
        }
      } catch (error) {
        assert.ok(error instanceof DockerfileError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});
