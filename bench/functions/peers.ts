import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { INGRESSES, type KubeClient, type KubeObject, PODS, SERVICES } from '../../src/kube/index.ts';
import { isInstalled, LAUNCHER, type Platform } from '../platform.ts';

const NAMESPACE = 'default';
const BARE =
  "require('http').createServer((q, a) => { const body = JSON.stringify({ myField: 'Hello, ' + new URL(q.url, 'http://x').searchParams.get('name') }); a.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }); a.end(body); }).listen(8080)";

const FRAMEWORK =
  "exports.hello = (request, response) => response.json({ myField: 'Hello, ' + request.query.name });";

/** The same work in a plain Node server. */
export async function barePeer(client: KubeClient): Promise<void> {
  await peerPod(client, 'bare', { image: 'dispatch.local/node', command: ['node', '-e', BARE] });
}

/** The same work in a framework for functions, as others run it in pods; false where it is not installed. */
export async function frameworkPeer(client: KubeClient, platform: Platform): Promise<boolean> {
  const program = 'functions-framework';
  if (!isInstalled(program)) return false;
  const found = spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).stdout.trim();
  const context = join(platform.home, program);
  // It lies in build/src of its package.
  cpSync(dirname(dirname(dirname(realpathSync(found)))), context, { recursive: true });
  mkdirSync(join(context, 'hello'));
  writeFileSync(join(context, 'hello', 'index.js'), FRAMEWORK);
  writeFileSync(join(context, 'Dockerfile'), 'FROM dispatch.local/node\nCOPY . /app\n');
  const { registry } = await platform.file();
  const build = ['image', 'build', '-t', `${registry}/default/framework:1`, context];
  const built = spawnSync(process.execPath, [LAUNCHER, ...build], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: platform.home, DISPATCH_HOME: platform.dataDir },
  });
  if (built.status !== 0) throw new Error(built.stderr);
  const command = ['node', '/app/build/src/main.js', '--target=hello', '--source=/app/hello', '--port=8080'];
  await peerPod(client, 'framework', { image: 'registry.dispatch.local/default/framework:1', command });
  return true;
}

/** A peer: the same work in a pod, behind the same gateway. */
async function peerPod(
  client: KubeClient,
  name: string,
  container: { image: string; command: string[] },
): Promise<void> {
  const metadata = { name, namespace: NAMESPACE, labels: { app: name } };
  await client.create<KubeObject>(PODS, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: { containers: [{ name, ...container }] },
  });
  await client.create<KubeObject>(SERVICES, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
  });
  await client.create<KubeObject>(INGRESSES, {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata,
    spec: {
      rules: [
        {
          http: {
            paths: [
              {
                path: `/${name}`,
                pathType: 'Prefix',
                backend: { service: { name, port: { number: 80 } } },
              },
            ],
          },
        },
      ],
    },
  });
}
