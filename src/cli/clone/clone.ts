import { lstat, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Git, GitError, withoutCredentials } from '../../scm/index.ts';
import { UserError } from '../../server/index.ts';
import type { RepositoryLogin } from './login.ts';

const MAX_BYTES = 4 * 1024 * 1024;
/** Branches that programs of ours make. */
export const OWN_BRANCHES = 'dispatch/';

/** The clone that a program works in. */
export class Clone {
  readonly #git: Git;
  readonly #root: string;
  readonly #env: Record<string, string>;

  private constructor(git: Git, root: string, env: Record<string, string>) {
    this.#git = git;
    this.#root = root;
    this.#env = env;
  }

  static async open(cwd: string, env: Readonly<Record<string, string | undefined>>): Promise<Clone> {
    const git = new Git(env['PATH'] ?? '');
    // Logins that were laid out for this step are found by git itself.
    const home = env['HOME'] ?? '/nonexistent';
    const own = { HOME: home, GIT_CONFIG_GLOBAL: env['GIT_CONFIG_GLOBAL'] ?? join(home, '.gitconfig') };
    const root = await git
      .run(['-c', 'safe.directory=*', 'rev-parse', '--show-toplevel'], { cwd, env: own })
      .catch((error: unknown) => {
        throw new UserError(`${cwd} is no clone of a repository: start this in one.`, { cause: error });
      });
    return new Clone(git, root.trim(), own);
  }

  async git(...args: string[]): Promise<string> {
    return this.#git.run(['-c', 'safe.directory=*', '-c', 'core.hooksPath=/dev/null', ...args], {
      cwd: this.#root,
      env: this.#env,
    });
  }

  /** What git asks for a login, and what it gets. */
  async credential(url: URL): Promise<{ username: string; password: string } | undefined> {
    const input = `protocol=${url.protocol.replace(':', '')}\nhost=${url.host}\n\n`;
    const text = await this.#git
      .run(['-c', 'safe.directory=*', 'credential', 'fill'], { cwd: this.#root, env: this.#env, input })
      .catch(() => '');
    const value = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1];
    const password = value('password');
    return password === undefined ? undefined : { username: value('username') ?? '', password };
  }

  async files(): Promise<string[]> {
    return (await this.git('ls-files', '-z')).split('\0').filter((path) => path !== '');
  }

  /** A plain file: links are not followed. */
  async read(path: string): Promise<string | undefined> {
    const place = join(this.#root, path);
    const found = await lstat(place).catch(() => undefined);
    if (found === undefined) return undefined;
    if (!found.isFile()) throw new UserError(`${path} is no plain file: it is not written.`);
    if (found.size > MAX_BYTES) throw new UserError(`${path} is larger than ${MAX_BYTES / 1024 / 1024} MiB.`);
    return readFile(place, 'utf8');
  }

  async write(path: string, text: string): Promise<void> {
    await writeFile(join(this.#root, path), text);
  }

  async defaultBranch(login: RepositoryLogin): Promise<string> {
    const text = await this.#authorized(login, ['ls-remote', '--symref', 'origin', 'HEAD']);
    return /^ref: refs\/heads\/(\S+)\s+HEAD/m.exec(text)?.[1] ?? 'main';
  }

  async commit(message: string): Promise<void> {
    const identity = ['-c', 'user.name=Dispatch', '-c', 'user.email=dispatch@localhost'];
    await this.git(...identity, 'commit', '--quiet', '--no-verify', '--message', message);
  }

  /** Branches of this program are its own to write anew; any other is only ever moved forward. */
  async push(branch: string, login: RepositoryLogin): Promise<void> {
    const force = branch.startsWith(OWN_BRANCHES) ? ['--force'] : [];
    try {
      await this.#authorized(login, ['push', '--quiet', ...force, 'origin', `HEAD:refs/heads/${branch}`]);
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      throw new UserError(`The branch ${branch} cannot be pushed: ${withoutCredentials(error.message)}`, {
        cause: error,
      });
    }
  }

  #authorized({ header, url }: RepositoryLogin, args: string[]): Promise<string> {
    const env = {
      ...this.#env,
      ...(header !== undefined && {
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: `http.${url.origin}/.extraHeader`,
        GIT_CONFIG_VALUE_0: header,
      }),
    };
    return this.#git.run(['-c', 'safe.directory=*', '-c', 'core.hooksPath=/dev/null', ...args], {
      cwd: this.#root,
      env,
    });
  }
}
