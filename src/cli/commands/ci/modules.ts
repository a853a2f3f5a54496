import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Command } from 'commander';
import { formatLock, GitModules, parseLock } from '../../../ci/index.ts';
import type { ModuleSource, ModuleText } from '../../../dispatchfile/index.ts';
import { type Secret, SECRETS, secretText } from '../../../kube/index.ts';
import { type Credentials, Git, Mirrors, type Remote } from '../../../scm/index.ts';
import { dataRoot, type Environment, globalFlags } from '../../environment.ts';
import { withClient } from './client.ts';

export interface ScmFlags {
  scmUser?: string;
  scmToken?: string;
  scmProvider?: string;
  scmUrl?: string;
  secret?: string;
}

/** The flags by which commands that render get at libraries. */
export function withScmFlags(command: Command): Command {
  return command
    .option('--scm-user <name>', 'user that libraries are fetched as')
    .option('--scm-token <token>', 'token of that user')
    .option('--scm-provider <name>', 'provider that the token is for', 'github')
    .option('--scm-url <url>', 'address of the provider, for those on premises')
    .option('--secret <name>', 'Secret of the server with the login, instead');
}

/** Libraries out of git repositories, and of the working tree itself for names that start with a slash. */
export class WorkingTreeModules implements ModuleSource {
  readonly #git: GitModules;
  readonly #root: string;

  private constructor(git: GitModules, root: string) {
    this.#git = git;
    this.#root = root;
  }

  static async make(
    environment: Environment,
    command: Command,
    file: string,
    flags: ScmFlags,
  ): Promise<WorkingTreeModules> {
    const git = new Git(environment.env['PATH'] ?? '');
    const root = await git
      .run(['-c', 'safe.directory=*', 'rev-parse', '--show-toplevel'], { cwd: dirname(file) })
      .then(
        (text) => text.trim(),
        () => dirname(file),
      );
    const login = await loginOf(environment, command, flags);
    const remoteOf = (repository: string): Remote => {
      const url =
        flags.scmUrl === undefined
          ? `https://${repository}.git`
          : `${flags.scmUrl.replace(/\/$/, '')}/${repository.split('/').slice(1).join('/')}.git`;
      const same = login !== undefined && new URL(url).host === login.host;
      return { url, credentials: same ? login.credentials : undefined };
    };
    const lock = parseLock(await readFile(`${file}.lock`, 'utf8').catch(() => ''));
    const mirrors = new Mirrors(join(dataRoot(environment, globalFlags(command)), 'mirrors'), git);
    return new WorkingTreeModules(
      new GitModules({
        mirrors,
        own: { remote: { url: root, credentials: undefined }, commit: 'HEAD' },
        remoteOf,
        lock,
      }),
      root,
    );
  }

  fetch = async (name: string, from: ModuleText): Promise<ModuleText> => {
    if (!name.startsWith('/') || (from.id !== '' && !from.id.startsWith('/')))
      return this.#git.fetch(name, from);
    // The files as they are now, as everything else of the working tree.
    for (const path of [name, `${name}.star`, `${name}.starlark`]) {
      const full = join(this.#root, path);
      if (relative(this.#root, full).startsWith('..')) break;
      const text = await readFile(full, 'utf8').catch(() => undefined);
      if (text !== undefined) return { id: path, file: path.slice(1), text };
    }
    throw new Error(`there is no file ${name} in ${this.#root}`);
  };

  /** What every ref was taken for, as a lock file has it. */
  get lock(): string {
    return formatLock(this.#git.pins);
  }
}

const HOSTS: Record<string, string> = {
  github: 'github.com',
  gitlab: 'gitlab.com',
  'bitbucket-cloud': 'bitbucket.org',
};

async function loginOf(
  environment: Environment,
  command: Command,
  flags: ScmFlags,
): Promise<{ host: string; credentials: Credentials } | undefined> {
  const host = flags.scmUrl === undefined ? HOSTS[flags.scmProvider ?? 'github'] : new URL(flags.scmUrl).host;
  if (flags.secret !== undefined)
    return withClient(environment, command, async (client, namespace) => {
      const secret = await client.get<Secret>(SECRETS, namespace, flags.secret!);
      const url = secret.metadata.annotations?.['scm.provider.url'];
      return {
        host: url === undefined ? (host ?? '') : new URL(url).host,
        credentials: { username: secretText(secret, 'username'), secret: secretText(secret, 'password') },
      };
    });
  if (flags.scmToken === undefined || host === undefined) return undefined;
  return { host, credentials: { username: flags.scmUser ?? '', secret: flags.scmToken } };
}
