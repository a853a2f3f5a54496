import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayProcess, type GatewayConfig } from '../../src/gateway/index.ts';
import { SILENT } from '../../src/kube/index.ts';
import type { Row } from '../main.ts';
import { isInstalled } from '../platform.ts';

const BACKEND =
  "require('http').createServer((q, a) => { a.setHeader('content-type', 'text/plain'); a.end('hello\\n'); }).listen(+process.argv[1], '127.0.0.1', () => console.log('up'))";
const CONNECTIONS = 64;
const SECONDS = 5;

/** Requests through the gateway, and through nginx to the same backend in the same run. */
export async function benchGateway(): Promise<Row[]> {
  if (!isInstalled('wrk')) throw new Error('This benchmark needs wrk: install the package wrk.');
  const root = await mkdtemp(join(tmpdir(), 'dispatch-gateway-'));
  const port = await freePort();
  const backend = spawn(process.execPath, ['-e', BACKEND, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => backend.stdout.once('data', resolve));
  try {
    spawnSync('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      join(root, 'k'),
      '-out',
      join(root, 'c'),
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
    ]);
    const config = await configOf(root, port);
    await using gateway = new GatewayProcess({
      host: '127.0.0.1',
      httpPort: 0,
      httpsPort: 0,
      podNetwork: async () => ({ enter: [], hostSocket: undefined }),
      accessLog: join(root, 'access.log'),
      compileCache: undefined,
      log: SILENT,
    });
    await gateway.serve(config);
    const nginx = await startNginx(root, port);
    const direct = load(port);
    load(gateway.httpPort);
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      ours.push(load(gateway.httpPort));
      if (nginx !== undefined) theirs.push(load(nginx.port));
    }
    nginx?.stop();
    const best = Math.max(...ours);
    const peer = Math.max(...theirs);
    return [
      { name: 'backend alone: requests/s at 64', value: direct, unit: '/s', peer: '—', goal: '—' },
      {
        name: 'through the gateway: requests/s at 64',
        value: best,
        unit: '/s',
        peer:
          nginx === undefined
            ? 'nginx is not installed'
            : `nginx: ${Math.round(peer).toLocaleString('en')} /s`,
        goal: '≥ 0.5 × nginx',
      },
      {
        name: 'gateway ÷ nginx',
        value: nginx === undefined ? Number.NaN : best / peer,
        unit: '×',
        peer: '1',
        goal: '≥ 0.5, then ≥ 1',
      },
    ];
  } finally {
    backend.kill();
    await rm(root, { recursive: true, force: true });
  }
}

async function configOf(root: string, port: number): Promise<GatewayConfig> {
  return {
    routes: [
      {
        owner: 'bench',
        host: '*',
        match: { path: { type: 'prefix', value: '/' } },
        action: {
          type: 'forward',
          backends: [
            { name: 'bench', weight: 1, protocol: 'http', endpoints: [{ address: '127.0.0.1', port }] },
          ],
        },
      },
    ],
    certificates: [],
    defaultCertificate: {
      cert: await readFile(join(root, 'c'), 'utf8'),
      key: await readFile(join(root, 'k'), 'utf8'),
    },
    limits: { bodyBytes: 1e9, requestTimeoutMs: 60_000 },
  };
}

function load(port: number): number {
  const result = spawnSync('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, `http://127.0.0.1:${port}/`], {
    encoding: 'utf8',
  });
  if (/Non-2xx|Socket errors/.test(result.stdout)) throw new Error(result.stdout);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(result.stdout)?.[1]);
}

async function startNginx(
  root: string,
  backend: number,
): Promise<{ port: number; stop: () => void } | undefined> {
  if (!isInstalled('nginx')) return undefined;
  const port = await freePort();
  const path = join(root, 'nginx.conf');
  await writeFile(
    path,
    `worker_processes 1; daemon off; pid ${root}/nginx.pid; error_log ${root}/error.log;
     events { worker_connections 1024; }
     http { access_log ${root}/nginx.log; keepalive_requests 1000000;
       upstream backend { server 127.0.0.1:${backend}; keepalive 64; keepalive_requests 1000000; }
       server { listen 127.0.0.1:${port}; location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; } } }`,
  );
  const child = spawn('nginx', ['-c', path], { stdio: 'ignore' });
  for (let tries = 0; tries < 100; tries += 1) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { port, stop: () => void child.kill('SIGTERM') };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as import('node:net').AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
