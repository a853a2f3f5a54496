import { withCondition } from '../../kube/index.ts';
import type { KeptManifests } from './desired.ts';
import type { ReleaseReport } from './release.ts';
import { handled, isReset } from './requests.ts';
import type { InventoryEntry, Kept } from './resources.ts';

export interface Report {
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  revision?: string;
  isApplied?: boolean;
  entries?: InventoryEntry[];
  release?: ReleaseReport | undefined;
}

/** The status of something that is kept, after a pass. */
export function statusOf(
  kept: Kept,
  { status: is, reason, message, revision, isApplied, entries, release }: Report,
  now: number,
): Kept['status'] {
  const { generation = 1 } = kept.metadata;
  return {
    observedGeneration: generation,
    conditions: withCondition(
      kept.status?.conditions,
      { type: 'Ready', status: is, reason, message, observedGeneration: generation },
      now,
    ),
    // While it is under way, nothing is done yet.
    ...(is !== 'Unknown' && { ...(isReset(kept) && { failures: 0 }), ...handled(kept) }),
    ...(revision !== undefined && { lastAttemptedRevision: revision }),
    ...(isApplied && revision !== undefined && { lastAppliedRevision: revision }),
    ...release,
    // What was there before stays known until it is gone.
    ...(entries !== undefined && {
      inventory: { entries: isApplied ? entries : joined(entries, kept.status?.inventory?.entries ?? []) },
    }),
  };
}

function joined(a: readonly InventoryEntry[], b: readonly InventoryEntry[]): InventoryEntry[] {
  const known = new Set(a.map(({ id }) => id));
  return [...a, ...b.filter(({ id }) => !known.has(id))];
}

/** What a Kustomization or a HelmRelease says when it is in place. */
export function goodNews(
  { kind, status }: Kept,
  { revision, release }: KeptManifests,
  report: ReleaseReport | undefined,
): Pick<Report, 'status' | 'reason' | 'message'> {
  if (kind !== 'HelmRelease' || release === undefined)
    return { status: 'True', reason: 'ReconciliationSucceeded', message: `Applied revision: ${revision}` };
  const [last, before] = report?.history ?? status?.history ?? [];
  const named = `release ${last?.namespace}/${last?.name}.v${last?.version} with chart ${last?.chartName}@${last?.chartVersion}`;
  if (release.attempt.isRolledBack)
    return {
      status: 'False',
      reason: 'RetriesExceeded',
      message: `Failed to upgrade to version ${before?.version} of ${before?.chartName}@${before?.chartVersion}: rolled back to ${named}`,
    };
  return release.attempt.isUpgrade
    ? { status: 'True', reason: 'UpgradeSucceeded', message: `Helm upgrade succeeded for ${named}` }
    : { status: 'True', reason: 'InstallSucceeded', message: `Helm install succeeded for ${named}` };
}
