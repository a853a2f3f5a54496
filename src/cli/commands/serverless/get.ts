import type { Command } from 'commander';
import { stringify } from 'yaml';
import type { KubeObject } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, type GlobalFlags, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { withClient } from '../ci/client.ts';
import type { CliKind } from './cli-kind.ts';
import type { Flat } from './flat.ts';
import { CLI_KINDS } from './kinds.ts';
import { rulesOf } from './kinds-iam.ts';
import { oldTable } from './old-table.ts';
import { registerGetRuns } from './runs.ts';
import { registerServiceRefusals } from './services.ts';

interface GetFlags {
  all?: boolean;
  wide?: boolean;
  application?: string;
}

export function registerGet(program: Command, environment: Environment): void {
  const get = program.command('get').description('Show functions and what belongs to them.');
  for (const kind of CLI_KINDS) registerGetKind(get, kind, environment);
  registerGetRuns(get, environment);
  registerServiceRefusals(get, ['serviceclass', 'serviceinstance']);
}

export function registerGetKind(parent: Command, kind: CliKind, environment: Environment): void {
  const [name = '', ...aliases] = kind.names;
  const command = parent
    .command(name)
    .aliases(aliases)
    .description(`Show each ${name}, or one.`)
    .argument('[name]', 'name of one')
    .option('-a, --application <name>', 'only those of an application')
    .addHelpText('after', examples(`dispatch get ${name}`, `dispatch get ${name} NAME -o json`));
  if (kind.kind === 'Secret') command.option('--all', 'with their values, as JSON');
  if (kind.kind === 'API') command.option('-f, --func <name>', 'only those of a function');
  if (kind.kind === 'Policy') command.option('-w, --wide', 'with their rules');
  command.action((own: string | undefined, flags: GetFlags & { func?: string }, self: Command) =>
    withClient(environment, self, async (client, namespace) => {
      const output = globalFlags(self);
      if (own !== undefined) {
        const object = await client.get<KubeObject>(kind.resource, namespace, own);
        print(environment, kind, hidden(kind, kind.show(object), flags), { output, flags });
        return;
      }
      const selectors = [kind.selector, flags.application && `dispatch.dev/application=${flags.application}`];
      const labelSelector = selectors.filter(Boolean).join(',');
      const { items } = await client.list<KubeObject>(kind.resource, {
        namespace,
        ...(labelSelector !== '' && { labelSelector }),
      });
      const shown = items
        .map((item) => hidden(kind, kind.show(item), flags))
        .filter((flat) => flags.func === undefined || flat['function'] === flags.func);
      print(environment, kind, shown, { output, flags });
    }),
  );
}

/** Values of secrets are shown to those only who ask for them. */
function hidden(kind: CliKind, flat: Flat, flags: GetFlags): Flat {
  if (kind.kind !== 'Secret' || flags.all) return flat;
  const names = Object.keys((flat['secrets'] ?? {}) as object);
  return { ...flat, secrets: Object.fromEntries(names.map((name) => [name, '<hidden>'])) };
}

function print(
  environment: Environment,
  kind: CliKind,
  shown: Flat | Flat[],
  { output, flags }: { output: GlobalFlags; flags: GetFlags },
): void {
  const format = flags.all ? 'json' : output.output;
  if (printAs(environment, shown, format)) return;
  const rows = [shown].flat();
  if (kind.kind === 'Secret')
    environment.stdout.write('Note: secret values are hidden, please use --all flag to get them\n\n');
  const columns = flags.wide ? { ...kind.columns, Rules: rulesOf } : kind.columns;
  environment.stdout.write(
    oldTable(
      Object.keys(columns),
      rows.map((flat) => Object.values(columns).map((cell) => cell(flat))),
    ),
  );
}

/** JSON and YAML as of old, four spaces deep. False where a table is wanted. */
export function printAs(environment: Environment, value: object, format: string | undefined): boolean {
  switch (format) {
    case 'json':
      environment.stdout.write(`${JSON.stringify(value, undefined, 4)}\n`);
      return true;
    case 'yaml':
      environment.stdout.write(stringify(value));
      return true;
    case 'name':
      for (const item of [value].flat()) environment.stdout.write(`${String((item as Flat)['name'])}\n`);
      return true;
    case undefined:
    case 'table':
    case 'wide':
      return false;
    default:
      throw new UserError(`There is no output ${format} here: choose json or yaml.`);
  }
}
