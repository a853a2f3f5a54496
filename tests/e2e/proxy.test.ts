import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { whyNoSandbox } from '../../src/node/index.ts';
import { Dispatch } from './dispatch.ts';

const SERVE =
  "require('http').createServer((q, a) => { let b = ''; q.on('data', (c) => b += c).on('end', () => { a.writeHead(q.url.startsWith('/teapot') ? 418 : 200, { 'x-own': 'yes' }); a.end(q.method + ' ' + q.url + ' ' + b + ' ' + (q.headers.authorization ?? 'no token')); }); }).listen(8080)";

describe('the API passes requests on to pods and services', { skip: whyNoSandbox() ?? false }, () => {
  let dispatch: Dispatch;

  before(async () => {
    dispatch = await Dispatch.make();
    await dispatch.up();
    await dispatch.apply(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
        spec: {
          containers: [
            {
              name: 'web',
              image: 'dispatch.local/node',
              command: ['node', '-e', SERVE],
              ports: [{ containerPort: 8080 }],
              readinessProbe: { tcpSocket: { port: 8080 } },
            },
          ],
        },
      }),
    );
    await dispatch.ok('expose', 'pod', 'web', '--port=80', '--target-port=8080', '--name=web');
    await dispatch.ok('wait', '--for=condition=Ready', 'pod/web', '--timeout=60s');
  });

  after(async () => {
    await dispatch?.[Symbol.asyncDispose]();
  });

  test('to the path behind the name, without the token of whoever asks', async () => {
    const base = '/api/v1/namespaces/default';
    assert.equal(
      await dispatch.ok('get', '--raw', `${base}/pods/web:8080/proxy/a/b?c=d`),
      'GET /a/b?c=d  no token',
    );
    assert.equal(await dispatch.ok('get', '--raw', `${base}/services/web:80/proxy/x`), 'GET /x  no token');
    assert.equal(await dispatch.ok('get', '--raw', `${base}/services/web/proxy/`), 'GET /  no token');
    const posted = await dispatch.pipe(
      'body',
      'kubectl',
      'create',
      '--raw',
      `${base}/services/web:80/proxy/y`,
      '-f',
      '-',
    );
    assert.equal(posted.stdout, 'POST /y body no token');
  });

  test('what is not there, and who may not, is told as it is', async () => {
    const base = '/api/v1/namespaces/default';
    for (const [path, words] of [
      [`${base}/pods/nobody/proxy/`, /not found/i],
      [`${base}/services/nobody/proxy/`, /not found/i],
    ] as const)
      assert.match((await dispatch.kubectl('get', '--raw', path)).stderr, words);
    const other = await dispatch.kubectl('get', '--raw', `${base}/services/web:80/proxy/`, '--as=eve');
    assert.match(other.stderr, /forbidden/i);
  });
});
