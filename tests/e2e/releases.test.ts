import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { type CommandResult, Dispatch } from './dispatch.ts';
import { GitopsRepo } from './gitops-repo.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';
import { type Double, ScmDouble } from './scm-double.ts';

interface Shown {
  tag: string;
  title: string;
  notes: string;
  commit: string;
  url: string;
}

const AUTHOR = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com'];
/** A tag is released by its pipeline, and a release is announced by another. */
const PIPELINE = `#!yaml
resource: {source: {type: git, params: {url: $(context.git.url), revision: $(context.git.commit)}}}
task:
  announce: {steps: [{name: say, image: dispatch.local/shell, script: 'echo released $(context.git.tag)'}]}
  release:
    inputs: [source]
    steps:
    - {name: release, image: dispatch.local/dispatch, workingDir: /workspace/source, args: [release, create, $(context.git.tag), --notes=By a pipeline.]}
actions:
- {tasks: [announce], on: {release: {tags: ['v*']}}}
- {tasks: [release], on: {tag: {names: ['product-*']}}}
`;
const MAY_RELEASE = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: release}
rules: [{apiGroups: [run.dispatch.dev], resources: [gitrepositories], resourceNames: [product], verbs: [update]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: release}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: release}
subjects: [{kind: ServiceAccount, name: releaser, namespace: default}]
`;

suite('releases', { skip: SKIP_SANDBOX, concurrency: 2 }, () => {
  const dispatch = Dispatch.ofSuite();

  /** What a clone's origin answers to the commands; the same words for every provider. */
  const contract = async (
    dir: string,
    { keepsNotes, changes, flags = [] }: { keepsNotes: boolean; changes: boolean; flags?: string[] },
  ): Promise<void> => {
    const git = (...args: string[]): string =>
      execFileSync('git', [...AUTHOR, ...args], { cwd: dir, stdio: 'pipe' })
        .toString()
        .trim();
    const run = (...args: string[]): Promise<CommandResult> =>
      dispatch.runIn(dir, 'release', ...args, ...flags);
    const ok = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await run(...args);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const list = async (): Promise<Shown[]> => JSON.parse(await ok('list', '-o', 'json')) as Shown[];
    const show = async (tag: string): Promise<Shown> =>
      JSON.parse(await ok('show', tag, '-o', 'json')) as Shown;

    assert.deepEqual(await list(), []);
    const [first = '', second = ''] = [git('rev-parse', 'HEAD~1'), git('rev-parse', 'HEAD')];
    const url = (
      await ok('create', 'v1.0.0', '--commit', 'HEAD~1', '--notes', 'The first.\n\nIt works.')
    ).trim();
    const made = await show('v1.0.0');
    assert.deepEqual(
      { ...made, time: '' },
      {
        tag: 'v1.0.0',
        title: 'v1.0.0',
        notes: keepsNotes ? 'The first.\n\nIt works.' : '',
        commit: first,
        time: '',
        url,
      },
    );
    // The tag is in git, and what came after it is what the next one is about.
    await promisify(execFile)('git', ['fetch', '--quiet', '--tags', 'origin'], {
      cwd: dir,
      env: { PATH: process.env['PATH'], HOME: dispatch.home },
    });
    assert.equal(git('rev-parse', 'v1.0.0^{commit}'), first);
    await ok('create', 'v1.1.0-rc.1', '--title', 'Next');
    const next = await show('v1.1.0-rc.1');
    assert.equal(next.commit, second);
    if (keepsNotes) assert.deepEqual([next.title, next.notes], ['Next', '- the second']);
    await ok('create', 'v1.1.0', '--notes', '');
    assert.deepEqual((await list()).map(({ tag }) => tag).sort(), ['v1.0.0', 'v1.1.0', 'v1.1.0-rc.1']);

    // Once more: what is the same stays, what is said anew is changed where that can be.
    assert.equal((await ok('create', 'v1.0.0', '--commit', first)).trim(), url);
    const again = await run('create', 'v1.0.0', '--notes', 'Mended.');
    assert.equal(again.code, 0);
    if (changes) assert.equal((await show('v1.0.0')).notes, 'Mended.');
    else assert.match(again.stderr, /It stays as it is: .* tags of Bitbucket cannot be changed\./);
    const other = await run('create', 'v1.0.0', '--commit', second);
    assert.match(other.stderr, /v1\.0\.0 is released already, of \w{7}: give another tag/);
    assert.match((await run('show', 'v9')).stderr, /has no release v9: see "dispatch release list"\./);
    assert.match(
      (await run('create', 'v9', '--commit', 'nothing')).stderr,
      /nothing is no commit of this clone/,
    );
    assert.match((await run('create', 'v9', '--notes-file', 'none')).stderr, /none cannot be read/);
  };

  for (const name of ['github', 'gitea', 'gitlab', 'bitbucket-cloud', 'bitbucket-server'] as const)
    test(`${name}: made, listed, shown and changed`, () => atDouble(name));

  const atDouble = async (name: Double): Promise<void> => {
    await using double = await ScmDouble.start(name);
    double.commit({ a: '1' });
    double.commit({ a: '2' }, 'main', 'the second');
    const dir = mkdtempSync(join(dispatch.home, 'clone-'));
    const origin = new URL(double.cloneUrl);
    const credentials = join(dir, 'credentials');
    writeFileSync(credentials, `${origin.protocol}//ada:${double.token}@${origin.host}\n`);
    const helper = `credential.helper=store --file=${credentials}`;
    const clone = join(dir, 'app');
    await promisify(execFile)('git', ['clone', '--quiet', '--config', helper, double.cloneUrl, clone], {
      env: { PATH: process.env['PATH'], HOME: dispatch.home },
    });
    await contract(clone, {
      keepsNotes: name !== 'bitbucket-server',
      changes: !name.startsWith('bitbucket'),
      flags: [`--scm-provider=${name}`],
    });
    writeFileSync(credentials, `${origin.protocol}//ada:wrong@${origin.host}\n`);
    const refused = await dispatch.runIn(clone, 'release', 'list', `--scm-provider=${name}`);
    assert.match(refused.stderr, /The release could not be dealt with: .* answered 401: Bad credentials\./);
  };

  test('of this server: made, listed, shown and changed; they start what waits for them, once', async () => {
    const repo = await GitopsRepo.create(dispatch, 'product');
    repo.push({ Dispatchfile: PIPELINE });
    repo.git('commit', '--quiet', '--allow-empty', '--message', 'the second');
    repo.git('push', '--quiet', 'origin', 'HEAD:main');
    assert.equal((await dispatch.run('serviceaccount', 'create', 'releaser')).code, 0);
    await dispatch.apply(MAY_RELEASE);
    const flags = ['--name', 'product', '--url', repo.url, '--service-account', 'releaser'];
    const created = await dispatch.run('ci', 'repository', 'create', ...flags);
    assert.equal(created.code, 0, created.stderr);
    const dir = repo.git('rev-parse', '--show-toplevel');
    const helper = `!f() { echo username=x; echo password=${repo.token}; }; f`;
    repo.git('config', 'credential.helper', helper);
    await contract(dir, { keepsNotes: true, changes: true });
    repo.git('tag', 'product-1');
    repo.git('push', '--quiet', 'origin', 'product-1');
    await eventually(async () => {
      const found = await dispatch.ok('get', 'builds', '-l', 'repository=product', '-o', 'json');
      const { items } = JSON.parse(found) as {
        items: {
          spec: { event: { type: string; tag?: string } };
          status?: { phase?: string; pipelineRun?: string };
        }[];
      };
      const ended = items.filter(({ status }) => !['Pending', 'Running', undefined].includes(status?.phase));
      assert.deepEqual(
        ended.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Ignored'),
        [],
      );
      const started = ended.filter(({ status }) => status?.pipelineRun !== undefined);
      assert.deepEqual(started.map(({ spec }) => `${spec.event.type} ${spec.event.tag}`).sort(), [
        'release v1.0.0',
        'release v1.1.0',
        'release v1.1.0-rc.1',
        'tag product-1',
      ]);
    }, 60_000);
    // An annotated tag has a hash of its own; what is built is the commit that it names.
    repo.git('tag', '--annotate', '--message', 'two', 'product-2');
    repo.git('push', '--quiet', 'origin', 'product-2');
    const commit = repo.git('rev-parse', 'HEAD');
    await eventually(async () => {
      const { code, stdout } = await dispatch.runIn(dir, 'release', 'show', 'product-2', '-o', 'json');
      assert.equal(code, 0);
      assert.equal((JSON.parse(stdout) as Shown).commit, commit);
    }, 60_000);
    assert.equal(
      await dispatch.ok(
        'get',
        'builds',
        '-o',
        "jsonpath={.items[?(@.spec.event.tag=='product-2')].status.commit}",
      ),
      `${commit} ${commit}`,
    );
    const shown = await dispatch.runIn(dir, 'release', 'show', 'product-1');
    assert.match(shown.stdout, /^notes: By a pipeline\.$/m, shown.stderr);

    // Whoever may only propose reads them, and makes none.
    const account = (await dispatch.ok('create', 'token', 'default')).trim();
    const ask = (path: string, body?: object): Promise<Response> =>
      fetch(`${repo.url}/releases${path}`, {
        headers: { authorization: `Bearer ${account}` },
        ...(body && { method: 'POST', body: JSON.stringify(body) }),
      });
    assert.equal((await ask('')).status, 200);
    assert.equal((await ask('/v1.0.0')).status, 200);
    assert.equal((await ask('', { tag: 'v2.0.0', commit: 'main' })).status, 404);
    assert.equal((await ask('/%')).status, 400);

    // A name that git would take for something else is refused.
    for (const tag of ['--upload-pack=x', '../heads/main', 'a b', 'x.lock', '']) {
      const response = await fetch(`${repo.url}/releases`, {
        method: 'POST',
        headers: { authorization: `Bearer ${repo.token}` },
        body: JSON.stringify({ tag, commit: 'main', title: 't', notes: '' }),
      });
      assert.equal(response.status, 422, tag);
    }
    assert.equal(readFileSync(join(dir, '.git', 'HEAD'), 'utf8'), 'ref: refs/heads/main\n');
  });
});
