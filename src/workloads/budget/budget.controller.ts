import {
  type Condition,
  Controller,
  DISRUPTION_BUDGETS,
  DONE,
  type Informer,
  isPodFinished,
  isPodReady,
  type KubeObject,
  type LabelSelector,
  matchesSelector,
  type Outcome,
  type Pod,
  PODS,
  type Request,
  withCondition,
} from '../../kube/index.ts';
import type { Runnable, WorkloadContext } from '../context.ts';
import { amount } from '../deployment/deployment.ts';
import { podsIn } from '../pod-control.ts';
import { writeStatus } from '../status-writer.ts';

interface Budget extends KubeObject {
  spec: { minAvailable?: number | string; maxUnavailable?: number | string; selector?: LabelSelector };
  status?: { disruptedPods?: Record<string, string>; conditions?: Condition[] };
}

/** Counts how many pods an eviction may take now. */
export class BudgetController implements Runnable {
  readonly #context: WorkloadContext;
  readonly #budgets: Informer<Budget>;
  readonly #pods: Informer<Pod>;
  readonly #controller: Controller;

  constructor(context: WorkloadContext) {
    this.#context = context;
    const { informers, log } = context;
    this.#budgets = informers.for<Budget>(DISRUPTION_BUDGETS);
    this.#pods = informers.for<Pod>(PODS);
    this.#controller = new Controller({
      name: 'disruption',
      log,
      reconcile: (request) => this.#reconcile(request),
    }).for(this.#budgets);
    this.#controller.watches(this.#pods, (pod) =>
      this.#budgets
        .list()
        .filter(
          (budget) =>
            budget.metadata.namespace === pod.metadata.namespace &&
            matchesSelector(budget.spec.selector, pod.metadata.labels),
        )
        .map((budget) => ({ namespace: budget.metadata.namespace ?? '', name: budget.metadata.name ?? '' })),
    );
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(request: Request): Promise<Outcome> {
    const budget = this.#budgets.get(request.namespace, request.name);
    if (budget === undefined) return DONE;
    const pods = podsIn(this.#pods, request.namespace).filter(
      (pod) => matchesSelector(budget.spec.selector, pod.metadata.labels) && !isPodFinished(pod),
    );
    const expected = pods.length;
    const healthy = pods.filter(
      (pod) => isPodReady(pod) && pod.metadata.deletionTimestamp === undefined,
    ).length;
    const { minAvailable, maxUnavailable } = budget.spec;
    const desired =
      maxUnavailable === undefined
        ? amount(minAvailable ?? 1, expected, Math.ceil)
        : Math.max(0, expected - amount(maxUnavailable, expected, Math.ceil));
    const allowed = Math.max(0, healthy - desired);
    const disrupted = Object.fromEntries(
      Object.entries(budget.status?.disruptedPods ?? {}).filter(([name]) =>
        pods.some((pod) => pod.metadata.name === name && pod.metadata.deletionTimestamp === undefined),
      ),
    );
    const condition =
      allowed > 0
        ? { type: 'DisruptionAllowed', status: 'True' as const, reason: 'SufficientPods', message: '' }
        : { type: 'DisruptionAllowed', status: 'False' as const, reason: 'InsufficientPods', message: '' };
    await writeStatus(this.#context.client, DISRUPTION_BUDGETS, budget, {
      observedGeneration: budget.metadata.generation ?? 0,
      currentHealthy: healthy,
      desiredHealthy: desired,
      expectedPods: expected,
      disruptionsAllowed: Math.max(0, allowed - Object.keys(disrupted).length),
      conditions: withCondition(budget.status?.conditions, condition, this.#context.now()),
    });
    return DONE;
  }
}
