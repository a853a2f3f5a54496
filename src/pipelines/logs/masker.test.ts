import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Masker } from './masker.ts';

test('a secret is masked wherever the text is cut', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 6, maxLength: 20 }),
      fc.array(fc.nat(80), { maxLength: 6 }),
      (secret, cuts) => {
        fc.pre(secret.trim().length >= 4 && !'before  after ***'.includes(secret.trim()));
        const text = `before ${secret} after ${Buffer.from(secret).toString('base64')} ${encodeURIComponent(secret)}`;
        const masker = new Masker([secret]);
        let result = '';
        let at = 0;
        for (const cut of [...new Set(cuts)].sort((a, b) => a - b).filter((item) => item < text.length)) {
          result += masker.push(text.slice(at, cut));
          at = cut;
        }
        result += masker.push(text.slice(at)) + masker.end();
        assert.ok(!result.includes(secret.trim()), result);
        assert.match(result, /^before .*\*\*\*/s);
      },
    ),
    { numRuns: 2000 },
  );
});

test('each line of a secret is one, and short words are none', () => {
  const masker = new Masker(['-----BEGIN KEY-----\nabcdefgh\n-----END KEY-----', 'on']);
  assert.equal(masker.push('go on with abcdefgh now\n') + masker.end(), 'go on with *** now\n');
});

test('without secrets everything goes through at once', () => {
  assert.equal(new Masker([]).push('as it is'), 'as it is');
});
