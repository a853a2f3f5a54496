import type { Command } from 'commander';
import { GITOPS_REPOSITORIES, type GitopsRepository } from '../../../gitops/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { printList, printObject } from '../../output.ts';
import { age, withClient } from '../ci/client.ts';

interface CreateFlags {
  repositoryUrl: string;
  scmSecret?: string;
  path?: string;
  revision?: string;
  federated?: boolean;
}

/** The short form of applications. */
export function registerGitopsRepository(cd: Command, environment: Environment): void {
  const repository = cd
    .command('gitops-repository')
    .alias('gitops-repositories')
    .description('Repositories whose manifests are kept in place in a namespace.');
  repository
    .command('create')
    .description('Keep the manifests of a repository in place.')
    .argument('<name>', 'name of the object')
    .requiredOption('--repository-url <url>', 'address of the repository')
    .option('--scm-secret <name>', 'Secret with the credentials for it')
    .option('--path <directory>', 'directory with the manifests')
    .option('--revision <revision>', 'branch, tag or commit')
    .option('--federated', 'also on every cluster that the namespace has added')
    .addHelpText(
      'after',
      examples(
        'dispatch cd gitops-repository create hello-world --repository-url https://github.com/ada/hello-world-gitops --scm-secret github',
      ),
    )
    .action((name: string, flags: CreateFlags, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { repositoryUrl, scmSecret, path, revision, federated } = flags;
        const object: GitopsRepository = {
          apiVersion: 'dispatch.dev/v1alpha1',
          kind: 'GitopsRepository',
          metadata: { name, namespace },
          spec: {
            repositoryUrl,
            ...(scmSecret && { scmSecret }),
            ...(path && { path }),
            ...(revision && { revision }),
            ...(federated && { federated }),
          },
        };
        await client.create(GITOPS_REPOSITORIES, object);
        environment.stdout.write(`gitopsrepository.dispatch.dev/${name} created\n`);
      }),
    );
  repository
    .command('list')
    .alias('ls')
    .description('List them.')
    .addHelpText('after', examples('dispatch cd gitops-repository list'))
    .action((_: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { items } = await client.list<GitopsRepository>(GITOPS_REPOSITORIES, { namespace });
        printList(environment, globalFlags(command), {
          items,
          nameOf: (at) => items[at]!.metadata.name ?? '',
          columns: {
            NAME: (at) => items[at]!.metadata.name ?? '',
            REPOSITORY: (at) => items[at]!.spec.repositoryUrl,
            REVISION: (at) => items[at]!.status?.revision?.slice(0, 12) ?? '',
            READY: (at) =>
              items[at]!.status?.conditions?.find((item) => item.type === 'Ready')?.status ?? 'Unknown',
            SUSPENDED: (at) => String(items[at]!.spec.suspended ?? false),
            AGE: (at) => age(items[at]!.metadata.creationTimestamp),
          },
        });
      }),
    );
  repository
    .command('get')
    .description('Show one.')
    .argument('<name>', 'name of the object')
    .addHelpText('after', examples('dispatch cd gitops-repository get hello-world'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) =>
        printObject(
          environment,
          globalFlags(command).output,
          await client.get<GitopsRepository>(GITOPS_REPOSITORIES, namespace, name),
        ),
      ),
    );
  for (const [verb, suspended] of [
    ['suspend', true],
    ['resume', false],
  ] as const)
    repository
      .command(verb)
      .description(suspended ? 'Stop synchronising.' : 'Go on with synchronising.')
      .argument('<name>', 'name of the object')
      .addHelpText('after', examples(`dispatch cd gitops-repository ${verb} hello-world`))
      .action((name: string, _: object, command: Command) =>
        withClient(environment, command, async (client, namespace) => {
          await client.patch(GITOPS_REPOSITORIES, { namespace, name }, 'merge', { spec: { suspended } });
          environment.stdout.write(
            `gitopsrepository.dispatch.dev/${name} ${suspended ? 'suspended' : 'resumed'}\n`,
          );
        }),
      );
  repository
    .command('delete')
    .alias('rm')
    .description('Delete one, with what it keeps in place.')
    .argument('<name>', 'name of the object')
    .addHelpText('after', examples('dispatch cd gitops-repository delete hello-world'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await client.delete(GITOPS_REPOSITORIES, namespace, name);
        environment.stdout.write(`gitopsrepository.dispatch.dev/${name} deleted\n`);
      }),
    );
}
