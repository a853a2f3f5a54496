import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type KubeClient, readLines } from '../../kube/index.ts';
import { UserError } from '../../server/index.ts';
import { connect, type Environment, globalFlags } from '../environment.ts';
import { examples, repeated } from '../help.ts';
import { printList } from '../output.ts';
import { registryCredentials } from '../registry-credentials.ts';

const BASE = '/apis/run.dispatch.dev/v1alpha1';

interface BuildFlags {
  file?: string;
  tag?: string[];
  target?: string;
  buildArg?: string[];
  label?: string[];
  secret?: string[];
  cache: boolean;
  network?: string;
  push?: boolean;
  outputFile?: string;
}

interface Line {
  output?: string;
  result?: { name: string; digest: string; size: number };
  error?: string;
}

export function registerImage(program: Command, environment: Environment): void {
  const image = program.command('image').description('Build, fetch, send and look at images.');
  registerBuild(image, environment);
  for (const [name, plural, description] of [
    ['pull', 'imagepulls', 'Fetch an image from its registry.'],
    ['push', 'imagepushes', 'Send an image to its registry.'],
  ] as const)
    image
      .command(name)
      .description(description)
      .argument('<image>', 'name of the image')
      .addHelpText('after', examples(`dispatch image ${name} docker.io/library/alpine:3.20`))
      .action(async (reference: string, _: object, command: Command) => {
        const result = await follow(environment, command, plural, {
          name: reference,
          ...(await registryCredentials()),
        });
        environment.stdout.write(`${result.digest}\n`);
      });
  image
    .command('list')
    .alias('ls')
    .description('List the images of this machine.')
    .addHelpText('after', examples('dispatch image list', 'dispatch image list -o json'))
    .action(async (_: object, command: Command) => list(environment, command));
  image
    .command('inspect')
    .description('Show the manifest and the configuration of an image.')
    .argument('<image>', 'name of the image')
    .addHelpText('after', examples('dispatch image inspect dispatch.local/node'))
    .action(async (reference: string, _: object, command: Command) => {
      const found = await using(environment, command, (client) =>
        client.raw<object>({
          method: 'GET',
          path: `${BASE}/images`,
          query: new URLSearchParams({ name: reference }),
        }),
      );
      environment.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`);
    });
  image
    .command('rm')
    .description('Forget the name of an image; its content goes with the next prune.')
    .argument('<image...>', 'names of images')
    .addHelpText('after', examples('dispatch image rm 127.0.0.1:7050/team/app:1'))
    .action(async (references: string[], _: object, command: Command) => {
      await using(environment, command, async (client) => {
        for (const reference of references)
          await client.raw({
            method: 'DELETE',
            path: `${BASE}/images`,
            query: new URLSearchParams({ name: reference }),
          });
      });
    });
  image
    .command('prune')
    .description('Remove content that nothing needs any more.')
    .option('--older-than <hours>', 'only what nobody has used for so many hours', '0')
    .addHelpText('after', examples('dispatch image prune', 'dispatch image prune --older-than 168'))
    .action(async (flags: { olderThan: string }, command: Command) => {
      const { removed, bytes } = await using(environment, command, (client) =>
        client.raw<{ removed: number; bytes: number }>({
          method: 'POST',
          path: `${BASE}/imageprunes`,
          headers: { 'content-type': 'application/json' },
          body: { olderThanMs: Number(flags.olderThan) * 3_600_000 },
        }),
      );
      environment.stdout.write(`Removed ${removed} objects, ${size(bytes)}.\n`);
    });
}

function registerBuild(image: Command, environment: Environment): void {
  image
    .command('build')
    .description('Build an image from a Dockerfile.')
    .argument('[context]', 'directory with the files of the build', '.')
    .option('-f, --file <path>', 'the Dockerfile, when it is not in the context')
    .option('-t, --tag <name>', 'names for the image', repeated, [])
    .option('--target <stage>', 'the stage to build')
    .option('--build-arg <name=value>', 'values for ARG', repeated, [])
    .option('--label <name=value>', 'labels for the image', repeated, [])
    .option('--secret <id=…,src=…>', 'secrets for RUN --mount=type=secret', repeated, [])
    .option('--no-cache', 'build every step anew')
    .option('--network <mode>', 'what RUN reaches: default (as pods do), host or none')
    .option('--push', 'send the image to the registries of its names')
    .option('--output-file <type=path>', 'also write it as "tar=PATH" or as an OCI layout "oci=PATH"')
    .addHelpText(
      'after',
      examples(
        'dispatch image build -t 127.0.0.1:7050/team/app:1 .',
        'dispatch image build --target test --no-cache .',
      ),
    )
    .action(async (context: string, flags: BuildFlags, command: Command) => {
      const root = resolve(environment.cwd, context);
      const [type, path] = splitOnce(flags.outputFile ?? '');
      const result = await follow(environment, command, 'imagebuilds', {
        context: root,
        ...(flags.file !== undefined && { dockerfile: resolve(environment.cwd, flags.file) }),
        ...(flags.target !== undefined && { target: flags.target }),
        tags: flags.tag ?? [],
        buildArgs: pairs(flags.buildArg, environment.env),
        labels: pairs(flags.label, {}),
        secrets: secretsOf(flags.secret, environment),
        noCache: !flags.cache,
        ...(flags.network !== undefined && { network: flags.network }),
        push: flags.push === true,
        ...(flags.outputFile !== undefined && { output: { type, path: resolve(environment.cwd, path) } }),
        ...(await registryCredentials()),
      });
      environment.stdout.write(`${result.digest}\n`);
    });
}

async function list(environment: Environment, command: Command): Promise<void> {
  const { items } = await using(environment, command, (client) =>
    client.raw<{ items: { name: string; digest: string; size: number; created: string }[] }>({
      method: 'GET',
      path: `${BASE}/images`,
    }),
  );
  const rows = items
    .map((item) => ({ ...item, size: size(item.size) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  printList(environment, globalFlags(command), {
    items,
    columns: {
      NAME: (at) => rows[at]!.name,
      DIGEST: (at) => rows[at]!.digest.slice(0, 19),
      SIZE: (at) => rows[at]!.size,
    },
    nameOf: (at) => rows[at]!.name,
  });
}

/** Shows what happens while it happens, and gives the result. */
async function follow(
  environment: Environment,
  command: Command,
  plural: string,
  body: object,
): Promise<NonNullable<Line['result']>> {
  return using(environment, command, async (client) => {
    const stream = await client.stream({
      method: 'POST',
      path: `${BASE}/${plural}`,
      headers: { 'content-type': 'application/json' },
      body,
    });
    for await (const text of readLines(stream)) {
      const line = JSON.parse(text) as Line;
      if (line.output !== undefined) environment.stderr.write(line.output);
      if (line.error !== undefined) throw new UserError(sentence(line.error));
      if (line.result !== undefined) return line.result;
    }
    throw new UserError('The server ended before the work was done: look at its log.');
  });
}

async function using<T>(
  environment: Environment,
  command: Command,
  work: (client: KubeClient) => Promise<T>,
): Promise<T> {
  const client = await connect(environment, globalFlags(command));
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

function pairs(
  flags: readonly string[] | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  return Object.fromEntries(
    (flags ?? []).map((flag) => {
      const [name, value] = splitOnce(flag);
      return [name, flag.includes('=') ? value : (env[name] ?? '')];
    }),
  );
}

function secretsOf(
  flags: readonly string[] | undefined,
  environment: Environment,
): Record<string, { path?: string; value?: string }> {
  return Object.fromEntries(
    (flags ?? []).map((flag) => {
      const fields = Object.fromEntries(flag.split(',').map(splitOnce));
      const id = fields['id'];
      if (id === undefined)
        throw new UserError(
          `--secret ${flag} names no id: write it as "id=NAME,src=FILE" or "id=NAME,env=NAME".`,
        );
      const path = fields['src'] ?? fields['source'];
      if (path !== undefined) return [id, { path: resolve(environment.cwd, path) }];
      return [id, { value: environment.env[fields['env'] ?? id] ?? '' }];
    }),
  );
}

function splitOnce(text: string): [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
