import type { Command } from 'commander';
import { FUNCTIONS, type FunctionObject, type RevisionObject } from '../../../functions/index.ts';
import { CONTROLLER_REVISIONS, replaceObject } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples, repeated } from '../../help.ts';
import { printList } from '../../output.ts';
import { age, withClient } from '../ci/client.ts';
import { registerDeploy } from './deploy.ts';

export function registerFunctionCommands(program: Command, environment: Environment): void {
  const fn = program.command('function').description('Revisions of functions, and the way back to them.');
  registerDeploy(fn, environment);
  fn.command('revisions')
    .description('The last revisions of a function, and their shares of the calls.')
    .argument('<name>', 'name of the function')
    .addHelpText('after', examples('dispatch function revisions hello'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await client.get<FunctionObject>(FUNCTIONS, namespace, name);
        const items = found.status?.revisions ?? [];
        const shares = sharesOf(found);
        printList(environment, globalFlags(command), {
          items,
          nameOf: (at) => items[at]!.name,
          columns: {
            REVISION: (at) => items[at]!.name,
            NUMBER: (at) => String(items[at]!.number),
            TRAFFIC: (at) => `${shares.get(items[at]!.name) ?? 0}%`,
            IMAGE: (at) => items[at]!.image,
            AGE: (at) => age(items[at]!.createdAt),
          },
        });
      }),
    );
  fn.command('rollback')
    .description('Go back to an earlier revision.')
    .argument('<name>', 'name of the function')
    .option('--to <revision>', 'which one (default: the one before)')
    .addHelpText(
      'after',
      examples('dispatch function rollback hello', 'dispatch function rollback hello --to hello-5d3c1a90'),
    )
    .action((name: string, flags: { to?: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await client.get<FunctionObject>(FUNCTIONS, namespace, name);
        const all = found.status?.revisions ?? [];
        const current = found.status?.revision;
        const target = flags.to ?? all.find((item) => item.name !== current)?.name;
        if (target === undefined || !all.some((item) => item.name === target))
          throw new UserError(
            target === undefined
              ? `The function ${name} has no earlier revision.`
              : `The function ${name} has no revision ${target}: see "dispatch function revisions ${name}".`,
          );
        const { data } = await client.get<RevisionObject>(CONTROLLER_REVISIONS, namespace, target);
        await replaceObject<FunctionObject>(client, FUNCTIONS, { namespace, name }, (fn) => {
          const { secrets, services, minScale, maxScale, idleTimeout } = fn.spec;
          const kept = Object.fromEntries(
            Object.entries({ secrets, services, minScale, maxScale, idleTimeout }).filter(
              ([, value]) => value !== undefined,
            ),
          );
          return { ...fn, spec: { ...data.template, ...kept } };
        });
        environment.stdout.write(`${name} goes back to ${target}\n`);
      }),
    );
  fn.command('traffic')
    .description('Give earlier revisions a share of the calls; the newest gets the rest.')
    .argument('<name>', 'name of the function')
    .option('--to <revision=percent>', 'share of a revision; none for all to the newest', repeated, [])
    .addHelpText(
      'after',
      examples('dispatch function traffic hello --to hello-5d3c1a90=20', 'dispatch function traffic hello'),
    )
    .action((name: string, flags: { to: string[] }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const traffic = flags.to.map((text) => {
          const [revision = '', share = ''] = text.split('=');
          const weight = Number(share.replace(/%$/, ''));
          if (revision === '' || share === '' || !Number.isInteger(weight) || weight < 0 || weight > 100)
            throw new UserError(`--to ${text} is no share: write --to REVISION=PERCENT.`);
          return { revision, weight };
        });
        await client.patch(FUNCTIONS, { namespace, name }, 'merge', { spec: { traffic } });
        environment.stdout.write(`${name} shares its calls\n`);
      }),
    );
}

function sharesOf({ spec, status }: FunctionObject): Map<string, number> {
  const shares = new Map<string, number>();
  let left = 100;
  for (const { revision, weight } of spec.traffic ?? []) {
    if (revision === status?.revision) continue;
    shares.set(revision, Math.min(left, weight));
    left -= Math.min(left, weight);
  }
  if (status?.revision !== undefined) shares.set(status.revision, left);
  return shares;
}
