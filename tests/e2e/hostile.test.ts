import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { connect } from 'node:tls';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { TestServer } from '../../src/apiserver/index.ts';

interface Answer {
  status: number;
  text: string;
  headers: IncomingHttpHeaders;
}

const MAPS = '/api/v1/namespaces/default/configmaps';
const RUNS = 300;

describe('hostile input', () => {
  let server: TestServer;

  before(async () => {
    server = await TestServer.start();
    await send('POST', MAPS, JSON.stringify({ metadata: { name: 'victim' }, data: { a: '1' } }));
  });
  after(() => server[Symbol.asyncDispose]());

  function send(
    method: string,
    path: string,
    body: string | Buffer = '',
    type = 'application/json',
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const { url, pki } = server.api;
    return new Promise((resolve, reject) => {
      const call = request(
        `${url}${path}`,
        {
          method,
          ca: pki.caCertificate,
          servername: 'localhost',
          headers: { authorization: `Bearer ${pki.adminToken}`, 'content-type': type, ...headers },
        },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text, headers: answer.headers }));
        },
      );
      call.on('error', reject);
      call.end(body);
    });
  }

  /** Whatever was sent: an answer below 500, and a well-formed Status when it is a refusal. */
  function wellFormed({ status, text }: Pick<Answer, 'status' | 'text'>, sent: unknown): void {
    assert.ok(status >= 200 && status < 500, `${status} ${text} for ${JSON.stringify(sent)}`);
    if (status < 400) return;
    const answer = JSON.parse(text) as Record<string, unknown>;
    assert.equal(answer['kind'], 'Status');
    assert.equal(answer['status'], 'Failure');
    assert.equal(answer['code'], status);
    assert.ok(typeof answer['message'] === 'string' && answer['message'].length > 0);
  }

  async function stillWell(): Promise<void> {
    assert.equal((await send('GET', '/readyz')).status, 200);
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    assert.equal(JSON.parse((await send('GET', `${MAPS}/victim`)).text).kind, 'ConfigMap');
  }

  test('random bytes and random JSON as bodies of every kind', { timeout: 120_000 }, async () => {
    const types = [
      'application/json',
      'application/yaml',
      'application/vnd.kubernetes.protobuf',
      'application/cbor',
      'text/html',
      '',
    ];
    const paths = [
      MAPS,
      '/apis/apps/v1/namespaces/default/deployments',
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
      '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      '/api/v1/namespaces/default/pods',
      '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...types),
        fc.constantFrom(...paths),
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
          fc.json(),
          fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.concat([Buffer.from('k8s\0'), bytes])),
        ),
        async (type, path, body) => {
          wellFormed(await send('POST', path, body, type), [type, path, String(body)]);
        },
      ),
      { numRuns: RUNS },
    );
    await stillWell();
  });

  test(
    'objects of the right shape with values of any kind in every field',
    { timeout: 120_000 },
    async () => {
      const value = fc.jsonValue({ maxDepth: 3 });
      const shaped = fc.record(
        {
          metadata: fc.record(
            {
              name: fc.oneof(fc.string(), value),
              labels: value,
              annotations: value,
              finalizers: value,
              ownerReferences: value,
              generateName: value,
            },
            { requiredKeys: [] },
          ),
          spec: fc.record(
            { replicas: value, selector: value, template: fc.record({ metadata: value, spec: value }) },
            { requiredKeys: [] },
          ),
          data: value,
        },
        { requiredKeys: [] },
      );
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(
            MAPS,
            '/apis/apps/v1/namespaces/default/deployments',
            '/api/v1/namespaces/default/services',
            '/apis/batch/v1/namespaces/default/jobs',
            '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers',
          ),
          shaped,
          async (path, body) => {
            wellFormed(await send('POST', `${path}?dryRun=All`, JSON.stringify(body)), [path, body]);
          },
        ),
        { numRuns: RUNS },
      );
      await stillWell();
    },
  );

  test('patches of every kind', { timeout: 120_000 }, async () => {
    const key = fc.constantFrom(
      '__proto__',
      'constructor',
      'prototype',
      'metadata',
      'data',
      'spec',
      '$patch',
      '$retainKeys',
      '$setElementOrder/containers',
      '$deleteFromPrimitiveList/finalizers',
      'containers',
      'labels',
      'a',
    );
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(
        { depthSize: 'small' },
        fc.jsonValue({ maxDepth: 1 }),
        fc.dictionary(key, tie('node'), { maxKeys: 4 }),
        fc.array(tie('node'), { maxLength: 3 }),
      ),
    })).node;
    const pointer = fc
      .array(fc.oneof(key, fc.constantFrom('0', '-', '99', '~1', '~', '01')), { maxLength: 4 })
      .map((parts) => parts.map((part) => `/${part}`).join(''));
    const operations = fc.array(
      fc.record(
        {
          op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'odd'),
          path: pointer,
          from: pointer,
          value: tree,
        },
        { requiredKeys: ['op'] },
      ),
      { maxLength: 5 },
    );
    const patches = fc.oneof(
      fc.tuple(fc.constant('application/json-patch+json'), operations),
      fc.tuple(
        fc.constantFrom(
          'application/merge-patch+json',
          'application/strategic-merge-patch+json',
          'application/apply-patch+yaml',
          'application/json-patch+json',
        ),
        tree,
      ),
    );
    await fc.assert(
      fc.asyncProperty(patches, async ([type, patch]) => {
        wellFormed(
          await send(
            'PATCH',
            `${MAPS}/victim?dryRun=All&fieldManager=fuzz&force=true`,
            JSON.stringify(patch),
            type,
          ),
          [type, patch],
        );
      }),
      { numRuns: RUNS * 2 },
    );
    await stillWell();
  });

  test('selectors, versions, continue tokens and other query values', { timeout: 120_000 }, async () => {
    const name = fc.constantFrom(
      'labelSelector',
      'fieldSelector',
      'limit',
      'continue',
      'resourceVersion',
      'resourceVersionMatch',
      'dryRun',
      'fieldValidation',
      'includeObject',
      'gracePeriodSeconds',
    );
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom(
        'a in (b,c',
        'a=b,,c',
        '!',
        'metadata.name==x',
        '-1',
        '1e9',
        '999999999999999999999',
        'Exact',
        'eyJydiI6LTF9',
        '((((',
        'a=b=c',
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, text), { maxLength: 4 }), async (pairs) => {
        const query = new URLSearchParams(pairs);
        const answer = await send('GET', `${MAPS}?${query}`);
        // A version that does not exist yet is answered with 504, as clients expect.
        if (answer.status !== 504) wellFormed(answer, pairs);
      }),
      { numRuns: RUNS },
    );
    await stillWell();
  });

  test('paths with any characters', { timeout: 60_000 }, async () => {
    const part = fc.oneof(
      fc.constantFrom(
        'api',
        'apis',
        'v1',
        'namespaces',
        'default',
        'pods',
        'configmaps',
        'victim',
        'status',
        '..',
        '%2e%2e',
        '%00',
        '%',
        'watch',
        'proxy',
        'log',
      ),
      fc.string({ maxLength: 8 }).map((text) => encodeURIComponent(text)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 7 }), async (parts) => {
        const answer = await send('GET', `/${parts.join('/')}`, '', '', { accept: 'application/json' });
        assert.ok(answer.status < 500, `${answer.status} ${answer.text} for ${parts.join('/')}`);
      }),
      { numRuns: RUNS },
    );
    await stillWell();
  });

  test('bodies that are too large, too deep, or hold a prototype key', async () => {
    assert.equal((await send('POST', MAPS, Buffer.alloc(3 * 1024 * 1024 + 1, 32))).status, 413);
    const deep = `{"metadata":{"name":"deep"},"data":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    const tooDeep = await send('POST', MAPS, deep);
    assert.equal(tooDeep.status, 400);
    assert.match(tooDeep.text, /nested more than 256 levels/);
    const polluting = await send(
      'POST',
      MAPS,
      '{"metadata":{"name":"p","labels":{"__proto__":{"polluted":"yes"}}}}',
    );
    assert.equal(polluting.status, 400);
    assert.equal(
      (await send('POST', MAPS, '{"\\u005f_proto__":{"polluted":true},"metadata":{"name":"q"}}')).status,
      400,
    );
    const bomb =
      'a: &a [x,x,x,x,x,x,x,x,x]\n' +
      'bcdefghij'
        .split('')
        .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghij'[index]}`).join(',')}]`)
        .join('\n');
    assert.equal((await send('POST', MAPS, bomb, 'application/yaml')).status, 400);
    await stillWell();
  });

  test('unknown and repeated fields: refused, warned of or dropped, as the client asks', async () => {
    const body = (name: string): string => `{"metadata":{"name":"${name}"},"data":{"a":"1","a":"2"},"odd":1}`;
    const strict = await send('POST', `${MAPS}?fieldValidation=Strict`, body('strict'));
    assert.equal(strict.status, 400);
    assert.match(strict.text, /strict decoding error: duplicate field \\"data\.a\\"/);
    assert.match(
      (await send('POST', `${MAPS}?fieldValidation=Strict`, '{"metadata":{"name":"s"},"odd":1}')).text,
      /unknown field \\"odd\\"/,
    );
    const warned = await send('POST', MAPS, body('warned'));
    assert.equal(warned.status, 201);
    assert.match(
      String(warned.headers['warning']),
      /299 - "duplicate field \\"data\.a\\"".*299 - "unknown field \\"odd\\""/,
    );
    const silent = await send('POST', `${MAPS}?fieldValidation=Ignore`, body('silent'));
    assert.equal(silent.headers['warning'], undefined);
    assert.deepEqual(JSON.parse(silent.text).data, { a: '2' });
  });

  test('bytes that are no HTTP, and handshakes that never end, disturb nobody', async () => {
    const { url, pki } = server.api;
    const { port } = new URL(url);
    const sockets = await Promise.all(
      Array.from(
        { length: 50 },
        (_, index) =>
          new Promise<ReturnType<typeof connect>>((resolve) => {
            const socket = connect(
              { port: Number(port), host: '127.0.0.1', ca: pki.caCertificate, servername: 'localhost' },
              () => {
                socket.write(
                  index % 2 === 0
                    ? Buffer.from([0, 1, 2, 3, 255, 254])
                    : 'POST /api/v1/namespaces HTTP/1.1\r\ncontent-length: 99\r\n\r\n{',
                );
                resolve(socket);
              },
            );
            socket.on('error', () => resolve(socket));
          }),
      ),
    );
    await stillWell();
    for (const socket of sockets) socket.destroy();
    await stillWell();
  });

  test('who may do nothing cannot make the server buffer or tell anything', async () => {
    const anonymous = await send('POST', MAPS, Buffer.alloc(1024, 32), 'application/json', {
      authorization: '',
    });
    assert.equal(anonymous.status, 403);
    const wrong = await send('GET', '/api/v1/secrets', '', '', { authorization: 'Bearer wrong' });
    assert.equal(wrong.status, 401);
    assert.ok(!wrong.text.includes('wrong'));
    assert.equal((await send('GET', '/version', '', '', { authorization: '' })).status, 200);
    assert.equal((await send('GET', '/metrics', '', '', { authorization: '' })).status, 403);
    assert.equal((await send('GET', '/backup', '', '', { authorization: '' })).status, 403);
  });

  test(
    'a hostile pattern and a hostile rule in a definition do not hold up the server',
    { timeout: 30_000 },
    async () => {
      const spec = {
        type: 'object',
        properties: {
          text: { type: 'string', pattern: '^(a+)+$' },
          list: {
            type: 'array',
            items: { type: 'integer' },
            'x-kubernetes-validations': [
              { rule: 'self.all(x, self.exists(y, self.exists(z, x + y + z == -1)))' },
            ],
          },
          other: { type: 'string', 'x-kubernetes-validations': [{ rule: "self.matches('^(b+)+$')" }] },
        },
      };
      const definition = {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name: 'traps.hostile.dev' },
        spec: {
          group: 'hostile.dev',
          scope: 'Namespaced',
          names: { plural: 'traps', kind: 'Trap' },
          versions: [
            {
              name: 'v1',
              served: true,
              storage: true,
              schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
            },
          ],
        },
      };
      assert.equal(
        (
          await send(
            'POST',
            '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
            JSON.stringify(definition),
          )
        ).status,
        201,
      );
      const traps = '/apis/hostile.dev/v1/namespaces/default/traps';
      const trap = (fields: object) =>
        send(
          'POST',
          traps,
          JSON.stringify({
            apiVersion: 'hostile.dev/v1',
            kind: 'Trap',
            metadata: { generateName: 't-' },
            spec: fields,
          }),
        );
      for (const fields of [
        { text: `${'a'.repeat(50_000)}!` },
        { other: `${'b'.repeat(50_000)}!` },
        { list: Array.from({ length: 50_000 }, (_, index) => index) },
      ]) {
        const answer = await trap(fields);
        assert.equal(answer.status, 422, answer.text.slice(0, 300));
      }
      await stillWell();
    },
  );
});
