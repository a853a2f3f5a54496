import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { parse, stringify } from 'yaml';
import { REPOSITORIES, type Repository } from '../../../ci/index.ts';
import { Git, repositoryOf } from '../../../scm/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { printList } from '../../output.ts';
import { age, withClient } from './client.ts';

interface CreateFlags {
  name?: string;
  url?: string;
  remote: string;
  serviceAccount?: string;
  secret?: string;
  provider?: string;
  timeout?: string;
  disableAutoCancel?: boolean;
  logStorageRules?: string;
  podTemplateConfigMapName?: string;
  podTemplateConfigMapKey?: string;
  podTemplateConfigMapOptional?: boolean;
  dispatchfilePath?: string;
  dispatchfileRepository?: string;
  dispatchfileRevision?: string;
  forks?: string;
}

export function registerRepository(parent: Command, environment: Environment): void {
  const repository = parent
    .command('repository')
    .alias('repositories')
    .description('Repositories whose events start pipelines.');
  registerCreate(repository.command('create'), environment);
  repository
    .command('list')
    .alias('ls')
    .description('List the repositories.')
    .addHelpText('after', examples('dispatch ci repository list', 'dispatch ci repository list -o json'))
    .action((_: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { items } = await client.list<Repository>(REPOSITORIES, { namespace });
        printList(environment, globalFlags(command), {
          items,
          nameOf: (at) => items[at]!.metadata.name ?? '',
          columns: {
            NAME: (at) => items[at]!.metadata.name ?? '',
            REPOSITORY: (at) => items[at]!.spec.url ?? items[at]!.spec.repository ?? '',
            BUILDS: (at) => String(items[at]!.status?.buildCounter ?? 0),
            READY: (at) =>
              items[at]!.status?.conditions?.find((item) => item.type === 'Ready')?.status ?? 'Unknown',
            AGE: (at) => age(items[at]!.metadata.creationTimestamp),
          },
        });
      }),
    );
  repository
    .command('get')
    .description('Show a repository.')
    .argument('<name>', 'name of the repository')
    .addHelpText('after', examples('dispatch ci repository get hello-world'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await client.get<Repository>(REPOSITORIES, namespace, name);
        const isJson = globalFlags(command).output === 'json';
        environment.stdout.write(isJson ? `${JSON.stringify(found, undefined, 2)}\n` : stringify(found));
      }),
    );
  repository
    .command('edit')
    .description('Change a repository in an editor.')
    .argument('<name>', 'name of the repository')
    .addHelpText('after', examples('EDITOR=vi dispatch ci repository edit hello-world'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await client.get<Repository>(REPOSITORIES, namespace, name);
        const spec = await edited(environment, found.spec);
        await client.update<Repository>(REPOSITORIES, { ...found, spec });
        environment.stdout.write(`repository.dispatch.dev/${name} edited\n`);
      }),
    );
  repository
    .command('delete')
    .alias('rm')
    .description('Delete a repository, with its webhook.')
    .argument('<name>', 'name of the repository')
    .addHelpText('after', examples('dispatch ci repository delete hello-world'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await client.delete(REPOSITORIES, namespace, name);
        environment.stdout.write(`repository.dispatch.dev/${name} deleted\n`);
      }),
    );
}

/** Also registered under its older spellings. */
export function registerCreate(command: Command, environment: Environment): void {
  command
    .description('Let the events of a repository start its pipelines.')
    .option('--name <name>', 'name of the object (default: of the repository)')
    .option('--url <url>', 'where it is (default: the git remote of the current directory)')
    .option('--remote <name>', 'git remote that it is taken from', 'origin')
    .option('--service-account <name>', 'account with its credentials, that its pipelines run as')
    .option('--serviceaccount <name>', 'older spelling of --service-account')
    .option('--secret <name>', 'Secret with its credentials, instead of one of the account')
    .option('--provider <name>', 'github, gitlab, bitbucket-cloud, bitbucket-server, gitea or dispatch')
    .option('--timeout <duration>', 'longest time that a pipeline may take')
    .option('--disable-auto-cancel', 'let older runs go on when a newer commit arrives')
    .option('--log-storage-rules <json>', 'how long logs are kept: [{"maxAge": "720h", "maxCount": 100}]')
    .option(
      '--pod-template-config-map-name <name>',
      'ConfigMap with a template for the pods of its pipelines',
    )
    .option('--pod-template-config-map-key <key>', 'key of the template in that ConfigMap')
    .option('--pod-template-config-map-optional', 'go on without a template where there is none')
    .option('--dispatchfile-path <path>', 'path of the Dispatchfile')
    .option('--dispatchfile-repository <url>', 'another repository that holds the Dispatchfile')
    .option('--dispatchfile-revision <revision>', 'revision that the Dispatchfile is read at')
    .option('--forks <policy>', 'pull requests of others: approve or never')
    .addHelpText(
      'after',
      examples(
        'dispatch ci repository create --service-account team-1',
        'dispatch ci repository create --url http://127.0.0.1:8081/dispatch/git/default/hello-world.git',
      ),
    )
    .action((flags: CreateFlags & { serviceaccount?: string }, own: Command) =>
      withClient(environment, own, async (client, namespace) => {
        const url = flags.url ?? (await remoteUrl(environment, flags.remote));
        const name = flags.name ?? nameOf(url);
        const object: Repository = {
          apiVersion: 'dispatch.dev/v1alpha1',
          kind: 'Repository',
          metadata: { name, namespace },
          spec: specOf(
            { ...flags, serviceAccount: flags.serviceAccount ?? flags.serviceaccount } as CreateFlags,
            url,
          ),
        };
        const { dryRun, output } = globalFlags(own);
        const made = dryRun ? object : await client.create<Repository>(REPOSITORIES, object);
        if (output === 'yaml' || output === 'json')
          environment.stdout.write(
            output === 'yaml' ? stringify(made) : `${JSON.stringify(made, undefined, 2)}\n`,
          );
        else
          environment.stdout.write(`repository.dispatch.dev/${name} created${dryRun ? ' (dry run)' : ''}\n`);
      }),
    );
}

function specOf(flags: CreateFlags, url: string): Repository['spec'] {
  const {
    serviceAccount,
    secret,
    provider,
    timeout,
    disableAutoCancel,
    forks,
    dispatchfilePath: path,
    dispatchfileRepository: repository,
    dispatchfileRevision: revision,
  } = flags;
  const dispatchfile = {
    ...(path && { path }),
    ...(repository && { repository }),
    ...(revision && { revision }),
  };
  const {
    podTemplateConfigMapName: name,
    podTemplateConfigMapKey: key,
    podTemplateConfigMapOptional: optional,
  } = flags;
  if (forks !== undefined && forks !== 'approve' && forks !== 'never')
    throw new UserError(`${JSON.stringify(forks)} is no policy for forks: give approve or never.`);
  return {
    url,
    ...(repositoryOf(url) && { repository: repositoryOf(url)! }),
    ...(serviceAccount && { serviceAccount }),
    ...(secret && { secret }),
    ...(provider && { provider }),
    ...(timeout && { timeout }),
    ...(disableAutoCancel && { disableAutoCancel }),
    ...(forks && { forks }),
    ...(Object.keys(dispatchfile).length > 0 && { dispatchfile }),
    ...(flags.logStorageRules && { logStorageRules: rulesOf(flags.logStorageRules) }),
    ...(name && {
      podTemplateFrom: { configMap: { name, ...(key && { key }), ...(optional && { optional }) } },
    }),
  };
}

function rulesOf(text: string): NonNullable<Repository['spec']['logStorageRules']> {
  try {
    const rules = JSON.parse(text) as NonNullable<Repository['spec']['logStorageRules']>;
    if (Array.isArray(rules)) return rules;
  } catch {
    // Told below, as for everything else that is no list.
  }
  throw new UserError('--log-storage-rules must be a JSON list such as [{"maxAge": "720h"}].');
}

async function remoteUrl(environment: Environment, remote: string): Promise<string> {
  const git = new Git(environment.env['PATH'] ?? '');
  try {
    return (
      await git.run(['-c', 'safe.directory=*', 'remote', 'get-url', '--', remote], { cwd: environment.cwd })
    ).trim();
  } catch (error) {
    throw new UserError(
      `The current directory has no git remote ${remote}: give one with --remote, or the address with --url.`,
      { cause: error },
    );
  }
}

function nameOf(url: string): string {
  const name =
    (repositoryOf(url) ?? '')
      .split('/')
      .at(-1)
      ?.toLowerCase()
      .replaceAll(/[^a-z0-9.-]+/g, '-') ?? '';
  if (name === '') throw new UserError(`No name can be taken from ${url}: give one with --name.`);
  return name;
}

async function edited<T>(environment: Environment, value: T): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'dispatch-edit-'));
  try {
    const path = join(dir, 'repository.yaml');
    await writeFile(path, stringify(value));
    const editor = environment.env['VISUAL'] ?? environment.env['EDITOR'] ?? 'vi';
    const exitCode = await new Promise<number | null>((resolve, reject) => {
      // The variable may hold arguments, as in "code --wait".
      const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', path], { stdio: 'inherit' });
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (exitCode !== 0)
      throw new UserError(`The editor ${editor} ended with exit code ${exitCode}: nothing was changed.`);
    return parse(await readFile(path, 'utf8')) as T;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
