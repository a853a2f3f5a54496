import type { Command } from 'commander';
import { stringify } from 'yaml';
import {
  APPLICATIONS,
  type Application,
  type ObjectDifference,
  showDifference,
  type TreeNode,
} from '../../../gitops/index.ts';
import { type KubeClient, type KubeObject, PODS } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { printList, printObject, table } from '../../output.ts';
import { age, withClient } from '../ci/client.ts';
import { getApplication, inspect } from './applications.ts';

export function registerAppShow(app: Command, environment: Environment): void {
  registerList(app, environment);
  registerGet(app, environment);
  registerDiff(app, environment);
  app
    .command('manifests')
    .description('Show what Git has, as it would be applied.')
    .argument('<name>', 'name of the application')
    .option('--revision <revision>', 'at another revision')
    .addHelpText('after', examples('dispatch gitops app manifests hello-world'))
    .action((name: string, flags: { revision?: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await getApplication(client, namespace, name);
        const { items } = await inspect<{ items: { object: KubeObject; file: string }[] }>(
          client,
          found,
          'manifests',
          flags.revision,
        );
        for (const { object, file } of items)
          environment.stdout.write(`---\n# Source: ${file}\n${stringify(object)}`);
      }),
    );
  registerHistory(app, environment);
  app
    .command('logs')
    .description('Show what the pods of an application print.')
    .argument('<name>', 'name of the application')
    .option('--tail <lines>', 'the last lines only', '100')
    .addHelpText('after', examples('dispatch gitops app logs hello-world --tail 20'))
    .action((name: string, flags: { tail: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await getApplication(client, namespace, name);
        const { items } = await inspect<{ items: TreeNode[] }>(client, found, 'tree');
        const pods = items.flatMap(allNodes).filter(({ kind, group }) => kind === 'Pod' && group === '');
        if (pods.length === 0) throw new UserError(`The application ${name} has no pods.`);
        for (const pod of pods) await printLogs(environment, client, pod, flags.tail);
      }),
    );
}

function allNodes(node: TreeNode): TreeNode[] {
  return [node, ...node.children.flatMap(allNodes)];
}

async function printLogs(
  environment: Environment,
  client: KubeClient,
  pod: TreeNode,
  tail: string,
): Promise<void> {
  const { spec } = await client.get<KubeObject & { spec: { containers: { name: string }[] } }>(
    PODS,
    pod.namespace,
    pod.name,
  );
  for (const { name } of spec.containers) {
    const stream = await client.stream({
      method: 'GET',
      path: `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/log`,
      query: new URLSearchParams({ container: name, tailLines: tail }),
    });
    let text = '';
    for await (const chunk of stream) text += Buffer.from(chunk).toString();
    for (const line of text.split('\n'))
      if (line !== '') environment.stdout.write(`[${pod.name}/${name}] ${line}\n`);
  }
}

function registerList(app: Command, environment: Environment): void {
  app
    .command('list')
    .alias('ls')
    .description('List the applications.')
    .addHelpText('after', examples('dispatch gitops app list', 'dispatch gitops app list -o json'))
    .action((_: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { items } = await client.list<Application>(APPLICATIONS, { namespace });
        printList(environment, globalFlags(command), {
          items,
          nameOf: (at) => items[at]!.metadata.name ?? '',
          columns: {
            NAME: (at) => items[at]!.metadata.name ?? '',
            CLUSTER: (at) => items[at]!.spec.destination.name ?? items[at]!.spec.destination.server ?? '',
            NAMESPACE: (at) => items[at]!.spec.destination.namespace ?? '',
            PROJECT: (at) => items[at]!.spec.project ?? '',
            STATUS: (at) => items[at]!.status?.sync?.status ?? 'Unknown',
            HEALTH: (at) => items[at]!.status?.health?.status ?? 'Unknown',
            SYNCPOLICY: (at) => policyOf(items[at]!),
            REPO: (at) => sourceOf(items[at]!).repoURL,
            PATH: (at) => sourceOf(items[at]!).path ?? '',
            TARGET: (at) => sourceOf(items[at]!).targetRevision ?? 'HEAD',
          },
        });
      }),
    );
}

function sourceOf({ spec }: Application): NonNullable<Application['spec']['source']> {
  return spec.source ?? spec.sources?.[0] ?? { repoURL: '' };
}

function policyOf({ spec, metadata }: Application): string {
  const automated = spec.syncPolicy?.automated;
  if (metadata.annotations?.['dispatch.dev/suspended'] === 'true') return 'Suspended';
  if (automated === undefined || automated.enabled === false) return '<none>';
  return ['Auto', automated.prune ? 'Prune' : '', automated.selfHeal ? 'Heal' : '']
    .filter((word) => word !== '')
    .join('-');
}

function registerGet(app: Command, environment: Environment): void {
  app
    .command('get')
    .description('Show an application, with everything that was made for it.')
    .argument('<name>', 'name of the application')
    .addHelpText(
      'after',
      examples('dispatch gitops app get hello-world', 'dispatch gitops app get hello-world -o yaml'),
    )
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await getApplication(client, namespace, name);
        const { output } = globalFlags(command);
        if (output === 'yaml' || output === 'json') return printObject(environment, output, found);
        environment.stdout.write(summary(found));
        const tree = await inspect<{ items: TreeNode[] }>(client, found, 'tree').catch(() => ({ items: [] }));
        environment.stdout.write(resources(found, tree.items));
      }),
    );
}

function summary(app: Application): string {
  const { spec, status, metadata } = app;
  const source = sourceOf(app);
  const rows: [string, string][] = [
    ['Name', `${metadata.namespace}/${metadata.name}`],
    ['Project', spec.project ?? 'default'],
    ['Server', spec.destination.server ?? spec.destination.name ?? ''],
    ['Namespace', spec.destination.namespace ?? ''],
    ['Repository', source.repoURL],
    ['Target', source.targetRevision ?? 'HEAD'],
    ['Path', source.path ?? source.chart ?? ''],
    ['Sync policy', policyOf(app)],
    [
      'Sync status',
      `${status?.sync?.status ?? 'Unknown'}${status?.sync?.revision ? ` (${status.sync.revision.slice(0, 12)})` : ''}`,
    ],
    [
      'Health',
      `${status?.health?.status ?? 'Unknown'}${status?.health?.message ? ` (${status.health.message})` : ''}`,
    ],
    ...(status?.summary?.externalURLs ?? []).map((url): [string, string] => ['URL', url]),
  ];
  const operation = status?.operationState;
  if (operation !== undefined) rows.push(['Operation', `${operation.phase}: ${operation.message ?? ''}`]);
  const width = Math.max(...rows.map(([title]) => title.length)) + 3;
  const lines = rows.map(([title, value]) => `${`${title}:`.padEnd(width)}${value}\n`);
  const conditions = (status?.conditions ?? []).map(({ type, message }) => `  ${type}: ${message}\n`);
  return lines.join('') + (conditions.length > 0 ? `\nConditions:\n${conditions.join('')}` : '');
}

function resources({ status }: Application, tree: readonly TreeNode[]): string {
  const rows: string[][] = [];
  const add = (node: TreeNode, depth: number): void => {
    rows.push([
      `${'  '.repeat(depth)}${depth === 0 ? '' : '└ '}${node.kind}`,
      node.namespace,
      node.name,
      '',
      node.health?.status ?? '',
      age(node.created),
    ]);
    for (const child of node.children) add(child, depth + 1);
  };
  for (const item of status?.resources ?? []) {
    const node = tree.find(
      (known) => known.kind === item.kind && known.name === item.name && known.group === item.group,
    );
    rows.push([
      item.kind,
      item.namespace ?? '',
      item.name,
      item.status,
      item.health?.message ? `${item.health.status} (${item.health.message})` : (item.health?.status ?? ''),
      age(node?.created),
    ]);
    for (const child of node?.children ?? []) add(child, 1);
  }
  return rows.length === 0
    ? ''
    : `\n${table(['KIND', 'NAMESPACE', 'NAME', 'STATUS', 'HEALTH', 'AGE'], rows)}`;
}

function registerDiff(app: Command, environment: Environment): void {
  app
    .command('diff')
    .description('Show where the cluster differs from Git. Ends with 1 where it does.')
    .argument('<name>', 'name of the application')
    .option('--revision <revision>', 'compare with another revision')
    .addHelpText('after', examples('dispatch gitops app diff hello-world'))
    .action((name: string, flags: { revision?: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await getApplication(client, namespace, name);
        const { items } = await inspect<{ items: ObjectDifference[] }>(client, found, 'diff', flags.revision);
        if (globalFlags(command).output === 'json')
          environment.stdout.write(`${JSON.stringify(items, undefined, 2)}\n`);
        else for (const item of items) environment.stdout.write(showDifference(item));
        if (items.length > 0) process.exitCode = 1;
      }),
    );
}

function registerHistory(app: Command, environment: Environment): void {
  app
    .command('history')
    .description('List what was deployed.')
    .argument('<name>', 'name of the application')
    .addHelpText('after', examples('dispatch gitops app history hello-world'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const items = (await getApplication(client, namespace, name)).status?.history ?? [];
        printList(environment, globalFlags(command), {
          items,
          nameOf: (at) => String(items[at]!.id),
          columns: {
            ID: (at) => String(items[at]!.id),
            DATE: (at) => items[at]!.deployedAt,
            REVISION: (at) =>
              `${items[at]!.source.targetRevision ?? 'HEAD'} (${items[at]!.revision.slice(0, 12)})`,
            BY: (at) =>
              items[at]!.initiatedBy?.automated ? 'automated' : (items[at]!.initiatedBy?.username ?? ''),
          },
        });
      }),
    );
}
