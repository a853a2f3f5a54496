import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { application, GitopsRepo, untilApplication } from './gitops-repo.ts';
import { eventually } from './pods.ts';
import { ScmDouble } from './scm-double.ts';

const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;
const configMap = (name: string, value: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {value: "${value}"}\n`;

test(
  'a repository that finds no room on the disk leaves everything as it is, until there is some',
  { skip: canMount ? false : 'mounting a small file system needs root' },
  async () => {
    await using dispatch = await Dispatch.make();
    await using double = await ScmDouble.start('github');
    const places = ['mirrors', 'checkouts'].map((dir) => join(dispatch.dataDir, dir));
    const sized = (place: string, size: string, ...more: string[]): Buffer =>
      execFileSync('mount', ['-t', 'tmpfs', '-o', [...more, `size=${size}`].join(), 'tmpfs', place]);
    for (const place of places) mkdirSync(place, { recursive: true, mode: 0o700 });
    for (const place of places) sized(place, '1m');
    try {
      await dispatch.up();
      const login = ['--username', 'ada', '--token', double.token];
      await dispatch.run('gitops', 'creds', 'add', `${double.url}/team`, ...login);
      double.commit({ 'a.yaml': configMap('a', '1') });
      await dispatch.run('gitops', 'app', 'create', 'full', `--repository=${double.cloneUrl}`);
      const valueIn = async (): Promise<string> =>
        (await dispatch.kubectl('get', 'cm', 'a', '-o', 'jsonpath={.data.value}')).stdout;
      await eventually(async () => assert.equal(await valueIn(), '1'));
      double.commit({ 'a.yaml': configMap('a', '2'), large: randomBytes(3_000_000).toString('base64') });
      // First it cannot be fetched, then it cannot be laid out.
      for (const [at, problem] of [/No space left/, /unable to write.*the disk is full/].entries()) {
        await dispatch.run('gitops', 'app', 'refresh', 'full');
        const app = await untilApplication(dispatch, 'full', ({ status }) =>
          assert.match(JSON.stringify(status?.conditions), problem),
        );
        assert.deepEqual(
          [app.status?.sync?.status, app.status?.conditions?.[0]?.type, await valueIn()],
          ['Unknown', 'ComparisonError', '1'],
        );
        sized(places[at]!, '64m', 'remount');
      }
      await dispatch.run('gitops', 'app', 'refresh', 'full');
      await eventually(async () => assert.equal(await valueIn(), '2'));
      await untilApplication(dispatch, 'full', ({ status }) =>
        assert.deepEqual([status?.sync?.status, status?.conditions ?? []], ['Synced', []]),
      );
      await dispatch.kill('SIGTERM');
    } finally {
      for (const place of places) execFileSync('umount', ['-l', place]);
    }
  },
);

const MANY = 12;
const DELAY_MS = 70;

test('a cluster behind a slow link is kept like any other, and what drifts there is put back', async () => {
  await using here = await Dispatch.make();
  await using there = await Dispatch.make();
  await Promise.all([here.up(), there.up()]);
  await using link = await slowLink(new URL((await there.file()).api).port);
  const kubeconfig = join(here.home, 'far');
  const direct = readFileSync(join(there.dataDir, 'kubeconfig'), 'utf8');
  writeFileSync(kubeconfig, direct.replace(/(server: https:\/\/127\.0\.0\.1:)\d+/, `$1${link.port}`));
  const context = await there.ok('config', 'current-context');
  const added = await here.run(
    ...['gitops', 'cluster', 'add', context.trim(), '--cluster-kubeconfig', kubeconfig, '--name', 'far'],
  );
  assert.equal(added.code, 0, added.stderr);
  const repo = await GitopsRepo.create(here, 'deploy');
  const many = (value: string): string =>
    Array.from({ length: MANY }, (_, at) => configMap(`c${at}`, value)).join('---\n');
  repo.push({ 'a.yaml': many('1') });
  await repo.application(
    'far',
    `  source: {repoURL: "${repo.url}", path: .}\n  destination: {name: far, namespace: default}\n  syncPolicy: {automated: {prune: true, selfHeal: true}}`,
  );
  const synced = async (value: string): Promise<void> => {
    await untilApplication(here, 'far', ({ status }) =>
      assert.equal(status?.sync?.status, 'Synced', JSON.stringify(status?.conditions)),
    );
    const path = 'jsonpath={.items[*].data.value}';
    await eventually(async () => {
      const { stdout } = await there.kubectl('get', 'cm', '-l', '!none', '-o', path);
      assert.equal(stdout, Array.from({ length: MANY }, () => value).join(' '));
    });
  };
  await synced('1');
  await there.ok('patch', 'cm', 'c7', '--type=merge', '-p', '{"data":{"value":"drift"}}');
  await synced('1');
  // What is on the way when the link breaks is done again.
  repo.push({ 'a.yaml': many('2') });
  await eventually(async () => {
    const { stdout } = await there.kubectl('get', 'cm', '-o', 'jsonpath={.items[*].data.value}');
    assert.match(stdout, /2/);
  });
  link.cut();
  await synced('2');
  assert.equal((await application(here, 'far')).status?.operationState?.phase, 'Succeeded');
});

/** A way to a port of this machine on which everything is late. */
async function slowLink(port: string): Promise<AsyncDisposable & { port: number; cut: () => void }> {
  const open = new Set<Socket>();
  const late = (from: Socket, to: Socket): void => {
    from.on('data', (chunk: Buffer) => setTimeout(() => to.write(chunk), DELAY_MS));
    from.on('end', () => setTimeout(() => to.end(), DELAY_MS));
    from.on('error', () => to.destroy()).on('close', () => open.delete(from));
  };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const there = connect({ host: '127.0.0.1', port: Number(port), allowHalfOpen: true });
    for (const end of [socket, there]) open.add(end);
    late(socket, there);
    late(there, socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: (server.address() as { port: number }).port,
    cut,
    [Symbol.asyncDispose]: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
