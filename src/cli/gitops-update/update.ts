import { createHash } from 'node:crypto';
import { lstat, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fillTemplate, RenderError } from '../../render/index.ts';
import {
  connectProvider,
  Git,
  GitError,
  isSafeRevision,
  type OpenPullRequest,
  type ProviderName,
  repositoryOf,
  ScmError,
  withoutCredentials,
} from '../../scm/index.ts';
import { UserError } from '../../server/index.ts';
import { loginFor, providerOf, type RepositoryLogin } from './login.ts';

export interface UpdateOptions {
  /** Where the clone is. */
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Commit of the application. */
  revision: string;
  values: Readonly<Record<string, string>>;
  filepath: string;
  provider: ProviderName | undefined;
  branch: string | undefined;
  base: string | undefined;
  title: string | undefined;
  body: string | undefined;
  isMerged: boolean;
  isDryRun: boolean;
  print: (text: string) => void;
}

const EXTENSION = '.tmpl';
const MAX_BYTES = 4 * 1024 * 1024;
const OWN_BRANCHES = 'dispatch/';

/** Fills in templates, pushes the result as a branch, and opens a pull request or brings the open one up to date. */
export async function updateGitopsRepo(options: UpdateOptions): Promise<void> {
  const { print, isDryRun } = options;
  const clone = await Clone.open(options);
  const changed = await fillAll(options, clone);
  if (changed.length === 0) return print('Nothing has changed: no pull request is needed.\n');
  if (isDryRun) return print(await clone.git('diff', '--no-color', '--', ...changed));
  const remote = (await clone.git('remote', 'get-url', 'origin')).trim();
  const login = await loginFor(options, clone, {
    url: remote,
    provider: options.provider ?? providerOf(remote),
  });
  const base = options.base ?? (await clone.defaultBranch(login));
  const branch = branchOf(options);
  const title =
    options.title ??
    `Update ${changed.join(', ').slice(0, 60)}${options.revision === '' ? '' : ` to ${options.revision.slice(0, 12)}`}`;
  const body = options.body ?? bodyOf(options, changed);
  await clone.git('add', '--', ...changed);
  await clone.commit(`${title}\n\n${body}\n`);
  await clone.push(branch, login);
  const opened = await propose({ login, branch, base, title, body, remote });
  print(`${opened.url}\n`);
  if (options.isMerged) await merge(login, remote, opened, print);
}

/** A name that is the same for the same revision, so that it is the same pull request that is brought up to date. */
function branchOf({ branch, revision, values }: UpdateOptions): string {
  const id = revision === '' ? createHash('sha256').update(JSON.stringify(values)).digest('hex') : revision;
  const name = branch ?? `${OWN_BRANCHES}update-${id.slice(0, 12)}`;
  if (!isSafeRevision(name))
    throw new UserError(`${JSON.stringify(name)} is no name of a branch: give another with -branch.`);
  return name;
}

function bodyOf({ revision, values }: UpdateOptions, changed: readonly string[]): string {
  const lines = Object.entries(values).map(([name, value]) => `- ${name}: ${value}`);
  return [
    ...(revision === '' ? [] : [`Dispatch-Commit: ${revision}`, '']),
    ...lines,
    '',
    `Files: ${changed.join(', ')}`,
  ]
    .join('\n')
    .trim();
}

/** Everything is filled in before anything is written: one template that fails leaves nothing behind. */
async function fillAll({ filepath, values }: UpdateOptions, clone: Clone): Promise<string[]> {
  const files = await clone.files();
  const templates = files.filter((file) => file.endsWith(EXTENSION) && matchesGlob(filepath, file));
  if (templates.length === 0) throw new UserError(`No template fits ${filepath}: nothing can be filled in.`);
  const results: { file: string; text: string }[] = [];
  for (const template of templates) {
    const text = await clone.read(template);
    if (text === undefined) throw new UserError(`${template} is no plain file.`);
    try {
      results.push({
        file: template.slice(0, -EXTENSION.length),
        text: fillTemplate(template, text, values),
      });
    } catch (error) {
      if (error instanceof RenderError) throw new UserError(error.message, { cause: error });
      throw error;
    }
  }
  const changed: string[] = [];
  for (const { file, text } of results) {
    if ((await clone.read(file)) === text) continue;
    await clone.write(file, text);
    changed.push(file);
  }
  return changed;
}

/** "**" crosses directories, "*" does not. */
export function matchesGlob(glob: string, path: string): boolean {
  const source = glob
    .replace(/^\.\//, '')
    .split(/(\*\*\/|\*\*|\*|\?)/)
    .map(
      (part) =>
        ({ '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' })[part] ??
        part.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&'),
    )
    .join('');
  return new RegExp(`^${source}$`, 's').test(path);
}

/** The clone that the program works in. */
export class Clone {
  readonly #git: Git;
  readonly #root: string;
  readonly #env: Record<string, string>;

  private constructor(git: Git, root: string, env: Record<string, string>) {
    this.#git = git;
    this.#root = root;
    this.#env = env;
  }

  static async open({ cwd, env }: UpdateOptions): Promise<Clone> {
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

async function propose({
  login,
  branch,
  base,
  title,
  body,
  remote,
}: {
  login: RepositoryLogin;
  branch: string;
  base: string;
  title: string;
  body: string;
  remote: string;
}): Promise<OpenPullRequest> {
  const api = connectProvider({
    name: login.provider,
    url: login.url.origin,
    endpoint: undefined,
    credentials: login.credentials,
    fetch,
  });
  const repository = repositoryOf(remote) ?? '';
  try {
    const known = await api.findPullRequest(repository, { source: branch, target: base });
    if (known === undefined)
      return await api.openPullRequest(repository, { source: branch, target: base, title, body });
    await api.updatePullRequest(repository, known.number, { title, body });
    return known;
  } catch (error) {
    if (!(error instanceof ScmError)) throw error;
    throw new UserError(`No pull request could be opened for ${branch}: ${error.message}.`, { cause: error });
  }
}

async function merge(
  login: RepositoryLogin,
  remote: string,
  { number }: OpenPullRequest,
  print: (text: string) => void,
): Promise<void> {
  const api = connectProvider({
    name: login.provider,
    url: login.url.origin,
    endpoint: undefined,
    credentials: login.credentials,
    fetch,
  });
  try {
    await api.mergePullRequest(repositoryOf(remote) ?? '', number);
    print('Merged.\n');
  } catch (error) {
    if (!(error instanceof ScmError)) throw error;
    // The proposal stands: somebody else may merge it.
    print(`It is not merged: ${error.message}.\n`);
  }
}
