import { type Pod, quantityNumber } from '../../kube/index.ts';
import { requestsOf } from '../pods/qos.ts';
import { concerns, matchesTerm, type NodeState, type World } from './filters.ts';
import { isTolerated } from './taints.ts';

const COUNTED = ['cpu', 'memory'];

/** How good a place the node is, among those where the pod fits. */
export function scoreOf(pod: Pod, state: NodeState, world: World): number {
  return (
    freeShare(pod, state) * 100 +
    preferred(pod, state, world) -
    siblings(pod, state) * 20 -
    avoided(pod, state) * 100
  );
}

/** The part of the node that stays free, so that load spreads. */
function freeShare(pod: Pod, { node, pods }: NodeState): number {
  const shares = COUNTED.map((name) => {
    const there = quantityNumber(node.status?.allocatable?.[name] ?? '0');
    if (there === 0) return 0;
    const used = [...pods, pod].reduce((sum, other) => sum + (requestsOf(other)[name] ?? 0), 0);
    return Math.max(0, 1 - used / there);
  });
  return shares.reduce((sum, share) => sum + share, 0) / COUNTED.length;
}

function preferred(pod: Pod, state: NodeState, world: World): number {
  let score = 0;
  const { nodeAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  for (const { weight, preference } of nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [])
    if (matchesTerm(preference, state.node)) score += weight;
  for (const {
    weight,
    podAffinityTerm,
  } of podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [])
    if (state.pods.some((other) => concerns(podAffinityTerm, pod, other, world))) score -= weight;
  return score;
}

/** Pods of the same owner: one node that fails should not take them all. */
function siblings(pod: Pod, { pods }: NodeState): number {
  const owner = pod.metadata.ownerReferences?.find((item) => item.controller)?.uid;
  if (owner === undefined) return 0;
  return pods.filter((other) => other.metadata.ownerReferences?.some((item) => item.uid === owner)).length;
}

function avoided(pod: Pod, { node }: NodeState): number {
  return (node.spec.taints ?? []).filter(
    (taint) => taint.effect === 'PreferNoSchedule' && !isTolerated(pod, taint),
  ).length;
}
