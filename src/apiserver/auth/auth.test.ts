import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { ApiError, type KubeObject, type ResourceRef } from '../../kube/index.ts';
import { signCertificate } from '../pki/index.ts';
import { TestServer } from '../test-server.ts';
import { ISSUER } from './tokens.ts';

const core = (plural: string): ResourceRef => ({ group: '', version: 'v1', plural, namespaced: true });
const rbac = (plural: string): ResourceRef => ({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  plural,
  namespaced: plural.startsWith('role'),
});

interface Credentials {
  token?: string;
  cert?: string;
  key?: string;
}

function call(
  server: TestServer,
  path: string,
  credentials: Credentials,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const { token, ...tls } = credentials;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${server.api.url}${path}`,
      {
        ca: server.api.pki.caCertificate,
        servername: 'localhost',
        agent: false,
        ...tls,
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

async function tokenOf(server: TestServer, account: string, spec: object = {}): Promise<string> {
  const review = await server.client.raw<{ status: { token: string } }>({
    method: 'POST',
    path: `/api/v1/namespaces/default/serviceaccounts/${account}/token`,
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
  });
  return review.status.token;
}

async function reader(server: TestServer): Promise<void> {
  await server.client.create(core('serviceaccounts'), {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'reader', namespace: 'default' },
  });
  await server.client.create(rbac('roles'), {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'read', namespace: 'default' },
    rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'watch'] }],
  });
  await server.client.create(rbac('rolebindings'), {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'read', namespace: 'default' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'read' },
    subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace: 'default' }],
  });
}

const MAPS = '/api/v1/namespaces/default/configmaps';

test('a client certificate of our CA names user and groups; one of another CA names nobody', async () => {
  await using server = await TestServer.start();
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keys = {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
  const wanted = {
    subject: 'CN=jane,O=system:masters',
    names: [],
    usage: 'clientAuth' as const,
    notAfter: new Date(Date.now() + 60_000),
    now: Date.now(),
  };
  const authority = {
    certificate: server.api.pki.caCertificate,
    key: await readFile(join(server.dataDir, 'pki', 'ca.key'), 'utf8'),
  };
  const cert = await signCertificate(authority, wanted, keys);
  assert.equal((await call(server, MAPS, { cert, key: keys.privateKey })).status, 200);
  await using other = await TestServer.start();
  assert.equal((await call(other, MAPS, { cert, key: keys.privateKey })).status, 403);
});

test('tokens: other audiences, other keys, other algorithms and expired ones are refused', async () => {
  let now = Date.now();
  await using server = await TestServer.start({ now: () => now });
  await reader(server);
  const good = await tokenOf(server, 'reader');
  assert.equal((await call(server, MAPS, { token: good })).status, 200);
  assert.equal(
    (await call(server, MAPS, { token: await tokenOf(server, 'reader', { audiences: ['vault'] }) })).status,
    401,
  );
  const claims = JSON.parse(Buffer.from(good.split('.')[1]!, 'base64url').toString()) as Record<
    string,
    unknown
  >;
  const forged = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  assert.equal(
    (
      await call(server, MAPS, {
        token: await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(forged),
      })
    ).status,
    401,
  );
  const confused = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .sign(Buffer.from(server.api.pki.caCertificate));
  assert.equal((await call(server, MAPS, { token: confused })).status, 401);
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`;
  assert.equal((await call(server, MAPS, { token: unsigned })).status, 401);
  assert.equal(claims['iss'], ISSUER);
  now += 2 * 3600 * 1000;
  assert.equal((await call(server, MAPS, { token: good })).status, 401);
});

test(
  'a token that is bound to a pod dies with it, and a watch that it opened ends',
  { timeout: 30_000 },
  async () => {
    await using server = await TestServer.start();
    await reader(server);
    await server.client.create(core('pods'), {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'default' },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    const token = await tokenOf(server, 'reader', {
      boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p' },
    });
    const ended = new Promise<void>((resolve, reject) => {
      const watch = request(
        `${server.api.url}${MAPS}?watch=true`,
        {
          ca: server.api.pki.caCertificate,
          servername: 'localhost',
          agent: false,
          headers: { authorization: `Bearer ${token}` },
        },
        (answer) => {
          assert.equal(answer.statusCode, 200);
          answer.once('data', () => void server.client.delete(core('pods'), 'default', 'p').catch(reject));
          answer.resume();
          answer.once('close', () => resolve());
        },
      );
      watch.once('error', () => resolve());
      watch.end();
    });
    await ended;
    assert.equal((await call(server, MAPS, { token })).status, 401);
  },
);

test('rights end where their role says: names, subresources, other namespaces, after unbinding', async () => {
  await using server = await TestServer.start();
  await reader(server);
  const client = server.clientFor({
    name: 'system:serviceaccount:default:reader',
    groups: ['system:serviceaccounts', 'system:authenticated'],
  });
  const forbidden = (error: unknown): boolean => error instanceof ApiError && error.code === 403;
  assert.ok((await client.list(core('configmaps'), { namespace: 'default' })).items.length > 0);
  await assert.rejects(client.list(core('configmaps'), { namespace: 'kube-system' }), forbidden);
  await assert.rejects(client.list(core('configmaps')), forbidden);
  await assert.rejects(client.list(core('secrets'), { namespace: 'default' }), forbidden);
  await assert.rejects(client.delete(core('configmaps'), 'default', 'kube-root-ca.crt'), forbidden);
  await assert.rejects(client.raw({ method: 'GET', path: '/backup' }), forbidden);
  await assert.rejects(
    client.raw({
      method: 'GET',
      path: MAPS,
      headers: { 'impersonate-user': 'admin', 'impersonate-group': 'system:masters' },
    }),
    forbidden,
  );
  await server.client.delete(rbac('rolebindings'), 'default', 'read');
  await assert.rejects(client.list(core('configmaps'), { namespace: 'default' }), forbidden);
});

test('nobody gives away more than they have, unless they may escalate or bind', async () => {
  await using server = await TestServer.start();
  const role = (rules: object[], name = 'r'): KubeObject => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name },
    rules,
  });
  const manage = [
    {
      apiGroups: ['rbac.authorization.k8s.io'],
      resources: ['clusterroles', 'clusterrolebindings'],
      verbs: ['*'],
    },
  ];
  const bind = (name: string, user: string, to: string): KubeObject => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: to },
    subjects: [{ kind: 'User', name: user }],
  });
  await server.client.create(
    rbac('clusterroles'),
    role([{ ...manage[0], verbs: ['create', 'update', 'get'] }], 'manage'),
  );
  await server.client.create(rbac('clusterrolebindings'), bind('m', 'mallory', 'manage'));
  const mallory = server.clientFor({ name: 'mallory', groups: ['system:authenticated'] });
  await assert.rejects(
    mallory.create(rbac('clusterroles'), role([{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }])),
    /attempting to grant RBAC permissions not currently held/,
  );
  await assert.rejects(
    mallory.create(rbac('clusterrolebindings'), bind('x', 'mallory', 'cluster-admin')),
    /not currently held/,
  );
  await mallory.create(
    rbac('clusterroles'),
    role([{ apiGroups: ['rbac.authorization.k8s.io'], resources: ['clusterroles'], verbs: ['get'] }]),
  );
  await server.client.create(
    rbac('clusterroles'),
    role(
      [
        {
          apiGroups: ['rbac.authorization.k8s.io'],
          resources: ['clusterroles'],
          resourceNames: ['view'],
          verbs: ['bind'],
        },
      ],
      'binder',
    ),
  );
  await server.client.create(rbac('clusterrolebindings'), bind('b', 'mallory', 'binder'));
  await mallory.create(rbac('clusterrolebindings'), bind('views', 'friend', 'view'));
});

test('aggregated roles hold the rules of the roles that they select', async () => {
  await using server = await TestServer.start();
  await server.client.create(rbac('clusterroles'), {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'widgets', labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } },
    rules: [{ apiGroups: ['example.dev'], resources: ['widgets'], verbs: ['get'] }],
  });
  for await (const event of server.client.watch(rbac('clusterroles'), {
    fieldSelector: 'metadata.name=admin',
  })) {
    if (JSON.stringify(event.object['rules']).includes('example.dev')) break;
  }
});
