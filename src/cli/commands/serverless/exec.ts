import type { Command } from 'commander';
import { FUNCTIONS, type FunctionObject, type FunctionRun } from '../../../functions/index.ts';
import type { KubeClient } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples, repeated } from '../../help.ts';
import { readInput } from '../../input.ts';
import { withClient } from '../ci/client.ts';
import { printAs } from './get.ts';
import { runRecord } from './run-record.ts';
import { runsPath } from './runs.ts';

interface ExecFlags {
  wait?: boolean;
  input?: string;
  inputFile?: string;
  secret: string[];
  idempotencyKey?: string;
}

const COMING_MS = 60_000;
const COMING = new Set(['INITIALIZED', 'CREATING']);

export function registerExec(program: Command, environment: Environment): void {
  program
    .command('exec')
    .description('Call a function.')
    .argument('<function>', 'name of the function')
    .option('--wait', 'wait for what it answers')
    .option('--input <json>', 'what it is given; "-" reads it from the standard input')
    .option('--input-file <file>', 'file with what it is given; "-" is the standard input')
    .option('--secret <name>', 'secret that the run is given', repeated, [])
    .option('--idempotency-key <key>', 'calls with the same key are one run')
    .option('--all', 'accepted as of old')
    .option('-a, --application <name>', 'accepted as of old')
    .addHelpText(
      'after',
      examples(
        `dispatch exec hello-py --input '{"name": "Jon", "place": "Winterfell"}' --wait`,
        'echo 42 | dispatch exec double --input - --wait',
      ),
    )
    .action((name: string, flags: ExecFlags, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const input = await inputOf(environment, flags);
        await coming(client, namespace, name);
        const run = await client.raw<FunctionRun>({
          method: 'POST',
          path: runsPath(namespace),
          headers: { 'content-type': 'application/json' },
          body: {
            spec: {
              function: name,
              input,
              blocking: flags.wait === true,
              secrets: flags.secret,
              ...(flags.idempotencyKey !== undefined && { idempotencyKey: flags.idempotencyKey }),
            },
          },
        });
        printAs(environment, runRecord(run), globalFlags(command).output ?? 'json');
        if (run.status.phase === 'ERROR') process.exitCode = 1;
      }),
    );
}

/** A function that is still being made is waited for: scripts call what they have just created. */
async function coming(client: KubeClient, namespace: string, name: string): Promise<void> {
  const fn = await client.get<FunctionObject>(FUNCTIONS, namespace, name);
  if (!COMING.has(fn.status?.phase ?? 'INITIALIZED')) return;
  const signal = AbortSignal.timeout(COMING_MS);
  try {
    const events = client.watch<FunctionObject>(FUNCTIONS, {
      namespace,
      fieldSelector: `metadata.name=${name}`,
      resourceVersion: fn.metadata.resourceVersion ?? '',
      signal,
    });
    for await (const event of events) {
      if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue;
      if (!COMING.has(event.object.status?.phase ?? 'INITIALIZED')) return;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function inputOf(environment: Environment, flags: ExecFlags): Promise<unknown> {
  if (flags.input !== undefined && flags.inputFile !== undefined)
    throw new UserError('The input comes from --input or from --input-file, and not from both.');
  const file = flags.input === '-' ? '-' : flags.inputFile;
  const text = file === undefined ? (flags.input ?? '{}') : (await readInput(environment, file)).toString();
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new UserError(`The input is no JSON: ${(error as Error).message}.`, { cause: error });
  }
}
