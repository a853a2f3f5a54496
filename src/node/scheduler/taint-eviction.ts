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
  NODES,
  type Outcome,
  type Pod,
  PODS,
  type Request,
} from '../../kube/index.ts';
import type { Node } from './node.ts';
import { graceUnder } from './taints.ts';

export interface TaintEvictionOptions {
  client: KubeClient;
  informers: Informers;
  now: () => number;
  log: Logger;
}

/** Drives pods from nodes whose taints they do not bear, when their time under them is over. */
export class TaintEviction {
  readonly #options: TaintEvictionOptions;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #events: EventRecorder;
  readonly #controller: Controller;
  /** Since when a pod is under the taints of its node. */
  readonly #since = new Map<string, number>();

  constructor(options: TaintEvictionOptions) {
    this.#options = options;
    const { client, informers, log, now } = options;
    this.#pods = informers.for<Pod>(PODS);
    this.#nodes = informers.for<Node>(NODES);
    this.#events = new EventRecorder(client, 'taint-eviction-controller', log, now);
    this.#controller = new Controller({
      name: 'taint-eviction',
      log,
      reconcile: (request) => this.#reconcile(request),
    }).for(this.#pods);
    this.#controller.watches(this.#nodes, (node) =>
      this.#pods
        .list()
        .filter((pod) => pod.spec.nodeName === node.metadata.name)
        .map((pod) => ({ namespace: pod.metadata.namespace ?? '', name: pod.metadata.name ?? '' })),
    );
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(request: Request): Promise<Outcome> {
    const pod = this.#pods.get(request.namespace, request.name);
    const key = `${request.namespace}/${request.name}`;
    const taints = this.#nodes.get('', pod?.spec.nodeName ?? '')?.spec.taints ?? [];
    if (pod === undefined || isPodFinished(pod) || !taints.some((taint) => taint.effect === 'NoExecute')) {
      this.#since.delete(key);
      return DONE;
    }
    if (pod.metadata.deletionTimestamp !== undefined) return DONE;
    const seconds = graceUnder(pod, taints);
    if (seconds === undefined) return DONE;
    const now = this.#options.now();
    const since = this.#since.get(key) ?? now;
    this.#since.set(key, since);
    const left = since + seconds * 1000 - now;
    if (left > 0) return { result: 'requeueAfter', ms: left };
    const { namespace = '', name = '', uid } = pod.metadata;
    this.#events.record(pod, {
      type: 'Normal',
      reason: 'TaintManagerEviction',
      message: `Marking for deletion Pod ${namespace}/${name}`,
    });
    await this.#options.client
      .delete(PODS, namespace, name, uid === undefined ? {} : { uid })
      .catch((error: unknown) => {
        if (!isApiError(error, 'NotFound') && !isApiError(error, 'Conflict')) throw error;
      });
    return DONE;
  }
}
