import {
  Controller,
  DONE,
  EventRecorder,
  type Informer,
  type Informers,
  isApiError,
  isPodFinished,
  type KubeClient,
  type Logger,
  NAMESPACES,
  NODES,
  type Outcome,
  type Pod,
  PODS,
  type Request,
  withCondition,
  unlessGone,
} from '../../kube/index.ts';
import { type Misfit, misfitOf, type NodeState, type World } from './filters.ts';
import type { Node } from './node.ts';
import { scoreOf } from './scores.ts';

export interface SchedulerOptions {
  client: KubeClient;
  informers: Informers;
  now: () => number;
  log: Logger;
}

const NAME = 'default-scheduler';

/** Binds pods to nodes. One pod at a time, so that each decision sees the ones before. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #events: EventRecorder;
  readonly #controller: Controller;
  /** Bound by us, and not yet seen so by the watch. */
  readonly #assumed = new Map<string, Pod>();
  readonly #waiting = new Set<string>();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { client, informers, log, now } = options;
    this.#pods = informers.for<Pod>(PODS);
    this.#nodes = informers.for<Node>(NODES);
    informers.for(NAMESPACES);
    this.#events = new EventRecorder(client, NAME, log, now);
    this.#controller = new Controller({
      name: 'scheduler',
      log,
      concurrency: 1,
      reconcile: (request) => this.#schedule(request),
    });
    const enqueue = (pod: Pod): void => {
      if (isPending(pod)) this.#controller.queue.add(`${pod.metadata.namespace}/${pod.metadata.name}`);
      else this.#assumed.delete(pod.metadata.uid ?? '');
    };
    this.#pods.addHandler({
      added: enqueue,
      updated: (pod, before) => {
        enqueue(pod);
        if (!isPodFinished(before) && isPodFinished(pod)) this.#roomWasMade();
      },
      deleted: (pod) => {
        this.#assumed.delete(pod.metadata.uid ?? '');
        this.#roomWasMade();
      },
    });
    this.#nodes.addHandler({ added: () => this.#roomWasMade(), updated: () => this.#roomWasMade() });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  #roomWasMade(): void {
    for (const key of this.#waiting) this.#controller.queue.add(key);
    this.#waiting.clear();
  }

  async #schedule(request: Request): Promise<Outcome> {
    const key = `${request.namespace}/${request.name}`;
    this.#waiting.delete(key);
    const pod = this.#pods.get(request.namespace, request.name);
    if (pod === undefined || !isPending(pod) || this.#assumed.has(pod.metadata.uid ?? '')) return DONE;
    if ((pod.spec.schedulingGates ?? []).length > 0) {
      await this.#report(pod, 'SchedulingGated', 'Scheduling is blocked due to non-empty scheduling gates');
      return DONE;
    }
    const world = this.#world();
    const misfits: Misfit[] = [];
    let best: { name: string; score: number } | undefined;
    for (const state of world.nodes) {
      const misfit = misfitOf(pod, state, world);
      if (misfit !== undefined) {
        misfits.push(misfit);
        continue;
      }
      const score = scoreOf(pod, state, world);
      if (best === undefined || score > best.score) best = { name: state.node.metadata.name ?? '', score };
    }
    if (best !== undefined) return this.#bind(pod, best.name);
    const victims = victimsFor(pod, world);
    this.#waiting.add(key);
    const why = unschedulable(world.nodes.length, misfits, victims === undefined);
    await this.#report(pod, 'Unschedulable', why);
    if (victims !== undefined) await this.#preempt(pod, victims);
    return DONE;
  }

  async #bind(pod: Pod, node: string): Promise<Outcome> {
    const { namespace = '', name = '', uid = '' } = pod.metadata;
    this.#assumed.set(uid, { ...pod, spec: { ...pod.spec, nodeName: node } });
    try {
      await this.#options.client.raw({
        method: 'POST',
        path: `/api/v1/namespaces/${namespace}/pods/${name}/binding`,
        headers: { 'content-type': 'application/json' },
        body: {
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: { name, namespace, uid },
          target: { apiVersion: 'v1', kind: 'Node', name: node },
        },
      });
    } catch (error) {
      this.#assumed.delete(uid);
      if (isApiError(error, 'NotFound') || isApiError(error, 'Conflict')) return DONE;
      throw error;
    }
    const message = `Successfully assigned ${namespace}/${name} to ${node}`;
    this.#events.record(pod, { type: 'Normal', reason: 'Scheduled', message });
    return DONE;
  }

  async #report(pod: Pod, reason: string, message: string): Promise<void> {
    const known = pod.status?.conditions?.find((item) => item.type === 'PodScheduled');
    if (known?.status === 'False' && known.message === message && known.reason === reason) return;
    if (reason === 'Unschedulable')
      this.#events.record(pod, { type: 'Warning', reason: 'FailedScheduling', message });
    const conditions = withCondition(
      pod.status?.conditions,
      { type: 'PodScheduled', status: 'False', reason, message },
      this.#options.now(),
    );
    const { namespace = '', name = '' } = pod.metadata;
    await unlessGone(
      this.#options.client.patch(
        PODS,
        { namespace, name },
        'strategic',
        { status: { conditions } },
        { subresource: 'status' },
      ),
    );
  }

  async #preempt(pod: Pod, victims: readonly Pod[]): Promise<void> {
    for (const victim of victims) {
      const { namespace = '', name = '', uid } = victim.metadata;
      const message = `Preempted by pod ${pod.metadata.uid} on node ${victim.spec.nodeName}`;
      this.#events.record(victim, { type: 'Normal', reason: 'Preempted', message });
      await this.#options.client
        .delete(PODS, namespace, name, uid === undefined ? {} : { uid })
        .catch((error: unknown) => {
          if (!isApiError(error, 'NotFound') && !isApiError(error, 'Conflict')) throw error;
        });
    }
  }

  #world(): World {
    const byNode = new Map<string, Pod[]>();
    const add = (pod: Pod): void => {
      const node = pod.spec.nodeName ?? '';
      byNode.set(node, [...(byNode.get(node) ?? []), pod]);
    };
    for (const pod of this.#pods.list()) if (pod.spec.nodeName !== undefined && !isPodFinished(pod)) add(pod);
    for (const pod of this.#assumed.values()) add(pod);
    const namespaces = this.#options.informers.for(NAMESPACES);
    return {
      nodes: this.#nodes.list().map((node) => ({ node, pods: byNode.get(node.metadata.name ?? '') ?? [] })),
      labelsOfNamespace: (name) => namespaces.get('', name)?.metadata.labels ?? {},
    };
  }
}

function isPending(pod: Pod): boolean {
  return (
    !pod.spec.nodeName &&
    pod.metadata.deletionTimestamp === undefined &&
    !isPodFinished(pod) &&
    (pod.spec.schedulerName ?? NAME) === NAME
  );
}

/** "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {a: b}." */
export function unschedulable(nodes: number, misfits: readonly Misfit[], noVictims: boolean): string {
  if (nodes === 0) return 'no nodes available to schedule pods';
  const counts = new Map<string, number>();
  for (const { reason } of misfits) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const reasons = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  const help = misfits.every((item) => item.hopeless)
    ? `${nodes} Preemption is not helpful for scheduling`
    : noVictims
      ? `${nodes} No preemption victims found for incoming pod`
      : '';
  const preemption = help === '' ? '' : ` preemption: 0/${nodes} nodes are available: ${help}.`;
  return `0/${nodes} nodes are available: ${reasons.join(', ')}.${preemption}`;
}

/** Pods of lower priority whose end would make room, the fewest on any one node. */
function victimsFor(pod: Pod, world: World): Pod[] | undefined {
  const priority = pod.spec.priority ?? 0;
  if (pod.spec.preemptionPolicy === 'Never') return undefined;
  let best: Pod[] | undefined;
  for (const state of world.nodes) {
    const misfit = misfitOf(pod, state, world);
    if (misfit === undefined || misfit.hopeless) continue;
    const lower = state.pods
      .filter((other) => (other.spec.priority ?? 0) < priority)
      .sort((a, b) => (a.spec.priority ?? 0) - (b.spec.priority ?? 0));
    // Room that is already being made is waited for.
    if (
      state.pods.some(
        (other) => other.metadata.deletionTimestamp !== undefined && (other.spec.priority ?? 0) < priority,
      )
    )
      return undefined;
    const victims: Pod[] = [];
    for (const victim of lower) {
      victims.push(victim);
      const left: NodeState = {
        node: state.node,
        pods: state.pods.filter((other) => !victims.includes(other)),
      };
      const nodes = world.nodes.map((item) => (item === state ? left : item));
      if (misfitOf(pod, left, { ...world, nodes }) !== undefined) continue;
      if (best === undefined || victims.length < best.length) best = [...victims];
      break;
    }
  }
  return best;
}
