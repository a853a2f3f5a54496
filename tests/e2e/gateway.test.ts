import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { connect as http2Connect } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:net';
import WebSocket from 'ws';
import { Dispatch } from './dispatch.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

/** A server that tells what it was asked, streams, speaks WebSocket and gRPC. */
const ECHO = `
const http = require('http'), http2 = require('http2'), crypto = require('crypto');
const server = http.createServer((request, answer) => {
  if (request.url.startsWith('/stream')) {
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    let n = 0;
    const timer = setInterval(() => { answer.write('data: ' + ++n + '\\n\\n'); if (n === 3) { clearInterval(timer); answer.end(); } }, 20);
    return;
  }
  if (request.url.startsWith('/slow')) return;
  if (request.url.startsWith('/big')) { answer.setHeader('content-type', 'text/plain'); answer.end('x'.repeat(100000)); return; }
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    answer.setHeader('content-type', 'application/json');
    answer.setHeader('x-backend', process.env.NAME || 'echo');
    answer.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks).length, name: process.env.NAME || 'echo' }));
  });
});
server.on('upgrade', (request, socket) => {
  const accept = crypto.createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n');
  socket.on('data', (frame) => {
    const mask = frame.subarray(2, 6), data = Buffer.from(frame.subarray(6)).map((byte, at) => byte ^ mask[at % 4]);
    socket.write(Buffer.concat([Buffer.from([0x81, data.length]), data]));
  });
});
server.listen(8080);
const grpc = http2.createServer();
grpc.on('stream', (stream) => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.on('data', (chunk) => stream.write(chunk));
  stream.on('end', () => stream.end());
});
grpc.listen(9090);
`;

function app(name: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name },
        spec: {
          replicas: 1,
          selector: { matchLabels: { app: name } },
          template: {
            metadata: { labels: { app: name } },
            spec: {
              terminationGracePeriodSeconds: 0,
              containers: [
                {
                  name: 'c',
                  image: 'dispatch.local/node',
                  command: ['node', '-e', ECHO],
                  env: [{ name: 'NAME', value: name }],
                  readinessProbe: { tcpSocket: { port: 9090 }, periodSeconds: 1 },
                },
              ],
            },
          },
        },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name },
        spec: {
          selector: { app: name },
          ports: [
            { name: 'http', port: 80, targetPort: 8080 },
            { name: 'grpc', port: 90, targetPort: 9090, appProtocol: 'kubernetes.io/h2c' },
          ],
        },
      },
    ],
  });
}

const ROUTES = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: plain}
spec:
  defaultBackend: {service: {name: one, port: {name: http}}}
  rules:
  - host: exact.example.com
    http:
      paths:
      - {path: /only, pathType: Exact, backend: {service: {name: two, port: {number: 80}}}}
      - {path: /api, pathType: Prefix, backend: {service: {name: two, port: {number: 80}}}}
      - {path: /, pathType: Prefix, backend: {service: {name: one, port: {number: 80}}}}
  - host: "*.wild.example.com"
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: two, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: rewrite
  annotations:
    nginx.ingress.kubernetes.io/rewrite-target: /$2
    nginx.ingress.kubernetes.io/use-regex: "true"
    nginx.ingress.kubernetes.io/proxy-body-size: 1k
    nginx.ingress.kubernetes.io/proxy-read-timeout: "1"
spec:
  rules:
  - host: rewrite.example.com
    http: {paths: [{path: /app(/|$)(.*), pathType: ImplementationSpecific, backend: {service: {name: one, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: empty}
spec:
  rules:
  - host: empty.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: nobody, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: grpc}
spec:
  rules:
  - host: grpc.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: one, port: {name: grpc}}}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: split}
spec:
  parentRefs: [{name: gateway}]
  hostnames: [split.example.com]
  rules:
  - matches: [{path: {type: PathPrefix, value: /v2}, headers: [{name: x-version, value: two}]}]
    filters:
    - type: URLRewrite
      urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: x-added, value: "yes"}], remove: [x-secret]}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {set: [{name: x-answer, value: changed}]}
    backendRefs: [{name: two, port: 80}]
  - matches: [{path: {value: /old}}]
    filters: [{type: RequestRedirect, requestRedirect: {scheme: https, hostname: new.example.com, path: {type: ReplaceFullPath, replaceFullPath: /new}, statusCode: 301}}]
  - backendRefs: [{name: one, port: 80, weight: 3}, {name: two, port: 80, weight: 1}]
`;

interface Echo {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: number;
  name: string;
}

describe('the gateway', { skip: SKIP_SANDBOX }, () => {
  let dispatch: Dispatch;
  let http = '';
  let https = '';
  before(async () => {
    dispatch = await Dispatch.make();
    await dispatch.up();
    ({ http, https } = await dispatch.file());
    await dispatch.apply(app('one'));
    await dispatch.apply(app('two'));
    await dispatch.apply(ROUTES);
    await dispatch.ok('rollout', 'status', 'deployment/one', '--timeout=60s');
    await dispatch.ok('rollout', 'status', 'deployment/two', '--timeout=60s');
    await eventually(async () => assert.equal((await ask('exact.example.com', '/api')).name, 'two'));
    await eventually(async () => assert.equal((await ask('split.example.com', '/')).method, 'GET'));
  });
  after(async () => {
    await dispatch.kill('SIGTERM');
    await dispatch[Symbol.asyncDispose]();
  });

  const raw = async (text: string): Promise<string> => {
    const { hostname, port } = new URL(http);
    const socket = connect(Number(port), hostname);
    socket.write(text);
    let said = '';
    for await (const chunk of socket) said += String(chunk);
    return said;
  };
  const get = (host: string, path: string, headers: Record<string, string> = {}): Promise<string> =>
    raw(
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')}\r\n`,
    );
  const ask = async (host: string, path: string, headers: Record<string, string> = {}): Promise<Echo> => {
    const said = await get(host, path, headers);
    return JSON.parse(said.slice(said.indexOf('{'), said.lastIndexOf('}') + 1)) as Echo;
  };

  test('hosts and paths: exact, prefix, wildcard, default', async () => {
    assert.equal((await ask('exact.example.com', '/only')).name, 'two');
    assert.equal((await ask('exact.example.com', '/only/more')).name, 'one');
    assert.equal((await ask('EXACT.example.com.:80', '/api/x')).name, 'two');
    assert.equal((await ask('exact.example.com', '/apix')).name, 'one');
    assert.equal((await ask('a.wild.example.com', '/')).name, 'two');
    assert.equal((await ask('unknown.example.com', '/')).name, 'one');
  });

  test('one way to write a path: tricks lead to the same route', async () => {
    for (const path of ['/x/../api/y', '/x/%2e%2e/api/y', '//api//y', '/./api/y']) {
      const { name, url } = await ask('exact.example.com', path);
      assert.deepEqual([name, url], ['two', '/api/y'], path);
    }
  });

  test('what clients say about themselves is not believed', async () => {
    const { headers } = await ask('exact.example.com', '/', {
      'X-Forwarded-For': '6.6.6.6',
      'X-Real-IP': '6.6.6.6',
      'X-Forwarded-Proto': 'https',
      Connection: 'close, X-Real-IP',
    });
    assert.equal(headers['x-forwarded-for'], '127.0.0.1');
    assert.equal(headers['x-real-ip'], '127.0.0.1');
    assert.equal(headers['x-forwarded-proto'], 'http');
    assert.equal(headers['x-forwarded-host'], 'exact.example.com');
  });

  test('rewrites, limits of bodies and times', async () => {
    assert.equal((await ask('rewrite.example.com', '/app/some/path?q=1')).url, '/some/path?q=1');
    const large = await raw(
      `POST /app/x HTTP/1.1\r\nHost: rewrite.example.com\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n${'x'.repeat(2000)}`,
    );
    assert.match(large, /^HTTP\/1.1 413 /);
    assert.match(await get('rewrite.example.com', '/app/slow'), /^HTTP\/1.1 504 /);
    assert.match(await get('empty.example.com', '/'), /^HTTP\/1.1 503 /);
  });

  test('requests that mean two things are refused', async () => {
    const twice =
      'POST / HTTP/1.1\r\nHost: exact.example.com\r\nConnection: close\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
    assert.match(await raw(twice), /^HTTP\/1.1 400 /);
    assert.match(await raw('GET / HTTP/1.1\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 400 /);
  });

  test('an HTTPRoute matches headers, changes what it forwards, redirects and shares by weight', async () => {
    const { name, url, headers } = await ask('split.example.com', '/v2/thing', {
      'X-Version': 'two',
      'X-Secret': 's',
    });
    assert.deepEqual(
      [name, url, headers['x-added'], headers['x-secret']],
      ['two', '/thing', 'yes', undefined],
    );
    assert.match(await get('split.example.com', '/v2/thing', { 'X-Version': 'two' }), /x-answer: changed/i);
    assert.match(
      await get('split.example.com', '/old/x'),
      /^HTTP\/1.1 301 [\s\S]*location: https:\/\/new\.example\.com\/new\r\n/i,
    );
    const names = await Promise.all(Array.from({ length: 80 }, () => ask('split.example.com', '/')));
    const two = names.filter((item) => item.name === 'two').length;
    assert.ok(two > 4 && two < 45, `${two} of 80 went to the one with a quarter of the weight`);
    const accepted = await dispatch.ok(
      'get',
      'httproute',
      'split',
      '-o',
      'jsonpath={.status.parents[0].conditions[?(@.type=="Accepted")].status}',
    );
    assert.equal(accepted, 'True');
  });

  test('events come as they are sent, and text is compressed for who wants it', async () => {
    assert.match(await get('exact.example.com', '/stream'), /data: 1[\s\S]*data: 3/);
    const plain = await fetch(`${http}/big`);
    assert.match(plain.headers.get('content-encoding') ?? '', /^(br|gzip)$/);
    assert.equal((await plain.text()).length, 100_000);
    assert.doesNotMatch(await get('x', '/big'), /content-encoding/i);
  });

  test('a WebSocket goes both ways', async () => {
    const socket = new WebSocket(`${http.replace('http', 'ws')}/socket`);
    await new Promise((resolve) => socket.once('open', resolve));
    const answer = new Promise((resolve) => socket.once('message', (data) => resolve(String(data))));
    socket.send('there and back');
    assert.equal(await answer, 'there and back');
    socket.terminate();
  });

  test('HTTP/2 to the client, and gRPC with its trailers', async () => {
    const session = http2Connect(https, { rejectUnauthorized: false });
    const stream = session.request({
      ':method': 'POST',
      ':path': '/echo.Echo/Say',
      ':authority': 'grpc.example.com',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const trailers = new Promise<Record<string, unknown>>((resolve) => stream.once('trailers', resolve));
    const message = Buffer.from([0, 0, 0, 0, 2, 8, 1]);
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.end(message);
    assert.equal((await trailers)['grpc-status'], '0');
    assert.deepEqual(Buffer.concat(chunks), message);
    const plain = session.request({ ':path': '/api', ':authority': 'exact.example.com' });
    let body = '';
    for await (const chunk of plain) body += String(chunk);
    assert.equal((JSON.parse(body) as Echo).name, 'two');
    session.close();
  });

  test('certificates come from Secrets, by host, and are followed when they change', async () => {
    const make = async (name: string): Promise<void> => {
      const { code, stderr } = await dispatch.pipe(
        '',
        'sh',
        '-c',
        `cd ${dispatch.home} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out c.pem -days 2 -subj /CN=${name} && kubectl create secret tls cert --cert=c.pem --key=k.pem --dry-run=client -o yaml | kubectl apply -f -`,
      );
      assert.equal(code, 0, stderr);
    };
    const shown = (servername: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const request = httpsRequest(
          https,
          { servername, rejectUnauthorized: false, agent: false, headers: { host: servername } },
          (response) => {
            const { subject } = (response.socket as import('node:tls').TLSSocket).getPeerCertificate();
            response.resume();
            resolve(String(subject?.CN));
          },
        );
        request.on('error', reject);
        request.end();
      });
    await make('first.example.com');
    await dispatch.apply(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: secure}
spec:
  tls: [{hosts: [secure.example.com], secretName: cert}]
  rules:
  - host: secure.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: one, port: {number: 80}}}}]}
`);
    await eventually(async () => assert.equal(await shown('secure.example.com'), 'first.example.com'));
    assert.notEqual(await shown('other.example.com'), 'first.example.com');
    assert.match(
      await get('secure.example.com', '/x'),
      /^HTTP\/1.1 308 [\s\S]*location: https:\/\/secure\.example\.com\/x/i,
    );
    await make('second.example.com');
    await eventually(async () => assert.equal(await shown('secure.example.com'), 'second.example.com'));
  });

  test('a hundred changes of routes and of backends under load lose no request', async () => {
    const url = `${http}/load`;
    const script =
      'const url = process.argv[1]; let ok = 0, bad = 0; const ask = async () => { while (!stop) { const answer = await fetch(url).catch(() => undefined); if (answer?.status === 200) ok++; else bad++; await answer?.arrayBuffer(); } }; let stop = false; process.stdin.on("end", () => { stop = true; }).resume(); Promise.all(Array.from({ length: 16 }, ask)).then(() => console.log(JSON.stringify({ ok, bad })));';
    const load = spawn(process.execPath, ['-e', script, url], { stdio: ['pipe', 'pipe', 'inherit'] });
    let said = '';
    load.stdout.on('data', (chunk: Buffer) => {
      said += String(chunk);
    });
    const ended = new Promise((resolve) => load.once('close', resolve));
    const client = dispatch.client();
    const ingresses = { group: 'networking.k8s.io', version: 'v1', plural: 'ingresses', namespaced: true };
    for (let change = 0; change < 100; change += 1) {
      const path = {
        path: `/changing-${change}`,
        pathType: 'Prefix',
        backend: { service: { name: change % 2 === 0 ? 'one' : 'two', port: { number: 80 } } },
      };
      await client.apply(ingresses, {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { namespace: 'default', name: 'changing' },
        spec: { rules: [{ http: { paths: [path] } }] },
      });
    }
    for (let rollout = 0; rollout < 3; rollout += 1) {
      await dispatch.ok('set', 'env', 'deployment/one', `ROUND=${rollout}`);
      await dispatch.ok('rollout', 'status', 'deployment/one', '--timeout=60s');
    }
    await client.close();
    load.stdin.end();
    await ended;
    const { ok, bad } = JSON.parse(said) as { ok: number; bad: number };
    assert.equal(bad, 0);
    assert.ok(ok > 200, `${ok} requests`);
  });
});
