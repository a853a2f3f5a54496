import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { whyNoSandbox } from '../../src/node/index.ts';
import { Dispatch } from './dispatch.ts';

const ECHO = `
module.exports = ({ httpContext, event, secrets }, payload) => {
  if (payload?.full) return payload.full;
  if (payload?.fail) throw new Error('never mind');
  return { payload, httpContext, secrets };
};
`;
/** Looks for whatever belongs to others. */
const SPY = `
const fs = require('node:fs'); const net = require('node:net'); const os = require('node:os'); const { execSync } = require('node:child_process');
const attempt = (work) => { try { return String(work()); } catch (error) { return 'refused: ' + (error.code ?? error.message).slice(0, 80); } };
const dial = (options) => new Promise((resolve) => { const s = net.connect(options); s.setTimeout(1000, () => { s.destroy(); resolve('silent'); }); s.on('connect', () => s.write('GET / HTTP/1.0\\r\\n\\r\\n')); s.on('data', () => { s.destroy(); resolve('answered'); }); s.on('end', () => resolve('closed')); s.on('error', (e) => resolve('refused: ' + e.code)); });
module.exports = async (context, { ports = [], paths = [] }) => ({
  secrets: context.secrets,
  env: Object.keys(process.env),
  processes: fs.readdirSync('/proc').filter((n) => /^\\d+$/.test(n)).length,
  sockets: attempt(() => fs.readdirSync('/run/dispatch')),
  files: paths.map((path) => attempt(() => fs.readFileSync(path, 'utf8').slice(0, 40))),
  dials: await Promise.all(ports.map((port) => dial(port))),
  mount: attempt(() => execSync('mount -t tmpfs none /mnt 2>&1')),
  kill: attempt(() => process.kill(1, 0) && 'own'),
  uid: attempt(() => fs.readFileSync('/proc/self/status', 'utf8').match(/CapEff:\\s*(\\w+)/)[1]),
});
`;
/** Puts something else where its socket was. */
const SWAP = `
const fs = require('node:fs');
module.exports = () => { for (const name of ['socket']) { try { fs.rmSync('/run/dispatch/' + name); } catch {} fs.symlinkSync('/etc/passwd', '/run/dispatch/' + name); } return fs.readdirSync('/run/dispatch'); };
`;

describe('endpoints', { skip: whyNoSandbox() ?? false }, () => {
  let dispatch: Dispatch;
  let [http, https] = ['', ''];

  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await dispatch.runIn(dispatch.home, ...args);
    assert.equal(code, 0, `dispatch ${args.join(' ')}: ${stderr}${stdout.slice(-500)}`);
    return stdout;
  };
  const post = (
    path: string,
    body: string | Buffer | URLSearchParams | FormData,
    headers: Record<string, string> = {},
  ): Promise<Response> => fetch(http + path, { method: 'POST', body, headers });
  const json = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    post(path, JSON.stringify(body), { 'content-type': 'application/json', ...headers });
  const payload = async (response: Response): Promise<unknown> =>
    ((await response.json()) as { payload: unknown }).payload;
  const secret = (name: string, values: Record<string, string>, namespace = 'default'): Promise<string> =>
    dispatch.ok(
      'create',
      'secret',
      'generic',
      name,
      '-n',
      namespace,
      ...Object.entries(values).map(([k, v]) => `--from-literal=${k}=${v}`),
    );

  before(async () => {
    dispatch = await Dispatch.make();
    await mkdir(dispatch.home, { recursive: true });
    for (const [name, code] of Object.entries({ 'echo.js': ECHO, 'spy.js': SPY, 'swap.js': SWAP }))
      await writeFile(join(dispatch.home, name), code);
    await dispatch.up();
    ({ http, https } = await dispatch.file());
    await ok('create', 'seed-images');
    await ok('create', 'function', 'echo', 'echo.js', '--image', 'nodejs');
    await ok('exec', 'echo', '--wait');
  });

  after(async () => {
    await dispatch?.[Symbol.asyncDispose]();
  });

  test('every kind of body becomes the input, and others are told so', async () => {
    await ok('create', 'api', 'in', 'echo', '-p', '/in', '-m', 'POST', '-m', 'GET');
    assert.deepEqual(await payload(await json('/in', { a: [1, null] })), { a: [1, null] });
    assert.deepEqual(
      await payload(await post('/in', '{"a":1}', { 'content-type': 'application/vnd.x+json' })),
      { a: 1 },
    );
    assert.deepEqual(await payload(await post('/in', new URLSearchParams('a=1&a=2&b=ü'))), {
      a: ['1', '2'],
      b: 'ü',
    });
    assert.deepEqual(await payload(await fetch(`${http}/in?name=Jon&x=1`)), { name: 'Jon', x: '1' });
    assert.equal(await payload(await post('/in', 'grüß', { 'content-type': 'text/plain' })), 'grüß');
    const form = new FormData();
    form.set('name', 'Jon');
    form.set('file', new File(['abc'], 'a.txt', { type: 'text/plain' }));
    assert.deepEqual(await payload(await post('/in', form)), {
      name: 'Jon',
      file: { filename: 'a.txt', contentType: 'text/plain', data: Buffer.from('abc').toString('base64') },
    });
    const binary = await post('/in', Buffer.from([0, 255]), { 'content-type': 'application/octet-stream' });
    assert.deepEqual(await payload(binary), { contentType: 'application/octet-stream', data: 'AP8=' });
    for (const [body, type, status, words] of [
      ['{"a":', 'application/json', 400, 'request body is not json'],
      ['x', 'application/zip', 415, 'request body type is not supported: application/zip'],
      ['nonsense', 'multipart/form-data; boundary=x', 400, 'request body is not a form'],
    ] as const) {
      const response = await post('/in', body, { 'content-type': type });
      assert.equal(response.status, status);
      assert.equal(((await response.json()) as { message: string }).message, words);
    }
    assert.equal(
      (await post('/in', Buffer.alloc(17 * 1024 * 1024), { 'content-type': 'text/plain' })).status,
      413,
    );
  });

  test('the handler learns of the request, and the caller of the run', async () => {
    const response = await json('/in?q=1', {}, { 'x-test': 'yes' });
    const { httpContext } = (await response.json()) as { httpContext: Record<string, never> };
    assert.deepEqual(
      { ...httpContext, headers: httpContext['headers']!['x-test'], host: '' },
      {
        method: 'POST',
        path: '/in',
        query: { q: '1' },
        headers: 'yes',
        client: '127.0.0.1',
        scheme: 'http',
        host: '',
        uri: '/in',
        args: 'q=1',
        request: 'POST /in?q=1 HTTP/1.1',
        'request-uri': '/in?q=1',
        'server-protocol': 'HTTP/1.1',
        'upstream-uri': '/in',
      },
    );
    const run = response.headers.get('x-dispatch-run')!;
    await dispatch.ok(
      'get',
      '--raw',
      `/apis/run.dispatch.dev/v1alpha1/namespaces/default/functionruns/${run}`,
    );
    const failed = await json('/in', { fail: true });
    assert.equal(failed.status, 502);
    assert.deepEqual(await failed.json(), { code: 502, type: 'FunctionError', message: 'Error: never mind' });
  });

  test('what does not fit the schema is refused before it reaches the function', async () => {
    await writeFile(
      join(dispatch.home, 'in.json'),
      '{"type":"object","required":["n"],"properties":{"n":{"type":"integer","minimum":1}}}',
    );
    await writeFile(join(dispatch.home, 'out.json'), '{"type":"object","required":["never"]}');
    await ok('create', 'function', 'strict', 'echo.js', '--image', 'nodejs', '--schema-in', 'in.json');
    await ok('create', 'function', 'wrong', 'echo.js', '--image', 'nodejs', '--schema-out', 'out.json');
    for (const name of ['strict', 'wrong']) {
      await ok('create', 'api', name, name, '-p', `/${name}`, '-m', 'POST');
      await dispatch.ok('wait', '--for=jsonpath={.status.phase}=READY', `function/${name}`, '--timeout=30s');
    }
    for (const [path, body, status, words] of [
      ['/strict', { n: 1 }, 200, undefined],
      ['/strict', {}, 422, /n/],
      ['/strict', { n: 0.5 }, 422, /n must be integer/],
      ['/wrong', {}, 502, /never/],
    ] as const) {
      const response = await json(path, body);
      assert.equal(response.status, status, path);
      if (words !== undefined) assert.match(((await response.json()) as { message: string }).message, words);
    }
    const later = await json('/strict', {}, { 'x-dispatch-blocking': 'false' });
    assert.equal(later.status, 422, 'what is to be done later is looked at now');
  });

  test('https only: GET is sent there, and others are refused', async () => {
    await ok('create', 'api', 'safe', 'echo', '--https-only', '-p', '/safe', '-m', 'POST,GET');
    const moved = await fetch(`${http}/safe?x=1`, { redirect: 'manual' });
    assert.equal(moved.status, 301);
    assert.equal(moved.headers.get('location'), `${https}/safe?x=1`);
    assert.equal((await json('/safe', {})).status, 403);
    const status = await new Promise((resolve, reject) => {
      httpsRequest(`${https}/safe`, { rejectUnauthorized: false }, (answer) =>
        resolve(answer.resume().statusCode),
      )
        .on('error', reject)
        .end();
    });
    assert.equal(status, 200);
  });

  test('pages of other origins may call what they are allowed to', async () => {
    await ok('create', 'api', 'open', 'echo', '--cors', '-p', '/open', '-m', 'POST');
    await ok(
      'create',
      'api',
      'closed',
      'echo',
      '--cors',
      '--cors-origin',
      'https://good.example',
      '-p',
      '/closed',
      '-m',
      'POST',
    );
    const ask = (path: string, origin: string): Promise<Response> =>
      fetch(http + path, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-a' },
      });
    const preflight = await ask('/open', 'https://any.example');
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-origin'), '*');
    assert.match(preflight.headers.get('access-control-allow-methods') ?? '', /POST/);
    assert.equal(
      (await ask('/closed', 'https://good.example')).headers.get('access-control-allow-origin'),
      'https://good.example',
    );
    assert.equal(
      (await ask('/closed', 'https://bad.example')).headers.get('access-control-allow-origin'),
      null,
    );
    const answer = await json('/open', {}, { origin: 'https://any.example' });
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  });

  test('users, keys and tokens let in, and nothing else does', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256');
    const pem = await exportSPKI(publicKey);
    await secret('basic-auth', { username: 'ada', password: 'secret' });
    await secret('key-auth', { first: 'k1', second: 'k2' });
    await secret('jwt-auth', { key: pem, issuer: 'https://issuer.example', audience: 'hello' });
    for (const how of ['basic', 'key', 'jwt'])
      await ok('create', 'api', how, 'echo', '--auth', how, '-p', `/${how}`, '-m', 'POST');
    await ok('create', 'api', 'nobody', 'echo', '--auth', 'key', '-p', '/nobody', '-m', 'POST');
    const basic = (pair: string): Record<string, string> => ({
      authorization: `Basic ${Buffer.from(pair).toString('base64')}`,
    });
    const token = (claims: { issuer: string; audience: string; expires?: string }): Promise<string> =>
      new SignJWT({ sub: 'ada' })
        .setProtectedHeader({ alg: 'RS256' })
        .setIssuer(claims.issuer)
        .setAudience(claims.audience)
        .setExpirationTime(claims.expires ?? '5m')
        .sign(privateKey);
    const good = await token({ issuer: 'https://issuer.example', audience: 'hello' });
    // The public key taken for a secret: the oldest trick there is.
    const forged = await new SignJWT({ sub: 'ada', iss: 'https://issuer.example', aud: 'hello' })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('5m')
      .sign(Buffer.from(pem));
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`;
    const bearer = (text: string): Record<string, string> => ({ authorization: `Bearer ${text}` });
    for (const [path, headers, status] of [
      ['/basic', {}, 401],
      ['/basic', basic('ada:wrong'), 401],
      ['/basic', basic('ada:secret'), 200],
      ['/key', { 'x-api-key': 'k3' }, 401],
      ['/key', { 'x-api-key': 'k2' }, 200],
      ['/key', bearer('k1'), 200],
      ['/jwt', {}, 401],
      ['/jwt', bearer(good), 200],
      ['/jwt', bearer(forged), 401],
      ['/jwt', bearer(none), 401],
      ['/jwt', bearer(await token({ issuer: 'https://other.example', audience: 'hello' })), 401],
      ['/jwt', bearer(await token({ issuer: 'https://issuer.example', audience: 'other' })), 401],
      [
        '/jwt',
        bearer(await token({ issuer: 'https://issuer.example', audience: 'hello', expires: '-5m' })),
        401,
      ],
      ['/nobody', { 'x-api-key': '' }, 503],
    ] as const)
      assert.equal(
        (await json(path, {}, headers)).status,
        status,
        `${path} ${JSON.stringify(headers).slice(0, 60)}`,
      );
    const context = (await (await json('/jwt', {}, bearer(good))).json()) as {
      httpContext: { caller: { user: string }; headers: object };
    };
    assert.equal(context.httpContext.caller.user, 'ada');
    assert.ok(!('authorization' in context.httpContext.headers), 'the token stays at the gateway');
  });

  test('a client that calls too often is told when it may again', async () => {
    await ok('create', 'api', 'slow', 'echo', '--rate-limit', '3/h', '-p', '/slow', '-m', 'POST');
    const statuses: number[] = [];
    for (let count = 0; count < 5; count += 1) statuses.push((await json('/slow', {})).status);
    assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
    assert.ok(Number((await json('/slow', {})).headers.get('retry-after')) > 60);
  });

  test('full answers, prefixes, and what is switched off', async () => {
    await ok('create', 'api', 'full', 'echo', '--full-response', '-p', '/full/*', '-m', 'POST');
    const full = await json('/full/a/b', {
      full: { statusCode: 201, headers: { 'x-a': 'b', 'content-type': 'text/html' }, body: '<b>hi</b>' },
    });
    assert.deepEqual([full.status, full.headers.get('x-a'), await full.text()], [201, 'b', '<b>hi</b>']);
    const split = await json('/full', { full: { statusCode: 200, headers: { 'x-a': 'b\r\nx-c: d' } } });
    assert.equal(split.status, 502);
    await ok('create', 'api', 'off', 'echo', '--disable', '-p', '/off', '-m', 'POST');
    assert.equal((await json('/off', {})).status, 404);
  });

  test('of two namespaces that want one path the first has it, and each has its own', async () => {
    await dispatch.ok('create', 'namespace', 'other');
    for (const args of [
      ['create', 'seed-images'],
      ['create', 'function', 'echo', 'echo.js', '--image', 'nodejs'],
      ['create', 'api', 'in', 'echo', '-p', '/in', '-m', 'POST'],
    ])
      await ok(...args, '-n', 'other');
    await ok('exec', 'echo', '--wait', '-n', 'other');
    assert.equal((await json('/other/in', {})).status, 200);
    assert.equal((await json('/default/in', {})).status, 200);
    const urls = JSON.parse(
      await dispatch.ok('get', 'endpoints.dispatch.dev', 'in', '-n', 'other', '-o', 'json'),
    ) as { status: { urls: string[]; reason: string[] } };
    assert.deepEqual(urls.status.urls, [`${http}/other/in`]);
    assert.match(urls.status.reason[0]!, /belongs to default\/in/);
    await ok('create', 'api', 'theft', 'echo', '-p', '/other/secret', '-m', 'POST');
    assert.equal((await json('/other/secret', {})).status, 404);
    await ok('create', 'api', 'console', 'echo', '-p', '/dispatch/x', '-m', 'POST');
    assert.equal((await json('/dispatch/x', {})).status, 404);
  });

  test('what is accepted for later is done, once for each key', async () => {
    const later = (key: string): Promise<Response> =>
      json('/in', { n: key }, { 'x-dispatch-blocking': 'false', 'idempotency-key': key });
    const first = await later('a');
    assert.equal(first.status, 202);
    const { name } = (await first.json()) as { name: string };
    assert.equal(first.headers.get('location'), `/dispatch/runs/default/${name}`);
    assert.equal(((await (await later('a')).json()) as { name: string }).name, name);
    assert.notEqual(((await (await later('b')).json()) as { name: string }).name, name);
    assert.equal((await fetch(`${http}/dispatch/runs/default/${name}`)).status, 401);
    await ok('get', 'runs', 'echo', name);
  });

  test('a function cannot reach what belongs to others', async () => {
    await secret('theirs', { password: 'not-for-you' });
    await secret('own', { word: 'mine' });
    await ok('create', 'function', 'spy', 'spy.js', '--image', 'nodejs', '--secret', 'own');
    const api = Number(new URL((await dispatch.file()).api).port);
    const input = {
      paths: [
        '/etc/shadow',
        `${dispatch.dataDir}/kubeconfig`,
        '/proc/1/root/../../etc/hostname',
        '/sys/kernel/debug',
        '/proc/sysrq-trigger',
      ],
      ports: [
        { host: '127.0.0.1', port: api },
        { path: '/run/dispatch/keeper-own.sock' },
        { host: '169.254.169.254', port: 80 },
      ],
    };
    const run = JSON.parse(await ok('exec', 'spy', '--wait', '--input', JSON.stringify(input))) as {
      output: {
        secrets: object;
        env: string[];
        processes: number;
        sockets: string;
        files: string[];
        dials: string[];
        mount: string;
        uid: string;
      };
    };
    const { secrets, env, processes, sockets, files, dials, mount, uid } = run.output;
    assert.deepEqual(secrets, { word: 'mine' });
    assert.ok(!env.some((name) => /TOKEN|KUBE|DISPATCH_HOME/.test(name)), env.join(' '));
    assert.ok(processes < 8, 'only its own processes');
    assert.equal(sockets, '', 'its socket has been taken out');
    for (const text of files) assert.match(text, /^refused/);
    assert.ok(!dials.includes('answered'), dials.join(', '));
    assert.match(mount, /^refused/);
    assert.equal(uid, '0000000000000000', 'no capability is left');
  });

  test('a process that plays with its socket harms only itself', async () => {
    await ok('create', 'function', 'swap', 'swap.js', '--image', 'nodejs');
    await ok('exec', 'swap', '--wait');
    await ok('exec', 'swap', '--wait');
  });

  test('secrets that somebody may not read are not given to runs', async () => {
    await dispatch.ok('create', 'serviceaccount', 'caller');
    await dispatch.ok(
      'create',
      'role',
      'caller',
      '--verb=create',
      '--resource=functionruns.run.dispatch.dev',
    );
    await dispatch.ok('create', 'rolebinding', 'caller', '--role=caller', '--serviceaccount=default:caller');
    const body = (secrets: string[]): string =>
      JSON.stringify({ spec: { function: 'echo', input: {}, secrets } });
    const raw = [
      'create',
      '--raw',
      '/apis/run.dispatch.dev/v1alpha1/namespaces/default/functionruns',
      '-f',
      '-',
      '--as=system:serviceaccount:default:caller',
    ];
    assert.equal((await dispatch.pipe(body([]), 'kubectl', ...raw)).code, 0);
    const refused = await dispatch.pipe(body(['theirs']), 'kubectl', ...raw);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /may not read the secret theirs/);
  });
});
