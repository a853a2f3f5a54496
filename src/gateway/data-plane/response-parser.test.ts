import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ResponseParser } from './response-parser.ts';

interface Heard {
  status: number | undefined;
  headers: string[];
  body: string;
  end: boolean | undefined;
  error: string | undefined;
}

function parse(pieces: readonly Buffer[], options: { method?: string; closes?: boolean } = {}): Heard {
  const heard: Heard = { status: undefined, headers: [], body: '', end: undefined, error: undefined };
  const parser = new ResponseParser({
    head: ({ status, headers }) => Object.assign(heard, { status, headers }),
    data: (chunk) => {
      heard.body += chunk.toString('latin1');
    },
    end: (reusable) => {
      heard.end = reusable;
    },
    error: (why) => {
      heard.error ??= why;
    },
  });
  parser.expect(options.method ?? 'GET');
  for (const piece of pieces) parser.push(piece);
  if (options.closes) parser.close();
  return heard;
}

const ANSWERS = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n',
];

test('an answer is the same in whatever pieces it comes', () => {
  for (const text of ANSWERS) {
    const whole = Buffer.from(text, 'latin1');
    const expected = parse([whole]);
    assert.notEqual(expected.end, undefined);
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length), { maxLength: 8 }), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
        const pieces = at.slice(1).map((end, index) => whole.subarray(at[index], end));
        assert.deepEqual(parse(pieces), expected);
      }),
    );
  }
});

test('connections are used again only when that is safe', () => {
  const answer = (text: string, options?: Parameters<typeof parse>[1]): Heard =>
    parse([Buffer.from(text)], options);
  assert.equal(answer('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n').end, true);
  assert.equal(answer('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n').end, false);
  assert.equal(answer('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n').end, false);
  assert.equal(answer('HTTP/1.1 200 OK\r\n\r\nuntil the end', { closes: true }).end, false);
  assert.equal(answer('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', { method: 'HEAD' }).end, true);
});

test('answers that mean two things, or nothing, are errors', () => {
  for (const text of [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    'HTTP/1.1 200 OK\r\n folded: x\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc',
    'SSH-2.0-OpenSSH\r\n\r\n',
  ])
    assert.notEqual(parse([Buffer.from(text)]).error, undefined, text);
  assert.notEqual(
    parse([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe')], { closes: true }).error,
    undefined,
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      parse([Buffer.from('HTTP/1.1 200 OK\r\n'), Buffer.from(bytes)], { closes: true });
    }),
    { numRuns: 500 },
  );
});
