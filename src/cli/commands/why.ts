import type { Command } from 'commander';
import {
  type Condition,
  EVENTS,
  isRecord,
  type KubeClient,
  type KubeObject,
  type Pod,
  type ResourceRef,
} from '../../kube/index.ts';
import { UserError } from '../../server/index.ts';
import type { Environment } from '../environment.ts';
import { examples } from '../help.ts';
import { age, withClient } from './ci/client.ts';

const EVENTS_SHOWN = 5;
/** Conditions that say something is well by being false. */
const GOOD_WHEN_FALSE =
  /Pressure$|^(?:Stalled|ReplicaFailure|Failed|NetworkUnavailable|Suspended|DisruptionTarget)$/;
const SHORT: Readonly<Record<string, string>> = {
  app: 'applications',
  pod: 'pods',
  deploy: 'deployments',
  run: 'pipelineruns',
  change: 'changerequests',
};

interface ApiResource {
  name: string;
  kind: string;
  singularName?: string;
  shortNames?: string[];
  namespaced: boolean;
}

/** What an object waits for, in words. */
export function registerWhy(program: Command, environment: Environment): void {
  program
    .command('why')
    .description('Tell what an object waits for.')
    .argument('<object>', 'kind/name, such as pod/web-0, app/hello-world or pipelinerun/hello-world-1')
    .addHelpText(
      'after',
      examples(
        'dispatch why pod/web-0',
        'dispatch why app/hello-world',
        'dispatch why pipelinerun/hello-world-1-main-0a1b2c3',
      ),
    )
    .action((text: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const [kind = '', name = ''] = text.split('/');
        if (kind === '' || name === '')
          throw new UserError(
            `${JSON.stringify(text)} names no object: write it as kind/name, such as pod/web-0.`,
          );
        const resource = await find(client, kind.toLowerCase());
        if (resource === undefined)
          throw new UserError(`There is no kind ${kind}: see "dispatch kubectl api-resources".`);
        const object = await client.get<KubeObject>(resource, namespace, name);
        const reasons = reasonsOf(object);
        environment.stdout.write(
          `${object.kind}/${name}: ${reasons.length === 0 ? 'it waits for nothing' : ''}\n`,
        );
        for (const line of reasons) environment.stdout.write(`  ${line}\n`);
        for (const line of await eventsOf(client, object)) environment.stdout.write(`  ${line}\n`);
      }),
    );
}

async function find(client: KubeClient, wanted: string): Promise<ResourceRef | undefined> {
  const name = SHORT[wanted] ?? wanted;
  const { groups } = await client.raw<{ groups: { preferredVersion: { groupVersion: string } }[] }>({
    method: 'GET',
    path: '/apis',
  });
  const versions = ['v1', ...groups.map(({ preferredVersion }) => preferredVersion.groupVersion)];
  for (const groupVersion of versions) {
    const path = groupVersion === 'v1' ? '/api/v1' : `/apis/${groupVersion}`;
    const { resources } = await client
      .raw<{ resources: ApiResource[] }>({ method: 'GET', path })
      .catch(() => ({ resources: [] }));
    const found = resources.find(
      (item) =>
        !item.name.includes('/') &&
        (item.name === name || item.kind.toLowerCase() === name || item.shortNames?.includes(name)),
    );
    if (found === undefined) continue;
    const at = groupVersion.lastIndexOf('/');
    return {
      group: at < 0 ? '' : groupVersion.slice(0, at),
      version: groupVersion.slice(at + 1),
      plural: found.name,
      namespaced: found.namespaced,
    };
  }
  return undefined;
}

function reasonsOf(object: KubeObject): string[] {
  const status = isRecord(object['status']) ? object['status'] : {};
  const reasons: string[] = [];
  if (object.metadata.deletionTimestamp !== undefined)
    reasons.push(
      `It is being deleted, and waits for ${(object.metadata.finalizers ?? []).join(', ') || 'its containers to end'}.`,
    );
  const conditions = Array.isArray(status['conditions']) ? (status['conditions'] as Condition[]) : [];
  for (const { type, status: is, reason, message } of conditions) {
    const isBad = is === undefined ? true : GOOD_WHEN_FALSE.test(type) ? is === 'True' : is !== 'True';
    if (isBad) reasons.push(`${type}: ${[reason, message].filter((text) => text).join(': ')}`);
  }
  if (typeof status['message'] === 'string' && status['message'] !== '') reasons.push(status['message']);
  const operation = isRecord(status['operationState']) ? status['operationState'] : undefined;
  if (operation !== undefined && operation['phase'] !== 'Succeeded')
    reasons.push(`${String(operation['phase'])}: ${String(operation['message'] ?? '')}`);
  return [...reasons, ...containers(object as Pod), ...unhealthy(status)];
}

function containers({ status }: Pod): string[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].flatMap(
    ({ name, state, restartCount }) => {
      if (state?.waiting !== undefined)
        return [
          `${name} waits: ${[state.waiting.reason, state.waiting.message].filter((text) => text).join(': ')}`,
        ];
      const ended = state?.terminated;
      if (ended !== undefined && ended.exitCode !== 0)
        return [
          `${name} has ended with exit code ${ended.exitCode}${restartCount > 0 ? `, restarted ${restartCount} times` : ''}`,
        ];
      return [];
    },
  );
}

/** The objects of an application that are not as they should be. */
function unhealthy(status: Record<string, unknown>): string[] {
  const items = Array.isArray(status['resources'])
    ? (status['resources'] as {
        kind: string;
        name: string;
        status?: string;
        health?: { status: string; message?: string };
      }[])
    : [];
  return items.flatMap(({ kind, name, status: sync, health }) => {
    const parts = [
      sync === 'OutOfSync' ? 'differs from Git' : '',
      health !== undefined && health.status !== 'Healthy'
        ? `${health.status}${health.message ? `: ${health.message}` : ''}`
        : '',
    ].filter((part) => part !== '');
    return parts.length === 0 ? [] : [`${kind}/${name} ${parts.join(', ')}`];
  });
}

async function eventsOf(client: KubeClient, { metadata }: KubeObject): Promise<string[]> {
  type Event = KubeObject & { type: string; reason: string; message: string; lastTimestamp?: string };
  const { items } = await client.list<Event>(EVENTS, {
    namespace: metadata.namespace ?? 'default',
    fieldSelector: `involvedObject.uid=${metadata.uid}`,
  });
  return items
    .filter(({ type }) => type === 'Warning')
    .sort((a, b) => ((a.lastTimestamp ?? '') < (b.lastTimestamp ?? '') ? -1 : 1))
    .slice(-EVENTS_SHOWN)
    .map(({ reason, message, lastTimestamp }) => `${age(lastTimestamp)} ago  ${reason}: ${message}`);
}
