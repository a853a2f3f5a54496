import {
  matchesExpression,
  matchesSelector,
  type NodeSelectorTerm,
  type Pod,
  type PodAffinityTerm,
  quantityNumber,
} from '../../kube/index.ts';
import { requestsOf } from '../pods/qos.ts';
import type { Node } from './node.ts';
import { isTolerated } from './taints.ts';

/** A node and what is on it. */
export interface NodeState {
  node: Node;
  pods: Pod[];
}

export interface World {
  nodes: NodeState[];
  labelsOfNamespace: (name: string) => Record<string, string>;
}

/** A reason in a scheduler's words, or nothing when the pod fits. `hopeless` ones no eviction can change. */
export interface Misfit {
  reason: string;
  hopeless: boolean;
}

type Filter = (pod: Pod, state: NodeState, world: World) => Misfit | undefined;

const HOPELESS = (reason: string): Misfit => ({ reason, hopeless: true });
const CURABLE = (reason: string): Misfit => ({ reason, hopeless: false });

const FILTERS: Filter[] = [
  (pod, { node }) =>
    node.spec.unschedulable &&
    !isTolerated(pod, { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' })
      ? HOPELESS('node(s) were unschedulable')
      : undefined,
  (pod, { node }) => {
    const taint = (node.spec.taints ?? []).find(
      (item) => item.effect !== 'PreferNoSchedule' && !isTolerated(pod, item),
    );
    if (taint === undefined) return undefined;
    return HOPELESS(`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`);
  },
  (pod, { node }) =>
    matchesNodeAffinity(pod, node)
      ? undefined
      : HOPELESS("node(s) didn't match Pod's node affinity/selector"),
  hasPorts,
  hasResources,
  keepsApart,
  keepsTogether,
  spreads,
];

/** Why the pod cannot be on the node: the first reason, as schedulers report it. */
export function misfitOf(pod: Pod, state: NodeState, world: World): Misfit | undefined {
  for (const filter of FILTERS) {
    const misfit = filter(pod, state, world);
    if (misfit !== undefined) return misfit;
  }
  return undefined;
}

export function matchesNodeAffinity(pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  const selector = Object.entries(pod.spec.nodeSelector ?? {});
  if (!selector.every(([key, value]) => labels[key] === value)) return false;
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  return (
    matchExpressions.every((item) => matchesExpression(item, node.metadata.labels ?? {})) &&
    matchFields.every((item) => matchesExpression(item, { 'metadata.name': node.metadata.name ?? '' }))
  );
}

function hasPorts(pod: Pod, { pods }: NodeState): Misfit | undefined {
  const wanted = hostPorts(pod);
  if (wanted.length === 0) return undefined;
  const taken = new Set(pods.flatMap(hostPorts));
  return wanted.some((port) => taken.has(port))
    ? CURABLE("node(s) didn't have free ports for the requested pod ports")
    : undefined;
}

function hostPorts(pod: Pod): string[] {
  return pod.spec.containers.flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort, containerPort, protocol = 'TCP' }) => {
      const port = hostPort ?? (pod.spec.hostNetwork ? containerPort : undefined);
      return port === undefined ? [] : [`${protocol}/${port}`];
    }),
  );
}

function hasResources(pod: Pod, { node, pods }: NodeState): Misfit | undefined {
  const allocatable = node.status?.allocatable ?? {};
  if (pods.length + 1 > quantityNumber(allocatable['pods'] ?? '110')) return CURABLE('Too many pods');
  const wanted = requestsOf(pod);
  const used: Record<string, number> = {};
  for (const other of pods)
    for (const [name, amount] of Object.entries(requestsOf(other))) used[name] = (used[name] ?? 0) + amount;
  for (const [name, amount] of Object.entries(wanted)) {
    if (amount === 0) continue;
    const there = quantityNumber(allocatable[name] ?? '0');
    if ((used[name] ?? 0) + amount > there)
      return { reason: `Insufficient ${name}`, hopeless: amount > there };
  }
  return undefined;
}

/** Pods that do not want each other's company, whichever of the two says so. */
function keepsApart(pod: Pod, state: NodeState, world: World): Misfit | undefined {
  const terms = pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  for (const term of terms)
    if (inDomain(state, term.topologyKey, world).some((other) => concerns(term, pod, other, world)))
      return CURABLE("node(s) didn't match pod anti-affinity rules");
  for (const other of world.nodes) {
    for (const there of other.pods) {
      const theirs =
        there.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
      for (const term of theirs)
        if (concerns(term, there, pod, world) && sameDomain(state.node, other.node, term.topologyKey))
          return CURABLE("node(s) didn't satisfy existing pods anti-affinity rules");
    }
  }
  return undefined;
}

function keepsTogether(pod: Pod, state: NodeState, world: World): Misfit | undefined {
  const terms = pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  for (const term of terms) {
    if (inDomain(state, term.topologyKey, world).some((other) => concerns(term, pod, other, world))) continue;
    const anywhere = world.nodes.some((item) => item.pods.some((other) => concerns(term, pod, other, world)));
    // The first of a group that wants to be together may start it anywhere.
    if (!anywhere && concerns(term, pod, pod, world)) continue;
    return CURABLE("node(s) didn't match pod affinity rules");
  }
  return undefined;
}

function spreads(pod: Pod, state: NodeState, world: World): Misfit | undefined {
  for (const constraint of pod.spec.topologySpreadConstraints ?? []) {
    if (constraint.whenUnsatisfiable !== 'DoNotSchedule') continue;
    const counts = new Map<string, number>();
    for (const { node, pods } of world.nodes) {
      const domain = node.metadata.labels?.[constraint.topologyKey];
      if (domain === undefined || !matchesNodeAffinity(pod, node)) continue;
      const here = pods.filter(
        (other) =>
          other.metadata.namespace === pod.metadata.namespace &&
          matchesSelector(constraint.labelSelector, other.metadata.labels),
      ).length;
      counts.set(domain, (counts.get(domain) ?? 0) + here);
    }
    const own = state.node.metadata.labels?.[constraint.topologyKey];
    if (own === undefined)
      return CURABLE("node(s) didn't match pod topology spread constraints (missing required label)");
    const self = matchesSelector(constraint.labelSelector, pod.metadata.labels) ? 1 : 0;
    if ((counts.get(own) ?? 0) + self - Math.min(...counts.values()) > constraint.maxSkew)
      return CURABLE("node(s) didn't match pod topology spread constraints");
  }
  return undefined;
}

function inDomain(state: NodeState, key: string, world: World): Pod[] {
  return world.nodes
    .filter((other) => sameDomain(state.node, other.node, key))
    .flatMap((other) => other.pods);
}

function sameDomain(a: Node, b: Node, key: string): boolean {
  const domain = a.metadata.labels?.[key];
  return domain !== undefined && domain === b.metadata.labels?.[key];
}

export function concerns(term: PodAffinityTerm, owner: Pod, other: Pod, world: World): boolean {
  const namespace = other.metadata.namespace ?? '';
  const named = term.namespaces ?? [];
  const inScope =
    named.includes(namespace) ||
    (term.namespaceSelector !== undefined &&
      matchesSelector(term.namespaceSelector, world.labelsOfNamespace(namespace))) ||
    (named.length === 0 && term.namespaceSelector === undefined && namespace === owner.metadata.namespace);
  return inScope && matchesSelector(term.labelSelector, other.metadata.labels);
}
