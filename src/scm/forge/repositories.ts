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
    await writeFile(join(temporary, 'hooks', 'post-receive'), HOOK);
    await chmod(join(temporary, 'hooks', 'post-receive'), 0o755);
    try {
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
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
