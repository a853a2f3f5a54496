import {
  type Informer,
  isPodFinished,
  type KubeObject,
  NODES,
  type Pod,
  PODS,
  aborted,
  every,
} from '../../kube/index.ts';
import type { Runnable, WorkloadContext } from '../context.ts';
import { deleteIfThere } from '../status-writer.ts';

const INTERVAL_MS = 20_000;
const MAX_FINISHED = 1_000;

/** Removes pods that nobody will look after: of nodes that are gone, and finished ones beyond a number. */
export class PodCollector implements Runnable {
  readonly #context: WorkloadContext;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<KubeObject>;

  constructor(context: WorkloadContext) {
    this.#context = context;
    this.#pods = context.informers.for<Pod>(PODS);
    this.#nodes = context.informers.for(NODES);
  }

  async run(signal: AbortSignal): Promise<void> {
    every(INTERVAL_MS, signal, () => {
      this.#collect().catch((error: unknown) =>
        this.#context.log.warn({ err: error }, 'pods that nobody looks after could not be removed'),
      );
    });
    await aborted(signal);
  }

  async #collect(): Promise<void> {
    const { client } = this.#context;
    const pods = this.#pods.list();
    for (const pod of pods) {
      const { nodeName } = pod.spec;
      if (nodeName === undefined || this.#nodes.get('', nodeName) !== undefined) continue;
      const { namespace = '', name = '', uid } = pod.metadata;
      await client
        .delete(PODS, namespace, name, { gracePeriodSeconds: 0, ...(uid && { uid }) })
        .catch(() => {});
    }
    const finished = pods
      .filter((pod) => isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined)
      .sort(
        (a, b) =>
          Date.parse(a.metadata.creationTimestamp ?? '') - Date.parse(b.metadata.creationTimestamp ?? ''),
      );
    for (const pod of finished.slice(0, Math.max(0, finished.length - MAX_FINISHED)))
      await deleteIfThere(client, PODS, pod);
  }
}
