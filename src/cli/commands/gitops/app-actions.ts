import type { Command } from 'commander';
import { APPLICATIONS, type Application, FINALIZER, NOTES } from '../../../gitops/index.ts';
import { editObject, type KubeClient, timestamp, unlessGone } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import type { Environment } from '../../environment.ts';
import { examples, repeated } from '../../help.ts';
import { table } from '../../output.ts';
import { withClient } from '../ci/client.ts';
import { adopt, revert } from './adopt.ts';
import { getApplication, patchApplication, until } from './applications.ts';

const TIMEOUT_S = '300';

export function registerAppActions(app: Command, environment: Environment): void {
  registerSync(app, environment);
  registerWait(app, environment);
  registerRollback(app, environment);
  registerSuspend(app, environment);
  registerConfirmation(app, environment);
  app
    .command('adopt')
    .description('Turn what was changed by hand into a change request against the repository.')
    .argument('<name>', 'name of the application')
    .option('--title <title>', 'title of the change request')
    .addHelpText('after', examples('dispatch gitops app adopt hello-world'))
    .action((name: string, flags: { title?: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await getApplication(client, namespace, name);
        environment.stdout.write(await adopt(client, found, flags.title));
      }),
    );
  app
    .command('refresh')
    .description('Look at the repository now.')
    .argument('<name>', 'name of the application')
    .option('--hard', 'render everything anew')
    .addHelpText('after', examples('dispatch gitops app refresh hello-world'))
    .action((name: string, flags: { hard?: boolean }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await getApplication(client, namespace, name);
        await refresh(client, found, flags.hard === true);
        environment.stdout.write(`application.argoproj.io/${name} refreshed\n`);
      }),
    );
  app
    .command('delete')
    .alias('rm')
    .description('Delete an application, and what it keeps unless told otherwise.')
    .argument('<name>', 'name of the application')
    .option('--cascade', 'its objects as well', true)
    .option('--no-cascade', 'leave its objects where they are')
    .addHelpText(
      'after',
      examples(
        'dispatch gitops app delete hello-world',
        'dispatch gitops app delete hello-world --no-cascade',
      ),
    )
    .action((name: string, flags: { cascade: boolean }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await getApplication(client, namespace, name);
        const others = (found.metadata.finalizers ?? []).filter(
          (item) => !item.startsWith(FINALIZER) && (flags.cascade || !item.includes('-delete-finalizer.')),
        );
        await patchApplication(client, found, {
          metadata: { finalizers: flags.cascade ? [...others, FINALIZER] : others },
        });
        await unlessGone(client.delete(APPLICATIONS, namespace, name));
        environment.stdout.write(`application.argoproj.io/${name} deleted\n`);
      }),
    );
}

function registerConfirmation(app: Command, environment: Environment): void {
  app
    .command('confirm-deletion')
    .description('Say that what waits for a word may go: objects with Prune=confirm or Delete=confirm.')
    .argument('<name>', 'name of the application')
    .addHelpText('after', examples('dispatch gitops app confirm-deletion hello-world'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await getApplication(client, namespace, name);
        await patchApplication(client, found, {
          metadata: { annotations: { [NOTES.approved]: timestamp(Date.now()) } },
        });
        environment.stdout.write(`application.argoproj.io/${name}: what waited may go\n`);
      }),
    );
}

async function refresh(client: KubeClient, app: Application, isHard: boolean): Promise<Application> {
  const patched = await patchApplication(client, app, {
    metadata: { annotations: { [NOTES.refresh]: isHard ? 'hard' : 'normal' } },
  });
  return until(client, patched, {
    isReached: ({ metadata }) => metadata.annotations?.[NOTES.refresh] === undefined,
    timeoutMs: 60_000,
    what: 'refreshed',
  });
}

interface SyncFlags {
  prune?: boolean;
  dryRun?: boolean;
  force?: boolean;
  revision?: string;
  resource: string[];
  timeout: string;
  async?: boolean;
}

function registerSync(app: Command, environment: Environment): void {
  app
    .command('sync')
    .description('Bring the cluster in line with Git now.')
    .argument('<name>', 'name of the application')
    .option('--prune', 'take away what Git does not have any more')
    .option('--force', 'make objects anew where fields never change')
    .option('--revision <revision>', 'another revision than the newest')
    .option('--resource <group:kind:name>', 'these objects only', repeated, [])
    .option('--timeout <seconds>', 'longest time to wait', TIMEOUT_S)
    .option('--async', 'do not wait')
    .addHelpText(
      'after',
      examples(
        'dispatch gitops app sync hello-world --prune',
        'dispatch gitops app sync hello-world --dry-run',
        'dispatch gitops app sync hello-world --resource apps:Deployment:web',
      ),
    )
    .action((name: string, flags: SyncFlags, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const app = await refresh(client, await getApplication(client, namespace, name), false);
        const isDryRun = command.optsWithGlobals<{ dryRun?: boolean }>().dryRun === true;
        const ordered = await order(client, app, flags, isDryRun);
        if (flags.async)
          return void environment.stdout.write(`application.argoproj.io/${name} is being synchronised\n`);
        await finish(environment, client, ordered, flags.timeout);
      }),
    );
}

async function order(
  client: KubeClient,
  app: Application,
  flags: SyncFlags,
  isDryRun: boolean,
): Promise<Application> {
  const resources = flags.resource.map((text) => {
    const [group = '', kind = '', name = ''] = text.split(':');
    if (kind === '' || name === '')
      throw new UserError(
        `${JSON.stringify(text)} is no object: write it as group:Kind:name, such as apps:Deployment:web or :Service:web.`,
      );
    return { group, kind, name };
  });
  const { namespace = '', name = '' } = app.metadata;
  return editObject<Application>(client, APPLICATIONS, { namespace, name }, () => ({
    operation: {
      initiatedBy: { username: 'dispatch' },
      sync: {
        ...(flags.revision !== undefined && { revision: flags.revision }),
        prune: flags.prune === true,
        ...(isDryRun && { dryRun: true }),
        ...(flags.force && { syncStrategy: { apply: { force: true } } }),
        ...(resources.length > 0 && { resources }),
      },
      info: [{ name: 'Asked', value: timestamp(Date.now()) }],
    },
  }));
}

/** Waits for the operation that was asked for, and tells what it did. */
async function finish(
  environment: Environment,
  client: KubeClient,
  app: Application,
  timeout: string,
): Promise<void> {
  const asked = JSON.stringify(app.operation?.info);
  const done = await until(client, app, {
    isReached: ({ operation, status }) =>
      operation === undefined &&
      JSON.stringify(status?.operationState?.operation.info) === asked &&
      status?.operationState?.phase !== 'Running',
    timeoutMs: Number(timeout) * 1000,
    what: 'synchronised',
  });
  const state = done.status?.operationState;
  const rows = (state?.syncResult?.resources ?? []).map((item) => [
    item.kind,
    item.namespace,
    item.name,
    item.hookPhase ?? item.status ?? '',
    item.message ?? '',
  ]);
  if (rows.length > 0)
    environment.stdout.write(table(['KIND', 'NAMESPACE', 'NAME', 'RESULT', 'MESSAGE'], rows));
  if (state?.phase !== 'Succeeded')
    throw new UserError(`The synchronisation has failed: ${state?.message ?? 'nobody knows why'}`);
  environment.stdout.write(
    `application.argoproj.io/${done.metadata.name} synchronised to ${state.syncResult?.revision.slice(0, 12) ?? ''}\n`,
  );
}

function registerWait(app: Command, environment: Environment): void {
  app
    .command('wait')
    .description('Wait until an application is in line with Git, and well.')
    .argument('<name>', 'name of the application')
    .option('--sync', 'until it is in line, whether well or not')
    .option('--health', 'until it is well, whether in line or not')
    .option('--operation', 'until no operation runs')
    .option('--timeout <seconds>', 'longest time to wait', TIMEOUT_S)
    .addHelpText(
      'after',
      examples(
        'dispatch gitops app wait hello-world',
        'dispatch gitops app wait hello-world --health --timeout 60',
      ),
    )
    .action(
      (
        name: string,
        flags: { sync?: boolean; health?: boolean; operation?: boolean; timeout: string },
        command: Command,
      ) =>
        withClient(environment, command, async (client, namespace) => {
          const all = !flags.sync && !flags.health && !flags.operation;
          const found = await getApplication(client, namespace, name);
          await until(client, found, {
            isReached: ({ status, operation }) =>
              (!(all || flags.sync) || status?.sync?.status === 'Synced') &&
              (!(all || flags.health) || status?.health?.status === 'Healthy') &&
              (!(all || flags.operation) ||
                (operation === undefined && status?.operationState?.phase !== 'Running')),
            timeoutMs: Number(flags.timeout) * 1000,
            what: 'as it should be',
          });
          environment.stdout.write(`application.argoproj.io/${name} is as it should be\n`);
        }),
    );
}

function registerRollback(app: Command, environment: Environment): void {
  app
    .command('rollback')
    .description('Go back to what was deployed before. Automatic synchronisation stops until "resume".')
    .argument('<name>', 'name of the application')
    .argument('[id]', 'ID of the history; the one before the last when left out')
    .option('--prune', 'take away what was not there then')
    .option('--as-commit', 'by a commit in the repository: automatic synchronisation goes on')
    .option('--timeout <seconds>', 'longest time to wait', TIMEOUT_S)
    .addHelpText(
      'after',
      examples(
        'dispatch gitops app rollback hello-world',
        'dispatch gitops app rollback hello-world 3 --prune',
      ),
    )
    .action(
      (
        name: string,
        id: string | undefined,
        flags: { prune?: boolean; asCommit?: boolean; timeout: string },
        command: Command,
      ) =>
        withClient(environment, command, async (client, namespace) => {
          const found = await getApplication(client, namespace, name);
          const history = found.status?.history ?? [];
          const entry = id === undefined ? history.at(-2) : history.find((item) => String(item.id) === id);
          if (entry === undefined)
            throw new UserError(
              `The history of ${name} has no ${id === undefined ? 'entry before the last' : `entry ${id}`}: see "dispatch gitops app history ${name}".`,
            );
          if (flags.asCommit)
            return void environment.stdout.write(await revert(client, found, entry.revision));
          const held = await suspend(client, found, true);
          const ordered = await order(
            client,
            held,
            {
              resource: [],
              timeout: flags.timeout,
              revision: entry.revision,
              ...(flags.prune && { prune: true }),
            },
            false,
          );
          await finish(environment, client, ordered, flags.timeout);
          environment.stdout.write(`It stays there until "dispatch gitops app resume ${name}".\n`);
        }),
    );
}

function suspend(client: KubeClient, app: Application, isSuspended: boolean): Promise<Application> {
  return patchApplication(client, app, {
    metadata: { annotations: { [NOTES.suspended]: isSuspended ? 'true' : null } },
  });
}

function registerSuspend(app: Command, environment: Environment): void {
  app
    .command('suspend')
    .description('Stop automatic synchronisation: differences are shown, and stay.')
    .argument('<name>', 'name of the application')
    .addHelpText('after', examples('dispatch gitops app suspend hello-world'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await suspend(client, await getApplication(client, namespace, name), true);
        environment.stdout.write(
          `application.argoproj.io/${name} suspended: see "dispatch gitops app diff ${name}"\n`,
        );
      }),
    );
  app
    .command('resume')
    .description('Go on with automatic synchronisation.')
    .argument('<name>', 'name of the application')
    .addHelpText('after', examples('dispatch gitops app resume hello-world'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await suspend(client, await getApplication(client, namespace, name), false);
        environment.stdout.write(`application.argoproj.io/${name} resumed\n`);
      }),
    );
}
