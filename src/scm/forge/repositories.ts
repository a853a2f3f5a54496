import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Git } from '../git.ts';

export class ForgeError extends Error {
  readonly code: 'invalid' | 'exists' | 'missing';

  constructor(code: ForgeError['code'], message: string) {
    super(message);
    this.name = 'ForgeError';
    this.code = code;
  }
}

export interface ForgeRepository {
  /** Also the namespace whose rights hold. */
  owner: string;
  name: string;
}

/** "owner/name" in its parts. */
export function forgeRepository(path: string): ForgeRepository {
  const [owner = '', name = ''] = path.split('/');
  return { owner, name };
}

const NAME = /^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$/;
const SPOOL = 'dispatch-events';
/**
 * Every accepted push is written down by git itself before its client is told: nothing is lost when the server
 * goes down at that moment.
 */
const HOOK = `#!/bin/sh
umask 077
name="$(date +%s%N 2>/dev/null || date +%s)-$$"
cat > "${SPOOL}/.$name" && mv "${SPOOL}/.$name" "${SPOOL}/$name.push"
`;
/**
 * What may be pushed. Whoever may only propose gets branches of their own; protected branches move by merges alone,
 * which this server pushes itself.
 */
const GUARD = `#!/bin/sh
while read -r before after ref; do
  branch="\${ref#refs/heads/}"
  if [ "$DISPATCH_ACCESS" = propose ]; then
    case "$ref" in refs/heads/dispatch/*) ;; *)
      echo "This account may only push branches that begin with dispatch/." >&2
      exit 1 ;;
    esac
  fi
  if [ "$DISPATCH_ACCESS" != merge ]; then
    git config --get-all dispatch.protected | while read -r name; do
      if [ "$name" = "$branch" ]; then
        echo "$branch is protected: open a change request." >&2
        exit 1
      fi
    done || exit 1
  fi
done
`;
const CONFIG = [
  ['http.receivepack', 'true'],
  ['receive.denyDeleteCurrent', 'warn'],
  ['receive.fsckObjects', 'true'],
  ['uploadpack.allowFilter', 'true'],
  ['uploadpack.allowReachableSHA1InWant', 'true'],
  ['core.logAllRefUpdates', 'true'],
] as const;

/** The bare repositories that this server hosts. */
export class ForgeRepositories {
  readonly #root: string;
  readonly #git: Git;

  constructor(root: string, git: Git) {
    this.#root = root;
    this.#git = git;
  }

  get git(): Git {
    return this.#git;
  }

  get root(): string {
    return this.#root;
  }

  pathOf({ owner, name }: ForgeRepository): string {
    for (const part of [owner, name])
      if (!NAME.test(part) || part.includes('..') || part.endsWith('.git'))
        throw new ForgeError(
          'invalid',
          `${JSON.stringify(part)} cannot be part of a repository's name: use small letters, digits, "-", "_" and "."`,
        );
    return join(this.#root, owner, `${name}.git`);
  }

  async exists(repository: ForgeRepository): Promise<boolean> {
    return (await stat(join(this.pathOf(repository), 'HEAD')).catch(() => undefined)) !== undefined;
  }

  async create(repository: ForgeRepository, options: { defaultBranch?: string } = {}): Promise<void> {
    const path = this.pathOf(repository);
    if (await this.exists(repository))
      throw new ForgeError('exists', `There is a repository ${repository.owner}/${repository.name} already.`);
    // Made aside and moved there whole: a half-made repository is never seen.
    const temporary = join(this.#root, `.new-${randomUUID()}`);
    await mkdir(join(this.#root, repository.owner), { recursive: true, mode: 0o700 });
    await this.#git.run([
      'init',
      '--quiet',
      '--bare',
      `--initial-branch=${options.defaultBranch ?? 'main'}`,
      '--template=',
      temporary,
    ]);
    await mkdir(join(temporary, 'hooks'));
    await mkdir(join(temporary, SPOOL));
    for (const [key, value] of CONFIG) await this.#git.run(['--git-dir', temporary, 'config', key, value]);
    await writeHooks(temporary);
    try {
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
  }

  /** Repositories that an older version has made get what this one expects. */
  async renewHooks(): Promise<void> {
    for (const repository of await this.list()) await writeHooks(this.pathOf(repository));
  }

  /** Branches that nobody pushes to. */
  async protect(repository: ForgeRepository, branches: readonly string[]): Promise<void> {
    const dir = this.pathOf(repository);
    await this.#git
      .run(['--git-dir', dir, 'config', '--unset-all', 'dispatch.protected'])
      .catch(() => undefined);
    for (const branch of branches)
      await this.#git.run(['--git-dir', dir, 'config', '--add', 'dispatch.protected', branch]);
  }

  async protectedBranches(repository: ForgeRepository): Promise<string[]> {
    const args = ['--git-dir', this.pathOf(repository), 'config', '--get-all', 'dispatch.protected'];
    const text = await this.#git.run(args).catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  async delete(repository: ForgeRepository): Promise<void> {
    if (!(await this.exists(repository)))
      throw new ForgeError('missing', `There is no repository ${repository.owner}/${repository.name}.`);
    const gone = join(this.#root, `.gone-${randomUUID()}`);
    await rename(this.pathOf(repository), gone);
    await rm(gone, { recursive: true, force: true });
  }

  async list(owner?: string): Promise<ForgeRepository[]> {
    const owners = owner === undefined ? await readdir(this.#root).catch(() => []) : [owner];
    const found: ForgeRepository[] = [];
    for (const item of owners.filter((name) => !name.startsWith('.')).sort()) {
      const names = await readdir(join(this.#root, item)).catch(() => []);
      for (const name of names.sort())
        if (name.endsWith('.git')) found.push({ owner: item, name: name.slice(0, -'.git'.length) });
    }
    return found;
  }

  spoolOf(repository: ForgeRepository): string {
    return join(this.pathOf(repository), SPOOL);
  }
}

async function writeHooks(dir: string): Promise<void> {
  for (const [name, text] of [
    ['post-receive', HOOK],
    ['pre-receive', GUARD],
  ] as const) {
    const path = join(dir, 'hooks', name);
    await writeFile(path, text);
    await chmod(path, 0o755);
  }
}
