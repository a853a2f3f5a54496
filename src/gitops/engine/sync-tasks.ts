import type { SyncPhase } from '../resources.ts';
import type { Compared } from './comparison.ts';
import type { Desired, HookInfo } from './desired.ts';
import type { ObjectKey } from './object-key.ts';

/** One thing that a synchronisation does. */
export type SyncTask = { phase: SyncPhase; wave: number; key: ObjectKey } & (
  | { type: 'apply'; desired: Desired; compared: Compared }
  | { type: 'hook'; desired: Desired; hook: HookInfo }
  | { type: 'prune'; compared: Compared }
);

const PHASES: readonly SyncPhase[] = ['PreSync', 'Sync', 'PostSync'];
const SYNC_PHASES: readonly SyncPhase[] = [...PHASES, 'SyncFail'];
/** What others need comes before them. */
const KINDS: readonly string[] = [
  'Namespace',
  'NetworkPolicy',
  'ResourceQuota',
  'LimitRange',
  'PodSecurityPolicy',
  'PodDisruptionBudget',
  'ServiceAccount',
  'Secret',
  'SecretList',
  'ConfigMap',
  'StorageClass',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'CustomResourceDefinition',
  'ClusterRole',
  'ClusterRoleList',
  'ClusterRoleBinding',
  'ClusterRoleBindingList',
  'Role',
  'RoleList',
  'RoleBinding',
  'RoleBindingList',
  'Service',
  'DaemonSet',
  'Pod',
  'ReplicationController',
  'ReplicaSet',
  'Deployment',
  'HorizontalPodAutoscaler',
  'StatefulSet',
  'Job',
  'CronJob',
  'IngressClass',
  'Ingress',
  'APIService',
];

/** What runs while some objects are synchronised, or in other phases. */
export function hookTasks(items: readonly Desired[], phases: readonly SyncPhase[] = SYNC_PHASES): SyncTask[] {
  return items.flatMap((desired) =>
    desired.hooks
      .filter(({ phase }) => phases.includes(phase))
      .map((hook): SyncTask => {
        const { wave, key } = desired;
        return { type: 'hook', phase: hook.phase, wave, key, desired, hook };
      }),
  );
}

export function kindOrder(kind: string): number {
  const at = KINDS.indexOf(kind);
  return at < 0 ? KINDS.length : at;
}

/** Everything that has to be done, in groups: each has to have gone well before the next one begins. */
export function groupTasks(tasks: readonly SyncTask[]): SyncTask[][] {
  const groups = new Map<string, SyncTask[]>();
  const sorted = tasks
    .filter(({ phase }) => phase !== 'SyncFail')
    .sort(
      (a, b) =>
        PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase) ||
        a.wave - b.wave ||
        order(a) - order(b) ||
        (a.key.name < b.key.name ? -1 : 1),
    );
  for (const task of sorted) {
    const key = `${task.phase}/${task.wave}`;
    groups.set(key, [...(groups.get(key) ?? []), task]);
  }
  return [...groups.values()];
}

/** In a group, what is taken away goes last, and in the opposite order. */
function order(task: SyncTask): number {
  return task.type === 'prune' ? 1000 - kindOrder(task.key.kind) : kindOrder(task.key.kind);
}

/** Objects of the same rank can be applied side by side. */
export function ranks(tasks: readonly SyncTask[]): SyncTask[][] {
  const found: SyncTask[][] = [];
  for (const task of tasks) {
    const last = found.at(-1);
    if (last !== undefined && order(last[0]!) === order(task)) last.push(task);
    else found.push([task]);
  }
  return found;
}
