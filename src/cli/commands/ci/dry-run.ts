import { join } from 'node:path';
import type { Command } from 'commander';
import { compileRun, type Repository, snapshotOf } from '../../../ci/index.ts';
import type { KubeObject } from '../../../kube/index.ts';
import { Git } from '../../../scm/index.ts';
import { STEP_IMAGES } from '../../../server/index.ts';
import type { Environment } from '../../environment.ts';
import { WorkingTreeModules } from './modules.ts';
import { renderFile } from './render-pipeline.ts';

export interface DryRunOptions {
  namespace: string;
  tasks: readonly string[];
  repository: Repository;
  revision?: string;
}

/** The run that would be made of the current clone, without making it. */
export async function dryRun(
  environment: Environment,
  command: Command,
  options: DryRunOptions,
): Promise<KubeObject> {
  const { namespace, tasks, repository, revision } = options;
  const git = new Git(environment.env['PATH'] ?? '');
  const snapshot = await snapshotOf(git, environment.cwd, revision ?? 'HEAD');
  const file = repository.spec.dispatchfile?.path ?? 'Dispatchfile';
  const path = join(snapshot.root, file);
  const modules = await WorkingTreeModules.make(environment, command, path, {});
  const print = (text: string): void => void environment.stderr.write(`${text}\n`);
  const { pipeline } = await renderFile(path, file, { print, modules });
  const { name = '' } = repository.metadata;
  return compileRun({
    pipeline,
    context: {
      buildName: 'manual',
      git: { url: repository.spec.url ?? '', commit: snapshot.commit, branch: snapshot.branch, tag: '' },
      chatopCommand: '',
    },
    images: STEP_IMAGES,
    cloneUrl: (url) => ({ url, token: false }),
    name: `${name}-manual-${snapshot.commit.slice(0, 7)}`,
    namespace,
    tasks: tasks.length > 0 ? tasks : Object.keys(pipeline.task),
    serviceAccount: repository.spec.serviceAccount,
    timeout: repository.spec.timeout,
  });
}
