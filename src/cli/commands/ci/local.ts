import { mkdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { compileRun, contentsOf, type Snapshot, snapshotOf, takeSnapshot } from '../../../ci/index.ts';
import type { Normalized } from '../../../dispatchfile/index.ts';
import { type KubeClient, SERVICE_ACCOUNTS } from '../../../kube/index.ts';
import {
  outcomeOf,
  PIPELINE_RUNS,
  type PipelineRun,
  TASK_RUNS,
  type TaskRun,
} from '../../../pipelines/index.ts';
import { contentHash, Git, GitError } from '../../../scm/index.ts';
import { type EmbeddedServer, startServer, STEP_IMAGES, UserError, WEB_URL } from '../../../server/index.ts';
import { dataRoot, type Environment, globalFlags, packageVersion } from '../../environment.ts';
import { examples, repeated } from '../../help.ts';
import { createLogger } from '../../logger.ts';
import { LiveView } from './live-view.ts';
import { logLines, paint, printLogs } from './log-lines.ts';
import { WorkingTreeModules } from './modules.ts';
import { renderFile } from './render-pipeline.ts';

interface LocalFlags {
  task?: string[];
  gitRepo?: string;
  revision?: string;
  untracked?: boolean;
  withFile?: string[];
  serviceAccount: string;
  file: string;
  reuse?: boolean;
}

const SLOTS = 16;
const NAMESPACE = 'default';

export function registerRunLocal(run: Command, environment: Environment): void {
  run
    .command('local')
    .description(
      'Run tasks of a Dispatchfile on this machine, with the files as they are now. No server is needed.',
    )
    .option(
      '--task <name>',
      'a task to run, with all that it depends on; all tasks when none is given',
      repeated,
      [],
    )
    .option('--git-repo <dir>', 'the working tree (default: the current directory)')
    .option('--revision <revision>', 'a commit to run, instead of the working tree')
    .option('--untracked', 'take along files that git does not track')
    .option('--with-file <file>', 'take along a file although git ignores it', repeated, [])
    .option('-f, --file <path>', 'path of the Dispatchfile in the repository', 'Dispatchfile')
    .option('--service-account <name>', 'account that the tasks run as', 'default')
    .option(
      '--reuse',
      'take the outcome of tasks from earlier runs where nothing that they depend on has changed',
    )
    .addHelpText(
      'after',
      examples(
        'dispatch ci run local',
        'dispatch ci run local --task test',
        'dispatch ci run local --untracked --with-file .env',
      ),
    )
    .action(async (flags: LocalFlags, command: Command) => {
      const snapshot = await snapshotFor(environment, flags);
      const path = join(snapshot.root, flags.file);
      const normalized = await renderFile(path, flags.file, {
        print: (text) =>
          void environment.stderr.write(`${text}
`),
        modules: await WorkingTreeModules.make(environment, command, path, {}),
      });
      const { tasks, left } = wantedTasks(normalized, flags.task ?? []);
      for (const name of left)
        environment.stdout.write(`${name} is left out: it works on a repository that a server hosts.\n`);
      await using server = await ownServer(environment, dataRoot(environment, globalFlags(command)));
      if (server.problem !== undefined) throw new UserError(server.problem);
      const ended = await runTasks(environment, server, {
        snapshot,
        normalized,
        tasks,
        serviceAccount: flags.serviceAccount,
        reuse: flags.reuse === true,
        git: new Git(environment.env['PATH'] ?? ''),
      });
      if (!ended) throw new UserError('The run has failed: see the log above.');
    });
}

function snapshotFor(environment: Environment, flags: LocalFlags): Promise<Snapshot> {
  const directory = resolve(environment.cwd, flags.gitRepo ?? '.');
  const git = new Git(environment.env['PATH'] ?? '');
  const files = (flags.withFile ?? []).map((file) => relative(directory, resolve(environment.cwd, file)));
  const taken =
    flags.revision === undefined
      ? takeSnapshot({ git, directory, untracked: flags.untracked === true, files })
      : snapshotOf(git, directory, flags.revision);
  return taken.catch((error: unknown) => {
    if (error instanceof GitError)
      throw new UserError(`${directory} cannot be run from: ${error.message.split('\n')[0]}.`, {
        cause: error,
      });
    throw error;
  });
}

/** All tasks, but for those that work on repositories of a server: there is none that anybody else could see. */
function wantedTasks(
  { pipeline }: Normalized,
  asked: readonly string[],
): { tasks: string[]; left: string[] } {
  const known = Object.keys(pipeline.task);
  const unknown = asked.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new UserError(`There is no task ${JSON.stringify(unknown)}: the file has ${known.join(', ')}.`);
  if (known.length === 0) throw new UserError('The Dispatchfile has no tasks: add one, then run again.');
  if (asked.length > 0) return { tasks: [...asked], left: [] };
  const isHosted = (name: string): boolean =>
    pipeline.task[name]!.inputs.some((input) =>
      /^https?:\/\/(?:127\.0\.0\.1|localhost)(?::\d+)?\/dispatch\/git\//.test(
        pipeline.resource[input]?.params['url'] ?? '',
      ),
    );
  return { tasks: known.filter((name) => !isHosted(name)), left: known.filter(isHosted) };
}

/** Runs that go on at the same time have a place each; images and caches of a place are kept for the next run. */
async function ownServer(environment: Environment, root: string): Promise<EmbeddedServer> {
  const log = await createLogger({ format: 'pretty', level: 'error', stream: environment.stderr });
  for (let slot = 0; ; slot += 1) {
    const place = join(root, 'local', String(slot));
    await mkdir(place, { recursive: true, mode: 0o700 });
    try {
      return await startServer({
        root: place,
        host: '127.0.0.1',
        apiPort: 0,
        httpPort: 0,
        httpsPort: 0,
        registryPort: 0,
        version: packageVersion(),
        log,
        now: Date.now,
        path: environment.env['PATH'] ?? '',
        compileCache: environment.env['NODE_COMPILE_CACHE'],
        demo: false,
        flags: { registryMirror: [], insecureRegistry: [], hostPathRoot: [], allowPrivileged: false },
      });
    } catch (error) {
      if (slot + 1 >= SLOTS || !(error instanceof UserError) || !/already/.test(error.message)) throw error;
    }
  }
}

interface Work {
  snapshot: Snapshot;
  normalized: Normalized;
  tasks: readonly string[];
  serviceAccount: string;
  reuse: boolean;
  git: Git;
}

async function runTasks(
  environment: Environment,
  server: EmbeddedServer,
  { snapshot, normalized, tasks, serviceAccount, reuse, git }: Work,
): Promise<boolean> {
  const client = server.client();
  const url = await host(server, snapshot);
  const name = `local-${snapshot.commit.slice(0, 7)}-${Date.now().toString(36)}`;
  if (serviceAccount !== 'default')
    await client.apply(SERVICE_ACCOUNTS, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: serviceAccount, namespace: NAMESPACE },
    });
  const { pipeline } = normalized;
  const context = {
    buildName: 'local',
    git: { url, commit: snapshot.commit, branch: snapshot.branch, tag: '' },
    chatopCommand: '',
  };
  const contents = await contentsOf({
    pipeline,
    context,
    reuse,
    hashOf: (paths) =>
      contentHash(git, ['-c', 'safe.directory=*', '-C', snapshot.root], snapshot.commit, paths),
  });
  await client.create(
    PIPELINE_RUNS,
    compileRun({
      pipeline,
      context,
      contents,
      images: STEP_IMAGES,
      cloneUrl: (wanted) => ({ url: wanted, token: wanted === url }),
      name,
      namespace: NAMESPACE,
      tasks,
      serviceAccount,
    }),
  );
  const stop = stopSignal(client, name);
  const lines = logLines(client, { namespace: NAMESPACE, run: name, follow: true });
  if (environment.stdout.isTTY)
    await new LiveView(environment).follow(client, { namespace: NAMESPACE, run: name }, lines);
  else await printLogs(environment, lines);
  stop[Symbol.dispose]();
  return summarise(environment, client, name);
}

/** Puts the commit where the pods can fetch it. Gives its address for them. */
async function host(server: EmbeddedServer, snapshot: Snapshot): Promise<string> {
  const { forge } = server.delivery;
  const name =
    snapshot.name
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]+/g, '-')
      .replaceAll(/^-+|-+$/g, '') || 'repository';
  const repository = { owner: NAMESPACE, name };
  if (!(await forge.exists(repository))) await forge.create(repository);
  await forge.git.run(
    [
      '-c',
      'safe.directory=*',
      'push',
      '--quiet',
      '--force',
      '--',
      forge.pathOf(repository),
      `${snapshot.commit}:refs/heads/run-${snapshot.commit.slice(0, 12)}`,
    ],
    { cwd: snapshot.root },
  );
  return `${WEB_URL}/dispatch/git/${NAMESPACE}/${name}.git`;
}

/** Ctrl-C cancels the run; its end is then waited for as any other. */
function stopSignal(client: KubeClient, name: string): Disposable {
  let asked = false;
  const cancel = (): void => {
    if (asked) process.exit(130);
    asked = true;
    void client
      .patch(PIPELINE_RUNS, { namespace: NAMESPACE, name }, 'merge', { spec: { status: 'Cancelled' } })
      .catch(() => {});
  };
  process.on('SIGINT', cancel).on('SIGTERM', cancel);
  return { [Symbol.dispose]: () => void process.off('SIGINT', cancel).off('SIGTERM', cancel) };
}

async function summarise(environment: Environment, client: KubeClient, name: string): Promise<boolean> {
  const run = await client.get<PipelineRun>(PIPELINE_RUNS, NAMESPACE, name);
  const { items } = await client.list<TaskRun>(TASK_RUNS, {
    namespace: NAMESPACE,
    labelSelector: `tekton.dev/pipelineRun=${name}`,
  });
  environment.stdout.write('\n');
  const order = (run.status?.childReferences ?? []).map((child) => child.name);
  for (const task of items.sort(
    (a, b) => order.indexOf(a.metadata.name ?? '') - order.indexOf(b.metadata.name ?? ''),
  )) {
    const good = outcomeOf(task) === 'succeeded';
    const { conditions = [], startTime = '', completionTime = '' } = task.status ?? {};
    const seconds = Math.round((Date.parse(completionTime) - Date.parse(startTime)) / 1000);
    const label = task.metadata.labels?.['tekton.dev/pipelineTask'] ?? '';
    environment.stdout.write(
      `${good ? paint(environment, 32, '✓') : paint(environment, 31, '✗')} ${label} (${seconds}s)${good ? (task.status?.reusedFrom ? ', taken from an earlier run' : '') : `: ${conditions[0]?.message ?? ''}`}\n`,
    );
  }
  const [condition] = run.status?.conditions ?? [];
  if (outcomeOf(run) !== 'succeeded')
    environment.stdout.write(`${condition?.reason}: ${condition?.message}\n`);
  return outcomeOf(run) === 'succeeded';
}
