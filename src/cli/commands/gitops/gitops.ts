import type { Command } from 'commander';
import type { Environment } from '../../environment.ts';
import { registerAppActions } from './app-actions.ts';
import { registerAppCreate, registerAppSet } from './app-create.ts';
import { registerAppShow } from './app-show.ts';
import { registerCerts } from './cert.ts';
import { registerClusters } from './cluster.ts';
import { registerCreds } from './creds.ts';
import { registerGitopsRepository } from './gitops-repository.ts';

/** Everything about keeping clusters as Git says. */
export function registerGitops(program: Command, environment: Environment): void {
  const gitops = program.command('gitops').description('Keep clusters as Git says.');
  const app = gitops
    .command('app')
    .alias('apps')
    .description('Applications: manifests in Git, and where they are kept.');
  registerAppCreate(app, environment);
  registerAppSet(app, environment);
  registerAppShow(app, environment);
  registerAppActions(app, environment);
  registerClusters(gitops, environment);
  registerCreds(gitops, environment);
  registerCerts(gitops, environment);
  const cd = program.command('cd').description('Continuous deployment.');
  registerGitopsRepository(cd, environment);
}
