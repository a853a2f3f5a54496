import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, constants } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as k8s from '@kubernetes/client-node';
import { TestServer } from '../../src/apiserver/index.ts';

/** A kubeconfig whose user logs in by a program, as cloud providers have it. */
async function kubeconfig(server: TestServer, dir: string): Promise<k8s.KubeConfig> {
  const credential = join(dir, 'credential.sh');
  const answer = JSON.stringify({
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    status: { token: server.api.pki.adminToken },
  });
  await writeFile(credential, `#!/bin/sh\necho '${answer}'\n`);
  await chmod(credential, 0o700);
  const config = new k8s.KubeConfig();
  config.loadFromString(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [
        {
          name: 'test',
          cluster: {
            server: server.api.url,
            'certificate-authority-data': Buffer.from(server.api.pki.caCertificate).toString('base64'),
          },
        },
      ],
      users: [
        {
          name: 'test',
          user: {
            exec: {
              apiVersion: 'client.authentication.k8s.io/v1',
              command: credential,
              interactiveMode: 'Never',
            },
          },
        },
      ],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    }),
  );
  return config;
}

test('@kubernetes/client-node: typed calls, an informer, patches and errors, with exec authentication', async () => {
  await using server = await TestServer.start();
  const dir = await mkdtemp(join(tmpdir(), 'dispatch-clients-'));
  try {
    const config = await kubeconfig(server, dir);
    const core = config.makeApiClient(k8s.CoreV1Api);
    const apps = config.makeApiClient(k8s.AppsV1Api);
    const seen: string[] = [];
    const three = Promise.withResolvers<void>();
    const informer = k8s.makeInformer(
      config,
      '/api/v1/namespaces/default/configmaps',
      () => core.listNamespacedConfigMap({ namespace: 'default', labelSelector: 'app=x' }),
      'app=x',
    );
    for (const event of ['add', 'update', 'delete'] as const) {
      informer.on(event, (object: k8s.V1ConfigMap) => {
        seen.push(`${event} ${object.metadata?.name}`);
        if (seen.length === 3) three.resolve();
      });
    }
    informer.on('error', three.reject);
    await informer.start();
    const created = await core.createNamespacedConfigMap({
      namespace: 'default',
      body: { metadata: { name: 'c', labels: { app: 'x' } }, data: { a: '1' } },
    });
    assert.ok(created.metadata?.creationTimestamp instanceof Date);
    await core.replaceNamespacedConfigMap({
      namespace: 'default',
      name: 'c',
      body: { ...created, data: { a: '2' } },
    });
    await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'c' });
    await three.promise;
    await informer.stop();
    assert.deepEqual(seen, ['add c', 'update c', 'delete c']);
    await apps.createNamespacedDeployment({
      namespace: 'default',
      body: {
        metadata: { name: 'd' },
        spec: {
          selector: { matchLabels: { a: 'b' } },
          template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
        },
      },
    });
    const scaled = await apps.patchNamespacedDeploymentScale(
      { namespace: 'default', name: 'd', body: [{ op: 'replace', path: '/spec/replicas', value: 4 }] },
      k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.JsonPatch),
    );
    assert.equal(scaled.spec?.replicas, 4);
    await assert.rejects(
      core.readNamespacedConfigMap({ namespace: 'default', name: 'none' }),
      (error) => error instanceof k8s.ApiException && error.code === 404,
    );
  } finally {
    await rm(dir, { recursive: true });
  }
});

test('HTTP/2: many requests share one connection, and a watch does not hold them up', async () => {
  await using server = await TestServer.start();
  const session = connect(server.api.url, { ca: server.api.pki.caCertificate, servername: 'localhost' });
  const headers = { authorization: `Bearer ${server.api.pki.adminToken}` };
  const call = (path: string) =>
    new Promise<[number, string]>((resolve, reject) => {
      const stream = session.request({ [constants.HTTP2_HEADER_PATH]: path, ...headers });
      let status = 0;
      let text = '';
      stream.on('response', (answer) => {
        status = Number(answer[':status']);
      });
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      stream.on('end', () => resolve([status, text]));
      stream.on('error', reject);
    });
  const watch = session.request({
    [constants.HTTP2_HEADER_PATH]: '/api/v1/configmaps?watch=true',
    ...headers,
  });
  await new Promise((resolve) => watch.once('data', resolve));
  const answers = await Promise.all(Array.from({ length: 200 }, () => call('/api/v1/namespaces')));
  assert.ok(answers.every(([status, text]) => status === 200 && JSON.parse(text).kind === 'NamespaceList'));
  assert.equal((await call('/api/v1/namespaces/none'))[0], 404);
  watch.close();
  session.close();
});

test(
  'a program with nothing but HTTP',
  {
    skip:
      spawnSync('curl', ['--version']).status === 0 || process.env['CI'] === 'true'
        ? false
        : 'curl is not installed',
  },
  async () => {
    await using server = await TestServer.start();
    const dir = await mkdtemp(join(tmpdir(), 'dispatch-curl-'));
    try {
      await writeFile(join(dir, 'ca.crt'), server.api.pki.caCertificate);
      const { spawn } = await import('node:child_process');
      const curl = (...args: string[]) =>
        new Promise<string>((resolve, reject) => {
          const child = spawn('curl', [
            '-sS',
            '--cacert',
            join(dir, 'ca.crt'),
            '-H',
            `Authorization: Bearer ${server.api.pki.adminToken}`,
            ...args,
          ]);
          let text = '';
          child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          child.once('close', (code) =>
            code === 0 ? resolve(text) : reject(new Error(`curl ended with ${code}`)),
          );
        });
      const yaml = 'metadata: {name: from-curl}\ndata: {a: "1"}\n';
      const created = JSON.parse(
        await curl(
          '-H',
          'Content-Type: application/yaml',
          '--data-binary',
          yaml,
          `${server.api.url}/api/v1/namespaces/default/configmaps`,
        ),
      );
      assert.equal(created.metadata.name, 'from-curl');
      const table = JSON.parse(
        await curl(
          '-H',
          'Accept: application/json;as=Table;g=meta.k8s.io;v=v1',
          `${server.api.url}/api/v1/namespaces/default/configmaps`,
        ),
      );
      assert.equal(table.kind, 'Table');
      assert.deepEqual(table.rows[0].cells.slice(0, 2), ['from-curl', 1]);
      assert.match(await curl(`${server.api.url}/livez?verbose`), /livez check passed/);
    } finally {
      await rm(dir, { recursive: true });
    }
  },
);
