import { createHash } from 'node:crypto';
import { durationMs, timestamp } from '../../kube/index.ts';
import type { Compared } from '../engine/comparison.ts';
import { type Desired, optionsIn } from '../engine/desired.ts';
import { advance, type SyncOptions } from '../engine/sync.ts';
import { hookTasks, type SyncTask } from '../engine/sync-tasks.ts';
import type { ObjectKey } from '../engine/object-key.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { isApproved } from './confirmation.ts';
import {
  type Application,
  NOTES,
  type Operation,
  type OperationState,
  type RetryPolicy,
  type SyncOrder,
  type SyncSelection,
} from '../resources.ts';

export interface OperationInput {
  app: Application;
  state: OperationState;
  desired: readonly Desired[];
  compared: readonly Compared[];
  cluster: Cluster;
  refusal: (key: ObjectKey) => string | undefined;
  now: number;
}

/** Takes a running operation further. Gives its new state, and when it should be looked at again. */
export async function advanceOperation(
  input: OperationInput,
): Promise<{ state: OperationState; againMs?: number }> {
  const { app, state, cluster, now } = input;
  const retry = retryWait(state, now);
  if (retry > 0) return { state, againMs: retry };
  const order = state.operation.sync ?? {};
  const { phase, message, results } = await advance({
    tasks: tasksOf(input, order),
    results: state.syncResult?.resources ?? [],
    options: optionsOf(app, order),
    cluster,
    rules: app.spec.ignoreDifferences ?? [],
    id: operationId(state),
    isConfirmed: isApproved(app, state.startedAt),
    refusal: input.refusal,
  });
  const next: OperationState = {
    ...state,
    phase,
    message,
    ...(state.syncResult && { syncResult: { ...state.syncResult, resources: results } }),
  };
  if (phase === 'Running') return { state: next, againMs: WAIT_MS };
  if (phase === 'Failed') {
    const again = nextTry(next, now);
    if (again !== undefined) return again;
  }
  return { state: { ...next, finishedAt: timestamp(now) } };
}

/** Objects that change wake the application up; what does not is looked at this often. */
const WAIT_MS = 2_000;

export function startOperation(
  app: Application,
  operation: Operation,
  { revisions, now }: { revisions: readonly string[]; now: number },
): OperationState {
  const { source, sources } = app.spec;
  return {
    operation,
    phase: 'Running',
    startedAt: new Date(now).toISOString(),
    retryCount: 0,
    syncResult: {
      revision: revisions[0] ?? '',
      ...(sources && { revisions: [...revisions] }),
      source: source ?? sources?.[0] ?? { repoURL: '' },
      ...(sources && { sources }),
      resources: [],
    },
  };
}

export function operationId({ startedAt, retryCount = 0 }: OperationState): string {
  return createHash('sha256').update(`${startedAt}/${retryCount}`).digest('hex').slice(0, 16);
}

/** After a failure the same is tried again, from the start, as often as the policy says. */
function nextTry(state: OperationState, now: number): { state: OperationState; againMs: number } | undefined {
  const { operation, retryCount = 0, syncResult } = state;
  const limit = operation.retry?.limit ?? 0;
  if (limit >= 0 && retryCount >= limit) return undefined;
  const waitMs = backoffMs(operation.retry, retryCount);
  const retryAt = new Date(now + waitMs).toISOString();
  return {
    state: {
      ...state,
      phase: 'Running',
      retryCount: retryCount + 1,
      message: `${state.message}. Retrying attempt #${retryCount + 1} at ${retryAt}.`,
      ...(syncResult && { syncResult: { ...syncResult, resources: [] } }),
    },
    againMs: waitMs,
  };
}

function retryWait({ message = '', phase, syncResult }: OperationState, now: number): number {
  const at = /Retrying attempt #\d+ at (\S+?)\.$/.exec(message)?.[1];
  if (phase !== 'Running' || at === undefined || (syncResult?.resources ?? []).length > 0) return 0;
  return Math.max(0, Date.parse(at) - now);
}

function backoffMs(policy: RetryPolicy | undefined, tries: number): number {
  const { duration = '5s', factor = 2, maxDuration = '3m' } = policy?.backoff ?? {};
  const base = durationMs(duration) ?? 5_000;
  return Math.min(base * factor ** tries, durationMs(maxDuration) ?? 180_000);
}

function optionsOf(app: Application, order: SyncOrder): SyncOptions {
  const words = new Set([...(app.spec.syncPolicy?.syncOptions ?? []), ...(order.syncOptions ?? [])]);
  const propagation = [...words].find((word) => word.startsWith('PrunePropagationPolicy='))?.split('=')[1];
  return {
    prune: order.prune ?? false,
    dryRun: order.dryRun ?? false,
    force: order.syncStrategy?.apply?.force ?? order.syncStrategy?.hook?.force ?? words.has('Force=true'),
    replace: words.has('Replace=true'),
    respectsIgnored: words.has('RespectIgnoreDifferences=true'),
    pruneLast: words.has('PruneLast=true'),
    confirmsPrune: words.has('Prune=confirm'),
    propagation:
      propagation === 'background' ? 'Background' : propagation === 'orphan' ? 'Orphan' : 'Foreground',
  };
}

function tasksOf({ app, desired, compared }: OperationInput, order: SyncOrder): SyncTask[] {
  const words = new Set([...(app.spec.syncPolicy?.syncOptions ?? []), ...(order.syncOptions ?? [])]);
  const { resources } = order;
  const isChosen = (key: ObjectKey): boolean =>
    resources === undefined || resources.some((item) => selects(item, key));
  const onlyDiffering = words.has('ApplyOutOfSyncOnly=true');
  const applies = compared.flatMap((item): SyncTask[] => {
    if (item.desired === undefined || !isChosen(item.key)) return [];
    if (onlyDiffering && item.sync === 'Synced') return [];
    return [
      {
        type: 'apply',
        phase: 'Sync',
        wave: item.desired.wave,
        key: item.key,
        desired: item.desired,
        compared: item,
      },
    ];
  });
  // A selection is about the objects alone.
  const hooks = resources !== undefined ? [] : hookTasks(desired);
  const last = Math.max(0, ...applies.map(({ wave }) => wave)) + 1;
  const prunes = compared
    .filter((item) => item.requiresPruning && isChosen(item.key))
    .map((item): SyncTask => {
      const notes = item.live?.metadata.annotations ?? {};
      const own = Number(notes[NOTES.wave] ?? 0) || 0;
      const isLast = words.has('PruneLast=true') || optionsIn(notes[NOTES.options]).has('PruneLast=true');
      // What came late goes early.
      return {
        type: 'prune',
        phase: 'Sync',
        wave: isLast ? last : Math.max(0, last - 1) - own,
        key: item.key,
        compared: item,
      };
    });
  return [
    ...applies,
    ...hooks.filter(({ phase }) => phase !== 'SyncFail'),
    ...prunes,
    ...hooks.filter(({ phase }) => phase === 'SyncFail'),
  ];
}

export function selects(item: SyncSelection, key: ObjectKey): boolean {
  return (
    (item.group ?? '') === key.group &&
    item.kind === key.kind &&
    item.name === key.name &&
    (item.namespace === undefined || item.namespace === '' || item.namespace === key.namespace)
  );
}
