import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';
import { type Double, ScmDouble } from './scm-double.ts';

const PIPELINE = `#!yaml
task:
  hello: {steps: [{name: say, image: dispatch.local/shell, script: 'echo hello $(context.git.branch) $(context.git.commit)'}]}
  after: {inputs: [hello], steps: [{name: s, image: dispatch.local/shell, command: ['true']}]}
actions:
- {tasks: [after], on: {push: {branches: [main]}}}
- {tasks: [hello], on: {pull_request: {}}}
- {tasks: [after], on: {pull_request: {chatops: [deploy]}}}
`;
const STATES: Record<Double, string[]> = {
  github: ['pending', 'pending', 'success'],
  gitea: ['pending', 'pending', 'success'],
  gitlab: ['pending', 'running', 'success'],
  'bitbucket-cloud': ['INPROGRESS', 'INPROGRESS', 'SUCCESSFUL'],
  'bitbucket-server': ['INPROGRESS', 'INPROGRESS', 'SUCCESSFUL'],
};

interface BuildObject {
  metadata: { name: string };
  spec: { event: { type: string; commit?: string } };
  status?: { phase?: string; message?: string; pipelineRun?: string };
}

suite('webhooks of providers', { skip: SKIP_SANDBOX, concurrency: 3 }, () => {
  let dispatch: Dispatch;
  before(async () => {
    dispatch = await Dispatch.make();
    await dispatch.up();
  });
  after(() => dispatch[Symbol.asyncDispose]());

  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await dispatch.run(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const buildsOf = async (repository: string): Promise<BuildObject[]> =>
    (
      JSON.parse(await dispatch.ok('get', 'builds', '-l', `repository=${repository}`, '-o', 'json')) as {
        items: BuildObject[];
      }
    ).items;
  const endOf = (repository: string, matches: (build: BuildObject) => boolean): Promise<BuildObject> =>
    eventually(async () => {
      const found = (await buildsOf(repository)).find(matches);
      assert.ok(
        found !== undefined && !['Pending', 'Running', undefined].includes(found.status?.phase),
        JSON.stringify(found),
      );
      return found;
    });
  const connect = async (double: ScmDouble, name: string): Promise<void> => {
    await ok('serviceaccount', 'create', name);
    const secret = double.name === 'bitbucket-cloud' ? '--app-password' : '--token';
    await ok(
      'login',
      double.name,
      '--service-account',
      name,
      '--user',
      'ada',
      secret,
      double.token,
      '--url',
      double.url,
    );
    await ok(
      'ci',
      'repository',
      'create',
      '--name',
      name,
      '--url',
      double.cloneUrl,
      '--service-account',
      name,
    );
    await eventually(async () => assert.equal(double.hooks.length, 1));
  };

  for (const name of Object.keys(STATES) as Double[])
    test(`${name}: login, webhook, push, statuses in order, pull request, comment`, async () => {
      await using double = await ScmDouble.start(name);
      const commit = double.commit({ Dispatchfile: PIPELINE });
      await connect(double, name);
      assert.equal(await double.deliver('push', { commit, before: '' }), 202);
      const build = await endOf(name, (item) => item.spec.event.type === 'push');
      assert.equal(build.status?.phase, 'Succeeded', build.status?.message);
      assert.match(
        build.status?.pipelineRun ?? '',
        new RegExp(`^${name}-1-main-${commit.slice(0, 7)}-\\w{5}$`),
      );
      assert.match(
        await ok('ci', 'logs', '--pipelinerun', build.status?.pipelineRun ?? '', '--follow'),
        new RegExp(`hello main ${commit}`),
      );
      await eventually(() => {
        for (const context of ['dispatch', 'dispatch/hello', 'dispatch/after'])
          assert.deepEqual(
            double.told.filter((item) => item.context === context).map((item) => item.state),
            STATES[name],
            context,
          );
        return Promise.resolve();
      });
      const feature = double.commit({ file: 'x' }, 'feature');
      double.pull = { commit: feature, before: '', isFork: false, author: 'ada' };
      assert.equal(await double.deliver('pull', { commit: feature, before: '' }), 202);
      assert.equal(
        (await endOf(name, (item) => item.spec.event.type === 'pull_request')).status?.phase,
        'Succeeded',
      );
      assert.equal(
        await double.deliver('comment', { commit: feature, before: '', text: '/deploy now' }),
        202,
      );
      assert.equal(
        (await endOf(name, (item) => item.spec.event.type === 'comment')).status?.phase,
        'Succeeded',
      );
      await ok('ci', 'repository', 'delete', name);
      await eventually(async () => assert.equal(double.hooks.length, 0));
    });

  test('forged, replayed, unsigned and oversize deliveries', async () => {
    await using double = await ScmDouble.start('github');
    const commit = double.commit({ Dispatchfile: PIPELINE });
    await connect(double, 'attacked');
    const { url } = double.hooks[0]!;
    assert.equal(await double.deliver('push', { commit, before: '' }, { unsigned: true }), 403);
    assert.equal(await double.deliver('push', { commit, before: '' }, { secret: 'guessed' }), 403);
    const unknown = await fetch(url.replace('/attacked', '/nobody'), { method: 'POST', body: '{}' });
    const wrong = await fetch(url, {
      method: 'POST',
      body: '{}',
      headers: { 'x-hub-signature-256': 'sha256=00' },
    });
    assert.deepEqual([unknown.status, await unknown.text()], [wrong.status, await wrong.text()]);
    assert.equal(
      (
        await fetch(url, { method: 'POST', body: 'x'.repeat(26 * 1024 * 1024) }).catch(() => ({
          status: 413,
        }))
      ).status,
      413,
    );
    assert.deepEqual(await buildsOf('attacked'), []);
    assert.equal(await double.deliver('push', { commit, before: '' }), 202);
    assert.equal(await double.deliver('push', { commit, before: '' }), 202);
    await endOf('attacked', () => true);
    assert.equal((await buildsOf('attacked')).length, 1);
  });

  test('a pull request of a stranger waits for somebody who may write, and sees no secrets', async () => {
    await using double = await ScmDouble.start('github');
    double.commit({ Dispatchfile: PIPELINE });
    await connect(double, 'forked');
    const commit = double.commit({ file: 'evil' }, 'feature');
    double.pull = { commit, before: '', isFork: true };
    assert.equal(await double.deliver('pull', { commit, before: '', isFork: true, author: 'mallory' }), 202);
    const isPull = (build: BuildObject): boolean => build.spec.event.type === 'pull_request';
    const waiting = await endOf('forked', isPull);
    assert.equal(waiting.status?.phase, 'Waiting');
    await double.deliver('comment', { commit, before: '', author: 'mallory', text: '/ok-to-test' });
    assert.match(
      (await endOf('forked', (item) => item.spec.event.type === 'comment')).status?.message ?? '',
      /mallory may not/,
    );
    assert.equal((await buildsOf('forked')).find(isPull)?.status?.phase, 'Waiting');
    await double.deliver('comment', { commit, before: '', author: 'ada', text: '/ok-to-test' });
    const ended = await eventually(async () => {
      const build = (await buildsOf('forked')).find(isPull)!;
      assert.equal(build.status?.phase, 'Succeeded');
      return build;
    });
    const account = await dispatch.ok(
      'get',
      'pipelinerun',
      ended.status?.pipelineRun ?? '',
      '-o',
      'jsonpath={.spec.taskRunTemplate.serviceAccountName}',
    );
    assert.equal(account, 'dispatch-untrusted');
    assert.equal(await dispatch.ok('get', 'serviceaccount', account, '-o', 'jsonpath={.secrets}'), '');
  });

  test('code of strangers gets no Secret by its name, and pushes no image; strangers start no tasks by comments', async () => {
    await using double = await ScmDouble.start('github');
    double.commit({ Dispatchfile: PIPELINE });
    await connect(double, 'greedy');
    const evil = `#!yaml
task:
  steal: {steps: [{name: s, image: dispatch.local/shell, command: [env], env: [{name: T, valueFrom: {secretKeyRef: {name: greedy-scm-github, key: password}}}]}]}
actions: [{tasks: [steal], on: {pull_request: {}}}]
`;
    const push = `#!yaml
task:
  push: {steps: [{name: s, image: gcr.io/kaniko-project/executor, args: [--destination=registry.dispatch.local/default/app:main, --context=/workspace]}]}
actions: [{tasks: [push], on: {pull_request: {}}}]
`;
    for (const [text, expected] of [
      [evil, /It asks for a Secret, which pull requests from other repositories never get/],
      [push, /Failed: 1/],
    ] as const) {
      const commit = double.commit({ Dispatchfile: text }, 'feature');
      double.pull = { commit, before: '', isFork: true };
      await double.deliver('pull', { commit, before: '', isFork: true, author: 'mallory' });
      await endOf('greedy', (item) => item.spec.event.commit === commit);
      await double.deliver('comment', { commit, before: '', author: 'ada', text: `/ok-to-test ${commit}` });
      await eventually(async () => {
        const build = (await buildsOf('greedy')).find((item) => item.spec.event.commit === commit);
        assert.equal(build?.status?.phase, 'Failed');
        assert.match(build?.status?.message ?? '', expected);
      });
    }
    await double.deliver('comment', { commit: '', before: '', author: 'mallory', text: '/deploy' });
    await eventually(async () =>
      assert.ok(
        (await buildsOf('greedy')).some((item) =>
          /mallory may not start tasks/.test(item.status?.message ?? ''),
        ),
      ),
    );
  });

  test('a provider that is down hears of everything once it is back, in order and once', async () => {
    await using double = await ScmDouble.start('gitlab');
    const commit = double.commit({ Dispatchfile: PIPELINE });
    await connect(double, 'down');
    double.isDown = true;
    assert.equal(await double.deliver('push', { commit, before: '' }), 202);
    assert.equal((await endOf('down', () => true)).status?.phase, 'Succeeded');
    assert.deepEqual(double.told, []);
    double.isDown = false;
    await eventually(() => {
      for (const context of ['dispatch', 'dispatch/hello', 'dispatch/after'])
        assert.deepEqual(
          double.told.filter((item) => item.context === context).map((item) => item.state),
          STATES.gitlab,
          context,
        );
      return Promise.resolve();
    });
  });

  test('a broken Dispatchfile is a failed check with the error in its text', async () => {
    await using double = await ScmDouble.start('gitea');
    const commit = double.commit({ Dispatchfile: '#!yaml\ntask: {a: {inputs: [nothing]}}\n' });
    await connect(double, 'broken');
    await double.deliver('push', { commit, before: '' });
    const build = await endOf('broken', () => true);
    assert.equal(build.status?.phase, 'Failed');
    assert.match(build.status?.message ?? '', /Dispatchfile:2:21: task\.a\.inputs\[0\] names nothing/);
    await eventually(() => {
      assert.deepEqual(double.told.at(-1), { context: 'dispatch', state: 'failure' });
      return Promise.resolve();
    });
  });

  test('a login is tried before it is stored', async () => {
    await using double = await ScmDouble.start('github');
    await ok('serviceaccount', 'create', 'wrong');
    const { code, stderr } = await dispatch.run(
      'login',
      'github',
      '--service-account',
      'wrong',
      '--user',
      'ada',
      '--token',
      'nope',
      '--url',
      double.url,
    );
    assert.equal(code, 1);
    assert.match(
      stderr,
      /does not accept these credentials: check them, or store them as they are with --skip-verify\./,
    );
  });
});
