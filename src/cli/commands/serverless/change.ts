import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { parse, stringify } from 'yaml';
import {
  isApiError,
  isRecord,
  type KubeClient,
  type KubeObject,
  replaceObject,
} from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { withClient } from '../ci/client.ts';
import { type BatchFlags, itemOf, runBatch } from './batch.ts';
import type { CliKind } from './cli-kind.ts';
import { kindNamed } from './kinds.ts';

/** Files describe what they describe: what they do not say any more goes. */
export async function replace(client: KubeClient, kind: CliKind, object: KubeObject): Promise<void> {
  const { namespace = '', name = '' } = object.metadata;
  await replaceObject<KubeObject>(client, kind.resource, { namespace, name }, (live) => {
    const { metadata, status, ...rest } = live;
    return {
      ...rest,
      ...object,
      metadata: {
        ...metadata,
        labels: { ...metadata.labels, ...object.metadata.labels },
        annotations: { ...metadata.annotations, ...object.metadata.annotations },
      },
      ...(status !== undefined && { status }),
    };
  });
}

export async function createOrReplace(client: KubeClient, kind: CliKind, object: KubeObject): Promise<void> {
  try {
    await replace(client, kind, object);
  } catch (error) {
    if (!isApiError(error, 'NotFound')) throw error;
    await client.create(kind.resource, object);
  }
}

export function addFileFlags(command: Command): Command {
  return command
    .option('-f, --file <file>', 'file or URL with one document for each object')
    .option('-w, --work-dir <dir>', 'where the files are that the documents name');
}

export function registerUpdate(program: Command, environment: Environment): Command {
  const update = addFileFlags(
    program.command('update').description('Change objects as a file says.'),
  ).addHelpText(
    'after',
    examples('dispatch update -f seed.yaml', 'dispatch update function hello ./hello.js'),
  );
  return update.action((flags: BatchFlags, command: Command) =>
    batch(environment, command, flags, async (client, { kind, name, object }) => {
      await replace(client, kind, object);
      return `Updated ${kind.kind}: ${name}`;
    }),
  );
}

export function registerApply(program: Command, environment: Environment): void {
  addFileFlags(program.command('apply').description('Create or change objects as a file says.'))
    .addHelpText('after', examples('dispatch apply -f seed.yaml'))
    .action((flags: BatchFlags, command: Command) =>
      batch(environment, command, flags, async (client, { kind, name, object }) => {
        await createOrReplace(client, kind, object);
        return `Applied ${kind.kind}: ${name}`;
      }),
    );
}

export function registerDelete(program: Command, environment: Environment): void {
  addFileFlags(program.command('delete').description('Delete objects.'))
    .argument('[kind]', 'function, api, image …')
    .argument('[name]', 'name of the object')
    .option('-a, --application <name>', 'accepted as of old')
    .addHelpText('after', examples('dispatch delete function hello-js', 'dispatch delete -f seed.yaml'))
    .action((word: string | undefined, name: string | undefined, flags: BatchFlags, command: Command) => {
      if (word === undefined)
        return batch(environment, command, flags, async (client, { kind, name: own, object }) => {
          await client.delete(kind.resource, object.metadata.namespace ?? '', own);
          return `Deleted ${kind.kind}: ${own}`;
        });
      const kind = kindOrFail(word);
      if (name === undefined) throw new UserError(`Which ${kind.names[0]} is to be deleted? Give its name.`);
      return withClient(environment, command, async (client, namespace) => {
        await client.delete(kind.resource, namespace, name);
        environment.stdout.write(`${kind.isLowerCase ? 'deleted' : 'Deleted'} ${kind.names[0]}: ${name}\n`);
      });
    });
}

export function kindOrFail(word: string): CliKind {
  const kind = kindNamed(word);
  if (kind === undefined)
    throw new UserError(`There is no kind ${word}: see "dispatch create --help" for those that there are.`);
  return kind;
}

export function registerEdit(program: Command, environment: Environment): void {
  program
    .command('edit')
    .description('Change an object in an editor.')
    .argument('<kind>', 'function, api, image …')
    .argument('<name>', 'name of the object')
    .option('-w, --work-dir <dir>', 'where the files are that it names')
    .addHelpText('after', examples('EDITOR=nano dispatch edit api post-hello'))
    .action((word: string, name: string, flags: BatchFlags, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const kind = kindOrFail(word);
        const live = await client.get<KubeObject>(kind.resource, namespace, name);
        const text = stringify(editable(kind, live));
        const edited = await edit(environment, text);
        if (digestOf(edited) === digestOf(text)) {
          environment.stdout.write('Edit cancelled, no changes made\n');
          return;
        }
        const document: unknown = parse(edited);
        if (!isRecord(document)) throw new UserError('What was written is no object: nothing was changed.');
        const making = { base: flags.workDir ?? environment.cwd, client, namespace };
        const item = await itemOf({ ...document, kind: kind.kind }, making);
        if (item.name !== name) throw new UserError('An object keeps its name: nothing was changed.');
        await replace(client, kind, withSource(item.object, live));
        environment.stdout.write(`Updated ${kind.kind}: ${name}\n`);
      }),
    );
}

/** What the system says about it is not for editors. */
function editable(kind: CliKind, object: KubeObject): object {
  const {
    id: _,
    createdTime: __,
    status: ___,
    reason: ____,
    urls: _____,
    functionImageURL: ______,
    revision: _______,
    ...flat
  } = kind.show(object);
  return flat;
}

/** The code of a function is not shown, and stays as it is where no other is given. */
export function withSource(object: KubeObject, live: KubeObject): KubeObject {
  const [spec, before] = [object['spec'], live['spec']] as (Record<string, unknown> | undefined)[];
  if (object.kind !== 'Function') return object;
  if (spec !== undefined && spec['source'] === undefined && before?.['source'] !== undefined)
    spec['source'] = before['source'];
  return object;
}

async function edit(environment: Environment, text: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'dispatch-edit-'));
  try {
    const path = join(dir, 'object.yaml');
    await writeFile(path, text, { mode: 0o600 });
    const editor = environment.env['EDITOR'] ?? environment.env['VISUAL'] ?? 'vi';
    const code = await new Promise<number>((resolve, reject) => {
      const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', path], { stdio: 'inherit' });
      child.once('error', reject);
      child.once('exit', (status) => resolve(status ?? 1));
    });
    if (code !== 0) throw new UserError(`The editor ${editor} ended with ${code}: nothing was changed.`);
    return await readFile(path, 'utf8');
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export function batch(
  environment: Environment,
  command: Command,
  flags: BatchFlags,
  work: (client: KubeClient, item: Awaited<ReturnType<typeof itemOf>>) => Promise<string>,
): Promise<void> {
  const all = { ...globalFlags(command), ...flags };
  if (all.file === undefined) {
    command.outputHelp();
    return Promise.resolve();
  }
  return withClient(environment, command, (client, namespace) =>
    runBatch(environment, all, { client, namespace }, (item) => work(client, item)),
  );
}
