import type { Compared } from '../engine/comparison.ts';
import { type Application, NOTES, type Operation, type OperationState } from '../resources.ts';

export interface AutomationInput {
  app: Application;
  compared: readonly Compared[];
  revisions: readonly string[];
  /** How many objects Git has at all. */
  wanted: number;
  isWindowOpen: boolean;
  /** How often it was healed lately, and when the last time was. */
  healed: { count: number; at: number } | undefined;
  now: number;
}

export type Decision =
  | { type: 'nothing' }
  /** Something keeps it back that its owner has to know of. */
  | { type: 'held'; condition: string; message: string }
  | { type: 'later'; ms: number }
  | { type: 'sync'; operation: Operation; isHealing: boolean };

const NOTHING: Decision = { type: 'nothing' };
/** More than so many objects, or so large a part of them, are taken away only when somebody has said so. */
const MAX_PRUNED = 50;
const MAX_PART = 0.3;
const FEW = 5;
const HEAL_PAUSE_MS = 1_000;
const HEAL_PAUSE_MAX_MS = 120_000;

/** Whether an application is to be synchronised by itself now. */
export function decide(input: AutomationInput): Decision {
  const { app, compared, revisions, isWindowOpen } = input;
  const automated = app.spec.syncPolicy?.automated;
  if (
    automated === undefined ||
    automated.enabled === false ||
    app.metadata.annotations?.[NOTES.suspended] === 'true'
  )
    return NOTHING;
  const open = compared.filter(
    (item) => item.sync === 'OutOfSync' && item.claimedBy === undefined && !isRefused(item),
  );
  const differing = open.filter((item) => !item.requiresPruning || automated.prune);
  if (differing.length === 0 || !isWindowOpen) return NOTHING;
  const doomed = differing.filter((item) => item.requiresPruning || isMadeAnew(item, app));
  if (doomed.length > 0) {
    if (input.wanted === 0 && !automated.allowEmpty)
      return {
        type: 'held',
        condition: 'SyncError',
        message:
          'Git has no object any more: nothing is taken away by itself. Set allowEmpty, or synchronise with --prune.',
      };
    const held = budget(doomed, compared, app, revisions);
    if (held !== undefined) return held;
  }
  return start(input, differing);
}

/** Kinds that the cluster does not know are tried when they are known, or with the definition that comes along. */
function isRefused({ desired, problem }: Compared): boolean {
  return problem !== undefined && (desired?.options.has('SkipDryRunOnMissingResource=true') ?? false);
}

/** It goes and comes again: for a moment nothing of it is there. */
function isMadeAnew({ desired, live }: Compared, app: Application): boolean {
  if (desired === undefined || live === undefined) return false;
  const words = app.spec.syncPolicy?.syncOptions ?? [];
  return ['Replace=true', 'Force=true'].every((word) => words.includes(word) || desired.options.has(word));
}

function budget(
  doomed: readonly Compared[],
  compared: readonly Compared[],
  app: Application,
  revisions: readonly string[],
): Decision | undefined {
  const there = compared.filter(({ live }) => live !== undefined).length;
  const isMuch = doomed.length > MAX_PRUNED || (doomed.length >= FEW && doomed.length > there * MAX_PART);
  if (!isMuch || app.metadata.annotations?.['dispatch.dev/confirmed'] === revisions.join(','))
    return undefined;
  const names = doomed.slice(0, 10).map(({ key }) => `${key.kind}/${key.name}`);
  return {
    type: 'held',
    condition: 'ConfirmationRequired',
    message: `${doomed.length} of ${there} objects would be taken away or made anew (${names.join(', ')}${doomed.length > 10 ? ', …' : ''}): say so with "dispatch gitops app sync ${app.metadata.name} --prune".`,
  };
}

function start(input: AutomationInput, differing: readonly Compared[]): Decision {
  const { app, revisions, healed, now } = input;
  const automated = app.spec.syncPolicy?.automated;
  const last = app.status?.operationState;
  const operation: Operation = {
    sync: {
      revision: revisions[0] ?? '',
      prune: automated?.prune ?? false,
      ...(app.spec.sources && { revisions: [...revisions] }),
    },
    initiatedBy: { automated: true },
    ...(app.spec.syncPolicy?.retry && { retry: app.spec.syncPolicy.retry }),
  };
  if (!wasTried(app, last, revisions)) return { type: 'sync', operation, isHealing: false };
  if (last?.phase === 'Failed' || last?.phase === 'Error')
    return {
      type: 'held',
      condition: 'SyncError',
      message: `Synchronising ${revisions.map((item) => item.slice(0, 12)).join(', ')} has failed, and is not tried again before something changes: ${last.message ?? ''}`,
    };
  if (!automated?.selfHeal) return NOTHING;
  if (healed !== undefined) {
    // Somebody keeps changing it back: healing slows down instead of fighting.
    const pause = Math.min(HEAL_PAUSE_MS * 2 ** (healed.count - 2), HEAL_PAUSE_MAX_MS);
    const wait = healed.count < 2 ? 0 : healed.at + pause - now;
    if (wait > 0) return { type: 'later', ms: wait };
  }
  const resources = differing.map(({ key }) => ({
    group: key.group,
    kind: key.kind,
    name: key.name,
    namespace: key.namespace,
  }));
  return {
    type: 'sync',
    operation: { ...operation, sync: { ...operation.sync, resources } },
    isHealing: true,
  };
}

/** Whether what Git says now was synchronised before, as the application is now. */
function wasTried(app: Application, last: OperationState | undefined, revisions: readonly string[]): boolean {
  const result = last?.syncResult;
  if (result === undefined || last?.operation.sync?.dryRun) return false;
  const tried = result.revisions ?? [result.revision];
  if (tried.join() !== revisions.join()) return false;
  const { source, sources } = app.spec;
  return sources === undefined
    ? JSON.stringify(result.source) === JSON.stringify(source)
    : JSON.stringify(result.sources) === JSON.stringify(sources);
}
