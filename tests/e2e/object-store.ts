import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './pods.ts';

const run = promisify(execFile);
const SERVERS = ['object', 'container', 'account'] as const;

/** Why tests with an object store do not run here, or false. With CI=true nothing may be left out. */
export const SKIP_OBJECT_STORE: string | false =
  process.env['CI'] === 'true' ||
  (spawnSync('swift-ring-builder').error === undefined && spawnSync('memcached', ['-V']).error === undefined)
    ? false
    : 'OpenStack Swift is not installed (packages swift-proxy, swift-account, swift-container, swift-object, memcached)';

/** OpenStack Swift with its S3 API: it checks signatures, and keeps what it is given. */
export class ObjectStore implements AsyncDisposable {
  readonly port: number;
  readonly accessKey = 'test:tester';
  readonly secretKey = 'testing';
  readonly #dir: string;
  readonly #children: readonly ChildProcess[];

  private constructor(port: number, dir: string, children: readonly ChildProcess[]) {
    this.port = port;
    this.#dir = dir;
    this.#children = children;
  }

  static async start(): Promise<ObjectStore> {
    const dir = await mkdtemp(join(tmpdir(), 'dispatch-swift-'));
    const [proxy, memory, ...ports] = await freePorts(5);
    const user = process.getuid?.() === 0 ? 'root' : (process.env['USER'] ?? 'nobody');
    const common = `user = ${user}\nswift_dir = ${dir}\nlog_address = ${join(dir, 'none')}\nworkers = 0\n`;
    await writeFile(
      join(dir, 'swift.conf'),
      '[swift-hash]\nswift_hash_path_suffix = s\nswift_hash_path_prefix = p\n[storage-policy:0]\nname = one\ndefault = yes\n',
    );
    await mkdir(join(dir, 'devices', 'd1'), { recursive: true });
    for (const [at, server] of SERVERS.entries()) {
      const ring = join(dir, `${server}.builder`);
      await run('swift-ring-builder', [ring, 'create', '1', '1', '1']);
      await run('swift-ring-builder', [ring, 'add', `r1z1-127.0.0.1:${ports[at]}/d1`, '1']);
      await run('swift-ring-builder', [ring, 'rebalance']);
      await writeFile(
        join(dir, `${server}.conf`),
        `[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = ${ports[at]}\ndevices = ${join(dir, 'devices')}\nmount_check = false\n${common}[pipeline:main]\npipeline = ${server}-server\n[app:${server}-server]\nuse = egg:swift#${server}\n`,
      );
    }
    await writeFile(join(dir, 'proxy.conf'), proxyConfig(proxy!, memory!, common));
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', HOME: dir };
    const start = (program: string, ...args: string[]): ChildProcess =>
      spawn(program, args, { stdio: 'ignore', env });
    const children = [
      start('memcached', '-u', user, '-l', '127.0.0.1', '-p', String(memory)),
      ...SERVERS.map((server) => start(`swift-${server}-server`, join(dir, `${server}.conf`))),
      start('swift-proxy-server', join(dir, 'proxy.conf')),
    ];
    const store = new ObjectStore(proxy!, dir, children);
    await eventually(async () => {
      const { status } = await fetch(`http://127.0.0.1:${proxy}/healthcheck`);
      if (status !== 200) throw new Error(`the object store answered ${status}`);
    });
    return store;
  }

  /** Its own API, beside the one of S3: what lies in a bucket, seen from the other side. */
  async file(bucket: string, path: string): Promise<string | undefined> {
    const { url, token } = await this.#login();
    const response = await fetch(`${url}/${bucket}/${path}`, { headers: { 'x-auth-token': token } });
    return response.status === 200 ? response.text() : undefined;
  }

  /** Its parts may not all be there yet. */
  createBucket(name: string): Promise<void> {
    return eventually(() => this.#change('PUT', name));
  }

  put(bucket: string, path: string, text: string): Promise<void> {
    return eventually(() => this.#change('PUT', `${bucket}/${encodeURI(path)}`, text));
  }

  remove(bucket: string, path: string): Promise<void> {
    return this.#change('DELETE', `${bucket}/${encodeURI(path)}`);
  }

  async #change(method: string, path: string, body?: string): Promise<void> {
    const { url, token } = await this.#login();
    const headers = { 'x-auth-token': token };
    const { status } = await fetch(`${url}/${path}`, {
      method,
      headers,
      ...(body !== undefined && { body }),
    });
    if (status >= 300) throw new Error(`${method} ${path}: the object store answered ${status}`);
  }

  async #login(): Promise<{ url: string; token: string }> {
    const { headers } = await fetch(`http://127.0.0.1:${this.port}/auth/v1.0`, {
      headers: { 'x-auth-user': this.accessKey, 'x-auth-key': this.secretKey },
    });
    return { url: headers.get('x-storage-url') ?? '', token: headers.get('x-auth-token') ?? '' };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = this.#children.map(
      (child) => child.exitCode ?? child.signalCode ?? new Promise((resolve) => child.once('exit', resolve)),
    );
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(gone);
    await rm(this.#dir, { recursive: true, force: true });
  }
}

function proxyConfig(port: number, memory: number, common: string): string {
  return `[DEFAULT]
bind_ip = 0.0.0.0
bind_port = ${port}
${common}
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache s3api tempauth copy slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = 10
node_timeout = 30
recoverable_node_timeout = 30
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${memory}
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
`;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
