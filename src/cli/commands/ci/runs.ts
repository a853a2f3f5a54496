import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { type Build, BUILDS, recordBuild, REPOSITORIES, type Repository } from '../../../ci/index.ts';
import { globMatches } from '../../../dispatchfile/index.ts';
import type { KubeClient } from '../../../kube/index.ts';
import {
  outcomeOf,
  PIPELINE_RUNS,
  type PipelineRun,
  reasonOf,
  TASK_RUNS,
  type TaskRun,
} from '../../../pipelines/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples, repeated } from '../../help.ts';
import { printList } from '../../output.ts';
import { age, withClient } from './client.ts';
import { dryRun } from './dry-run.ts';
import { logLines, printLogs } from './log-lines.ts';

const POLL_MS = 100;
const START_PATIENCE_MS = 60_000;

export function registerRuns(ci: Command, environment: Environment): void {
  registerList(ci, environment);
  registerLogs(ci, environment);
  registerCancel(ci, environment);
  registerDescribe(ci, environment);
  registerArtifacts(ci, environment);
}

function registerList(ci: Command, environment: Environment): void {
  ci.command('list')
    .description('List the runs, or the tasks of a run.')
    .argument('<kind>', 'pipelineruns or tasks')
    .option('--pipelinerun <name>', 'the run whose tasks are listed')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(
        'dispatch ci list pipelineruns',
        'dispatch ci list tasks --pipelinerun hello-world-1-main-0a1b2c3-x7x7x',
      ),
    )
    .action((kind: string, flags: { pipelinerun?: string; json?: boolean }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const what = kind.replace(/s$/, '');
        if (what !== 'pipelinerun' && what !== 'task')
          throw new UserError(`${JSON.stringify(kind)} cannot be listed: give pipelineruns or tasks.`);
        if (what === 'task' && flags.pipelinerun === undefined)
          throw new UserError('Tasks belong to a run: name it with --pipelinerun.');
        const items =
          what === 'task'
            ? await tasksOf(client, namespace, flags.pipelinerun!)
            : (await client.list<PipelineRun>(PIPELINE_RUNS, { namespace })).items;
        const nameOf = (at: number): string =>
          what === 'task'
            ? (items[at]!.metadata.labels?.['tekton.dev/pipelineTask'] ?? '')
            : (items[at]!.metadata.name ?? '');
        printList(
          environment,
          { ...globalFlags(command), ...(flags.json && { output: 'json' }) },
          {
            items,
            nameOf,
            columns: {
              NAME: nameOf,
              STATUS: (at) => reasonOf(items[at]!) || 'Pending',
              STARTED: (at) =>
                items[at]!.status?.startTime ? `${age(items[at]!.status?.startTime)} ago` : '',
              DURATION: (at) => durationOf(items[at]!),
            },
          },
        );
      }),
    );
}

function registerLogs(ci: Command, environment: Environment): void {
  ci.command('logs')
    .description('Show what the steps of a run print, also when its pods are gone.')
    .requiredOption('--pipelinerun <name>', 'the run')
    .option('--task <name>', 'of one task only')
    .option('--step <name>', 'of one step only')
    .option('--follow', 'go on until the run has ended')
    .addHelpText(
      'after',
      examples('dispatch ci logs --pipelinerun hello-world-1-main-0a1b2c3-x7x7x --follow'),
    )
    .action(
      (flags: { pipelinerun: string; task?: string; step?: string; follow?: boolean }, command: Command) =>
        withClient(environment, command, (client, namespace) =>
          printLogs(
            environment,
            logLines(client, {
              namespace,
              run: flags.pipelinerun,
              task: flags.task,
              step: flags.step,
              follow: flags.follow === true,
            }),
          ),
        ),
    );
}

function registerCancel(ci: Command, environment: Environment): void {
  ci.command('cancel')
    .description('Cancel a run.')
    .argument('<run>', 'name of the run')
    .option('--finally', 'let the tasks at the end run')
    .addHelpText('after', examples('dispatch ci cancel hello-world-1-main-0a1b2c3-x7x7x'))
    .action((run: string, flags: { finally?: boolean }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await client.patch(PIPELINE_RUNS, { namespace, name: run }, 'merge', {
          spec: { status: flags.finally ? 'CancelledRunFinally' : 'Cancelled' },
        });
        environment.stdout.write(`pipelinerun.tekton.dev/${run} cancelled\n`);
      }),
    );
}

function registerDescribe(ci: Command, environment: Environment): void {
  ci.command('describe')
    .description('Show how far a run has come.')
    .argument('<run>', 'name of the run')
    .addHelpText('after', examples('dispatch ci describe hello-world-1-main-0a1b2c3-x7x7x'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const run = await client.get<PipelineRun>(PIPELINE_RUNS, namespace, name);
        const condition = run.status?.conditions?.[0];
        const { stdout } = environment;
        for (const [label, value] of [
          ['Name', name],
          ['Repository', run.metadata.labels?.['repository']],
          ['Commit', run.metadata.labels?.['commit']],
          ['Status', `${condition?.reason ?? 'Pending'}: ${condition?.message ?? ''}`],
          ['Started', run.status?.startTime],
          ['Duration', durationOf(run)],
        ] as const)
          if (value) stdout.write(`${`${label}:`.padEnd(12)}${value}\n`);
        for (const task of await tasksOf(client, namespace, name)) {
          stdout.write(
            `\n${task.metadata.labels?.['tekton.dev/pipelineTask']}  ${reasonOf(task)}  ${durationOf(task)}\n`,
          );
          for (const step of task.status?.steps ?? [])
            stdout.write(
              `  ${step.name}  ${step.terminated ? `${step.terminationReason} (exit code ${step.terminated.exitCode})` : step.running ? 'Running' : 'Waiting'}\n`,
            );
        }
        for (const skipped of run.status?.skippedTasks ?? [])
          stdout.write(`\n${skipped.name}  Skipped: ${skipped.reason}\n`);
      }),
    );
}

function registerArtifacts(ci: Command, environment: Environment): void {
  const artifacts = ci.command('artifacts').description('What tasks have left in storage resources.');
  const pathOf = (namespace: string, run: string): string =>
    `/apis/run.dispatch.dev/v1alpha1/namespaces/${namespace}/pipelineruns/${encodeURIComponent(run)}/artifacts`;
  const listOf = async (
    client: KubeClient,
    namespace: string,
    run: string,
  ): Promise<{ path: string; size: number }[]> =>
    (
      await client.raw<{ items: { path: string; size: number }[] }>({
        method: 'GET',
        path: pathOf(namespace, run),
      })
    ).items;
  artifacts
    .command('list')
    .description('List the artifacts of a run.')
    .requiredOption('--pipelinerun <name>', 'the run')
    .addHelpText(
      'after',
      examples('dispatch ci artifacts list --pipelinerun hello-world-1-main-0a1b2c3-x7x7x'),
    )
    .action((flags: { pipelinerun: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const items = await listOf(client, namespace, flags.pipelinerun);
        printList(environment, globalFlags(command), {
          items,
          nameOf: (at) => items[at]!.path,
          columns: { PATH: (at) => `/${items[at]!.path}`, SIZE: (at) => String(items[at]!.size) },
        });
      }),
    );
  artifacts
    .command('fetch')
    .description('Fetch artifacts of a run into a directory, laid out /task/resource/….')
    .requiredOption('--pipelinerun <name>', 'the run')
    .option('--artifact-path <glob>', 'only those whose path fits', '**')
    .option('--directory <dir>', 'where they are put', '.')
    .addHelpText(
      'after',
      examples(
        "dispatch ci artifacts fetch --pipelinerun hello-world-1-main-0a1b2c3-x7x7x --artifact-path '/test/**'",
      ),
    )
    .action((flags: { pipelinerun: string; artifactPath: string; directory: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const wanted = (await listOf(client, namespace, flags.pipelinerun)).filter(({ path }) =>
          globMatches(flags.artifactPath.replace(/^\//, ''), path),
        );
        if (wanted.length === 0)
          throw new UserError(
            `The run ${flags.pipelinerun} has no artifact ${flags.artifactPath}: see "dispatch ci artifacts list".`,
          );
        for (const { path } of wanted) {
          const target = join(flags.directory, path);
          await mkdir(dirname(target), { recursive: true });
          await using file = await open(target, 'w');
          const stream = await client.stream({
            method: 'GET',
            path: pathOf(namespace, flags.pipelinerun),
            query: new URLSearchParams({ path }),
          });
          for await (const chunk of stream) await file.write(chunk);
          environment.stdout.write(`${target}\n`);
        }
      }),
    );
}

interface RemoteFlags {
  task?: string[];
  repository?: string;
  revision?: string;
  serviceAccount?: string;
  follow?: boolean;
}

export function registerRunRemote(run: Command, environment: Environment): void {
  run
    .command('remote')
    .description('Run tasks of a repository on the server.')
    .option(
      '--task <name>',
      'a task to run, with all that it depends on; all tasks when none is given',
      repeated,
      [],
    )
    .option('--repository <name>', 'the Repository (default: the only one)')
    .option('--revision <revision>', 'branch, tag or commit (default: the default branch)')
    .option('--follow', 'show the log until the run has ended')
    .addHelpText(
      'after',
      examples('dispatch ci run remote --task test --follow', 'dispatch ci run remote --dry-run -o yaml'),
    )
    .action((flags: RemoteFlags, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const repository = await theRepository(client, namespace, flags.repository);
        const id = `manual/${Date.now()}/${process.pid}`;
        const event = {
          type: 'manual',
          ...(flags.revision && { branch: flags.revision }),
          ...(flags.task && flags.task.length > 0 && { tasks: flags.task }),
        };
        if (globalFlags(command).dryRun) {
          const run = await dryRun(environment, command, {
            namespace,
            tasks: flags.task ?? [],
            repository,
            ...(flags.revision && { revision: flags.revision }),
          });
          const isJson = globalFlags(command).output === 'json';
          environment.stdout.write(
            isJson
              ? `${JSON.stringify(run, undefined, 2)}\n`
              : stringify(run, { aliasDuplicateObjects: false, lineWidth: 0 }),
          );
          return;
        }
        const before = new Set(
          (await client.list<Build>(BUILDS, { namespace })).items.map((item) => item.metadata.uid),
        );
        await recordBuild(client, repository, event, id);
        const name = await runOf(client, namespace, before, repository);
        environment.stdout.write(`pipelinerun.tekton.dev/${name} created\n`);
        if (!flags.follow) return;
        await printLogs(environment, logLines(client, { namespace, run: name, follow: true }));
        const ended = await client.get<PipelineRun>(PIPELINE_RUNS, namespace, name);
        if (outcomeOf(ended) !== 'succeeded')
          throw new UserError(
            `${name} has ended with ${reasonOf(ended)}: ${ended.status?.conditions?.[0]?.message ?? ''}`,
          );
      }),
    );
}

async function theRepository(
  client: KubeClient,
  namespace: string,
  name: string | undefined,
): Promise<Repository> {
  if (name !== undefined) return client.get<Repository>(REPOSITORIES, namespace, name);
  const { items } = await client.list<Repository>(REPOSITORIES, { namespace });
  if (items.length === 1) return items[0]!;
  throw new UserError(
    items.length === 0
      ? 'There is no repository: make one with "dispatch ci repository create".'
      : 'There are several repositories: name one with --repository.',
  );
}

/** The run that a build has led to, or why it has led to none. */
async function runOf(
  client: KubeClient,
  namespace: string,
  before: ReadonlySet<string | undefined>,
  repository: Repository,
): Promise<string> {
  const deadline = Date.now() + START_PATIENCE_MS;
  while (Date.now() < deadline) {
    const { items } = await client.list<Build>(BUILDS, { namespace });
    const build = items.find(
      (item) =>
        !before.has(item.metadata.uid) &&
        item.spec.repository === repository.metadata.name &&
        item.spec.event.type === 'manual',
    );
    const { phase, pipelineRun, message } = build?.status ?? {};
    if (phase === 'Failed' || phase === 'Ignored') throw new UserError(`It cannot be run: ${message}`);
    if (phase === 'Running' && pipelineRun) return pipelineRun;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new UserError('The server has not begun within a minute: look at "kubectl get builds".');
}

export function registerRerun(ci: Command, environment: Environment): void {
  ci.command('rerun')
    .description('Run a run again, with the same commit and tasks.')
    .argument('<run>', 'name of the run')
    .option('--failed-only', 'only the tasks that did not go well, with what depends on them')
    .option('--from <task>', 'only this task, with what depends on it')
    .addHelpText('after', examples('dispatch ci rerun hello-world-1-main-0a1b2c3-x7x7x --failed-only'))
    .action((name: string, flags: { failedOnly?: boolean; from?: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const run = await client.get<PipelineRun>(PIPELINE_RUNS, namespace, name);
        const again = await rerunOf(client, run, flags);
        await client.create(PIPELINE_RUNS, again);
        environment.stdout.write(`pipelinerun.tekton.dev/${again.metadata.name} created\n`);
      }),
    );
}

async function rerunOf(
  client: KubeClient,
  run: PipelineRun,
  flags: { failedOnly?: boolean; from?: string },
): Promise<PipelineRun> {
  const { namespace = '', name = '', labels = {}, annotations = {} } = run.metadata;
  const tasks = run.spec.pipelineSpec?.tasks ?? [];
  const done = await tasksOf(client, namespace, name);
  const good = new Map(
    done
      .filter((task) => outcomeOf(task) === 'succeeded')
      .map((task) => [task.metadata.labels?.['tekton.dev/pipelineTask'] ?? '', task]),
  );
  let wanted = new Set(tasks.map((task) => task.name));
  if (flags.from !== undefined && !wanted.has(flags.from))
    throw new UserError(`The run has no task ${flags.from}: it has ${[...wanted].join(', ')}.`);
  if (flags.from !== undefined || flags.failedOnly) {
    const start =
      flags.from === undefined
        ? tasks.map((task) => task.name).filter((task) => !good.has(task))
        : [flags.from];
    if (start.length === 0)
      throw new UserError('Every task of the run went well: there is nothing to run again.');
    wanted = withDependents(start, tasks);
  }
  // What is not run again gives what it gave before.
  const kept = tasks.filter((task) => !wanted.has(task.name)).map((task) => task.name);
  const results = new Map(
    kept.flatMap((task) =>
      (good.get(task)?.status?.results ?? []).map(
        (result) => [`$(tasks.${task}.results.${result.name})`, String(result.value)] as const,
      ),
    ),
  );
  const replaced = JSON.parse(
    JSON.stringify(tasks.filter((task) => wanted.has(task.name))),
    (_, value: unknown) =>
      typeof value === 'string'
        ? [...results].reduce((text, [from, to]) => text.replaceAll(from, to), value)
        : value,
  ) as typeof tasks;
  const suffix = `-again-${Date.now().toString(36).slice(-5)}`;
  return {
    apiVersion: run.apiVersion,
    kind: run.kind,
    metadata: {
      name: `${name.slice(0, 63 - suffix.length)}${suffix}`,
      namespace,
      labels,
      annotations: Object.fromEntries(Object.entries(annotations).filter(([key]) => key === 'tasks')),
    },
    spec: {
      ...run.spec,
      pipelineSpec: {
        ...run.spec.pipelineSpec,
        tasks: replaced.map((task) => ({
          ...task,
          ...(task.runAfter && { runAfter: task.runAfter.filter((need) => wanted.has(need)) }),
        })),
      },
    },
  };
}

function withDependents(
  start: readonly string[],
  tasks: readonly { name: string; runAfter?: string[] }[],
): Set<string> {
  const wanted = new Set(start);
  for (let before = -1; before !== wanted.size; ) {
    before = wanted.size;
    for (const task of tasks) if (task.runAfter?.some((need) => wanted.has(need))) wanted.add(task.name);
  }
  return wanted;
}

async function tasksOf(client: KubeClient, namespace: string, run: string): Promise<TaskRun[]> {
  const { items } = await client.list<TaskRun>(TASK_RUNS, {
    namespace,
    labelSelector: `tekton.dev/pipelineRun=${run}`,
  });
  return items.sort((a, b) => (a.status?.startTime ?? '').localeCompare(b.status?.startTime ?? ''));
}

function durationOf(run: { status?: { startTime?: string; completionTime?: string } }): string {
  const { startTime, completionTime } = run.status ?? {};
  return startTime === undefined
    ? ''
    : age(startTime, completionTime === undefined ? Date.now() : Date.parse(completionTime));
}
