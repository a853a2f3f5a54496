import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { SKIP_KUBECTL } from './kubectl.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

const SSHD = '/usr/sbin/sshd';
const SKIP =
  SKIP_KUBECTL ||
  SKIP_SANDBOX ||
  (process.env['CI'] === 'true' || spawnSync(SSHD, ['-V']).error === undefined
    ? false
    : 'sshd is not installed (package openssh-server)');

function git(dir: string, ...args: string[]): string {
  return execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...args], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
  }).toString();
}

/** OpenSSH's server with a key of its own, and one user: whoever runs the tests. */
async function startSshd(dir: string): Promise<{ port: number } & AsyncDisposable> {
  mkdirSync(dir, { recursive: true });
  for (const name of ['host', 'client', 'other'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(dir, name)]);
  writeFileSync(join(dir, 'authorized'), readFileSync(join(dir, 'client.pub')));
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const config = {
    Port: port,
    ListenAddress: '127.0.0.1',
    HostKey: join(dir, 'host'),
    AuthorizedKeysFile: join(dir, 'authorized'),
    PidFile: join(dir, 'pid'),
    StrictModes: 'no',
    UsePAM: 'no',
    PasswordAuthentication: 'no',
    PermitRootLogin: 'yes',
  };
  const lines = Object.entries(config).map(([key, value]) => `${key} ${value}\n`);
  writeFileSync(join(dir, 'config'), lines.join(''));
  const child = spawn(SSHD, ['-D', '-e', '-f', join(dir, 'config')], { stdio: 'ignore' });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  await eventually(
    () =>
      new Promise<void>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.destroy();
          resolve();
        });
        socket.once('error', reject);
      }),
  );
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await gone;
    },
  };
}

test(
  'repositories behind SSH: only with their key, only from a server that is known',
  { skip: SKIP },
  async () => {
    await using dispatch = await Dispatch.make();
    const keys = join(dispatch.home, 'sshd');
    await using sshd = await startSshd(keys);
    const work = join(dispatch.home, 'work');
    mkdirSync(work);
    git(work, 'init', '--quiet', '--initial-branch=main');
    const manifest = (value: string): string =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-ssh}\ndata: {value: ${value}}\n`;
    writeFileSync(join(work, 'map.yaml'), manifest('one'));
    git(work, 'add', '--all');
    git(work, 'commit', '--quiet', '--message', 'first');
    const bare = join(dispatch.home, 'repo.git');
    git(work, 'clone', '--quiet', '--bare', '.', bare);
    const server = `ssh://${userInfo().username}@127.0.0.1:${sshd.port}`;
    const url = `${server}${bare}`;
    await dispatch.up('--no-demo');
    const run = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await dispatch.run(...args);
      assert.equal(code, 0, stderr);
      return stdout;
    };

    await run('gitops', 'creds', 'add', server, '--ssh-private-key-path', join(keys, 'other'));
    await run('serviceaccount', 'create', 'deployer');
    await run('gitops', 'app', 'create', 'over-ssh', '--repository', url, '--service-account', 'deployer');
    const condition = (): Promise<string> =>
      dispatch.ok(
        'get',
        'applications.argoproj.io',
        'over-ssh',
        '-o',
        'jsonpath={.status.conditions[*].message}',
      );
    await eventually(async () =>
      assert.match(
        await condition(),
        new RegExp(
          `the server \\[127\\.0\\.0\\.1\\]:${sshd.port} is not known.*ssh-keyscan -p ${sshd.port} 127\\.0\\.0\\.1 \\| dispatch gitops cert add-ssh`,
        ),
      ),
    );

    const scanned = execFileSync('ssh-keyscan', ['-p', String(sshd.port), '127.0.0.1'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    writeFileSync(join(dispatch.home, 'scanned'), scanned);
    assert.match(
      await run('gitops', 'cert', 'add-ssh', '--from', join(dispatch.home, 'scanned')),
      new RegExp(`\\[127\\.0\\.0\\.1\\]:${sshd.port} known by SSH keys`),
    );
    assert.match(await run('gitops', 'cert', 'list'), /ssh-ed25519/);
    await run('gitops', 'app', 'refresh', 'over-ssh');
    // Known now, but the key is somebody else's.
    await eventually(async () => assert.match(await condition(), /Permission denied/));

    await run('gitops', 'creds', 'add', server, '--ssh-private-key-path', join(keys, 'client'));
    await run('gitops', 'app', 'refresh', 'over-ssh');
    const value = (): Promise<string> =>
      dispatch.ok('get', 'configmap', 'from-ssh', '-o', 'jsonpath={.data.value}');
    await eventually(async () => assert.equal(await value(), 'one'));
    writeFileSync(join(work, 'map.yaml'), manifest('two'));
    git(work, 'commit', '--quiet', '--all', '--message', 'second');
    git(work, 'push', '--quiet', bare, 'main');
    await run('gitops', 'app', 'refresh', 'over-ssh');
    await eventually(async () => assert.equal(await value(), 'two'));
    // Keys are on the disk only while they are used.
    assert.deepEqual(readdirSync(join(dispatch.dataDir, 'mirrors', 'ssh')), []);

    // Steps have the key of their account, for its own server.
    await run(
      ...['login', 'git', '--service-account', 'deployer', '--skip-verify'],
      ...['--private-key-path', join(keys, 'client'), '--url', `${userInfo().username}@127.0.0.1`],
    );
    await dispatch.apply(`
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: clone}
spec:
  serviceAccountName: deployer
  podTemplate: {hostNetwork: true}
  taskSpec:
    steps: [{name: clone, image: dispatch.local/git, script: 'git clone --quiet ${url} /tmp/r && cat /tmp/r/map.yaml'}]
`);
    await eventually(async () =>
      assert.match(await dispatch.ok('logs', 'clone-pod', '-c', 'step-clone'), /value: two/),
    );
    assert.match(await run('gitops', 'cert', 'rm', `[127.0.0.1]:${sshd.port}`), /is forgotten/);
    assert.doesNotMatch(await run('gitops', 'cert', 'list'), /ssh-/);
  },
);
