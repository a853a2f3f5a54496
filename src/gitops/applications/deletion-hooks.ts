import { createHash } from 'node:crypto';
import { hasFinalizer, type KubeObject, withFinalizer } from '../../kube/index.ts';
import type { Desired } from '../engine/desired.ts';
import { advance, SYNC_DEFAULTS, type SyncStep } from '../engine/sync.ts';
import { hookTasks } from '../engine/sync-tasks.ts';
import type { ObjectKey } from '../engine/object-key.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { DELETION_FINALIZERS, type DeletionPhase } from '../resources.ts';

export const DELETION_PHASES: readonly DeletionPhase[] = ['PreDelete', 'PostDelete'];

/** The finalizers of an application, with those that its hooks around deletion need. Undefined where it has them. */
export function missingFinalizers(app: KubeObject, items: readonly Desired[]): string[] | undefined {
  const wanted = DELETION_PHASES.filter(
    (phase) =>
      !hasFinalizer(app, DELETION_FINALIZERS[phase]) &&
      items.some(({ hooks }) => hooks.some((hook) => hook.phase === phase)),
  );
  if (wanted.length === 0) return undefined;
  return wanted.reduce(
    (finalizers, phase) =>
      withFinalizer({ ...app, metadata: { ...app.metadata, finalizers } }, DELETION_FINALIZERS[phase]),
    app.metadata.finalizers ?? [],
  );
}

/** Takes the hooks of a phase as far as they get now. They run once for the deletion, however often this is called. */
export function runDeletionHooks(
  app: KubeObject,
  phase: DeletionPhase,
  {
    items,
    cluster,
    refusal,
  }: { items: readonly Desired[]; cluster: Cluster; refusal: (key: ObjectKey) => string | undefined },
): Promise<SyncStep> {
  const { uid, deletionTimestamp } = app.metadata;
  return advance({
    tasks: hookTasks(items, [phase]),
    results: [],
    options: SYNC_DEFAULTS,
    cluster,
    rules: [],
    id: createHash('sha256').update(`${uid}/${deletionTimestamp}/${phase}`).digest('hex').slice(0, 16),
    isConfirmed: true,
    refusal,
  });
}
