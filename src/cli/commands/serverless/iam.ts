import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../../../server/index.ts';
import type { Environment } from '../../environment.ts';
import { examples } from '../../help.ts';
import { withClient } from '../ci/client.ts';
import type { BatchFlags } from './batch.ts';
import { addFileFlags, batch, replace } from './change.ts';
import type { CliKind } from './cli-kind.ts';
import { make } from './create.ts';
import { registerGetKind } from './get.ts';
import { iamKinds } from './kinds-iam.ts';

/** Where policies for all namespaces are kept: nobody writes there but administrators. */
const SYSTEM = 'dispatch-system';

export function registerIam(program: Command, environment: Environment): void {
  const iam = program.command('iam').description('Who may do what: policies, accounts, organisations.');
  const create = iam.command('create').description('Create policies, accounts and organisations.');
  const get = iam.command('get').description('Show policies, accounts and organisations.');
  const remove = iam.command('delete').description('Delete policies, accounts and organisations.');
  const update = addFileFlags(iam.command('update').description('Change them as a file says.')).addHelpText(
    'after',
    examples('dispatch iam update -f policies.yaml'),
  );
  update.action((flags: BatchFlags, command: Command) =>
    batch(environment, command, flags, async (client, { kind, name, object }) => {
      await replace(client, kind, object);
      return `Updated ${kind.kind}: ${name}`;
    }),
  );
  for (const [parent, verb] of [
    [create, 'create'],
    [update, 'update'],
  ] as const)
    registerMakers(parent, verb, environment);
  for (const kind of iamKinds) {
    registerGetKind(get, kind, environment);
    registerRemove(remove, kind, environment);
  }
}

function registerMakers(parent: Command, verb: 'create' | 'update', environment: Environment): void {
  const split = (value: string, before: string[]): string[] => [
    ...before,
    ...value.split(',').filter((item) => item !== ''),
  ];
  const words = verb === 'create' ? 'Create' : 'Change';
  parent
    .command('policy <name>')
    .description(`${words} a policy.`)
    .option('-s, --subject <name>', 'user or account, "*" for everybody', split, [])
    .option('-a, --action <action>', 'get, create, update, delete or "*"', split, [])
    .option('-r, --resource <resource>', 'function, runs, api, secret … or "*"', split, [])
    .option('--global', 'in all namespaces')
    .addHelpText(
      'after',
      examples(
        `dispatch iam ${verb} policy callers --subject ada@example.com --action create,get --resource runs`,
      ),
    )
    .action(
      (
        name: string,
        flags: { subject: string[]; action: string[]; resource: string[]; global?: boolean },
        command: Command,
      ) => {
        for (const key of ['subject', 'action', 'resource'] as const)
          if (flags[key].length === 0)
            throw new UserError(`The policy ${name} needs a ${key}: give it with --${key}.`);
        const rule = { subjects: flags.subject, actions: flags.action, resources: flags.resource };
        const isGlobal = flags.global === true;
        return make(
          { verb, environment },
          command,
          'policy',
          { name, global: isGlobal, rules: [rule] },
          isGlobal ? SYSTEM : undefined,
        );
      },
    );
  parent
    .command('serviceaccount <name>')
    .alias('service-account')
    .description(`${words} an account that gets in with a key.`)
    .requiredOption('--public-key <file>', 'its public key, as PEM')
    .addHelpText('after', examples(`dispatch iam ${verb} serviceaccount robot --public-key robot.pub`))
    .action(async (name: string, flags: { publicKey: string }, command: Command) => {
      const pem = await readFile(resolve(environment.cwd, flags.publicKey), 'utf8').catch(
        (error: unknown) => {
          throw new UserError(`${flags.publicKey} cannot be read: ${(error as Error).message}.`, {
            cause: error,
          });
        },
      );
      if (!pem.includes('-----BEGIN')) throw new UserError(`${flags.publicKey} is no key as PEM.`);
      await make({ verb, environment }, command, 'serviceaccount', {
        name,
        publicKey: Buffer.from(pem).toString('base64'),
      });
    });
  parent
    .command('organization <name>')
    .alias('org')
    .description(`${words} an organisation: a namespace of that name.`)
    .addHelpText('after', examples(`dispatch iam ${verb} organization acme`))
    .action((name: string, _: object, command: Command) =>
      make({ verb, environment }, command, 'organization', { name }),
    );
}

function registerRemove(parent: Command, kind: CliKind, environment: Environment): void {
  const [name = '', ...aliases] = kind.names;
  parent
    .command(`${name} <name>`)
    .aliases(aliases)
    .description(`Delete a ${name}.`)
    .addHelpText('after', examples(`dispatch iam delete ${name} NAME`))
    .action((own: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await client.delete(kind.resource, namespace, own);
        environment.stdout.write(`Deleted ${name}: ${own}\n`);
      }),
    );
}
