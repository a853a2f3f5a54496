import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Git, GitError } from '../git.ts';

export type MergeStrategy = 'merge' | 'squash' | 'rebase';

export interface MergeOrder {
  /** The bare repository. */
  dir: string;
  source: string;
  target: string;
  strategy: MergeStrategy;
  message: string;
  author: string;
}

export class MergeConflict extends Error {}

const COMMITTER = { GIT_COMMITTER_NAME: 'Dispatch', GIT_COMMITTER_EMAIL: 'dispatch@localhost' };

/** What a branch is at. */
export async function tipOf(git: Git, dir: string, branch: string): Promise<string | undefined> {
  const args = ['--git-dir', dir, 'rev-parse', '--verify', '--quiet', '--end-of-options'];
  return git.run([...args, `refs/heads/${branch}^{commit}`]).then(
    (text) => text.trim(),
    () => undefined,
  );
}

/** Whether two commits go together without a conflict, and whether there is anything to take over. */
export async function mergeState(
  git: Git,
  dir: string,
  { head, base }: { head: string; base: string },
): Promise<'clean' | 'conflict' | 'nothing'> {
  if (await isAncestor(git, dir, head, base)) return 'nothing';
  try {
    await git.run(['--git-dir', dir, 'merge-tree', '--write-tree', '--name-only', base, head]);
    return 'clean';
  } catch (error) {
    if (error instanceof GitError && error.exitCode === 1) return 'conflict';
    throw error;
  }
}

export async function isAncestor(git: Git, dir: string, commit: string, of: string): Promise<boolean> {
  try {
    await git.run(['--git-dir', dir, 'merge-base', '--is-ancestor', commit, of]);
    return true;
  } catch (error) {
    if (error instanceof GitError && error.exitCode === 1) return false;
    throw error;
  }
}

/** Makes the commit that joins two branches. The branches stay as they are. */
export async function mergeCommit(
  git: Git,
  order: MergeOrder,
  { head, base }: { head: string; base: string },
): Promise<string> {
  const { dir, strategy } = order;
  if (strategy === 'rebase') return rebased(git, dir, { head, base });
  let tree: string;
  try {
    tree = (await git.run(['--git-dir', dir, 'merge-tree', '--write-tree', base, head])).split('\n')[0]!;
  } catch (error) {
    if (error instanceof GitError && error.exitCode === 1)
      throw new MergeConflict(`${order.source} and ${order.target} change the same lines`);
    throw error;
  }
  const parents = strategy === 'squash' ? [base] : [base, head];
  const env = { ...COMMITTER, ...authorOf(order.author) };
  const args = ['--git-dir', dir, 'commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent])];
  return (await git.run([...args, '-F', '-'], { env, input: order.message })).trim();
}

function authorOf(author: string): Record<string, string> {
  const found = /^(.*?)\s*<([^<>]*)>$/.exec(author);
  const name = (found?.[1] ?? author).replaceAll(/[<>\n]/g, '').trim() || 'Dispatch';
  return { GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: found?.[2] ?? 'dispatch@localhost' };
}

async function rebased(
  git: Git,
  dir: string,
  { head, base }: { head: string; base: string },
): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), 'dispatch-rebase-'));
  const run = (...args: string[]): Promise<string> =>
    git.run(['-c', 'core.hooksPath=/dev/null', ...args], { cwd: work, env: COMMITTER });
  try {
    await git.run(['clone', '--quiet', '--shared', '--no-checkout', '--template=', '--', dir, work]);
    await run('checkout', '--quiet', '--detach', head);
    await run('rebase', '--quiet', base).catch((error: unknown) => {
      throw new MergeConflict('the commits change the same lines as those that they would follow', {
        cause: error,
      });
    });
    const commit = (await run('rev-parse', 'HEAD')).trim();
    // The repository has to have the commits before one of its branches names them.
    await git.run(['--git-dir', dir, 'fetch', '--quiet', '--', work, 'HEAD']);
    return commit;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Moves a branch as a push does: hooks see it, and it is written down before anybody hears of it. */
export async function moveBranch(
  git: Git,
  dir: string,
  { branch, from, to }: { branch: string; from: string; to: string },
): Promise<void> {
  const ref = `refs/heads/${branch}`;
  await git.run(
    ['--git-dir', dir, 'push', '--quiet', `--force-with-lease=${ref}:${from}`, '--', dir, `${to}:${ref}`],
    { env: { DISPATCH_ACCESS: 'merge' } },
  );
}
