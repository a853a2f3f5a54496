import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { application, GitopsRepo, untilApplication } from './gitops-repo.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';
import { type Double, ScmDouble } from './scm-double.ts';

async function get(dispatch: Dispatch, path: string): Promise<string> {
  const response = await fetch(`${(await dispatch.file()).http}${path}`);
  return response.ok ? response.text() : `${response.status}`;
}

test(
  'the sample project: a push is built and proposed; merged, it is live; another message follows the same way',
  { skip: SKIP_SANDBOX },
  async () => {
    await using dispatch = await Dispatch.make();
    await dispatch.up('--demo');
    const changes = (): Promise<string> =>
      dispatch.run('change', 'list', '-o', 'name').then(({ stdout }) => stdout);
    await eventually(async () => assert.equal(await changes(), 'hello-world-gitops-1\n'), 120_000);
    assert.equal(await get(dispatch, '/hello-world'), '404');
    assert.match(
      (await dispatch.run('change', 'diff', 'hello-world-gitops-1')).stdout,
      /^\+ +image: registry.dispatch.local\/default\/hello-world@sha256:[0-9a-f]{64}$/m,
    );
    assert.equal((await dispatch.run('change', 'merge', 'hello-world-gitops-1')).code, 0);
    assert.equal((await dispatch.run('gitops', 'app', 'wait', 'hello-world', '--timeout', '60')).code, 0);
    await eventually(async () => assert.equal(await get(dispatch, '/hello-world'), 'Hello, world!\n'));
    const shown = (await dispatch.run('gitops', 'app', 'get', 'hello-world')).stdout;
    assert.match(shown, /Deployment +default +hello-world +Synced +Healthy[\s\S]*└ ReplicaSet[\s\S]*└ Pod/);

    // The way back: from what runs to the commit that it was made of.
    const traced = (await dispatch.run('trace', 'hello-world')).stdout;
    assert.match(
      traced,
      /^commit [0-9a-f]{40}\n└ run hello-world-1\S* {2}Succeeded[\s\S]*task build {2}Succeeded {2}→ sha256:[0-9a-f]{64}\n[\s\S]*└ change request hello-world-gitops-1 {2}Merged by \S+[\s\S]*GitOps commit [0-9a-f]{40}\n└ application hello-world on https:\/\/kubernetes.default.svc {2}Synced, Healthy, deployed \S+ ago by itself\n {2}└ pod default\/hello-world-\S+ {2}Healthy/,
    );
    assert.equal(
      (await dispatch.run('trace', traced.slice(7, 19))).stdout.split('\n')[0],
      traced.split('\n')[0],
    );
    assert.match((await dispatch.run('trace', 'nothing')).stderr, /Nothing is known of nothing/);
    assert.equal(
      (await dispatch.run('why', 'app/hello-world')).stdout,
      'Application/hello-world: it waits for nothing\n',
    );
    await dispatch.ok('run', 'stuck', '--image=registry.dispatch.local/default/nope:1');
    await eventually(async () =>
      assert.match(
        (await dispatch.run('why', 'pod/stuck')).stdout,
        /stuck waits: (ErrImagePull|ImagePullBackOff)/,
      ),
    );

    const dir = join(dispatch.home, 'hello');
    assert.equal((await dispatch.run('git', 'clone', 'hello-world', dir)).code, 0);
    const file = join(dir, 'greeting.js');
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('Hello', 'Good day'));
    const test = join(dir, 'greeting.test.js');
    writeFileSync(test, readFileSync(test, 'utf8').replaceAll('Hello', 'Good day'));
    const token = /token: (\S+)/.exec(readFileSync(join(dispatch.dataDir, 'kubeconfig'), 'utf8'))![1]!;
    execFileSync(
      'git',
      [
        '-c',
        'user.name=Ada',
        '-c',
        'user.email=a@example.com',
        'commit',
        '--quiet',
        '--all',
        '--message',
        'Greet politely',
      ],
      { cwd: dir },
    );
    execFileSync(
      'git',
      ['-c', `http.extraHeader=Authorization: Bearer ${token}`, 'push', '--quiet', 'origin', 'HEAD:main'],
      { cwd: dir, stdio: 'pipe' },
    );
    await eventually(async () => assert.equal(await changes(), 'hello-world-gitops-2\n'), 120_000);
    const merged = await dispatch.run('change', 'merge', 'hello-world-gitops-2', '--strategy', 'squash');
    assert.equal(merged.code, 0, merged.stderr);
    await eventually(
      async () => assert.equal(await get(dispatch, '/hello-world'), 'Good day, world!\n'),
      60_000,
    );
  },
);

test(
  'what a pipeline may do to a repository: propose, and nothing else',
  { skip: SKIP_SANDBOX },
  async () => {
    await using dispatch = await Dispatch.make();
    await dispatch.up();
    const repo = await GitopsRepo.create(dispatch, 'deploy');
    repo.push({ 'a.yaml.tmpl': 'image: $({ .image })\n' });
    const token = (await dispatch.ok('create', 'token', 'default')).trim();
    const as = (...args: string[]): string => {
      try {
        execFileSync('git', ['-c', `http.extraHeader=Authorization: Bearer ${token}`, ...args], {
          cwd: repo.dir,
          stdio: 'pipe',
        });
        return 'done';
      } catch (error) {
        return String((error as { stderr: Buffer }).stderr);
      }
    };
    repo.git('config', '--unset', 'http.extraHeader');
    assert.match(
      as('push', 'origin', 'HEAD:refs/heads/main2'),
      /may only push branches that begin with dispatch\//,
    );
    assert.match(as('push', 'origin', 'HEAD:refs/tags/dispatch'), /may only push branches/);
    assert.match(as('push', 'origin', ':refs/heads/main'), /may only push branches/);
    repo.git('commit', '--quiet', '--allow-empty', '--message', 'more');
    assert.equal(as('push', 'origin', 'HEAD:refs/heads/dispatch/x'), 'done');
    const ask = (path: string, body: object, header = `Bearer ${token}`): Promise<Response> =>
      fetch(`${repo.url}/changes${path}`, {
        method: 'POST',
        headers: { authorization: header },
        body: JSON.stringify(body),
      });
    const made = await ask('', { source: 'dispatch/x', target: 'main', title: 't', body: '' });
    assert.equal(made.status, 200);
    assert.equal((await ask('/1/merge', {})).status, 404);
    assert.equal((await ask('', { source: 'nope', target: 'main' })).status, 422);
    assert.equal((await ask('', {}, 'Bearer nonsense')).status, 401);
    const huge = await ask('', { body: 'x'.repeat(300_000) });
    assert.equal(huge.status, 413);

    // Protected branches move by change requests alone.
    assert.equal((await dispatch.run('git', 'protect', 'deploy', 'main')).code, 0);
    const admin = /token: (\S+)/.exec(readFileSync(join(dispatch.dataDir, 'kubeconfig'), 'utf8'))![1]!;
    repo.git('config', 'http.extraHeader', `Authorization: Bearer ${admin}`);
    assert.throws(() => repo.git('push', 'origin', 'HEAD:main'), /main is protected: open a change request/);
    assert.equal((await dispatch.run('change', 'reject', 'deploy-1')).code, 0);
    const refused = await dispatch.run('change', 'merge', 'deploy-1');
    assert.match(refused.stderr, /The change request deploy-1 is not merged: .* is against it\./);
    assert.equal((await dispatch.run('change', 'approve', 'deploy-1')).code, 0);
    // Whoever says something at the same moment is heard as well.
    const words = ['fine', 'well done', 'at last'];
    const said = await Promise.all(words.map((text) => dispatch.run('change', 'comment', 'deploy-1', text)));
    assert.deepEqual(
      said.map(({ code }) => code),
      [0, 0, 0],
    );
    assert.equal((await dispatch.run('change', 'merge', 'deploy-1', '--strategy', 'rebase')).code, 0);
    assert.match(
      (await dispatch.run('change', 'show', 'deploy-1')).stdout,
      /\(Merged\)[\s\S]*approve(?=[\s\S]*fine)(?=[\s\S]*well done)(?=[\s\S]*at last)/,
    );
    // Branches that change the same lines are told apart before anybody tries.
    repo.git('checkout', '--quiet', '-b', 'left');
    repo.push({ 'a.yaml.tmpl': 'left\n' }, 'left');
    repo.git('checkout', '--quiet', '-b', 'right', 'HEAD~1');
    repo.push({ 'a.yaml.tmpl': 'right\n' }, 'right');
    for (const source of ['left', 'right'])
      assert.equal(
        (await dispatch.run('change', 'create', '--repository', 'deploy', '--source', source)).code,
        0,
      );
    assert.equal((await dispatch.run('change', 'merge', 'deploy-2')).code, 0);
    await eventually(async () =>
      assert.match(
        (await dispatch.run('change', 'show', 'deploy-3')).stdout,
        /Both branches change the same lines/,
      ),
    );
    assert.match(
      (await dispatch.run('change', 'merge', 'deploy-3')).stderr,
      /cannot be merged: Both branches change the same lines/,
    );
    assert.equal((await dispatch.run('change', 'close', 'deploy-3')).code, 0);
    assert.equal((await dispatch.run('change', 'list', '-o', 'name')).stdout, '');
  },
);

test('updates are proposed to every provider; the same revision again updates the open request', async (t) => {
  for (const name of ['github', 'gitlab', 'bitbucket-cloud', 'bitbucket-server', 'gitea'] as const)
    await t.test(name, () => proposes(name));
});

async function proposes(name: Double): Promise<void> {
  await using dispatch = await Dispatch.make();
  await using double = await ScmDouble.start(name);
  double.commit({ 'app.yaml.tmpl': 'image: $({ .imageName })\n', 'app.yaml': 'image: old\n' });
  const dir = join(dispatch.home, 'clone');
  const origin = new URL(double.cloneUrl);
  writeFileSync(
    join(dispatch.home, 'credentials'),
    `${origin.protocol}//ada:${double.token}@${origin.host}\n`,
  );
  writeFileSync(
    join(dispatch.home, '.gitconfig'),
    `[credential]\n\thelper = store --file=${join(dispatch.home, 'credentials')}\n`,
  );
  const env = { PATH: process.env['PATH'] ?? '', HOME: dispatch.home };
  // The provider answers from this process: it must not be kept waiting.
  await promisify(execFile)('git', ['clone', '--quiet', double.cloneUrl, dir], { env });
  const update = (...flags: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    dispatch.runIn(
      dir,
      'update-gitops-repo',
      '-git-revision=0123456789abcdef0123456789abcdef01234567',
      `-scm-provider=${name}`,
      ...flags,
    );
  const dry = await update('-substitute=imageName=app@sha256:1', '-dry-run');
  assert.match(dry.stdout, /^-image: old\n\+image: app@sha256:1$/m, dry.stderr);
  execFileSync('git', ['checkout', '--quiet', '--', '.'], { cwd: dir, env });
  const first = await update('-substitute=imageName=app@sha256:1');
  assert.equal(first.code, 0, first.stderr);
  assert.equal(first.stdout, `${double.pullUrl(1)}\n`);
  assert.deepEqual(
    double.pulls.map(({ source, target }) => `${source} ${target}`),
    ['dispatch/update-0123456789ab main'],
  );
  execFileSync('git', ['checkout', '--quiet', 'origin/main'], { cwd: dir, env, stdio: 'pipe' });
  const second = await update('-substitute=imageName=app@sha256:2', '-merge');
  assert.equal(second.stdout, `${double.pullUrl(1)}\nMerged.\n`, second.stderr);
  assert.equal(double.pulls.length, 1);
  assert.match(double.pulls[0]!.body, /imageName: app@sha256:2/);
  assert.equal(double.fileAt('dispatch/update-0123456789ab', 'app.yaml'), 'image: app@sha256:2\n');
  execFileSync('git', ['checkout', '--quiet', 'origin/main'], { cwd: dir, env, stdio: 'pipe' });
  const same = await update('-substitute=imageName=old');
  assert.equal(same.stdout, 'Nothing has changed: no pull request is needed.\n');
  const broken = await update('-substitute=other=x');
  assert.equal(
    broken.stderr,
    'Error: app.yaml.tmpl:1:11: executing "app.yaml.tmpl" at <.imageName>: map has no entry for key "imageName"\n',
  );
  assert.match((await update('-nonsense=1')).stderr, /-nonsense is not understood/);
}

test('the short form, logins by the beginning of an address, and a webhook of the provider', async () => {
  await using dispatch = await Dispatch.make();
  await using double = await ScmDouble.start('github');
  await dispatch.up();
  double.commit({ 'a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {value: "1"}\n' });
  const valueIn = (): Promise<string> =>
    dispatch.kubectl('get', 'cm', 'a', '-o', 'jsonpath={.data.value}').then(({ stdout }) => stdout);
  await dispatch.run('gitops', 'app', 'create', 'private', `--repository=${double.cloneUrl}`);
  await untilApplication(dispatch, 'private', (app) =>
    assert.match(
      app.status?.conditions?.[0]?.message ?? '',
      /Authentication failed|could not read Username|terminal prompts disabled/,
    ),
  );
  const added = await dispatch.run(
    'gitops',
    'creds',
    'add',
    `${double.url}/team`,
    '--username',
    'ada',
    '--token',
    double.token,
  );
  assert.equal(added.code, 0, added.stderr);
  const listed = await dispatch.run('gitops', 'creds', 'list');
  assert.match(listed.stdout, /ada +password/);
  assert.ok(!listed.stdout.includes(double.token));
  await dispatch.run('gitops', 'app', 'refresh', 'private');
  await eventually(async () => assert.equal(await valueIn(), '1'));
  await dispatch.run('gitops', 'app', 'delete', 'private');

  await dispatch.run('serviceaccount', 'create', 'team-1');
  const login = await dispatch.run(
    'login',
    'github',
    '--service-account',
    'team-1',
    '--user',
    'ada',
    '--token',
    double.token,
    '--url',
    double.url,
  );
  assert.equal(login.code, 0, login.stderr);
  // The seeds have this spelling, too.
  const created = await dispatch.run(
    'gitops',
    'app',
    'create',
    'hooked',
    `--repositoy=${double.cloneUrl}`,
    '--service-account',
    'team-1',
  );
  assert.equal(created.code, 0, created.stderr);
  await eventually(async () => assert.equal(await valueIn(), '1'));
  await eventually(async () =>
    assert.match(double.hooks.at(-1)?.url ?? '', /\/dispatch\/hook\/gitops\/github\/default\/hooked$/),
  );
  const before = (await application(dispatch, 'hooked')).status?.sync?.revision ?? '';
  const commit = double.commit({
    'a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {value: "2"}\n',
  });
  assert.equal(await double.deliver('push', { commit, before }, { secret: 'forged' }), 403);
  assert.equal(await double.deliver('push', { commit, before }), 202);
  await eventually(async () => assert.equal(await valueIn(), '2'), 5_000);
  // A provider that is down when it is asked hears of the plan once it is back.
  const proposed = double.commit(
    { 'a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {value: "3"}\n' },
    'feature',
  );
  double.isDown = true;
  assert.equal(await double.deliver('pull', { commit: proposed, before: '' }), 202);
  await eventually(() => Promise.resolve(assert.ok(double.refused > 0)));
  double.isDown = false;
  const context = 'dispatch/plan/hooked';
  await eventually(() => {
    assert.deepEqual(double.told.at(-1), { context, state: 'success' });
    return Promise.resolve();
  });
  assert.match(double.comments.join(), /^What merging this changes for .*data.value: 2 → 3/s);
  assert.equal(double.comments.length, 1);
  await dispatch.run('gitops', 'app', 'delete', 'hooked');
  await eventually(async () => assert.equal(double.hooks.length, 0));

  const short = await dispatch.run(
    'cd',
    'gitops-repository',
    'create',
    'short',
    '--repository-url',
    double.cloneUrl,
    '--scm-secret',
    'team-1-scm-github',
  );
  assert.equal(short.code, 0, short.stderr);
  await eventually(async () =>
    assert.match((await dispatch.run('cd', 'gitops-repository', 'list')).stdout, /short .* True +false/),
  );
});

test('a provider on premises is known by its own certificate, and by no other way', async () => {
  await using dispatch = await Dispatch.make();
  await using double = await ScmDouble.start('gitlab', { tls: true });
  await dispatch.up();
  double.commit({ 'a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {value: "1"}\n' });
  await dispatch.run('serviceaccount', 'create', 'team-1');
  await dispatch.run(
    'login',
    'gitlab',
    '--service-account',
    'team-1',
    '--user',
    'ada',
    '--token',
    double.token,
    '--url',
    double.url,
    '--skip-verify',
  );
  await dispatch.run(
    'gitops',
    'app',
    'create',
    'premises',
    `--repository=${double.cloneUrl}`,
    '--service-account',
    'team-1',
  );
  await untilApplication(dispatch, 'premises', (app) =>
    assert.match(app.status?.conditions?.[0]?.message ?? '', /certificate/i),
  );
  const file = join(dispatch.home, 'ca.pem');
  writeFileSync(file, double.certificate ?? '');
  const host = new URL(double.url).host;
  const added = await dispatch.run('gitops', 'cert', 'add-tls', host, '--from', file);
  assert.equal(added.code, 0, added.stderr);
  assert.match((await dispatch.run('gitops', 'cert', 'list')).stdout, new RegExp(`^${host} +tls$`, 'm'));
  await dispatch.run('gitops', 'app', 'refresh', 'premises');
  await untilApplication(dispatch, 'premises', (app) => assert.equal(app.status?.sync?.status, 'Synced'));
  await eventually(async () => assert.equal(double.hooks.length, 1), 40_000);
  await dispatch.run('gitops', 'cert', 'rm', host);
  assert.equal((await dispatch.run('gitops', 'cert', 'list')).stdout.trim(), 'HOST   TYPE');
});
