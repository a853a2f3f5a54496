import {
  Controller,
  DONE,
  type Informer,
  isPodReady,
  matchesSelector,
  type Outcome,
  type Pod,
  PODS,
  REPLICA_SETS,
  type Request,
  withCondition,
  unlessGone,
} from '../../kube/index.ts';
import type { Runnable, WorkloadContext } from '../context.ts';
import { stableText } from '../names.ts';
import { byUselessness, isActive, isAvailable, PodControl } from '../pod-control.ts';
import type { ReplicaSet } from './replica-set.ts';

const BURST = 500;

/** Keeps as many pods of one template as are asked for. */
export class ReplicaSetController implements Runnable {
  readonly #context: WorkloadContext;
  readonly #sets: Informer<ReplicaSet>;
  readonly #pods: PodControl;
  readonly #controller: Controller;

  constructor(context: WorkloadContext) {
    this.#context = context;
    const { informers, client, log, now } = context;
    this.#sets = informers.for<ReplicaSet>(REPLICA_SETS);
    const pods = informers.for<Pod>(PODS);
    this.#pods = new PodControl({ client, pods, events: context.events('replicaset-controller'), now });
    this.#controller = new Controller({
      name: 'replicaset',
      log,
      reconcile: (request) => this.#reconcile(request),
    })
      .for(this.#sets)
      .owns(pods, { apiVersion: 'apps/v1', kind: 'ReplicaSet' });
    this.#controller.watches(pods, (pod) => this.#adopters(pod));
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  /** Sets that could take over a pod that nobody owns. */
  #adopters(pod: Pod): Request[] {
    if (pod.metadata.ownerReferences?.some((item) => item.controller)) return [];
    return this.#sets
      .list()
      .filter(
        (set) =>
          set.metadata.namespace === pod.metadata.namespace &&
          matchesSelector(set.spec.selector, pod.metadata.labels),
      )
      .map((set) => ({ namespace: set.metadata.namespace ?? '', name: set.metadata.name ?? '' }));
  }

  async #reconcile(request: Request): Promise<Outcome> {
    const set = this.#sets.get(request.namespace, request.name);
    if (set === undefined) return DONE;
    const isCurrent = this.#pods.isCurrent(set);
    const pods = (await this.#pods.claim(set, set.spec.selector)).filter(isActive);
    let failure: Error | undefined;
    if (isCurrent && set.metadata.deletionTimestamp === undefined) {
      failure = await this.#manage(set, pods).then(
        () => undefined,
        (error: Error) => error,
      );
    }
    await this.#writeStatus(set, pods, failure);
    if (failure !== undefined) throw failure;
    return this.#wait(set, pods);
  }

  async #manage(set: ReplicaSet, pods: readonly Pod[]): Promise<void> {
    const missing = (set.spec.replicas ?? 1) - pods.length;
    if (missing > 0)
      await slowStart(Math.min(missing, BURST), () => this.#pods.create(set, set.spec.template));
    if (missing < 0) {
      const extra = pods.toSorted(byUselessness).slice(0, Math.min(-missing, BURST));
      await Promise.all(extra.map((pod) => this.#pods.delete(set, pod)));
    }
  }

  async #writeStatus(set: ReplicaSet, pods: readonly Pod[], failure: Error | undefined): Promise<void> {
    const { now, client } = this.#context;
    const template = set.spec.template.metadata?.labels ?? {};
    const conditions = (set.status?.conditions ?? []).filter((item) => item.type !== 'ReplicaFailure');
    const status = {
      replicas: pods.length,
      fullyLabeledReplicas: pods.filter((pod) =>
        matchesSelector({ matchLabels: template }, pod.metadata.labels),
      ).length,
      readyReplicas: pods.filter(isPodReady).length,
      availableReplicas: pods.filter((pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, now())).length,
      observedGeneration: set.metadata.generation ?? 0,
      conditions:
        failure === undefined
          ? conditions
          : withCondition(
              set.status?.conditions,
              { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: failure.message },
              now(),
            ),
    };
    const before = { conditions: [], ...set.status };
    if (stableText(before) === stableText({ ...before, ...status })) return;
    const { namespace = '', name = '' } = set.metadata;
    await unlessGone(
      client.patch(REPLICA_SETS, { namespace, name }, 'merge', { status }, { subresource: 'status' }),
    );
  }

  /** Pods become available by time alone. */
  #wait(set: ReplicaSet, pods: readonly Pod[]): Outcome {
    const seconds = set.spec.minReadySeconds ?? 0;
    if (seconds === 0) return DONE;
    const waiting = pods.filter((pod) => isPodReady(pod) && !isAvailable(pod, seconds, this.#context.now()));
    if (waiting.length === 0) return DONE;
    const since = waiting.map((pod) =>
      Date.parse(pod.status?.conditions?.find((item) => item.type === 'Ready')?.lastTransitionTime ?? ''),
    );
    return {
      result: 'requeueAfter',
      ms: Math.max(100, Math.min(...since) + seconds * 1000 - this.#context.now()),
    };
  }
}

/** 1, 2, 4, … at once: a template that is refused is refused once, not a hundred times. */
export async function slowStart(count: number, work: () => Promise<unknown>): Promise<void> {
  let left = count;
  for (let batch = 1; left > 0; batch *= 2) {
    const size = Math.min(batch, left);
    await Promise.all(Array.from({ length: size }, work));
    left -= size;
  }
}
