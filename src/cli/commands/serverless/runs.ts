import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { FunctionRun } from '../../../functions/index.ts';
import { type KubeClient, readLines } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { withClient } from '../ci/client.ts';
import { printAs } from './get.ts';
import { oldTable } from './old-table.ts';
import { RUN_COLUMNS, runRecord } from './run-record.ts';
import { RUN_BASE } from './upload.ts';

interface RunFlags {
  follow?: boolean;
  last?: boolean;
  by?: string;
  since?: string;
  status?: string;
  application?: string;
}

const POLL_MS = 2000;
const ORDERS: Record<string, (run: FunctionRun) => string | number> = {
  started: ({ status, metadata }) => -(status.startedAt ?? Date.parse(metadata.creationTimestamp)),
  finished: ({ status }) => -(status.finishedAt ?? Number.POSITIVE_INFINITY),
  function: ({ spec }) => spec.function,
  status: ({ status }) => status.phase,
};

export function registerGetRuns(get: Command, environment: Environment): void {
  get
    .command('run')
    .alias('runs')
    .description('Show runs of functions, the newest first.')
    .argument('[function]', 'name of the function')
    .argument('[run]', 'name of the run')
    .option('-f, --follow', 'go on with what comes')
    .option('--last', 'only the newest')
    .option('--by <order>', 'started, finished, function or status', 'started')
    .option('--since <time>', 'seconds since 1970, a time, or a duration like 10m')
    .option('--status <status>', 'READY, ERROR, INITIALIZED or dead')
    .option('-a, --application <name>', 'accepted as of old')
    .addHelpText(
      'after',
      examples('dispatch get runs', 'dispatch get runs hello-py --last', 'dispatch get runs --status dead'),
    )
    .action((fn: string | undefined, name: string | undefined, flags: RunFlags, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { output } = globalFlags(command);
        if (name !== undefined) {
          const run = await getRun(client, namespace, name);
          if (run.spec.function !== fn) throw new UserError(`The run ${name} is none of the function ${fn}.`);
          if (!printAs(environment, runRecord(run), output)) print(environment, [run]);
          return;
        }
        const runs = await listRuns(client, namespace, fn, flags);
        const order = ORDERS[flags.by ?? 'started'];
        if (order === undefined)
          throw new UserError('Runs are ordered by started, finished, function or status.');
        runs.sort((a, b) => (order(a) < order(b) ? -1 : 1));
        const shown = flags.last ? runs.slice(0, 1) : runs;
        const value = flags.last && shown.length === 1 ? runRecord(shown[0]!) : shown.map(runRecord);
        if (!printAs(environment, value, output)) print(environment, shown);
        if (flags.follow) await follow(environment, { client, namespace, fn, flags, known: runs });
      }),
    );
}

async function follow(
  environment: Environment,
  at: {
    client: KubeClient;
    namespace: string;
    fn: string | undefined;
    flags: RunFlags;
    known: FunctionRun[];
  },
): Promise<void> {
  const seen = new Set(at.known.map(({ metadata }) => metadata.name));
  for (;;) {
    await sleep(POLL_MS);
    const runs = await listRuns(at.client, at.namespace, at.fn, at.flags);
    const fresh = runs.filter(({ metadata }) => !seen.has(metadata.name)).reverse();
    for (const run of fresh) {
      seen.add(run.metadata.name);
      environment.stdout.write(
        `  ${Object.values(RUN_COLUMNS)
          .map((cell) => cell(run))
          .join(' | ')}\n`,
      );
    }
  }
}

function print(environment: Environment, runs: readonly FunctionRun[]): void {
  const rows = runs.map((run) => Object.values(RUN_COLUMNS).map((cell) => cell(run)));
  environment.stdout.write(oldTable(Object.keys(RUN_COLUMNS), rows));
}

async function listRuns(
  client: KubeClient,
  namespace: string,
  fn: string | undefined,
  flags: RunFlags,
): Promise<FunctionRun[]> {
  const query: Record<string, string> = {};
  if (fn !== undefined) query['function'] = fn;
  if (flags.status !== undefined) query['status'] = flags.status;
  if (flags.since !== undefined) query['since'] = sinceOf(flags.since);
  const { items } = await client.raw<{ items: FunctionRun[] }>({
    method: 'GET',
    path: runsPath(namespace),
    query: new URLSearchParams(query),
  });
  return items;
}

export function getRun(client: KubeClient, namespace: string, name: string): Promise<FunctionRun> {
  return client.raw<FunctionRun>({ method: 'GET', path: runsPath(namespace, name) });
}

export function runsPath(namespace: string, name?: string): string {
  const path = `${RUN_BASE}/namespaces/${encodeURIComponent(namespace)}/functionruns`;
  return name === undefined ? path : `${path}/${encodeURIComponent(name)}`;
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** "10m" ago, or a time as it is. */
export function sinceOf(text: string): string {
  const ago = /^(\d+)([smhd])$/.exec(text);
  return ago === null ? text : String(Math.floor(Date.now() / 1000) - Number(ago[1]) * UNITS[ago[2]!]!);
}

export function registerRun(program: Command, environment: Environment): void {
  const run = program.command('run').description('Runs of functions.');
  run
    .command('redrive')
    .description('Try again runs that were given up.')
    .argument('[run...]', 'names of the runs; all dead ones where there are none')
    .addHelpText('after', examples('dispatch run redrive', 'dispatch run redrive 5e0c4a4e-…'))
    .action((names: string[], _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const dead =
          names.length > 0
            ? names
            : (await listRuns(client, namespace, undefined, { status: 'dead' })).map(
                ({ metadata }) => metadata.name,
              );
        for (const name of dead) {
          await client.raw({
            method: 'POST',
            path: `${runsPath(namespace, name)}/redrive`,
            headers: { 'content-type': 'application/json' },
            body: {},
          });
          environment.stdout.write(`${name} is tried again\n`);
        }
        if (dead.length === 0) environment.stdout.write('No run is dead.\n');
      }),
    );
  run
    .command('logs')
    .description('What a run has printed.')
    .argument('<run>', 'name of the run')
    .option('-f, --follow', 'go on until it has ended')
    .addHelpText('after', examples('dispatch run logs 5e0c4a4e-… -f'))
    .action((name: string, flags: { follow?: boolean }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const stream = await client.stream({
          method: 'GET',
          path: `${runsPath(namespace, name)}/log`,
          ...(flags.follow && { query: new URLSearchParams({ follow: 'true' }) }),
        });
        for await (const line of readLines(stream)) environment.stdout.write(`${line}\n`);
      }),
    );
}
