import { cloneJson, isApiError, type KubeObject, type ResourceRef, unlessGone } from '../../kube/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import {
  FIELD_MANAGER,
  type IgnoreRule,
  NOTES,
  type OperationPhase,
  type ResourceResult,
  type SyncPhase,
} from '../resources.ts';
import { optionsIn } from './desired.ts';
import { rulesFor, withoutIgnored } from './ignore.ts';
import { type ObjectKey, showKey, textOfKey } from './object-key.ts';
import { groupTasks, ranks, type SyncTask } from './sync-tasks.ts';

export interface SyncOptions {
  prune: boolean;
  dryRun: boolean;
  force: boolean;
  replace: boolean;
  respectsIgnored: boolean;
  pruneLast: boolean;
  /** Nothing at all goes without a word. */
  confirmsPrune: boolean;
  propagation: 'Foreground' | 'Background' | 'Orphan';
}

/** What nobody has said anything about. */
export const SYNC_DEFAULTS: SyncOptions = {
  prune: false,
  dryRun: false,
  force: false,
  replace: false,
  respectsIgnored: false,
  pruneLast: false,
  confirmsPrune: false,
  propagation: 'Background',
};

export interface SyncInput {
  tasks: readonly SyncTask[];
  /** What has been done already: everything is done once. */
  results: readonly ResourceResult[];
  options: SyncOptions;
  cluster: Cluster;
  rules: readonly IgnoreRule[];
  /** Tells the hooks of this synchronisation from those of others. */
  id: string;
  /** Somebody has said that what waits for a word may go. */
  isConfirmed: boolean;
  /** Why an object may not be applied. */
  refusal: (key: ObjectKey) => string | undefined;
}

export interface SyncStep {
  phase: OperationPhase;
  message: string;
  results: ResourceResult[];
}

const OPERATION = 'dispatch.dev/operation';
const DEFINITION_TRIES = 40;
const DEFINITION_PAUSE_MS = 250;

/** Takes a synchronisation as far as it gets now. Called again with the results of before, it goes on from there. */
export async function advance(input: SyncInput): Promise<SyncStep> {
  const results = new Map(input.results.map((result) => [idOf(result, result.syncPhase), result]));
  const [unconfirmed, ...others] = unconfirmedPrunes(input);
  if (unconfirmed !== undefined) {
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    return step('Running', `waiting for pruning confirmation of ${showKey(unconfirmed.key)}${more}`, results);
  }
  const groups = groupTasks(input.tasks);
  for (const [at, group] of groups.entries()) {
    const open = group.filter((task) => !results.has(idOf(task.key, task.phase)));
    for (const rank of ranks(open))
      for (const result of await Promise.all(rank.map((task) => perform(task, input))))
        results.set(idOf(result, result.syncPhase), result);
    const failed = [...results.values()].filter(({ status }) => status === 'SyncFailed');
    if (failed.length > 0) return fail(input, results, messageOf(failed));
    const isLast = at === groups.length - 1;
    const waits = input.options.dryRun ? [] : await lookAt(group, { input, results, isLast });
    const broken = waits.find(({ isBroken }) => isBroken);
    if (broken !== undefined) return fail(input, results, broken.message);
    if (waits.length > 0) return step('Running', waits[0]!.message, results);
  }
  await removeHooks(input, results, 'HookSucceeded');
  return step('Succeeded', 'successfully synced (all tasks run)', results);
}

/** Whatever else there is to do waits with them. */
function unconfirmedPrunes({ tasks, options, isConfirmed }: SyncInput): SyncTask[] {
  if (isConfirmed || !options.prune || options.dryRun) return [];
  return tasks.filter((task) => {
    if (task.type !== 'prune') return false;
    const words = optionsIn(task.compared.live?.metadata.annotations?.[NOTES.options]);
    return words.has('Prune=confirm') || (options.confirmsPrune && !words.has('Prune=false'));
  });
}

function step(
  phase: OperationPhase,
  message: string,
  results: ReadonlyMap<string, ResourceResult>,
): SyncStep {
  return { phase, message, results: [...results.values()] };
}

function idOf(key: Omit<ObjectKey, 'version'>, phase: SyncPhase): string {
  return `${phase}/${textOfKey(key)}`;
}

function messageOf(failed: readonly ResourceResult[]): string {
  const first = failed[0]!;
  const more = failed.length === 1 ? '' : ` (and ${failed.length - 1} more)`;
  return `one or more objects failed to apply, reason: ${showKey(first)}: ${first.message}${more}`;
}

async function fail(
  input: SyncInput,
  results: Map<string, ResourceResult>,
  message: string,
): Promise<SyncStep> {
  await runFailureHooks(input, results);
  await removeHooks(input, results, 'HookFailed');
  return step('Failed', message, results);
}

/** What is to run when a synchronisation fails. Nothing depends on how it ends. */
async function runFailureHooks(input: SyncInput, results: Map<string, ResourceResult>): Promise<void> {
  for (const task of input.tasks)
    if (task.type === 'hook' && task.phase === 'SyncFail' && !results.has(idOf(task.key, task.phase))) {
      const result = await perform(task, input);
      results.set(idOf(result, result.syncPhase), { ...result, hookPhase: 'Running' });
    }
}

async function perform(task: SyncTask, input: SyncInput): Promise<ResourceResult> {
  const base: ResourceResult = { ...task.key, syncPhase: task.phase };
  try {
    const refusal = input.refusal(task.key);
    if (refusal !== undefined) return { ...base, status: 'SyncFailed', message: refusal };
    const resource = await resourceFor(task.key, input);
    if (resource === undefined)
      return {
        ...base,
        status: 'SyncFailed',
        message: `The cluster does not know ${task.key.kind} of ${task.key.group || 'v1'}/${task.key.version}.`,
      };
    switch (task.type) {
      case 'prune':
        return await prune(task, { input, resource, base });
      case 'hook':
        return await startHook(task, { input, resource, base });
      default:
        return await applyTask(task, { input, resource, base });
    }
  } catch (error) {
    if (!isApiError(error)) throw error;
    return { ...base, status: 'SyncFailed', message: error.message };
  }
}

/** Where objects of a kind are. A kind whose definition has just been applied is waited for. */
async function resourceFor(key: ObjectKey, { cluster, tasks }: SyncInput): Promise<ResourceRef | undefined> {
  const comesAlong = tasks.some((task) => task.type === 'apply' && defines(task.desired.object, key));
  for (let tries = 0; ; tries += 1) {
    const found = await cluster.resourceOf(key);
    if (found !== undefined || !comesAlong || tries >= DEFINITION_TRIES) return found;
    await new Promise((resolve) => setTimeout(resolve, DEFINITION_PAUSE_MS));
    cluster.forgetKinds();
  }
}

function defines(object: { kind: string; [field: string]: unknown }, { group, kind }: ObjectKey): boolean {
  if (object.kind !== 'CustomResourceDefinition') return false;
  const spec = (object['spec'] ?? {}) as { group?: string; names?: { kind?: string } };
  return spec.group === group && spec.names?.kind === kind;
}

interface Call {
  input: SyncInput;
  resource: ResourceRef;
  base: ResourceResult;
}

async function applyTask(
  { desired, compared, key }: SyncTask & { type: 'apply' },
  { input, resource, base }: Call,
): Promise<ResourceResult> {
  const { cluster, options, rules } = input;
  const object = cloneJson(desired.object) as KubeObject;
  if (options.respectsIgnored && compared.live !== undefined)
    withoutIgnored(object, rulesFor(rules, key), compared.live);
  const replaces = options.replace || desired.options.has('Replace=true');
  const forces = options.force || desired.options.has('Force=true');
  let message: string;
  if (replaces && compared.live !== undefined) {
    message = await replace(object, { cluster, resource, options, forces });
  } else {
    const applied = await apply(object, { cluster, resource, options, forces });
    if (!options.dryRun) {
      cluster.verify(applied, desired.hash);
      await cluster.settled(resource, applied);
    }
    message = `${resource.plural}.${key.group === '' ? 'v1' : key.group}/${key.name} ${compared.live === undefined ? 'created' : 'configured'}${options.dryRun ? ' (dry run)' : ''}`;
  }
  if (key.kind === 'CustomResourceDefinition') cluster.forgetKinds();
  return { ...base, status: 'Synced', message };
}

interface Target {
  cluster: Cluster;
  resource: ResourceRef;
  options: SyncOptions;
  forces: boolean;
}

async function apply(
  object: KubeObject,
  { cluster, resource, options, forces }: Target,
): Promise<KubeObject> {
  const send = (): Promise<KubeObject> =>
    cluster.call((client, signal) =>
      client.apply(resource, object, {
        fieldManager: FIELD_MANAGER,
        force: true,
        signal,
        ...(options.dryRun && { dryRun: true }),
      }),
    );
  try {
    return await send();
  } catch (error) {
    // Some fields never change: with force the object is made anew.
    if (!forces || options.dryRun || !isApiError(error, 'Invalid')) throw error;
    await removeNow(object, { cluster, resource });
    return send();
  }
}

async function replace(object: KubeObject, { cluster, resource, options, forces }: Target): Promise<string> {
  const { namespace = '', name = '' } = object.metadata;
  if (forces && !options.dryRun) {
    await removeNow(object, { cluster, resource });
    await cluster.call((client, signal) =>
      client.create(resource, object, { fieldManager: FIELD_MANAGER, signal }),
    );
    return `${resource.plural}/${name} replaced (force)`;
  }
  await cluster.call(async (client, signal) => {
    const live = await client.get(resource, namespace, name, signal);
    const { resourceVersion } = live.metadata;
    const next = { ...object, metadata: { ...object.metadata, ...(resourceVersion && { resourceVersion }) } };
    await client.update(resource, next, {
      fieldManager: FIELD_MANAGER,
      signal,
      ...(options.dryRun && { dryRun: true }),
    });
  });
  return `${resource.plural}/${name} replaced`;
}

async function removeNow(
  object: KubeObject,
  { cluster, resource }: Pick<Target, 'cluster' | 'resource'>,
): Promise<void> {
  const { namespace = '', name = '' } = object.metadata;
  await cluster.call(async (client, signal) => {
    await unlessGone(client.delete(resource, namespace, name, { propagationPolicy: 'Background', signal }));
    while ((await unlessGone(client.get(resource, namespace, name, signal))) !== undefined)
      await new Promise((resolve) => setTimeout(resolve, 20));
  });
}

async function prune(
  { compared, key }: SyncTask & { type: 'prune' },
  { input, resource, base }: Call,
): Promise<ResourceResult> {
  const { options, cluster } = input;
  const notes = compared.live?.metadata.annotations ?? {};
  if ((notes[NOTES.options] ?? '').includes('Prune=false'))
    return { ...base, status: 'PruneSkipped', message: 'ignored (no prune)' };
  if (!options.prune) return { ...base, status: 'PruneSkipped', message: 'ignored (requires pruning)' };
  if (options.dryRun) return { ...base, status: 'Pruned', message: 'pruned (dry run)' };
  await unlessGone(
    cluster.call((client, signal) =>
      client.delete(resource, key.namespace, key.name, {
        propagationPolicy: options.propagation,
        signal,
        ...(compared.live?.metadata.uid && { uid: compared.live.metadata.uid }),
      }),
    ),
  );
  if (compared.live !== undefined) await cluster.settled(resource, compared.live, true);
  return { ...base, status: 'Pruned', message: 'pruned' };
}

async function startHook(
  { desired, hook, phase }: SyncTask & { type: 'hook' },
  { input, resource, base }: Call,
): Promise<ResourceResult> {
  const { cluster, id, options } = input;
  const name = hookName(desired.object.metadata, { id, phase });
  const key = { namespace: desired.key.namespace, name };
  const result: ResourceResult = { ...base, name: base.name, hookType: phase };
  if (options.dryRun) return { ...result, hookPhase: 'Succeeded', message: 'created (dry run)' };
  const known = await cluster.call((client, signal) =>
    unlessGone(client.get(resource, key.namespace, name, signal)),
  );
  if (known !== undefined && known.metadata.annotations?.[OPERATION] === id)
    return { ...result, hookPhase: 'Running', message: 'started' };
  if (known !== undefined && hook.deletePolicies.includes('BeforeHookCreation'))
    await removeNow({ ...known, metadata: { ...known.metadata } }, { cluster, resource });
  const { generateName: _, ...metadata } = desired.object.metadata;
  const object = {
    ...desired.object,
    metadata: { ...metadata, name, annotations: { ...metadata.annotations, [OPERATION]: id } },
  } as KubeObject;
  await cluster.call((client, signal) =>
    client.apply(resource, object, { fieldManager: FIELD_MANAGER, force: true, signal }),
  );
  return { ...result, hookPhase: 'Running', message: 'started' };
}

/** The same for the same synchronisation, so that nothing runs twice. */
function hookName(
  metadata: { name?: string; generateName?: string },
  { id, phase }: { id: string; phase: SyncPhase },
): string {
  return metadata.name ?? `${metadata.generateName}${id.slice(0, 12)}-${phase.toLowerCase()}`;
}

interface Wait {
  message: string;
  isBroken: boolean;
}

/** What a group still waits for: hooks to end, and objects that others come after to be well. */
async function lookAt(
  group: readonly SyncTask[],
  { input, results, isLast }: { input: SyncInput; results: Map<string, ResourceResult>; isLast: boolean },
): Promise<Wait[]> {
  const waits: Wait[] = [];
  for (const task of group) {
    if (task.type === 'prune') continue;
    if (task.type === 'apply' && isLast) continue;
    const resource = await input.cluster.resourceOf(task.key);
    if (resource === undefined) continue;
    const isHook = task.type === 'hook';
    const id = idOf(task.key, task.phase);
    const known = results.get(id);
    if (isHook && known?.hookPhase !== 'Running') {
      if (known?.hookPhase === 'Failed') waits.push({ message: known.message ?? '', isBroken: true });
      continue;
    }
    const name = isHook
      ? hookName(task.desired.object.metadata, { id: input.id, phase: task.phase })
      : task.key.name;
    const live = await input.cluster.call((client, signal) =>
      unlessGone(client.get<KubeObject>(resource, task.key.namespace, name, signal)),
    );
    const health = live === undefined ? undefined : input.cluster.healthOf(live);
    const label = `${isHook ? 'completion of hook' : 'healthy state of'} ${showKey({ ...task.key, name })}`;
    if (isHook) {
      const hookPhase = hookPhaseOf(live, health?.status);
      results.set(id, { ...known!, hookPhase, message: health?.message ?? known?.message ?? '' });
      if (hookPhase === 'Running') waits.push({ message: `waiting for ${label}`, isBroken: false });
      if (hookPhase === 'Failed')
        waits.push({
          message: `the hook ${showKey(task.key)} has failed: ${health?.message ?? ''}`,
          isBroken: true,
        });
    } else if (health?.status === 'Degraded')
      waits.push({ message: `${showKey(task.key)} is not well: ${health.message ?? ''}`, isBroken: true });
    else if (health !== undefined && health.status !== 'Healthy' && health.status !== 'Suspended')
      waits.push({ message: `waiting for ${label}`, isBroken: false });
  }
  return waits.sort((a, b) => Number(b.isBroken) - Number(a.isBroken));
}

function hookPhaseOf(
  live: KubeObject | undefined,
  health: string | undefined,
): 'Running' | 'Succeeded' | 'Failed' {
  // A hook that cleans up after itself has ended.
  if (live === undefined || health === undefined || health === 'Healthy') return 'Succeeded';
  return health === 'Degraded' ? 'Failed' : 'Running';
}

async function removeHooks(
  input: SyncInput,
  results: ReadonlyMap<string, ResourceResult>,
  policy: 'HookSucceeded' | 'HookFailed',
): Promise<void> {
  if (input.options.dryRun) return;
  for (const task of input.tasks) {
    if (task.type !== 'hook' || !results.has(idOf(task.key, task.phase))) continue;
    const { hookPhase } = results.get(idOf(task.key, task.phase))!;
    if (hookPhase === 'Running' || !task.hook.deletePolicies.includes(policy)) continue;
    if ((policy === 'HookSucceeded') !== (hookPhase === 'Succeeded')) continue;
    const resource = await input.cluster.resourceOf(task.key);
    const name = hookName(task.desired.object.metadata, { id: input.id, phase: task.phase });
    if (resource === undefined) continue;
    await unlessGone(
      input.cluster.call((client, signal) =>
        client.delete(resource, task.key.namespace, name, { propagationPolicy: 'Background', signal }),
      ),
    );
  }
}
