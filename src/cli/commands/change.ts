import type { Command } from 'commander';
import { editObject, type KubeClient, unlessGone } from '../../kube/index.ts';
import { CHANGE_REQUESTS, type ChangeRequest, isOpen } from '../../scm/index.ts';
import { UserError } from '../../server/index.ts';
import { type Environment, globalFlags } from '../environment.ts';
import { examples } from '../help.ts';
import { printList, printObject } from '../output.ts';
import { age, withClient } from './ci/client.ts';

const MERGE_TIMEOUT_MS = 60_000;
const STRATEGIES = ['merge', 'squash', 'rebase'] as const;
type Strategy = (typeof STRATEGIES)[number];

export function registerChange(program: Command, environment: Environment): void {
  const change = program
    .command('change')
    .alias('changes')
    .description('Change requests of the repositories that this server hosts.');
  registerList(change, environment);
  registerShow(change, environment);
  registerCreate(change, environment);
  registerMerge(change, environment);
  for (const [verb, verdict] of [
    ['approve', 'approve'],
    ['reject', 'reject'],
  ] as const)
    change
      .command(verb)
      .description(
        verb === 'approve'
          ? 'Say that a request is good.'
          : 'Say that a request is not good: it is not merged then.',
      )
      .argument('<name>', 'name of the request')
      .addHelpText('after', examples(`dispatch change ${verb} hello-world-gitops-1`))
      .action((name: string, _: object, command: Command) =>
        withClient(environment, command, async (client, namespace) => {
          const by = await whoAmI(client);
          await edit(client, { namespace, name }, ({ spec, status }) => {
            const reviews = (spec.reviews ?? []).filter((item) => item.by !== by);
            const commit = status?.head;
            return { reviews: [...reviews, { by, verdict, ...(commit && { commit }) }] };
          });
          environment.stdout.write(
            `changerequest.dispatch.dev/${name}: ${verdict === 'approve' ? 'approved' : 'rejected'} by ${by}\n`,
          );
        }),
      );
  change
    .command('comment')
    .description('Say something about a request. "/build" and others start tasks.')
    .argument('<name>', 'name of the request')
    .argument('<text>', 'what to say')
    .addHelpText('after', examples('dispatch change comment hello-world-1 "/build"'))
    .action((name: string, text: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const comment = { by: await whoAmI(client), text, at: new Date().toISOString() };
        await edit(client, { namespace, name }, ({ spec }) => ({
          comments: [...(spec.comments ?? []), comment],
        }));
        environment.stdout.write(`changerequest.dispatch.dev/${name}: commented\n`);
      }),
    );
  change
    .command('close')
    .description('Give a request up.')
    .argument('<name>', 'name of the request')
    .addHelpText('after', examples('dispatch change close hello-world-1'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await patch(client, await get(client, namespace, name), { closed: true });
        environment.stdout.write(`changerequest.dispatch.dev/${name} closed\n`);
      }),
    );
}

async function get(client: KubeClient, namespace: string, name: string): Promise<ChangeRequest> {
  const found = await unlessGone(client.get<ChangeRequest>(CHANGE_REQUESTS, namespace, name));
  if (found === undefined)
    throw new UserError(
      `There is no change request ${name} in the namespace ${namespace}: see "dispatch change list".`,
    );
  return found;
}

/** What does not depend on what is there: whatever else is said of the request meanwhile stays. */
function patch(client: KubeClient, { metadata }: ChangeRequest, spec: object): Promise<ChangeRequest> {
  const { namespace = '', name = '' } = metadata;
  return client.patch<ChangeRequest>(CHANGE_REQUESTS, { namespace, name }, 'merge', { spec });
}

async function edit(
  client: KubeClient,
  { namespace, name }: { namespace: string; name: string },
  specOf: (change: ChangeRequest) => Partial<ChangeRequest['spec']>,
): Promise<void> {
  await get(client, namespace, name);
  const place = { namespace, name };
  await editObject<ChangeRequest>(client, CHANGE_REQUESTS, place, (change) => ({ spec: specOf(change) }));
}

async function whoAmI(client: KubeClient): Promise<string> {
  const review = await client.raw<{ status?: { userInfo?: { username?: string } } }>({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    headers: { 'content-type': 'application/json' },
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
  });
  return review.status?.userInfo?.username ?? 'somebody';
}

function registerList(change: Command, environment: Environment): void {
  change
    .command('list')
    .alias('ls')
    .description('List the open requests.')
    .option('--all', 'those that are closed or merged as well')
    .option('--repository <name>', 'of one repository')
    .addHelpText(
      'after',
      examples('dispatch change list', 'dispatch change list --all --repository hello-world-gitops'),
    )
    .action((flags: { all?: boolean; repository?: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { items } = await client.list<ChangeRequest>(CHANGE_REQUESTS, { namespace });
        const shown = items.filter(
          (item) =>
            (flags.all || isOpen(item)) &&
            (flags.repository === undefined || item.spec.repository === flags.repository),
        );
        printList(environment, globalFlags(command), {
          items: shown,
          nameOf: (at) => shown[at]!.metadata.name ?? '',
          columns: {
            NAME: (at) => shown[at]!.metadata.name ?? '',
            REPOSITORY: (at) => shown[at]!.spec.repository,
            TITLE: (at) => shown[at]!.spec.title ?? '',
            BRANCHES: (at) => `${shown[at]!.spec.source} → ${shown[at]!.spec.target}`,
            PHASE: (at) => shown[at]!.status?.phase ?? 'Open',
            CHECKS: (at) => checksOf(shown[at]!),
            AGE: (at) => age(shown[at]!.metadata.creationTimestamp),
          },
        });
      }),
    );
}

function checksOf({ status }: ChangeRequest): string {
  const states = Object.values(status?.checks ?? {}).map(({ state }) => state);
  if (states.length === 0) return '';
  return `${states.filter((state) => state === 'success').length}/${states.length}`;
}

function registerShow(change: Command, environment: Environment): void {
  change
    .command('show')
    .description('Show a request.')
    .argument('<name>', 'name of the request')
    .addHelpText('after', examples('dispatch change show hello-world-gitops-1'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const found = await get(client, namespace, name);
        const { output } = globalFlags(command);
        if (output === 'json' || output === 'yaml') return printObject(environment, output, found);
        const { spec, status } = found;
        const lines = [
          `${spec.title ?? name}  (${status?.phase ?? 'Open'})`,
          `${spec.source} → ${spec.target}, by ${spec.author ?? 'somebody'}`,
          ...(status?.message ? [status.message] : []),
          ...(spec.body ? ['', spec.body] : []),
          ...section(
            'Checks',
            Object.entries(status?.checks ?? {}).map(([context, { state, description = '' }]) =>
              `${context}: ${state} ${description}`.trim(),
            ),
          ),
          ...section(
            'Reviews',
            (spec.reviews ?? []).map(({ by, verdict }) => `${by}: ${verdict}`),
          ),
          ...section(
            'Comments',
            (spec.comments ?? []).map(({ by, text }) => `${by}: ${text}`),
          ),
        ];
        environment.stdout.write(`${lines.join('\n')}\n`);
      }),
    );
  change
    .command('diff')
    .description('Show what a request changes.')
    .argument('<name>', 'name of the request')
    .addHelpText('after', examples('dispatch change diff hello-world-gitops-1'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { spec } = await get(client, namespace, name);
        const { text } = await client.raw<{ text: string }>({
          method: 'GET',
          path: `/apis/run.dispatch.dev/v1alpha1/namespaces/${namespace}/gitrepositories/${encodeURIComponent(spec.repository)}/diff`,
          query: new URLSearchParams({ source: spec.source, target: spec.target }),
        });
        environment.stdout.write(text);
      }),
    );
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `  ${line}`)];
}

function registerCreate(change: Command, environment: Environment): void {
  change
    .command('create')
    .description('Propose the commits of a branch.')
    .requiredOption('--repository <name>', 'the repository')
    .requiredOption('--source <branch>', 'branch with the commits')
    .option('--target <branch>', 'branch that they are for', 'main')
    .option('--title <text>', 'what it is about')
    .option('--body <text>', 'why')
    .addHelpText(
      'after',
      examples(
        'dispatch change create --repository hello-world --source new-greeting --title "Greet politely"',
      ),
    )
    .action(
      (
        flags: { repository: string; source: string; target: string; title?: string; body?: string },
        command: Command,
      ) =>
        withClient(environment, command, async (client, namespace) => {
          const { repository, source, target, title = `Take over ${source}`, body } = flags;
          const made = await client.raw<ChangeRequest>({
            method: 'POST',
            path: `/apis/run.dispatch.dev/v1alpha1/namespaces/${namespace}/gitrepositories/${encodeURIComponent(repository)}/changes`,
            headers: { 'content-type': 'application/json' },
            body: { source, target, title, body: body ?? '', author: await whoAmI(client) },
          });
          environment.stdout.write(`changerequest.dispatch.dev/${made.metadata.name} created\n`);
        }),
    );
}

function registerMerge(change: Command, environment: Environment): void {
  change
    .command('merge')
    .description('Take the commits of a request over.')
    .argument('<name>', 'name of the request')
    .option('--strategy <name>', 'merge, squash or rebase', 'merge')
    .addHelpText(
      'after',
      examples(
        'dispatch change merge hello-world-gitops-1',
        'dispatch change merge hello-world-1 --strategy squash',
      ),
    )
    .action((name: string, flags: { strategy: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const strategy = STRATEGIES.find((item) => item === flags.strategy);
        if (strategy === undefined)
          throw new UserError(
            `${JSON.stringify(flags.strategy)} is no strategy: give merge, squash or rebase.`,
          );
        const found = await get(client, namespace, name);
        if (!isOpen(found))
          throw new UserError(`The change request ${name} is ${found.status?.phase?.toLowerCase()} already.`);
        await merge(client, found, strategy);
        environment.stdout.write(`changerequest.dispatch.dev/${name} merged\n`);
      }),
    );
}

/** Asks for it, and waits for the answer. An order that cannot be carried out now is taken back. */
async function merge(client: KubeClient, change: ChangeRequest, strategy: Strategy): Promise<void> {
  const asked = await patch(client, change, { merge: { strategy, by: await whoAmI(client) } });
  const { namespace = '', name = '', resourceVersion = '' } = asked.metadata;
  const signal = AbortSignal.timeout(MERGE_TIMEOUT_MS);
  const before = JSON.stringify(asked.status);
  const events = client.watch<ChangeRequest>(CHANGE_REQUESTS, {
    namespace,
    fieldSelector: `metadata.name=${name}`,
    resourceVersion,
    signal,
  });
  let last = asked;
  try {
    // What it says already may be the answer.
    if (asked.status?.mergeable === false) throw new UserError(asked.status.message ?? '');
    for await (const { object } of events) {
      last = object;
      if (object.status?.phase === 'Merged') return;
      if (JSON.stringify(object.status) !== before && object.status?.message && !object.status.waits) break;
    }
  } catch (error) {
    if (error instanceof UserError) {
      await patch(client, last, { merge: null });
      throw new UserError(`The change request ${name} cannot be merged: ${error.message}`, { cause: error });
    }
    if (!signal.aborted) throw error;
  }
  await patch(client, last, { merge: null });
  throw new UserError(
    `The change request ${name} is not merged: ${last.status?.message || 'the server did not answer in time'}`,
  );
}
