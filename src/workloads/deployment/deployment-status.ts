import { type Condition, timestamp } from '../../kube/index.ts';
import type { ReplicaSet } from '../replica-set/replica-set.ts';
import { type Deployment, type DeploymentStatus, rolloutLimits } from './deployment.ts';

type Stamped = Condition & { lastUpdateTime?: string };

/** What a deployment has reached, in the words that `kubectl rollout status` waits for. */
export function deploymentStatus(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  sets: readonly ReplicaSet[],
  now: number,
): DeploymentStatus {
  const total = (of: (set: ReplicaSet) => number | undefined): number =>
    sets.reduce((sum, set) => sum + (of(set) ?? 0), 0);
  const replicas = total((set) => set.status?.replicas);
  const availableReplicas = total((set) => set.status?.availableReplicas);
  const status: DeploymentStatus = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas,
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: total((set) => set.status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, total((set) => set.spec.replicas) - availableReplicas),
    ...(deployment.status?.collisionCount !== undefined && {
      collisionCount: deployment.status.collisionCount,
    }),
  };
  status.conditions = conditionsOf(deployment, current, status, now);
  return status;
}

export function isComplete(deployment: Deployment, current: ReplicaSet): boolean {
  const replicas = deployment.spec.replicas ?? 1;
  const { status } = deployment;
  return (
    (current.status?.availableReplicas ?? 0) >= replicas &&
    (status?.updatedReplicas ?? 0) === replicas &&
    (status?.replicas ?? 0) === replicas &&
    (status?.availableReplicas ?? 0) >= replicas
  );
}

function conditionsOf(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  status: DeploymentStatus,
  now: number,
): Condition[] {
  const replicas = deployment.spec.replicas ?? 1;
  const minimum = replicas - rolloutLimits(deployment).unavailable;
  const known = (deployment.status?.conditions ?? []) as Stamped[];
  const enough = (status.availableReplicas ?? 0) >= minimum;
  const available = stamp(known, now, {
    type: 'Available',
    status: enough ? 'True' : 'False',
    reason: enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: enough
      ? 'Deployment has minimum availability.'
      : 'Deployment does not have minimum availability.',
  });
  const progressing = progress(deployment, current, status, now);
  const failure = current?.status?.conditions?.find((item) => item.type === 'ReplicaFailure');
  return [
    available,
    ...(progressing === undefined ? [] : [progressing]),
    ...(failure === undefined ? [] : [failure]),
  ];
}

function progress(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  status: DeploymentStatus,
  now: number,
): Condition | undefined {
  const known = (deployment.status?.conditions ?? []) as Stamped[];
  const before = known.find((item) => item.type === 'Progressing');
  const name = current?.metadata.name ?? deployment.metadata.name;
  if (deployment.spec.paused)
    return stamp(known, now, {
      type: 'Progressing',
      status: 'Unknown',
      reason: 'DeploymentPaused',
      message: 'Deployment is paused',
    });
  const replicas = deployment.spec.replicas ?? 1;
  const done =
    status.updatedReplicas === replicas &&
    status.replicas === replicas &&
    (status.availableReplicas ?? 0) >= replicas;
  if (done)
    return stamp(known, now, {
      type: 'Progressing',
      status: 'True',
      reason: 'NewReplicaSetAvailable',
      message: `ReplicaSet "${name}" has successfully progressed.`,
    });
  if (
    before === undefined ||
    before.reason === 'DeploymentPaused' ||
    before.reason === 'NewReplicaSetAvailable' ||
    !before.message?.includes(`"${name}"`)
  )
    return stamp([], now, {
      type: 'Progressing',
      status: 'True',
      reason: before === undefined ? 'NewReplicaSetCreated' : 'ReplicaSetUpdated',
      message:
        before === undefined ? `Created new replica set "${name}"` : `ReplicaSet "${name}" is progressing.`,
    });
  if (moved(deployment.status, status))
    return stamp([], now, {
      type: 'Progressing',
      status: 'True',
      reason: 'ReplicaSetUpdated',
      message: `ReplicaSet "${name}" is progressing.`,
    });
  const seconds = deployment.spec.progressDeadlineSeconds;
  const since = Date.parse(before.lastUpdateTime ?? '');
  if (seconds !== undefined && before.status === 'True' && now - since >= seconds * 1000)
    return stamp(known, now, {
      type: 'Progressing',
      status: 'False',
      reason: 'ProgressDeadlineExceeded',
      message: `ReplicaSet "${name}" has timed out progressing.`,
    });
  return before;
}

function moved(before: DeploymentStatus | undefined, after: DeploymentStatus): boolean {
  return (
    (after.updatedReplicas ?? 0) > (before?.updatedReplicas ?? 0) ||
    (after.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before?.availableReplicas ?? 0) ||
    (after.replicas ?? 0) - (after.updatedReplicas ?? 0) <
      (before?.replicas ?? 0) - (before?.updatedReplicas ?? 0)
  );
}

function stamp(known: readonly Stamped[], now: number, next: Omit<Stamped, 'lastTransitionTime'>): Stamped {
  const before = known.find((item) => item.type === next.type);
  const time = timestamp(now);
  if (before?.status === next.status && before.reason === next.reason && before.message === next.message)
    return before;
  return {
    ...next,
    lastUpdateTime: time,
    lastTransitionTime: before?.status === next.status ? (before.lastTransitionTime ?? time) : time,
  };
}
