import { randomUUID } from 'node:crypto';
import { copyFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Git } from '../../scm/index.ts';

export interface SnapshotOptions {
  git: Git;
  /** A directory of the working tree. */
  directory: string;
  /** Files that git does not know, too. */
  untracked: boolean;
  /** Files to take along although git ignores them. */
  files: readonly string[];
}

export interface Snapshot {
  root: string;
  name: string;
  commit: string;
  branch: string;
  /** Where its remote is, where it has one. */
  origin: string | undefined;
}

const AUTHOR = {
  GIT_AUTHOR_NAME: 'Dispatch',
  GIT_AUTHOR_EMAIL: 'dispatch@localhost',
  GIT_COMMITTER_NAME: 'Dispatch',
  GIT_COMMITTER_EMAIL: 'dispatch@localhost',
};

/** A commit of the working tree as it is now. Neither the index nor any branch of the user changes. */
export async function takeSnapshot({ git, directory, untracked, files }: SnapshotOptions): Promise<Snapshot> {
  const ask = (args: readonly string[], env: Record<string, string> = {}): Promise<string> =>
    git.run(['-c', 'safe.directory=*', ...args], { cwd: directory, env }).then((text) => text.trim());
  const root = await ask(['rev-parse', '--show-toplevel']);
  const head = await ask(['rev-parse', '--verify', '--quiet', 'HEAD']).catch(() => undefined);
  const branch = await ask(['symbolic-ref', '--quiet', '--short', 'HEAD']).catch(() => 'HEAD');
  const origin = await ask(['remote', 'get-url', 'origin']).catch(() => undefined);
  const index = join(tmpdir(), `dispatch-index-${randomUUID()}`);
  const env = { ...AUTHOR, GIT_INDEX_FILE: index };
  const inRoot = (args: readonly string[], input?: string): Promise<string> =>
    git
      .run(['-c', 'safe.directory=*', ...args], { cwd: root, env, ...(input !== undefined && { input }) })
      .then((text) => text.trim());
  try {
    const current = join(await ask(['rev-parse', '--absolute-git-dir']), 'index');
    await copyFile(current, index).catch(() => {});
    await inRoot(untracked ? ['add', '--all'] : ['add', '--update']);
    if (files.length > 0) await inRoot(['add', '--force', '--', ...files]);
    const tree = await inRoot(['write-tree']);
    const clean = head !== undefined && tree === (await ask(['rev-parse', `${head}^{tree}`]));
    const commit = clean
      ? head
      : await inRoot([
          'commit-tree',
          tree,
          ...(head === undefined ? [] : ['-p', head]),
          '-m',
          'The working tree',
        ]);
    return { root, name: basename(root), commit, branch, origin };
  } finally {
    await rm(index, { force: true });
  }
}

/** The same for a commit that is there already. */
export async function snapshotOf(git: Git, directory: string, revision: string): Promise<Snapshot> {
  const ask = (args: readonly string[]): Promise<string> =>
    git.run(['-c', 'safe.directory=*', ...args], { cwd: directory }).then((text) => text.trim());
  const root = await ask(['rev-parse', '--show-toplevel']);
  const commit = await ask(['rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`]);
  const origin = await ask(['remote', 'get-url', 'origin']).catch(() => undefined);
  return { root, name: basename(root), commit, branch: revision, origin };
}
