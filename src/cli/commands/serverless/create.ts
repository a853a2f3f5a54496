import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { isApiError, type KubeObject } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import type { Environment } from '../../environment.ts';
import { examples, repeated } from '../../help.ts';
import { withClient } from '../ci/client.ts';
import { type BatchFlags, runBatch } from './batch.ts';
import { addFileFlags, batch, kindOrFail, replace, withSource } from './change.ts';
import type { Flat } from './flat.ts';
import { compact } from './flat.ts';
import { randomName } from './random-name.ts';
import { SEED_IMAGES } from './seed-images.ts';
import { registerServiceRefusals } from './services.ts';
import { readText } from './source-files.ts';

/** How the object comes into being: as a new one, or in the place of one that is there. */
type Verb = 'create' | 'update';

export interface Setting {
  verb: Verb;
  environment: Environment;
}

export function registerCreate(program: Command, environment: Environment): void {
  const create = addFileFlags(
    program.command('create').description('Create functions and what belongs to them.'),
  ).addHelpText(
    'after',
    examples('dispatch create --file seed.yaml', 'dispatch create function hello ./hello.js --image nodejs'),
  );
  create.action((flags: BatchFlags, command: Command) =>
    batch(environment, command, flags, async (client, { kind, name, object }) => {
      await client.create(kind.resource, object);
      return `Created ${kind.kind}: ${name}`;
    }),
  );
  registerMakers(create, { verb: 'create', environment });
  registerSeedImages(create, environment);
  registerServiceRefusals(create, ['serviceinstance']);
}

/** A command for each kind, for `create` and for `update`. */
export function registerMakers(parent: Command, setting: Setting): void {
  for (const register of [registerImages, registerFunction, registerSecret, registerApi, registerEvents])
    register(parent, setting);
  maker(parent, 'application', '<name>')
    .alias('app')
    .description(`${title(setting)} an application: a name for what belongs together.`)
    .action((name: string, _: Flat, command: Command) => make(setting, command, 'application', { name }));
}

function registerImages(parent: Command, setting: Setting): void {
  maker(parent, 'base-image', '<name> <image>')
    .alias('baseimage')
    .description(`${title(setting)} a base image: one in which functions of a language can run.`)
    .option('--language <language>', 'nodejs, python3, java or powershell')
    .option('--public', 'accepted as of old')
    .addHelpText(
      'after',
      examples(
        `dispatch ${setting.verb} base-image nodejs-base dispatch.local/nodejs-base --language nodejs`,
      ),
    )
    .action((name: string, image: string, flags: Flat, command: Command) =>
      make(setting, command, 'base-image', {
        name,
        dockerUrl: image,
        language: flags['language'] ?? languageIn(image, name),
      }),
    );
  maker(parent, 'image', '<name> <base-image>')
    .description(`${title(setting)} an image: a base image with what functions need.`)
    .option('--runtime-deps <file>', 'package.json, requirements.txt, pom.xml or requirements.psd1')
    .option('--system-deps <file>', 'JSON with the packages of the system')
    .addHelpText(
      'after',
      examples(`dispatch ${setting.verb} image nodejs nodejs-base --runtime-deps package.json`),
    )
    .action(async (name: string, base: string, flags: Flat, command: Command) => {
      const here = { base: setting.environment.cwd };
      const system = flags['systemDeps'] as string | undefined;
      const runtime = flags['runtimeDeps'] as string | undefined;
      await make(setting, command, 'image', {
        name,
        baseImageName: base,
        runtimeDependencies: runtime && { manifest: await readText(here, runtime) },
        systemDependencies: system && jsonOf(await readText(here, system), system),
      });
    });
}

function registerFunction(parent: Command, setting: Setting): void {
  maker(parent, 'function', '<name> [path]')
    .description(`${title(setting)} a function from a file or a directory.`)
    .option('--image <name>', 'image that it runs in')
    .option('--handler <handler>', './file.js, module.function, file.ps1::handle, or a class')
    .option('--schema-in <file>', 'JSON schema of the input')
    .option('--schema-out <file>', 'JSON schema of the output')
    .option('--secret <name>', 'secret that it is given', repeated, [])
    .option(
      '--service <name>',
      'secret with the credentials of a service, given under its name',
      repeated,
      [],
    )
    .option('--timeout <ms>', 'milliseconds that a call may take')
    .option('--env <name=value>', 'environment of its processes', repeated, [])
    .option('--memory <size>', 'most memory of a process, like 256Mi')
    .option('--cpu <size>', 'most processor time of a process, like 500m')
    .option('--min-scale <count>', 'processes that are always there')
    .option('--max-scale <count>', 'most processes at a time')
    .option('--concurrency <count>', 'calls that a process works on at a time')
    .option('--idle-timeout <duration>', 'how long a process without calls stays')
    .option('--http', 'the image answers HTTP by itself')
    .option('--cloud-events', 'the handler takes an event, and gives none or one back')
    .addHelpText(
      'after',
      examples(
        `dispatch ${setting.verb} function hello ./hello.js --image nodejs`,
        `dispatch ${setting.verb} function web --image docker.io/library/nginx:alpine --http`,
      ),
    )
    .action((name: string, path: string | undefined, flags: Flat, command: Command) => {
      if (flags['image'] === undefined && setting.verb === 'create')
        throw new UserError(`The function ${name} needs an image: name it with --image.`);
      return make(setting, command, 'function', {
        name,
        ...flags,
        sourcePath: path,
        schemaInPath: flags['schemaIn'],
        schemaOutPath: flags['schemaOut'],
        secrets: flags['secret'],
        services: flags['service'],
        env: pairs(flags['env'] as string[], '--env'),
      });
    });
}

function registerSecret(parent: Command, setting: Setting): void {
  maker(parent, 'secret', '<name> <file>')
    .description(`${title(setting)} a secret from a JSON file.`)
    .addHelpText('after', examples(`dispatch ${setting.verb} secret open-sesame secret.json`))
    .action((name: string, file: string, _: Flat, command: Command) =>
      make(setting, command, 'secret', { name, secretPath: file }),
    );
}

function registerApi(parent: Command, setting: Setting): void {
  const split = (value: string, before: string[]): string[] => [
    ...before,
    ...value.split(',').filter((item) => item !== ''),
  ];
  parent
    .command('api <name> <function>')
    .alias('endpoint')
    .description(`${title(setting)} an endpoint: a place on the gateway where a function answers.`)
    .option('-d, --domain <host>', 'host that it answers for', split, [])
    .option('-p, --path <path>', 'path, "/*" at its end for all below it', split, [])
    .option('-m, --method <method>', 'method', split, [])
    .option('--https-only', 'only over HTTPS')
    .option('--disable', 'do not answer for now')
    .option('--cors', 'pages of other origins may call it')
    .option('--cors-origin <origin>', 'which origins', split, [])
    .option('--auth <how>', 'public, basic, key or jwt', 'public')
    .option('--auth-secret <name>', 'secret with the users or keys (default: NAME-auth)')
    .option('--rate-limit <rate>', 'calls of one client, like 10/s')
    .option('--full-response', 'the function gives {statusCode, headers, body}')
    .option('-a, --application <name>', 'application that it belongs to')
    .addHelpText(
      'after',
      examples(`dispatch ${setting.verb} api --https-only --method POST --path /hello post-hello hello-py`),
    )
    .action((name: string, fn: string, flags: Flat, command: Command) =>
      make(setting, command, 'api', {
        name,
        ...flags,
        function: fn,
        hosts: flags['domain'],
        uris: flags['path'],
        methods: flags['method'],
        corsOrigins: flags['corsOrigin'],
        authentication: flags['auth'],
        enabled: flags['disable'] !== true,
      }),
    );
}

function registerEvents(parent: Command, setting: Setting): void {
  maker(parent, 'eventdrivertype', '<name> <image>')
    .aliases(['event-driver-type', 'eventdrivertypes', 'event-driver-types'])
    .description(`${title(setting)} a type of event drivers.`)
    .option('--expose', 'it answers HTTP, and is to be reached from outside')
    .addHelpText(
      'after',
      examples(`dispatch ${setting.verb} eventdrivertype chat registry.example.com/chat-driver:1 --expose`),
    )
    .action((name: string, image: string, flags: Flat, command: Command) =>
      make(setting, command, 'eventdrivertype', { name, ...flags, image }),
    );
  maker(parent, 'eventdriver', '<type>')
    .aliases(['eventdrivers', 'event-driver', 'event-drivers'])
    .description(`${title(setting)} an event driver.`)
    .option('--name <name>', 'its name (default: a random one)')
    .option('-s, --set <key=value>', 'setting', repeated, [])
    .option('--secret <name>', 'secret that it is given', repeated, [])
    .addHelpText('after', examples(`dispatch ${setting.verb} eventdriver ticker --set seconds=5`))
    .action((type: string, flags: Flat, command: Command) =>
      make(setting, command, 'eventdriver', {
        ...flags,
        name: flags['name'] ?? randomName(),
        type,
        config: settingsOf(flags['set'] as string[]),
        secrets: flags['secret'],
      }),
    );
  maker(parent, 'subscription', '<function>')
    .description(`${title(setting)} a subscription: a function is called for events.`)
    .option('--name <name>', 'its name (default: a random one)')
    .option('--event-type <type>', 'type of the events, or "prefix.*"')
    .option('--source-type <type>', 'accepted as of old')
    .option('--source <source>', 'source of the events')
    .option('--subject <subject>', 'subject of the events')
    .option('--secret <name>', 'secret that the runs are given', repeated, [])
    .addHelpText(
      'after',
      examples(`dispatch ${setting.verb} subscription hello-py --event-type ticker.tick --name ticker-sub`),
    )
    .action((fn: string, flags: Flat, command: Command) =>
      make(setting, command, 'subscription', {
        ...flags,
        name: flags['name'] ?? randomName(),
        function: fn,
        secrets: flags['secret'],
      }),
    );
}

function registerSeedImages(create: Command, environment: Environment): void {
  create
    .command('seed-images')
    .alias('seed')
    .description('Create the base images and images that come along.')
    .option('-O, --output-file <file>', 'write them as YAML, and create nothing')
    .addHelpText(
      'after',
      examples('dispatch create seed-images', 'dispatch create seed-images -O images.yaml'),
    )
    .action(async (flags: { outputFile?: string }, command: Command) => {
      if (flags.outputFile !== undefined) {
        await writeFile(resolve(environment.cwd, flags.outputFile), SEED_IMAGES);
        return;
      }
      await withClient(environment, command, (client, namespace) =>
        runBatch(
          environment,
          { file: 'the images', content: SEED_IMAGES },
          { client, namespace },
          async ({ kind, name, object }) => {
            try {
              await client.create(kind.resource, object);
              return `Created ${kind.kind}: ${name}`;
            } catch (error) {
              if (!isApiError(error, 'AlreadyExists')) throw error;
              return `${kind.kind} ${name} is there already`;
            }
          },
        ),
      );
    });
}

function maker(parent: Command, name: string, usage: string): Command {
  return parent
    .command(`${name} ${usage}`)
    .option('-a, --application <name>', 'application that it belongs to');
}

/** Makes an object from what was said, or changes the one that is there. `place` is its namespace if not the usual. */
export async function make(
  { verb, environment }: Setting,
  command: Command,
  word: string,
  said: Flat,
  place?: string,
): Promise<void> {
  const kind = kindOrFail(word);
  await withClient(environment, command, async (client, usual) => {
    const namespace = place ?? usual;
    const making = { base: environment.cwd, client, namespace };
    const { application } = command.opts<{ application?: string }>();
    const tags = application === undefined ? undefined : [{ key: 'Application', value: application }];
    const flat: Flat = compact({ ...said, tags });
    let object: KubeObject;
    if (verb === 'create') {
      object = await kind.make(flat, making);
      await client.create(kind.resource, object);
    } else {
      const live = await client.get<KubeObject>(kind.resource, namespace, String(said['name']));
      object = withSource(await kind.make({ ...kind.show(live), ...withoutEmpty(flat) }, making), live);
      await replace(client, kind, object);
    }
    const done = verb === 'create' ? 'Created' : 'Updated';
    environment.stdout.write(
      `${kind.isLowerCase ? done.toLowerCase() : done} ${kind.names[0]}: ${object.metadata.name}\n`,
    );
  });
}

/** What a flag does not say stays as it is. */
function withoutEmpty(flat: Flat): Flat {
  return Object.fromEntries(
    Object.entries(flat).filter(([, value]) => !Array.isArray(value) || value.length > 0),
  );
}

function title({ verb }: Setting): string {
  return verb === 'create' ? 'Create' : 'Change';
}

function languageIn(...texts: string[]): string | undefined {
  for (const text of texts) {
    const found = /(nodejs|python3|python|java|powershell)/.exec(text)?.[1];
    if (found !== undefined) return found === 'python' ? 'python3' : found;
  }
  return undefined;
}

function pairs(values: readonly string[] | undefined, flag: string): Record<string, string> | undefined {
  if (values === undefined || values.length === 0) return undefined;
  return Object.fromEntries(
    values.map((value) => {
      const at = value.indexOf('=');
      if (at <= 0) throw new UserError(`${flag} ${value} is no setting: write ${flag} NAME=VALUE.`);
      return [value.slice(0, at), value.slice(at + 1)];
    }),
  );
}

function settingsOf(values: readonly string[] | undefined): { key: string; value?: string }[] | undefined {
  if (values === undefined || values.length === 0) return undefined;
  return values.map((value) => {
    const at = value.indexOf('=');
    return at < 0 ? { key: value } : { key: value.slice(0, at), value: value.slice(at + 1) };
  });
}

function jsonOf(text: string, file: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new UserError(`${file} is no JSON: ${(error as Error).message}.`, { cause: error });
  }
}
