import type { ReplicaSet } from '../replica-set/replica-set.ts';
import { type Deployment, rolloutLimits } from './deployment.ts';

/** How many replicas a set is to have. */
export interface Scale {
  set: ReplicaSet;
  replicas: number;
}

export function wanted(set: ReplicaSet): number {
  return set.spec.replicas ?? 0;
}

export function available(set: ReplicaSet): number {
  return set.status?.availableReplicas ?? 0;
}

function sum(sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number): number {
  return sets.reduce((total, set) => total + of(set), 0);
}

/** The next step of a rolling update: more of the new as far as the surge allows, less of the old as far as needed. */
export function rollingStep(
  deployment: Deployment,
  newSet: ReplicaSet,
  oldSets: readonly ReplicaSet[],
): Scale[] {
  const up = scaleUp(deployment, newSet, oldSets);
  if (up !== undefined) return [up];
  return scaleDown(deployment, newSet, oldSets);
}

function scaleUp(
  deployment: Deployment,
  newSet: ReplicaSet,
  oldSets: readonly ReplicaSet[],
): Scale | undefined {
  const replicas = deployment.spec.replicas ?? 1;
  if (wanted(newSet) === replicas) return undefined;
  if (wanted(newSet) > replicas) return { set: newSet, replicas };
  const total = sum([newSet, ...oldSets], wanted);
  const room = replicas + rolloutLimits(deployment).surge - total;
  if (room <= 0) return undefined;
  return { set: newSet, replicas: wanted(newSet) + Math.min(room, replicas - wanted(newSet)) };
}

function scaleDown(deployment: Deployment, newSet: ReplicaSet, oldSets: readonly ReplicaSet[]): Scale[] {
  const replicas = deployment.spec.replicas ?? 1;
  const minAvailable = replicas - rolloutLimits(deployment).unavailable;
  const newUnavailable = wanted(newSet) - available(newSet);
  let spare = sum([newSet, ...oldSets], wanted) - minAvailable - newUnavailable;
  if (spare <= 0) return [];
  const target = new Map(oldSets.map((set) => [set, wanted(set)]));
  const oldestFirst = oldSets.toSorted(byCreation);
  // Old pods that do not work go first: they are missed by nobody.
  for (const set of oldestFirst) {
    const broken = Math.min(spare, wanted(set) - available(set));
    if (broken <= 0) continue;
    target.set(set, target.get(set)! - broken);
    spare -= broken;
  }
  let healthy = sum([newSet, ...oldSets], available) - minAvailable;
  for (const set of oldestFirst) {
    const less = Math.min(healthy, target.get(set)!, spare);
    if (less <= 0) continue;
    target.set(set, target.get(set)! - less);
    healthy -= less;
    spare -= less;
  }
  return [...target].flatMap(([set, count]) => (count === wanted(set) ? [] : [{ set, replicas: count }]));
}

/** A change of the number alone, in the middle of a rollout: every set keeps its share. */
export function proportionalStep(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  desiredBefore: (set: ReplicaSet) => number | undefined,
): Scale[] {
  const replicas = deployment.spec.replicas ?? 1;
  const active = sets.filter((set) => wanted(set) > 0);
  if (active.length === 0) return [];
  if (active.length === 1) {
    const [set] = active;
    return wanted(set!) === replicas ? [] : [{ set: set!, replicas }];
  }
  const allowed = replicas > 0 ? replicas + rolloutLimits(deployment).surge : 0;
  const total = sum(active, wanted);
  let left = allowed - total;
  if (left === 0) return [];
  const ordered = active.toSorted((a, b) => wanted(b) - wanted(a) || byCreation(a, b));
  const target = new Map<ReplicaSet, number>();
  for (const set of ordered) {
    const before = desiredBefore(set) ?? replicas;
    const share =
      Math.round((wanted(set) * allowed) / Math.max(1, before + rolloutLimits(deployment).surge)) -
      wanted(set);
    const change = left > 0 ? Math.min(Math.max(0, share), left) : Math.max(Math.min(0, share), left);
    target.set(set, wanted(set) + change);
    left -= change;
  }
  const largest = ordered[0]!;
  target.set(largest, Math.max(0, target.get(largest)! + left));
  return [...target].flatMap(([set, count]) => (count === wanted(set) ? [] : [{ set, replicas: count }]));
}

export function byCreation(a: ReplicaSet, b: ReplicaSet): number {
  return Date.parse(a.metadata.creationTimestamp ?? '') - Date.parse(b.metadata.creationTimestamp ?? '');
}
