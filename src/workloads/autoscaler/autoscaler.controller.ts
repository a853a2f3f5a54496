import {
  AUTOSCALERS,
  type Condition,
  Controller,
  DONE,
  type EventRecorder,
  hasLabels,
  type Informer,
  isPodReady,
  type KubeObject,
  type Outcome,
  type Pod,
  PODS,
  quantityNumber,
  type Request,
  withCondition,
  timestamp,
} from '../../kube/index.ts';
import type { Runnable, WorkloadContext } from '../context.ts';
import { podsIn } from '../pod-control.ts';
import { writeStatus } from '../status-writer.ts';
import { type ScaleRule, stabilized, withinRates } from './behavior.ts';

interface Target {
  type: string;
  averageUtilization?: number;
  averageValue?: string;
  value?: string;
}

interface MetricSpec {
  type: string;
  resource?: { name: string; target: Target };
  containerResource?: { name: string; container: string; target: Target };
  pods?: { metric: { name: string }; target: Target };
  object?: { metric: { name: string }; describedObject: { kind: string; name: string }; target: Target };
}

export interface Autoscaler extends KubeObject {
  spec: {
    scaleTargetRef: { apiVersion?: string; kind: string; name: string };
    minReplicas?: number;
    maxReplicas: number;
    metrics?: MetricSpec[];
    behavior?: { scaleUp?: ScaleRule; scaleDown?: ScaleRule };
  };
  status?: {
    lastScaleTime?: string;
    conditions?: Condition[];
    currentReplicas?: number;
    desiredReplicas?: number;
  };
}

/** Where the numbers come from; undefined while there are none. */
export interface MetricSource {
  /** Of one pod: cores and bytes. */
  pod: (pod: Pod) => { cpu: number; memory: number } | undefined;
  /** Requests per second that the gateway has sent to a service or an Ingress lately. */
  requestsPerSecond: (namespace: string, kind: string, name: string) => number | undefined;
}

const INTERVAL_MS = 15_000;
const TOLERANCE = 0.1;
const PLURALS: Record<string, string> = {
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
  ReplicaSet: 'replicasets',
};

interface Reading {
  ratio: number;
  status: object;
}

/** Follows load with replicas. */
export class AutoscalerController implements Runnable {
  readonly #context: WorkloadContext;
  readonly #metrics: MetricSource;
  readonly #autoscalers: Informer<Autoscaler>;
  readonly #pods: Informer<Pod>;
  readonly #events: EventRecorder;
  readonly #controller: Controller;
  readonly #history = new Map<string, { at: number; replicas: number }[]>();

  constructor(context: WorkloadContext, metrics: MetricSource) {
    this.#context = context;
    this.#metrics = metrics;
    const { informers, log } = context;
    this.#autoscalers = informers.for<Autoscaler>(AUTOSCALERS);
    this.#pods = informers.for<Pod>(PODS);
    this.#events = context.events('horizontal-pod-autoscaler');
    this.#controller = new Controller({
      name: 'autoscaler',
      log,
      reconcile: (request) => this.#reconcile(request),
    });
    const enqueue = (object: Autoscaler): void =>
      this.#controller.queue.add(`${object.metadata.namespace}/${object.metadata.name}`);
    this.#autoscalers.addHandler({
      added: enqueue,
      // What it writes itself must not wake it: it works by the clock.
      updated: (object, before) => {
        if (object.metadata.generation !== before.metadata.generation) enqueue(object);
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(request: Request): Promise<Outcome> {
    const autoscaler = this.#autoscalers.get(request.namespace, request.name);
    const key = `${request.namespace}/${request.name}`;
    if (autoscaler === undefined) {
      this.#history.delete(key);
      return DONE;
    }
    await this.#scale(autoscaler, key);
    return { result: 'requeueAfter', ms: INTERVAL_MS };
  }

  async #scale(autoscaler: Autoscaler, key: string): Promise<void> {
    const { scaleTargetRef: target, minReplicas = 1, maxReplicas, behavior } = autoscaler.spec;
    const namespace = autoscaler.metadata.namespace ?? '';
    const path = `/apis/apps/v1/namespaces/${namespace}/${PLURALS[target.kind] ?? ''}/${target.name}/scale`;
    const scale = await this.#context.client
      .raw<KubeObject & { spec: { replicas?: number }; status: { selector?: string } }>({
        method: 'GET',
        path,
      })
      .catch(() => undefined);
    if (scale === undefined) {
      await this.#report(autoscaler, {
        conditions: this.#condition(
          autoscaler,
          'AbleToScale',
          'False',
          'FailedGetScale',
          `the HPA controller was unable to get the target's current scale: ${target.kind} "${target.name}" not found`,
        ),
      });
      return;
    }
    const current = scale.spec.replicas ?? 0;
    if (current === 0) {
      await this.#report(autoscaler, {
        currentReplicas: 0,
        desiredReplicas: 0,
        conditions: this.#condition(
          autoscaler,
          'ScalingActive',
          'False',
          'ScalingDisabled',
          'scaling is disabled since the replica count of the target is zero',
        ),
      });
      return;
    }
    const labels = Object.fromEntries(
      (scale.status.selector ?? '').split(',').map((pair) => pair.split('=') as [string, string]),
    );
    const pods = podsIn(this.#pods, namespace).filter(
      (pod) => hasLabels(labels, pod.metadata.labels) && pod.metadata.deletionTimestamp === undefined,
    );
    const readings = (autoscaler.spec.metrics ?? []).map((metric) =>
      this.#read(metric, pods.filter(isPodReady), namespace, current),
    );
    const known = readings.filter((item) => item !== undefined);
    const missing = known.length < readings.length;
    if (known.length === 0) {
      await this.#report(autoscaler, {
        currentReplicas: current,
        conditions: this.#condition(
          autoscaler,
          'ScalingActive',
          'False',
          'FailedGetResourceMetric',
          'the HPA was unable to compute the replica count: no metrics known yet',
        ),
      });
      return;
    }
    const ratio = Math.max(...known.map((item) => item.ratio));
    // Without all numbers it is safe to grow, and not to shrink.
    const byLoad =
      Math.abs(ratio - 1) <= TOLERANCE || (missing && ratio < 1) ? current : Math.ceil(ratio * current);
    const now = this.#context.now();
    const history = this.#history.get(key) ?? [];
    const settled = stabilized(history, { current, wanted: byLoad, now }, behavior);
    const rated = withinRates(history, { current, wanted: settled, now }, behavior);
    const desired = Math.min(maxReplicas, Math.max(minReplicas, rated));
    this.#history.set(
      key,
      [...history.filter((item) => now - item.at < 3_600_000), { at: now, replicas: byLoad }].slice(-500),
    );
    if (desired !== current) {
      await this.#context.client.raw({
        method: 'PUT',
        path,
        headers: { 'content-type': 'application/json' },
        body: { ...scale, spec: { replicas: desired } },
      });
      const reason = desired > current ? 'above' : 'below';
      this.#events.record(autoscaler, {
        type: 'Normal',
        reason: 'SuccessfulRescale',
        message: `New size: ${desired}; reason: metrics ${reason} target`,
      });
    }
    await this.#report(autoscaler, {
      currentReplicas: current,
      desiredReplicas: desired,
      currentMetrics: known.map((item) => item.status),
      ...(desired !== current && { lastScaleTime: timestamp(now) }),
      conditions: this.#condition(
        autoscaler,
        'ScalingActive',
        'True',
        'ValidMetricFound',
        'the HPA was able to successfully calculate a replica count',
      ),
    });
  }

  #read(metric: MetricSpec, pods: readonly Pod[], namespace: string, current: number): Reading | undefined {
    const resource = metric.resource ?? metric.containerResource;
    if (resource !== undefined) return this.#readResource(resource.name, resource.target, pods, metric.type);
    const named = metric.object ?? metric.pods;
    if (named === undefined || !/requests?[-_]per[-_]second|^rps$/.test(named.metric.name)) return undefined;
    const about = metric.object?.describedObject ?? { kind: 'Service', name: '' };
    const rate = this.#metrics.requestsPerSecond(namespace, about.kind, about.name);
    if (rate === undefined) return undefined;
    const { value, averageValue } = named.target;
    const ratio =
      averageValue === undefined
        ? rate / quantityNumber(value ?? '1')
        : rate / current / quantityNumber(averageValue);
    return {
      ratio,
      status: {
        type: metric.type,
        [metric.type.toLowerCase()]: {
          ...named,
          target: undefined,
          current: { value: String(Math.round(rate)) },
        },
      },
    };
  }

  #readResource(name: string, target: Target, pods: readonly Pod[], type: string): Reading | undefined {
    const field = name === 'memory' ? 'memory' : 'cpu';
    const used: { usage: number; request: number }[] = [];
    for (const pod of pods) {
      const usage = this.#metrics.pod(pod)?.[field];
      if (usage === undefined) continue;
      const request = pod.spec.containers.reduce(
        (sum, container) =>
          sum +
          quantityNumber(container.resources?.requests?.[name] ?? container.resources?.limits?.[name] ?? '0'),
        0,
      );
      used.push({ usage, request });
    }
    if (used.length === 0) return undefined;
    const total = used.reduce((sum, item) => sum + item.usage, 0);
    const average = total / used.length;
    const averageValue = name === 'cpu' ? `${Math.round(average * 1000)}m` : String(Math.round(average));
    const key = type === 'ContainerResource' ? 'containerResource' : 'resource';
    if (target.averageUtilization !== undefined) {
      const requested = used.reduce((sum, item) => sum + item.request, 0);
      if (requested === 0) return undefined;
      const utilization = Math.round((total / requested) * 100);
      return {
        ratio: utilization / target.averageUtilization,
        status: { type, [key]: { name, current: { averageUtilization: utilization, averageValue } } },
      };
    }
    return {
      ratio: average / quantityNumber(target.averageValue ?? '1'),
      status: { type, [key]: { name, current: { averageValue } } },
    };
  }

  #condition(
    autoscaler: Autoscaler,
    type: string,
    status: 'True' | 'False',
    reason: string,
    message: string,
  ): Condition[] {
    const able = withCondition(
      autoscaler.status?.conditions,
      {
        type: 'AbleToScale',
        status: 'True',
        reason: 'ReadyForNewScale',
        message: 'recommended size matches current size',
      },
      this.#context.now(),
    );
    return withCondition(able, { type, status, reason, message }, this.#context.now());
  }

  #report(autoscaler: Autoscaler, status: object): Promise<void> {
    return writeStatus(this.#context.client, AUTOSCALERS, autoscaler, {
      observedGeneration: autoscaler.metadata.generation ?? 0,
      desiredReplicas: autoscaler.status?.desiredReplicas ?? 0,
      ...status,
    });
  }
}
