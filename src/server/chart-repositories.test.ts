import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { Renderer } from '../render/index.ts';
import { ChartRepositories } from './chart-repositories.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(handler: Handler): Promise<AsyncDisposable & { host: string }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A packed chart that makes one object with its own version in it. */
async function chart(version: string): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name: 'web/Chart.yaml' }, `apiVersion: v2\nname: web\nversion: ${version}\n`);
  archive.entry(
    { name: 'web/templates/a.yaml' },
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "web-{{ .Chart.Version }}"}\n',
  );
  archive.entry({ name: 'web/../../outside.yaml' }, 'never');
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const open = (): ChartRepositories =>
  new ChartRepositories({ fetch, settings: { mirrors: {}, insecure: [] }, now: Date.now });

async function nameIn(archive: Buffer): Promise<string | undefined> {
  const renderer = new Renderer({ path: '', scratchDir: '/nonexistent', now: Date.now });
  const helm = { release: { name: 'rel', namespace: 'default' } };
  const capabilities = { kubeVersion: 'v1.33.1', apiVersions: [] };
  const { manifests } = await renderer.packedChart(archive, helm, capabilities, async () => undefined);
  return manifests[0]?.object.metadata.name;
}

test('charts of an HTTP repository: the newest that fits, with a login for its own host alone', async () => {
  const [old, fresh] = await Promise.all([chart('1.2.0'), chart('1.3.0')]);
  const seen: (string | undefined)[] = [];
  await using other = await serve((request, response) => {
    seen.push(request.headers.authorization);
    response.end(fresh);
  });
  await using home = await serve((request, response) => {
    if (request.headers.authorization !== `Basic ${Buffer.from('ada:secret').toString('base64')}`)
      return void response.writeHead(401).end();
    if (request.url === '/charts/web-1.2.0.tgz') return void response.end(old);
    const entry = (version: string, url: string, digest: string): string =>
      `  - {version: ${version}, urls: ["${url}"], digest: "${digest}"}\n`;
    response.end(
      `apiVersion: v1\nentries:\n  web:\n${entry('1.2.0', 'web-1.2.0.tgz', digestOf(old))}${entry('1.3.0', `http://${other.host}/web-1.3.0.tgz`, digestOf(fresh))}${entry('2.0.0-rc.1', 'x.tgz', '')}${entry('3.0.0', 'web-1.2.0.tgz', digestOf(fresh))}`,
    );
  });
  await using charts = open();
  const place = {
    repository: `http://${home.host}/charts`,
    name: 'web',
    credentials: { username: 'ada', secret: 'secret' },
  };
  assert.equal(await charts.resolve({ ...place, version: '^1.0' }), '1.3.0');
  assert.equal(await charts.resolve({ ...place, version: '~1.2' }), '1.2.0');
  assert.equal(await nameIn(await charts.fetch({ ...place, version: '~1.2' })), 'web-1.2.0');
  assert.equal(await nameIn(await charts.fetch({ ...place, version: '1.3.0' })), 'web-1.3.0');
  assert.deepEqual(seen, [undefined]);
  await assert.rejects(
    charts.fetch({ ...place, version: '3.0.0' }),
    /web 3.0.0 is not what its repository says/,
  );
  await assert.rejects(charts.resolve({ ...place, version: '>=4' }), /has no version of web that fits >=4/);
  await assert.rejects(
    charts.resolve({
      ...place,
      credentials: undefined,
      repository: `http://${home.host}/others`,
      version: '1.x',
    }),
    /answered 401/,
  );
});

test('charts of a registry', async () => {
  const bytes = await chart('0.4.0');
  const layer = {
    mediaType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
    digest: `sha256:${digestOf(bytes)}`,
    size: bytes.length,
  };
  const answers: Record<string, unknown> = {
    '/v2/team/web/tags/list': { tags: ['0.3.0', '0.4.0', 'latest'] },
    '/v2/team/web/manifests/0.4.0': { layers: [layer] },
    '/v2/team/web/manifests/0.3.0': {
      layers: [{ ...layer, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }],
    },
  };
  await using registry = await serve((request, response) => {
    const answer = answers[request.url ?? ''];
    if (answer !== undefined) response.end(JSON.stringify(answer));
    else if (request.url === `/v2/team/web/blobs/${layer.digest}`) response.end(bytes);
    else response.writeHead(404).end('{}');
  });
  await using charts = open();
  const place = { repository: `oci://${registry.host}/team`, name: 'web' };
  assert.equal(await charts.resolve({ ...place, version: '*' }), '0.4.0');
  assert.equal(await nameIn(await charts.fetch({ ...place, version: '0.4.0' })), 'web-0.4.0');
  await assert.rejects(charts.fetch({ ...place, version: '0.3.0' }), /web:0.3.0 is no chart/);
  await assert.rejects(charts.fetch({ ...place, version: '9.9.9' }), /answered 404/);
});
