import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Git, GitError, isSafeRevision } from './git.ts';
import type { Credentials } from './providers/types.ts';
import { sshHost, type SshLogin, withSsh } from './ssh.ts';

export interface Remote {
  url: string;
  credentials: Credentials | undefined;
  /** Certificates that its server is known by, besides those that everybody trusts. */
  ca?: string;
  ssh?: SshLogin;
}

export class MissingRevisionError extends GitError {
  constructor(revision: string) {
    super(`there is no revision ${revision}`, 128);
    this.name = 'MissingRevisionError';
  }
}

export interface CommitOrder {
  parent: string;
  /** Texts by path; undefined takes a file away. */
  files?: ReadonlyMap<string, string | undefined>;
  /** Everything below a path as it was at an older commit. */
  like?: { commit: string; path: string };
  message: string;
}

const IDENTITY = {
  GIT_AUTHOR_NAME: 'Dispatch',
  GIT_AUTHOR_EMAIL: 'dispatch@localhost',
  GIT_COMMITTER_NAME: 'Dispatch',
  GIT_COMMITTER_EMAIL: 'dispatch@localhost',
};
/** With less than this there is no room for anything. */
const FULL_BYTES = 1024 * 1024;
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** Bare copies of repositories, brought up to date when something of them is asked for. */
export class Mirrors {
  readonly #root: string;
  readonly #git: Git;
  /** One fetch per repository at a time, however many ask. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(root: string, git: Git) {
    this.#root = root;
    this.#git = git;
  }

  /** Takes away what somebody who was killed has left: keys among it. Only before anybody works here. */
  async tidy(): Promise<void> {
    await rm(this.#sshDir, { recursive: true, force: true });
  }

  /** A file as it was at a commit. Undefined where there is none. */
  async fileAt(remote: Remote, commit: string, path: string): Promise<string | undefined> {
    const dir = await this.#withCommit(remote, commit);
    if (path.startsWith('-') || path.split('/').includes('..'))
      throw new GitError(`${path} is no path of a repository`, 128);
    try {
      return (
        await this.#git.bytes(
          ['--git-dir', dir, 'cat-file', 'blob', `${commit}:${path.replace(/^\//, '')}`],
          { maxBytes: MAX_FILE_BYTES },
        )
      ).toString();
    } catch (error) {
      if (
        error instanceof GitError &&
        /does not exist|exists on disk, but not in|bad file|Not a valid object name|path '/.test(
          error.message,
        )
      )
        return undefined;
      throw error;
    }
  }

  /** Files that differ between two commits; undefined where that cannot be told. */
  async changedPaths(
    remote: Remote,
    range: { from: string; to: string; mergeBase: boolean },
  ): Promise<string[] | undefined> {
    if (range.from === '') return undefined;
    try {
      const dir = await this.#withCommit(remote, range.to);
      await this.#withCommit(remote, range.from);
      const text = await this.#git.run([
        '--git-dir',
        dir,
        'diff',
        '--name-only',
        '-z',
        '--no-renames',
        `${range.from}${range.mergeBase ? '...' : '..'}${range.to}`,
        '--',
      ]);
      return text.split('\0').filter((path) => path !== '');
    } catch (error) {
      if (error instanceof GitError) return undefined;
      throw error;
    }
  }

  /** What a branch, tag or commit stands for now. */
  async resolve(remote: Remote, revision: string): Promise<string> {
    if (!isSafeRevision(revision)) throw new GitError(`${JSON.stringify(revision)} is no revision`, 128);
    const dir = await this.#fetch(remote);
    for (const name of [`refs/remotes/origin/${revision}`, `refs/tags/${revision}`, revision]) {
      const commit = await this.#git
        .run(['--git-dir', dir, 'rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`])
        .catch(() => undefined);
      if (commit !== undefined) return commit.trim();
    }
    throw new MissingRevisionError(revision);
  }

  /** The commit that a hash means: an annotated tag has one of its own, and providers name it in their events. */
  async commitOf(remote: Remote, hash: string): Promise<string> {
    const dir = await this.#withCommit(remote, hash);
    return (await this.#git.run(['--git-dir', dir, 'rev-parse', '--verify', `${hash}^{commit}`])).trim();
  }

  /** Changes when one of the files below some paths does, and never otherwise. */
  async contentHash(remote: Remote, commit: string, paths: readonly string[]): Promise<string> {
    const dir = await this.#withCommit(remote, commit);
    return contentHash(this.#git, ['--git-dir', dir], commit, paths);
  }

  async defaultBranch(remote: Remote): Promise<string> {
    const text = await this.#ask(remote, ['ls-remote', '--symref', '--', remote.url, 'HEAD']);
    return /^ref: refs\/heads\/(\S+)\s+HEAD/m.exec(text)?.[1] ?? 'main';
  }

  async tags(remote: Remote): Promise<string[]> {
    const text = await this.#ask(remote, ['ls-remote', '--tags', '--refs', '--', remote.url]);
    return [...text.matchAll(/refs\/tags\/(\S+)$/gm)].map((found) => found[1]!);
  }

  /** What every branch and tag, and HEAD, stands for at the remote. One question for all of them. */
  async refs(remote: Remote): Promise<Map<string, string>> {
    const text = await this.#ask(remote, ['ls-remote', '--', remote.url]);
    const refs = new Map<string, string>();
    for (const line of text.split('\n')) {
      const [commit = '', name = ''] = line.split('\t');
      if (name === '') continue;
      // An annotated tag is followed by the commit that it is for.
      if (name.endsWith('^{}')) refs.set(name.slice(0, -3), commit);
      else refs.set(name, commit);
    }
    return refs;
  }

  /** Lays the files of a commit out in a new directory. */
  async checkout(remote: Remote, commit: string, into: string): Promise<void> {
    try {
      await this.#layOut(await this.#withCommit(remote, commit), commit, into);
    } catch (error) {
      if (error instanceof GitError && (await isFull(dirname(into))))
        throw new GitError(`${error.message}: the disk is full, make room on it`, error.exitCode);
      if (!isBroken(error)) throw error;
      // A copy that has lost something is made anew: everything in it is at the remote as well.
      await rm(into, { recursive: true, force: true });
      await this.#layOut(await this.#fetch(remote, commit, { anew: true }), commit, into);
    }
  }

  async #layOut(dir: string, commit: string, into: string): Promise<void> {
    const env = { GIT_INDEX_FILE: `${into}.index` };
    try {
      await this.#git.run(['--git-dir', dir, 'read-tree', `${commit}^{tree}`], { env });
      await mkdir(into, { recursive: true, mode: 0o700 });
      await this.#git.run(
        ['--git-dir', dir, `--work-tree=${into}`, 'checkout-index', '--all', '--force', '--quiet'],
        { env },
      );
    } finally {
      await rm(`${into}.index`, { force: true });
    }
  }

  /** Who has made a commit, when, and its first line. */
  async about(remote: Remote, commit: string): Promise<{ author: string; date: string; message: string }> {
    const dir = await this.#withCommit(remote, commit);
    const text = await this.#git.run([
      '--git-dir',
      dir,
      'log',
      '-1',
      '--format=%an <%ae>%x00%aI%x00%s',
      commit,
      '--',
    ]);
    const [author = '', date = '', message = ''] = text.trim().split('\0');
    return { author, date, message };
  }

  /** Makes a commit on another: with some files changed or taken away, or with a part as it was at an older one. */
  async commit(remote: Remote, { parent, files = new Map(), like, message }: CommitOrder): Promise<string> {
    const dir = await this.#withCommit(remote, parent);
    if (like !== undefined) await this.#withCommit(remote, like.commit);
    const index = join(dir, `index-${randomUUID()}`);
    const env = { ...IDENTITY, GIT_INDEX_FILE: index };
    const run = (args: string[], input?: string): Promise<string> =>
      this.#git.run(['--git-dir', dir, ...args], { env, ...(input !== undefined && { input }) });
    try {
      await run(['read-tree', `${parent}^{tree}`]);
      if (like?.path === '') await run(['read-tree', `${like.commit}^{tree}`]);
      else if (like !== undefined) {
        const listed = await run(['ls-tree', '-r', '-z', '--name-only', parent, '--', `${like.path}/`]);
        await run(['update-index', '-z', '--index-info'], removals(listed.split('\0')));
        const older = await run(['ls-tree', '-r', '-z', like.commit, '--', `${like.path}/`]);
        await run(['update-index', '-z', '--index-info'], older);
      }
      for (const [path, text] of files) {
        if (text === undefined) {
          await run(['update-index', '-z', '--index-info'], removals([path]));
          continue;
        }
        const blob = (await run(['hash-object', '-w', '--stdin'], text)).trim();
        await run(['update-index', '--add', '--cacheinfo', `100644,${blob},${path}`]);
      }
      const tree = (await run(['write-tree'])).trim();
      return (await run(['commit-tree', tree, '-p', parent, '-F', '-'], message)).trim();
    } finally {
      await rm(index, { force: true });
    }
  }

  /** Puts a commit on a branch of the repository. A branch that has gone on since is not overwritten. */
  async push(remote: Remote, commit: string, branch: string): Promise<void> {
    if (!isSafeRevision(branch)) throw new GitError(`${JSON.stringify(branch)} is no name of a branch`, 128);
    const dir = await this.#open(remote);
    const refs = `${commit}:refs/heads/${branch}`;
    await this.#ask(remote, ['--git-dir', dir, 'push', '--quiet', '--', remote.url, refs]);
  }

  get #sshDir(): string {
    return join(this.#root, 'ssh');
  }

  /** Runs git where it speaks to the remote. */
  async #ask(remote: Remote, args: readonly string[]): Promise<string> {
    const host = sshHost(remote.url);
    if (host === undefined) return this.#git.run(args, { env: await this.#environment(remote) });
    try {
      return await withSsh(this.#sshDir, remote.ssh, (env) => this.#git.run(args, { env }));
    } catch (error) {
      if (!(error instanceof GitError) || !error.message.includes('Host key verification failed'))
        throw error;
      const name = host.replace(/^\[(.*)\]:(\d+)$/, '-p $2 $1');
      throw new GitError(
        `the server ${host} is not known: check its key, and add it with "ssh-keyscan ${name} | dispatch gitops cert add-ssh"`,
        error.exitCode,
      );
    }
  }

  async #environment(remote: Remote): Promise<Record<string, string>> {
    if (remote.ca === undefined) return environmentFor(remote, undefined);
    const file = join(
      this.#root,
      `ca-${createHash('sha256').update(remote.ca).digest('hex').slice(0, 32)}.pem`,
    );
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    await writeFile(file, remote.ca);
    return environmentFor(remote, file);
  }

  async #withCommit(remote: Remote, commit: string): Promise<string> {
    const dir = await this.#open(remote);
    if (await this.#has(dir, commit)) return dir;
    return this.#fetch(remote, commit);
  }

  async #has(dir: string, commit: string): Promise<boolean> {
    if (!isSafeRevision(commit)) throw new GitError(`${JSON.stringify(commit)} is no commit`, 128);
    return this.#git.run(['--git-dir', dir, 'cat-file', '-e', `${commit}^{commit}`]).then(
      () => true,
      () => false,
    );
  }

  #dirOf({ url }: Remote): string {
    return join(this.#root, `${createHash('sha256').update(url).digest('hex').slice(0, 32)}.git`);
  }

  async #open(remote: Remote): Promise<string> {
    const dir = this.#dirOf(remote);
    if ((await stat(join(dir, 'HEAD')).catch(() => undefined)) === undefined) {
      await mkdir(this.#root, { recursive: true, mode: 0o700 });
      await this.#git.run(['init', '--quiet', '--bare', '--template=', '--', dir]);
    }
    return dir;
  }

  #fetch(remote: Remote, commit?: string, { anew = false } = {}): Promise<string> {
    const next = (this.#busy.get(remote.url) ?? Promise.resolve())
      .catch(() => {})
      .then(async () => {
        if (anew) await rm(this.#dirOf(remote), { recursive: true, force: true });
        return this.#fetchNow(remote, commit);
      });
    this.#busy.set(remote.url, next);
    return next;
  }

  async #fetchNow(remote: Remote, commit: string | undefined): Promise<string> {
    const dir = await this.#open(remote);
    if (commit !== undefined && (await this.#has(dir, commit))) return dir;
    await this.#ask(remote, [
      ...fetching(dir),
      '--prune',
      '--force',
      '--no-recurse-submodules',
      '--',
      remote.url,
      '+refs/heads/*:refs/remotes/origin/*',
      '+refs/tags/*:refs/tags/*',
    ]);
    // A commit of a pull request lies in no branch.
    if (commit !== undefined && !(await this.#has(dir, commit)))
      await this.#ask(remote, [...fetching(dir), '--', remote.url, commit]);
    return dir;
  }
}

/** What is fetched becomes visible when all of it is there: a commit that is known is there with its files. */
function fetching(dir: string): string[] {
  return ['-c', 'fetch.unpackLimit=1', '--git-dir', dir, 'fetch', '--quiet'];
}

function isBroken(error: unknown): boolean {
  return (
    error instanceof GitError &&
    /unable to (?:read|find) |missing (?:blob|tree|commit)|bad object|object .* is (?:corrupt|empty)|far too short|invalid sha1 pointer|did not send all necessary/.test(
      error.message,
    )
  );
}

async function isFull(dir: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize < FULL_BYTES;
}

/** What takes paths out of an index, as git reads it. */
function removals(paths: readonly string[]): string {
  return paths
    .filter((path) => path !== '')
    .map((path) => `0 ${'0'.repeat(40)}\t${path}\0`)
    .join('');
}

/** The same for a repository that is at hand. */
export async function contentHash(
  git: Git,
  at: readonly string[],
  commit: string,
  paths: readonly string[],
): Promise<string> {
  const listed = await git.bytes([
    ...at,
    '--literal-pathspecs',
    'ls-tree',
    '-r',
    '-z',
    commit,
    '--',
    ...paths,
  ]);
  return createHash('sha256').update(listed).digest('hex');
}

/** Credentials go to git through its environment: arguments can be read by everybody on the machine. */
function environmentFor({ url, credentials }: Remote, caFile: string | undefined): Record<string, string> {
  const isHttp = /^https?:/.test(url);
  const hasLogin = credentials !== undefined && isHttp;
  // With a login a redirect would carry it along.
  const settings: [string, string][] = [['http.followRedirects', hasLogin ? 'false' : 'initial']];
  if (hasLogin) {
    const login = `${credentials.username || 'x-access-token'}:${credentials.secret}`;
    const header = `Authorization: Basic ${Buffer.from(login).toString('base64')}`;
    settings.push([`http.${new URL(url).origin}/.extraHeader`, header]);
  }
  if (caFile !== undefined && isHttp) settings.push([`http.${new URL(url).origin}/.sslCAInfo`, caFile]);
  const entries = settings.flatMap(([key, value], at) => [
    [`GIT_CONFIG_KEY_${at}`, key],
    [`GIT_CONFIG_VALUE_${at}`, value],
  ]);
  return {
    GIT_CONFIG_COUNT: String(settings.length),
    ...(Object.fromEntries(entries) as Record<string, string>),
  };
}
