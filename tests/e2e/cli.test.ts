import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Dispatch, FREE_PORTS } from './dispatch.ts';

const CONFIG_MAPS = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };

test('up, status, a second up, down', async () => {
  await using dispatch = await Dispatch.make();
  const before = await dispatch.run('status');
  assert.equal(before.code, 1);
  assert.match(before.stdout, /Not running.*dispatch up/);
  await dispatch.up();
  const status = JSON.parse((await dispatch.run('status', '-o', 'json')).stdout) as Record<string, unknown>;
  assert.equal(status['ready'], true);
  assert.equal(status['pid'], await dispatch.pid());
  assert.match(String(status['api']), /^https:\/\/127\.0\.0\.1:\d+$/);
  const second = await dispatch.run('up', '--api-port', '0');
  assert.equal(second.code, 1);
  assert.match(
    second.stderr,
    new RegExp(
      `^Error: A server with PID ${await dispatch.pid()} already uses .*: stop it with "dispatch down"`,
    ),
  );
  assert.equal(second.stderr.trim().split('\n').length, 1);
  assert.equal((await dispatch.run('down')).stdout, 'Stopped.\n');
  assert.equal((await dispatch.run('status')).code, 1);
});

test('a server that is stopped in its first moments stops', async () => {
  await using dispatch = await Dispatch.make();
  for (let life = 0; life < 4; life++) {
    await dispatch.up();
    await dispatch.kill('SIGTERM');
    assert.match((await dispatch.run('status')).stdout, /Not running/);
  }
});

test('credentials are readable by their owner only', async () => {
  await using dispatch = await Dispatch.make();
  await dispatch.up();
  for (const file of [
    'kubeconfig',
    'server.json',
    'pki/ca.key',
    'pki/admin.token',
    'pki/encryption.keys',
    'store/00000001.log',
  ]) {
    const { mode } = await stat(join(dispatch.dataDir, file));
    assert.equal(mode & 0o077, 0, `${file} has mode ${mode.toString(8)}`);
  }
});

test('a backup of a running server brings everything back elsewhere, secrets and identities too', async () => {
  await using dispatch = await Dispatch.make();
  await using other = await Dispatch.make();
  await dispatch.up();
  const client = dispatch.client();
  await client.create(
    { ...CONFIG_MAPS, plural: 'secrets' },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's', namespace: 'default' },
      stringData: { a: 'hunter2' },
    },
  );
  await client.close();
  const file = join(dispatch.home, 'all.backup');
  assert.equal((await dispatch.run('backup', file)).code, 0);
  assert.equal((await stat(file)).mode & 0o077, 0);
  const restored = await other.run('restore', file);
  assert.match(restored.stdout, /^Restored .* to revision \d+/);
  await other.up();
  const there = other.client();
  const secret = await there.get<{ apiVersion: string; kind: string; metadata: object; data: { a: string } }>(
    { ...CONFIG_MAPS, plural: 'secrets' },
    'default',
    's',
  );
  assert.equal(Buffer.from(secret.data.a, 'base64').toString(), 'hunter2');
  assert.equal(
    await readFile(join(other.dataDir, 'pki/ca.crt'), 'utf8'),
    await readFile(join(dispatch.dataDir, 'pki/ca.crt'), 'utf8'),
  );
  await there.close();
  assert.match((await other.run('restore', file)).stderr, /^Error: A server with PID/);
  const broken = join(dispatch.home, 'broken.backup');
  const bytes = await readFile(file);
  bytes[bytes.length - 20]! ^= 1;
  await writeFile(broken, bytes);
  await other.run('down');
  assert.match(
    (await other.run('restore', broken, '--force')).stderr,
    /^Error: .* is not a backup that can be restored: its contents do not match its checksum\.\n$/,
  );
});

test('mistakes get one sentence and the right exit code', async () => {
  await using dispatch = await Dispatch.make();
  const unknown = await dispatch.run('statsu');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /Did you mean status/);
  assert.equal((await dispatch.run('up', '--api-port', 'x')).code, 1);
  assert.match(
    (await dispatch.run('up', '--runtime', 'docker')).stderr,
    /^Error: There is no runtime docker: .*dispatch doctor/,
  );
  assert.match(
    (await dispatch.run('down')).stderr,
    /^Error: No server runs on .*: start one with "dispatch up"\.\n$/,
  );
  assert.match((await dispatch.run('backup', '/tmp/x')).stderr, /^Error: The kubeconfig .* cannot be read/);
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  const refused = await dispatch.run('up', '--api-port', String(port));
  taken.close();
  assert.match(refused.stderr, new RegExp(`^Error: Port ${port} is already in use`));
  const version = await dispatch.run('version');
  assert.match(version.stdout, /^\{"Version":"v\d+\.\d+\.\d+"\}\n$/);
  assert.match((await dispatch.run('completion', 'bash')).stdout, /complete -F _dispatch dispatch/);
  const doctor = JSON.parse((await dispatch.run('doctor', '-o', 'json')).stdout) as { check: string }[];
  assert.ok(doctor.some((finding) => finding.check === 'data directory'));
});

test('detached, the server outlives the command', async () => {
  await using dispatch = await Dispatch.make();
  const up = await dispatch.run('up', '--detach', ...FREE_PORTS);
  assert.equal(up.code, 0, up.stderr);
  assert.equal((await dispatch.run('status')).code, 0);
  assert.equal((await dispatch.run('down')).code, 0);
});

test('a new encryption key replaces the old one without losing a secret', async () => {
  await using dispatch = await Dispatch.make();
  const secrets = { ...CONFIG_MAPS, plural: 'secrets' };
  await dispatch.up();
  const client = dispatch.client();
  await client.create(secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', namespace: 'default' },
    stringData: { a: 'b' },
  });
  await client.close();
  assert.match((await dispatch.run('rotate-key')).stderr, /already uses/);
  await dispatch.run('down');
  const keysBefore = await readFile(join(dispatch.dataDir, 'pki/encryption.keys'), 'utf8');
  assert.match((await dispatch.run('rotate-key')).stdout, /sealed with key 2/);
  const keysAfter = await readFile(join(dispatch.dataDir, 'pki/encryption.keys'), 'utf8');
  assert.ok(!keysAfter.includes(keysBefore.trim()));
  await dispatch.up();
  const again = dispatch.client();
  assert.equal((await again.list(secrets, { namespace: 'default' })).items.length, 1);
  await again.close();
});
