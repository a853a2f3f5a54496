import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { UserError } from '../../../server/index.ts';
import type { Environment } from '../../environment.ts';
import { examples } from '../../help.ts';
import { readInput } from '../../input.ts';
import { withClient } from '../ci/client.ts';
import { sinceOf } from './runs.ts';
import { RUN_BASE } from './upload.ts';

interface EmitFlags {
  data?: string;
  dataFromFile?: string;
  payload?: string;
  binary?: boolean;
  contentType?: string;
  eventId?: string;
  sourceId?: string;
  source?: string;
  subject?: string;
  eventTypeVersion?: string;
  eventSchemaUrl?: string;
}

const JSON_TYPE = 'application/json';

export function registerEmit(program: Command, environment: Environment): void {
  program
    .command('emit')
    .description('Send an event.')
    .argument('<type>', 'type of the event')
    .option('--data <data>', 'what it carries')
    .option('--data-from-file <file>', 'file with what it carries; "-" is the standard input')
    .option('--payload <json>', 'older spelling of --data')
    .option('--binary', 'what it carries is no text')
    .option('--content-type <type>', 'type of what it carries (default: application/json)')
    .option('--event-id <id>', 'its id (default: a random one)')
    .option('--source-id <source>', 'its source', 'dispatch')
    .option('--source <source>', 'other spelling of --source-id')
    .option('--source-type <type>', 'accepted as of old')
    .option('--subject <subject>', 'its subject')
    .option('--event-type-version <version>', 'version of its type')
    .option('--event-schema-url <url>', 'schema of what it carries')
    .addHelpText('after', examples(`dispatch emit ticker.tick --data '{"name": "Jon"}'`))
    .action((type: string, flags: EmitFlags, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const event = await eventOf(environment, type, flags);
        await client.raw({
          method: 'POST',
          path: `${RUN_BASE}/namespaces/${encodeURIComponent(namespace)}/cloudevents`,
          headers: { 'content-type': JSON_TYPE },
          body: event,
        });
        environment.stdout.write('event emitted\n');
      }),
    );
}

export function registerSubscription(program: Command, environment: Environment): void {
  program
    .command('subscription')
    .description('Subscriptions to events.')
    .command('replay')
    .description('Deliver again what came since a time.')
    .argument('<name>', 'name of the subscription')
    .requiredOption('--since <time>', 'a time, or a duration like 10m')
    .addHelpText('after', examples('dispatch subscription replay ticker-sub --since 1h'))
    .action((name: string, flags: { since: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const since = sinceOf(flags.since);
        const time = new Date(/^\d+$/.test(since) ? Number(since) * 1000 : since);
        if (Number.isNaN(time.getTime()))
          throw new UserError(`${flags.since} is no time: write 10m or 2026-01-31T12:00:00Z.`);
        await client.raw({
          method: 'POST',
          path: `${RUN_BASE}/namespaces/${encodeURIComponent(namespace)}/subscriptions/${encodeURIComponent(name)}/replay`,
          headers: { 'content-type': JSON_TYPE },
          body: { since: time.toISOString() },
        });
        environment.stdout.write(`${name} gets again what came since ${time.toISOString()}\n`);
      }),
    );
}

async function eventOf(environment: Environment, type: string, flags: EmitFlags): Promise<object> {
  const text = flags.data ?? flags.payload;
  if (text !== undefined && flags.dataFromFile !== undefined)
    throw new UserError('The data comes from --data or from --data-from-file, and not from both.');
  const bytes =
    flags.dataFromFile === undefined
      ? Buffer.from(text ?? '')
      : await readInput(environment, flags.dataFromFile);
  const contentType = flags.contentType ?? (flags.binary ? 'application/octet-stream' : JSON_TYPE);
  return {
    specversion: '1.0',
    id: flags.eventId ?? randomUUID(),
    source: flags.source ?? flags.sourceId ?? 'dispatch',
    type,
    time: new Date().toISOString(),
    ...(flags.subject !== undefined && { subject: flags.subject }),
    ...(flags.eventTypeVersion !== undefined && { eventtypeversion: flags.eventTypeVersion }),
    ...(flags.eventSchemaUrl !== undefined && { dataschema: flags.eventSchemaUrl }),
    ...(bytes.length > 0 && {
      datacontenttype: contentType,
      ...dataOf(bytes, contentType, flags.binary === true),
    }),
  };
}

function dataOf(bytes: Buffer, contentType: string, isBinary: boolean): object {
  if (isBinary) return { data_base64: bytes.toString('base64') };
  if (!/[/+]json\b/i.test(contentType)) return { data: bytes.toString() };
  try {
    return { data: JSON.parse(bytes.toString()) as unknown };
  } catch (error) {
    throw new UserError(
      `The data is no JSON: ${(error as Error).message}. Say what it is with --content-type, like text/plain.`,
      { cause: error },
    );
  }
}
