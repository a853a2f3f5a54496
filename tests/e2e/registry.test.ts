import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { Dispatch } from './dispatch.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

const SKIP =
  SKIP_SANDBOX ||
  (process.env['CI'] === 'true' || spawnSync('skopeo', ['--version']).status === 0
    ? false
    : 'skopeo is not installed');

async function tokenOf(dispatch: Dispatch): Promise<string> {
  const document = parse(await readFile(join(dispatch.dataDir, 'kubeconfig'), 'utf8')) as {
    users: { user: { token: string } }[];
  };
  return document.users[0]!.user.token;
}

test(
  'skopeo pushes, lists, inspects, copies and deletes; the node runs what was pushed',
  { skip: SKIP },
  async () => {
    await using dispatch = await Dispatch.make();
    await dispatch.up();
    const { registry = '' } = await dispatch.file();
    const token = await tokenOf(dispatch);
    const skopeo = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await dispatch.pipe('', 'skopeo', ...args);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    // An image that anybody can make: one layer with a shell script that the built-in shell runs.
    const source = join(dispatch.home, 'image');
    await makeLayout(dispatch, source);
    const creds = `x:${token}`;
    const image = `docker://${registry}/default/demo:1`;
    await skopeo('copy', '--dest-tls-verify=false', '--dest-creds', creds, `oci:${source}:demo`, image);
    assert.match(
      await skopeo('inspect', '--tls-verify=false', '--creds', creds, image),
      /"Digest": "sha256:/,
    );
    assert.match(
      await skopeo('list-tags', '--tls-verify=false', '--creds', creds, `docker://${registry}/default/demo`),
      /"1"/,
    );
    await skopeo(
      'copy',
      '--src-tls-verify=false',
      '--src-creds',
      creds,
      image,
      `oci:${join(dispatch.home, 'back')}:demo`,
    );

    const anonymous = await dispatch.pipe('', 'skopeo', 'inspect', '--tls-verify=false', '--no-creds', image);
    assert.notEqual(anonymous.code, 0);
    assert.match(anonymous.stderr, /unauthorized/);

    await dispatch.ok('run', 'demo', `--image=${registry}/default/demo:1`, '--restart=Never');
    await eventually(async () => assert.equal(await dispatch.ok('logs', 'demo'), 'made by hand\n'));

    await skopeo('delete', '--tls-verify=false', '--creds', creds, image);
    const gone = await dispatch.pipe('', 'skopeo', 'inspect', '--tls-verify=false', '--creds', creds, image);
    assert.notEqual(gone.code, 0);
  },
);

test('a token opens only what its roles allow', { skip: SKIP_SANDBOX }, async () => {
  await using dispatch = await Dispatch.make();
  await dispatch.up();
  const { registry = '' } = await dispatch.file();
  const token = (await dispatch.ok('create', 'token', 'default')).trim();
  const ask = (path: string, header?: string, method = 'GET'): Promise<Response> =>
    fetch(`http://${registry}${path}`, {
      method,
      headers: header === undefined ? {} : { authorization: header },
    });
  assert.equal((await ask('/v2/')).status, 401);
  assert.equal((await ask('/v2/', `Bearer ${token}`)).status, 200);
  assert.equal((await ask('/v2/default/app/tags/list', `Bearer ${token}`)).status, 403);
  assert.equal((await ask('/v2/default/app/blobs/uploads/', `Bearer ${token}`, 'POST')).status, 403);
  await dispatch.apply(ROLE);
  await eventually(async () => {
    assert.equal((await ask('/v2/default/app/blobs/uploads/', `Bearer ${token}`, 'POST')).status, 202);
  }, 15_000);
  assert.equal((await ask('/v2/kube-system/app/blobs/uploads/', `Bearer ${token}`, 'POST')).status, 403);
});

const ROLE = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: push}
rules: [{apiGroups: [run.dispatch.dev], resources: [images], verbs: [get, update]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: push}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: push}
subjects: [{kind: ServiceAccount, name: default, namespace: default}]
`;

/** An OCI layout with one image: this machine's shell with a greeting. */
async function makeLayout(dispatch: Dispatch, dir: string): Promise<void> {
  const script = `
    set -e
    mkdir -p "$1/root/bin" "$1/blobs/sha256"
    cp "$(command -v sh)" "$1/root/bin/sh"
    for lib in $(ldd "$(command -v sh)" | grep -o '/[^ ]*'); do mkdir -p "$1/root$(dirname "$lib")"; cp -L "$lib" "$1/root$lib"; done
    tar -C "$1/root" -cf "$1/layer.tar" .
    rm -r "$1/root"`;
  const made = await dispatch.pipe('', 'sh', '-c', script, 'sh', dir);
  assert.equal(made.code, 0, made.stderr);
  const put = async (bytes: Buffer): Promise<{ digest: string; size: number }> => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    const copied = await dispatch.pipe(
      bytes.toString('base64'),
      'sh',
      '-c',
      `base64 -d > ${dir}/blobs/sha256/${hex}`,
    );
    assert.equal(copied.code, 0);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  const json = (document: object): Buffer => Buffer.from(JSON.stringify(document));
  const layer = await put(await readFile(join(dir, 'layer.tar')));
  const config = await put(
    json({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Cmd: ['sh', '-c', 'echo made by hand'] },
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    }),
  );
  const manifest = await put(
    json({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
    }),
  );
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        ...manifest,
        annotations: { 'org.opencontainers.image.ref.name': 'demo' },
      },
    ],
  };
  for (const [name, document] of [
    ['index.json', index],
    ['oci-layout', { imageLayoutVersion: '1.0.0' }],
  ] as const) {
    const written = await dispatch.pipe(JSON.stringify(document), 'sh', '-c', `cat > ${dir}/${name}`);
    assert.equal(written.code, 0);
  }
}
