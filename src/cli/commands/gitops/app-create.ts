import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { APPLICATIONS, type Application, IN_CLUSTER, NOTES } from '../../../gitops/index.ts';
import { SERVICE_ACCOUNTS, unlessGone } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples, repeated } from '../../help.ts';
import { withClient } from '../ci/client.ts';
import { printObject } from '../../output.ts';
import { getApplication } from './applications.ts';

interface CreateFlags {
  repository?: string;
  repositoy?: string;
  serviceAccount?: string;
  serviceaccount?: string;
  path?: string;
  revision?: string;
  destServer?: string;
  destName?: string;
  destNamespace?: string;
  project?: string;
  syncPolicy?: string;
  autoPrune?: boolean;
  selfHeal?: boolean;
  helmSet?: string[];
  values?: string[];
  valuesLiteralFile?: string;
  recurse?: boolean;
  syncOption?: string[];
}

function withSettings(command: Command): Command {
  return command
    .option('--path <directory>', 'directory of the manifests, chart or kustomization')
    .option('--revision <revision>', 'branch, tag, commit or range of versions')
    .option('--dest-server <url>', 'cluster by its address, as in "dispatch gitops cluster list"')
    .option('--dest-name <name>', 'cluster by its name')
    .option('--dest-namespace <name>', 'namespace of objects that name none')
    .option('--project <name>', 'project whose rules hold')
    .option('--sync-policy <policy>', 'auto or none')
    .option('--auto-prune', 'take away what Git does not have any more')
    .option('--self-heal', 'put back what somebody has changed')
    .option('--helm-set <name=value>', 'value of a chart', repeated, [])
    .option('--values <file>', 'values file of a chart, by its path in the repository', repeated, [])
    .option('--values-literal-file <file>', 'values of a chart out of a file of this machine')
    .option('--recurse', 'take directories further down along')
    .option('--sync-option <option>', 'such as CreateNamespace=true', repeated, [])
    .option(
      '--service-account <name>',
      'account whose credentials read the repository and manage its webhook',
    )
    .option('--serviceaccount <name>', 'older spelling of --service-account');
}

export function registerAppCreate(app: Command, environment: Environment): void {
  withSettings(app.command('create'))
    .description('Keep the manifests of a repository in place.')
    .argument('<name>', 'name of the application')
    .option('--repository <url>', 'address of the repository')
    .option('--repositoy <url>', 'older spelling of --repository')
    .addHelpText(
      'after',
      examples(
        'dispatch gitops app create hello-world --repository=https://github.com/ada/hello-world-gitops --service-account team-1',
        'dispatch gitops app create shop --repository http://127.0.0.1:8081/dispatch/git/default/shop.git --path prod --auto-prune --self-heal',
      ),
    )
    .action((name: string, flags: CreateFlags, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const repoURL = flags.repository ?? flags.repositoy;
        if (repoURL === undefined)
          throw new UserError('An application needs a repository: give it with --repository.');
        const account = flags.serviceAccount ?? flags.serviceaccount;
        if (
          account !== undefined &&
          (await unlessGone(client.get(SERVICE_ACCOUNTS, namespace, account))) === undefined
        )
          throw new UserError(
            `There is no account ${account}: make it with "dispatch serviceaccount create ${account}".`,
          );
        const base: Application = {
          apiVersion: 'argoproj.io/v1alpha1',
          kind: 'Application',
          metadata: { name, namespace },
          spec: {
            project: 'default',
            source: { repoURL, path: '.', targetRevision: 'HEAD' },
            destination: { ...(flags.destName === undefined && { server: IN_CLUSTER }), namespace },
            syncPolicy: { automated: {} },
          },
        };
        const object = await settled(base, flags);
        const { dryRun, output } = globalFlags(command);
        const made = dryRun ? object : await client.create<Application>(APPLICATIONS, object);
        if (output === 'yaml' || output === 'json') printObject(environment, output, made);
        else
          environment.stdout.write(`application.argoproj.io/${name} created${dryRun ? ' (dry run)' : ''}\n`);
      }),
    );
}

export function registerAppSet(app: Command, environment: Environment): void {
  withSettings(app.command('set'))
    .description('Change an application.')
    .argument('<name>', 'name of the application')
    .option('--repository <url>', 'address of the repository')
    .addHelpText(
      'after',
      examples('dispatch gitops app set hello-world --revision v1.2.0 --helm-set replicas=3'),
    )
    .action((name: string, flags: CreateFlags, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await getApplication(client, namespace, name);
        const object = await settled(found, flags);
        if (flags.repository !== undefined && object.spec.source !== undefined)
          object.spec.source.repoURL = flags.repository;
        await client.update<Application>(APPLICATIONS, object);
        environment.stdout.write(`application.argoproj.io/${name} changed\n`);
      }),
    );
}

/** The application with what the flags say. */
async function settled(app: Application, flags: CreateFlags): Promise<Application> {
  const object = structuredClone(app);
  const { spec } = object;
  const source = spec.source;
  if (source === undefined)
    throw new UserError('This application has several sources: change it with "kubectl edit".');
  if (flags.path !== undefined) source.path = flags.path;
  if (flags.revision !== undefined) source.targetRevision = flags.revision;
  if (flags.recurse) source.directory = { ...source.directory, recurse: true };
  if (flags.destServer !== undefined) {
    spec.destination.server = flags.destServer;
    delete spec.destination.name;
  }
  if (flags.destName !== undefined) {
    spec.destination.name = flags.destName;
    delete spec.destination.server;
  }
  if (flags.destNamespace !== undefined) spec.destination.namespace = flags.destNamespace;
  if (flags.project !== undefined) spec.project = flags.project;
  await setHelm(source, flags);
  setPolicy(spec, flags);
  const account = flags.serviceAccount ?? flags.serviceaccount;
  if (account !== undefined)
    object.metadata.annotations = { ...object.metadata.annotations, [NOTES.account]: account };
  return object;
}

async function setHelm(
  source: NonNullable<Application['spec']['source']>,
  flags: CreateFlags,
): Promise<void> {
  const { helmSet = [], values = [], valuesLiteralFile } = flags;
  if (helmSet.length === 0 && values.length === 0 && valuesLiteralFile === undefined) return;
  const given = helmSet.map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw new UserError(`${JSON.stringify(text)} is no value: write it as name=value.`);
    return { name: text.slice(0, at), value: text.slice(at + 1) };
  });
  const names = new Set(given.map(({ name }) => name));
  const parameters = [...(source.helm?.parameters ?? []).filter(({ name }) => !names.has(name)), ...given];
  source.helm = {
    ...source.helm,
    ...(parameters.length > 0 && { parameters }),
    ...(values.length > 0 && { valueFiles: values }),
    ...(valuesLiteralFile !== undefined && { values: await readText(valuesLiteralFile) }),
  };
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${path} cannot be read (${error.code}): check its name.`, { cause: error });
  });
}

function setPolicy(spec: Application['spec'], flags: CreateFlags): void {
  const { syncPolicy, autoPrune, selfHeal, syncOption = [] } = flags;
  if (syncPolicy !== undefined && !/^(?:auto|automated|automatic|none|manual)$/.test(syncPolicy))
    throw new UserError(`${JSON.stringify(syncPolicy)} is no policy: give auto or none.`);
  const policy = { ...spec.syncPolicy };
  if (syncPolicy === 'none' || syncPolicy === 'manual') delete policy.automated;
  else if (syncPolicy !== undefined) policy.automated = { ...policy.automated };
  if (autoPrune !== undefined || selfHeal !== undefined) {
    if (policy.automated === undefined)
      throw new UserError('--auto-prune and --self-heal need --sync-policy auto.');
    policy.automated = {
      ...policy.automated,
      ...(autoPrune !== undefined && { prune: autoPrune }),
      ...(selfHeal !== undefined && { selfHeal }),
    };
  }
  if (syncOption.length > 0)
    policy.syncOptions = [...new Set([...(policy.syncOptions ?? []), ...syncOption])];
  spec.syncPolicy = policy;
}
