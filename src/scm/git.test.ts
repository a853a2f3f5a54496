import assert from 'node:assert/strict';
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ForgeRepositories } from './forge/repositories.ts';
import { Git, isSafeRevision, withoutCredentials } from './git.ts';
import { Mirrors } from './mirror.ts';
import { repositoryOf } from './providers/connect.ts';

test('nothing that git would take for an option or a path gets through', async () => {
  for (const text of ['--upload-pack=x', '-x', 'a..b', 'a b', '', 'x'.repeat(300), 'a\nb'])
    assert.equal(isSafeRevision(text), false, text);
  for (const text of ['main', 'v1.2.3', 'feature/x', 'a1b2c3', 'HEAD~1'])
    assert.equal(isSafeRevision(text), true, text);
  const dir = await mkdtemp(join(tmpdir(), 'dispatch-git-'));
  try {
    const git = new Git(process.env['PATH'] ?? '');
    const forge = new ForgeRepositories(dir, git);
    for (const name of ['../x', 'a/b', '.hidden', 'a..b', '-x', 'x.git', ''])
      assert.throws(() => forge.pathOf({ owner: 'default', name }), /cannot be part/, name);
    await forge.create({ owner: 'default', name: 'real' });
    const remote = { url: forge.pathOf({ owner: 'default', name: 'real' }), credentials: undefined };
    const mirrors = new Mirrors(join(dir, 'mirrors'), git);
    await assert.rejects(mirrors.resolve(remote, '--upload-pack=touch /tmp/x'), /is no revision/);
    await assert.rejects(mirrors.resolve({ url: '--upload-pack=touch', credentials: undefined }, 'main'));
    await assert.rejects(
      mirrors.resolve({ url: 'ext::sh -c true', credentials: undefined }, 'main'),
      /transport 'ext' not allowed/,
    );
    await assert.rejects(mirrors.fileAt(remote, '-x', 'f'), /is no commit/);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('a copy of a repository that has lost something is made anew', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'dispatch-git-'));
  try {
    const git = new Git(process.env['PATH'] ?? '');
    const run = (...args: string[]): Promise<string> =>
      git.run(['-C', join(dir, 'work'), '-c', 'user.name=a', '-c', 'user.email=a@b', ...args]);
    await git.run(['init', '--quiet', '--initial-branch=main', join(dir, 'work')]);
    await writeFile(join(dir, 'work', 'a.txt'), 'first');
    await run('add', '--all');
    await run('commit', '--quiet', '--message', 'first');
    const remote = { url: join(dir, 'work'), credentials: undefined };
    const mirrors = new Mirrors(join(dir, 'mirrors'), git);
    const commit = await mirrors.resolve(remote, 'main');
    const [name = ''] = await readdir(join(dir, 'mirrors'));
    const packs = join(dir, 'mirrors', name, 'objects', 'pack');
    // However little it is: it comes as a whole, in a pack.
    const [pack = ''] = (await readdir(packs)).filter((file) => file.endsWith('.pack'));
    const blob = (await run('rev-parse', 'main:a.txt')).trim();
    // The file of the repository is gone, its commit is not.
    const left = (await run('rev-list', '--objects', '--no-object-names', 'main')).split('\n');
    const keeps = left.filter((object) => object !== '' && object !== blob).join('\n');
    const holed = await git.run(['-C', join(dir, 'work'), 'pack-objects', join(packs, 'pack')], {
      input: `${keeps}\n`,
    });
    await chmod(packs, 0o700);
    for (const ending of ['pack', 'idx']) await rm(join(packs, pack.replace(/pack$/, ending)));
    assert.notEqual(holed.trim(), '');
    await mirrors.checkout(remote, commit, join(dir, 'out'));
    assert.equal(await readFile(join(dir, 'out', 'a.txt'), 'utf8'), 'first');
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('keys that were left behind by somebody who was killed are taken away', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'dispatch-git-'));
  try {
    const left = join(dir, 'ssh', 'ssh-a1b2c3');
    await mkdir(left, { recursive: true });
    await writeFile(join(left, 'key'), 'private');
    await mkdir(join(dir, 'kept.git'));
    await new Mirrors(dir, new Git(process.env['PATH'] ?? '')).tidy();
    await assert.rejects(access(join(dir, 'ssh')), /ENOENT/);
    await access(join(dir, 'kept.git'));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('messages carry no credentials, and URLs give the name of their repository', () => {
  assert.equal(
    withoutCredentials('fatal: https://ada:secret@example.com/x.git is gone'),
    'fatal: https://example.com/x.git is gone',
  );
  for (const url of [
    'https://github.com/team/app.git',
    'https://github.com/team/app',
    'git@github.com:team/app.git',
    'https://bitbucket.example.com/scm/team/app.git',
    'http://127.0.0.1:8081/dispatch/git/team/app.git',
  ])
    assert.equal(repositoryOf(url), 'team/app', url);
  assert.equal(repositoryOf('https://gitlab.com/group/sub/app.git'), 'group/sub/app');
  assert.equal(repositoryOf('nonsense'), undefined);
});
