import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { UserError } from '../../server/index.ts';
import { type Environment, findCluster, globalFlags } from '../environment.ts';
import { examples, repeated } from '../help.ts';
import { printList } from '../output.ts';
import { withClient } from './ci/client.ts';

interface GitRepository {
  metadata: { name: string; namespace: string };
  status: { url: string };
}

const pathOf = (namespace: string, name = ''): string =>
  `/apis/run.dispatch.dev/v1alpha1/namespaces/${namespace}/gitrepositories${name === '' ? '' : `/${encodeURIComponent(name)}`}`;

export function registerGit(program: Command, environment: Environment): void {
  const git = program.command('git').description('Repositories that this server hosts.');
  git
    .command('create')
    .description('Make an empty repository.')
    .argument('<name>', 'name of the repository')
    .option('--default-branch <name>', 'its first branch', 'main')
    .option('--protect <branch>', 'branches that move by change requests alone', repeated, [])
    .addHelpText(
      'after',
      examples('dispatch git create hello-world', 'dispatch git create shop --protect main'),
    )
    .action((name: string, flags: { defaultBranch: string; protect: string[] }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const made = await client.raw<GitRepository>({
          method: 'POST',
          path: pathOf(namespace),
          headers: { 'content-type': 'application/json' },
          body: {
            metadata: { name },
            spec: { defaultBranch: flags.defaultBranch, protectedBranches: flags.protect },
          },
        });
        environment.stdout.write(`${made.status.url}\n`);
      }),
    );
  git
    .command('protect')
    .description('Let branches move by change requests alone; without a branch, let everybody push again.')
    .argument('<name>', 'name of the repository')
    .argument('[branches...]', 'the branches')
    .addHelpText('after', examples('dispatch git protect hello-world main'))
    .action((name: string, branches: string[], _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await client.raw({
          method: 'PUT',
          path: pathOf(namespace, name),
          headers: { 'content-type': 'application/json' },
          body: { metadata: { name }, spec: { protectedBranches: branches } },
        });
        environment.stdout.write(`gitrepository/${name}: ${branches.join(', ') || 'nothing'} protected\n`);
      }),
    );
  git
    .command('list')
    .alias('ls')
    .description('List the repositories.')
    .addHelpText('after', examples('dispatch git list'))
    .action((_: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { items } = await client.raw<{ items: GitRepository[] }>({
          method: 'GET',
          path: pathOf(namespace),
        });
        printList(environment, globalFlags(command), {
          items,
          nameOf: (at) => items[at]!.metadata.name,
          columns: { NAME: (at) => items[at]!.metadata.name, URL: (at) => items[at]!.status.url },
        });
      }),
    );
  git
    .command('delete')
    .alias('rm')
    .description('Delete a repository with everything in it.')
    .argument('<name>', 'name of the repository')
    .addHelpText('after', examples('dispatch git delete hello-world'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await client.raw({ method: 'DELETE', path: pathOf(namespace, name) });
        environment.stdout.write(`gitrepository/${name} deleted\n`);
      }),
    );
  git
    .command('clone')
    .description('Clone a repository, and let git log in by itself from there.')
    .argument('<name>', 'name of the repository')
    .argument('[directory]', 'where to')
    .addHelpText('after', examples('dispatch git clone hello-world'))
    .action((name: string, directory: string | undefined, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { status } = await client.raw<GitRepository>({ method: 'GET', path: pathOf(namespace, name) });
        const helper = `!${JSON.stringify(environment.env['DISPATCH_LAUNCHER'] ?? environment.argv[1] ?? 'dispatch')} git credential`;
        const scope = `credential.${new URL(status.url).origin}.helper`;
        const exitCode = await new Promise<number | null>((resolve, reject) => {
          const child = spawn(
            'git',
            [
              'clone',
              '--config',
              `${scope}=${helper}`,
              '--',
              status.url,
              ...(directory === undefined ? [] : [directory]),
            ],
            { stdio: 'inherit' },
          );
          child.once('error', reject);
          child.once('close', resolve);
        });
        if (exitCode !== 0) throw new UserError(`git clone ended with exit code ${exitCode}: see above.`);
      }),
    );
  git
    .command('credential')
    .description('Answer git when it asks for a login: for git itself.')
    .argument('<operation>', 'get, store or erase')
    .addHelpText(
      'after',
      examples('git config --global credential.http://127.0.0.1:8081.helper "!dispatch git credential"'),
    )
    .action(async (operation: string, _: object, command: Command) => {
      if (operation !== 'get') return;
      const { access } = await findCluster(environment, globalFlags(command));
      const token = /^Bearer (.+)$/.exec((await access.authorization?.()) ?? '')?.[1];
      if (token !== undefined) environment.stdout.write(`username=dispatch\npassword=${token}\n`);
    });
}
