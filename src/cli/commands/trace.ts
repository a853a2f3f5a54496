import type { Command } from 'commander';
import { BUILDS, type Build } from '../../ci/index.ts';
import { APPLICATIONS, type Application, type TreeNode } from '../../gitops/index.ts';
import { isRecord, type KubeClient, type KubeObject, type Pod, PODS } from '../../kube/index.ts';
import { PIPELINE_RUNS, type PipelineRun, TASK_RUNS, type TaskRun } from '../../pipelines/index.ts';
import { CHANGE_REQUESTS, type ChangeRequest } from '../../scm/index.ts';
import { UserError } from '../../server/index.ts';
import type { Environment } from '../environment.ts';
import { examples } from '../help.ts';
import { age, withClient } from './ci/client.ts';
import { inspect } from './gitops/applications.ts';

/** Everything of a namespace that hops between a commit and a pod have left behind. */
interface World {
  builds: Build[];
  runs: PipelineRun[];
  taskRuns: TaskRun[];
  changes: ChangeRequest[];
  apps: Application[];
  pods: Pod[];
}

const DIGEST = /sha256:[0-9a-f]{64}/;

/** From a commit to the pods that run it, from whatever is known of it. */
export function registerTrace(program: Command, environment: Environment): void {
  program
    .command('trace')
    .description('Show the way from a commit to the pods that run it.')
    .argument('<what>', 'a commit, an image or its digest, a run, an application or a pod')
    .addHelpText('after', examples('dispatch trace 0a1b2c3d', 'dispatch trace hello-world'))
    .action((what: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const world = await look(client, namespace);
        const commits = commitsOf(world, what);
        if (commits.length === 0)
          throw new UserError(
            `Nothing is known of ${what} in the namespace ${namespace}: give a commit, an image, a run, an application or a pod.`,
          );
        for (const commit of commits) environment.stdout.write(await chain(client, world, commit));
      }),
    );
}

async function look(client: KubeClient, namespace: string): Promise<World> {
  const list = async <T extends KubeObject>(resource: Parameters<KubeClient['list']>[0]): Promise<T[]> =>
    (await client.list<T>(resource, { namespace })).items;
  const [builds, runs, taskRuns, changes, apps, pods] = await Promise.all([
    list<Build>(BUILDS),
    list<PipelineRun>(PIPELINE_RUNS),
    list<TaskRun>(TASK_RUNS),
    list<ChangeRequest>(CHANGE_REQUESTS),
    list<Application>(APPLICATIONS),
    list<Pod>(PODS),
  ]);
  return { builds, runs, taskRuns, changes, apps, pods };
}

function digestsIn(value: unknown): string[] {
  return JSON.stringify(value ?? '').match(new RegExp(DIGEST, 'g')) ?? [];
}

/** The commits that something comes from. */
function commitsOf(world: World, what: string): string[] {
  const { builds, runs, taskRuns, apps, pods } = world;
  const direct = builds
    .map(({ status }) => status?.commit ?? '')
    .filter((commit) => commit !== '' && /^[0-9a-f]{4,40}$/.test(what) && commit.startsWith(what));
  if (direct.length > 0) return [...new Set(direct)];
  const run = runs.find(({ metadata }) => metadata.name === what);
  if (run !== undefined) return [run.metadata.labels?.['commit'] ?? ''].filter((commit) => commit !== '');
  const app = apps.find(({ metadata }) => metadata.name === what);
  const pod = pods.find(({ metadata }) => metadata.name === what);
  const digests = new Set([
    ...digestsIn(what),
    ...digestsIn(app?.status?.summary?.images),
    ...digestsIn(pod?.spec.containers),
  ]);
  const made = taskRuns.filter(({ status }) =>
    digestsIn(status?.results).some((digest) => digests.has(digest)),
  );
  const names = new Set(made.map(({ metadata }) => metadata.labels?.['tekton.dev/pipelineRun'] ?? ''));
  return [
    ...new Set(
      runs
        .filter(({ metadata }) => names.has(metadata.name ?? ''))
        .map(({ metadata }) => metadata.labels?.['commit'] ?? ''),
    ),
  ].filter((commit) => commit !== '');
}

async function chain(client: KubeClient, world: World, commit: string): Promise<string> {
  const lines = [`commit ${commit}`];
  const runs = world.runs.filter(({ metadata }) => metadata.labels?.['commit'] === commit.slice(0, 40));
  const digests = new Set<string>();
  for (const run of runs) {
    lines.push(`└ run ${run.metadata.name}  ${reason(run)}  ${age(run.status?.startTime)} ago`);
    for (const task of world.taskRuns.filter(
      ({ metadata }) => metadata.labels?.['tekton.dev/pipelineRun'] === run.metadata.name,
    )) {
      const made = digestsIn(task.status?.results);
      for (const digest of made) digests.add(digest);
      lines.push(
        `  ├ task ${task.metadata.labels?.['tekton.dev/pipelineTask'] ?? ''}  ${reason(task)}${made.length > 0 ? `  → ${[...new Set(made)].join(', ')}` : ''}`,
      );
    }
  }
  const changes = world.changes.filter(
    ({ spec }) =>
      spec.body?.includes(`Dispatch-Commit: ${commit}`) ||
      digestsIn(spec.body).some((digest) => digests.has(digest)),
  );
  for (const { metadata, spec, status } of changes) {
    lines.push(
      `└ change request ${metadata.name}  ${status?.phase ?? 'Open'}${status?.mergedBy ? ` by ${status.mergedBy}` : ''}  ${spec.title ?? ''}`,
    );
    if (status?.mergeCommit) lines.push(`  └ GitOps commit ${status.mergeCommit}`);
  }
  const merged = new Set(changes.flatMap(({ status }) => status?.mergeCommit ?? []));
  for (const app of world.apps) {
    const entry = app.status?.history?.find(({ revision }) => merged.has(revision));
    const runsIt = digestsIn(app.status?.summary?.images).some((digest) => digests.has(digest));
    if (entry === undefined && !runsIt) continue;
    const { server = '', name = server } = app.spec.destination;
    const when =
      entry === undefined
        ? ''
        : `, deployed ${age(entry.deployedAt)} ago${entry.initiatedBy?.automated ? ' by itself' : ` by ${entry.initiatedBy?.username ?? 'somebody'}`}`;
    lines.push(
      `└ application ${app.metadata.name} on ${name}  ${app.status?.sync?.status ?? 'Unknown'}, ${app.status?.health?.status ?? 'Unknown'}${when}`,
    );
    lines.push(...(await podsOf(client, app)).map((line) => `  └ ${line}`));
  }
  return `${lines.join('\n')}\n`;
}

async function podsOf(client: KubeClient, app: Application): Promise<string[]> {
  const { items } = await inspect<{ items: TreeNode[] }>(client, app, 'tree').catch(() => ({ items: [] }));
  const found: TreeNode[] = [];
  const walk = (node: TreeNode): void => {
    if (node.kind === 'Pod' && node.group === '') found.push(node);
    for (const child of node.children) walk(child);
  };
  for (const node of items) walk(node);
  return found.map(
    ({ namespace, name, health, created }) =>
      `pod ${namespace}/${name}  ${health?.status ?? ''}  ${age(created)}`,
  );
}

function reason({ status }: KubeObject): string {
  const conditions =
    isRecord(status) && Array.isArray(status['conditions'])
      ? (status['conditions'] as { type: string; reason?: string }[])
      : [];
  return conditions.find(({ type }) => type === 'Succeeded')?.reason ?? 'Pending';
}
