import {
  controllerReference,
  type EventRecorder,
  type Informer,
  isApiError,
  isPodFinished,
  isPodReady,
  type KubeClient,
  type KubeObject,
  type LabelSelector,
  matchesSelector,
  type Pod,
  PODS,
  type PodTemplate,
} from '../kube/index.ts';
import { Expectations } from './expectations.ts';
import { randomName } from './names.ts';

export interface PodControlOptions {
  client: KubeClient;
  pods: Informer<Pod>;
  events: EventRecorder;
  now: () => number;
}

const BY_OWNER = 'owner';
const BY_NAMESPACE = 'namespace';

/** Creates, deletes, adopts and releases the pods of controllers. */
export class PodControl {
  readonly expectations: Expectations;
  readonly #options: PodControlOptions;

  constructor(options: PodControlOptions) {
    this.#options = options;
    this.expectations = new Expectations(options.now);
    indexPods(options.pods);
  }

  /** The owner's pods: those that name it, and those without owner that match, which it takes over. */
  async claim(owner: KubeObject, selector: LabelSelector | undefined): Promise<Pod[]> {
    const uid = owner.metadata.uid ?? '';
    const owned = this.#options.pods.byIndex(BY_OWNER, uid);
    const orphans = this.#options.pods
      .byIndex(BY_OWNER, `orphan/${owner.metadata.namespace}`)
      .filter(
        (pod) =>
          pod.metadata.deletionTimestamp === undefined && matchesSelector(selector, pod.metadata.labels),
      );
    const kept: Pod[] = [];
    for (const pod of owned) {
      if (matchesSelector(selector, pod.metadata.labels)) kept.push(pod);
      else await this.#release(pod, uid);
    }
    if (owner.metadata.deletionTimestamp !== undefined) return kept;
    for (const pod of orphans) {
      const adopted = await this.#adopt(pod, owner);
      if (adopted !== undefined) kept.push(adopted);
    }
    return kept;
  }

  /** Whether the cache shows everything that was done for the owner. */
  isCurrent(owner: KubeObject): boolean {
    const pods = this.#options.pods.byIndex(BY_OWNER, owner.metadata.uid ?? '');
    const there = new Set(pods.map((pod) => pod.metadata.uid ?? ''));
    const leaving = new Set(
      pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined).map((pod) => pod.metadata.uid ?? ''),
    );
    return this.expectations.areMet(owner.metadata.uid ?? '', there, leaving);
  }

  async create(
    owner: KubeObject,
    template: PodTemplate,
    change: { name?: string; edit?: (pod: Pod) => void } = {},
  ): Promise<Pod | undefined> {
    const { events, client } = this.#options;
    const pod: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: change.name ?? randomName(owner.metadata.name ?? ''),
        generateName: `${owner.metadata.name}-`,
        namespace: owner.metadata.namespace ?? '',
        labels: { ...template.metadata?.labels },
        annotations: { ...template.metadata?.annotations },
        ...(template.metadata?.finalizers && { finalizers: template.metadata.finalizers }),
        ownerReferences: [controllerReference(owner)],
      },
      spec: structuredClone(template.spec),
    };
    change.edit?.(pod);
    try {
      const created = await client.create<Pod>(PODS, pod);
      this.expectations.created(owner.metadata.uid ?? '', created.metadata.uid ?? '');
      events.record(owner, {
        type: 'Normal',
        reason: 'SuccessfulCreate',
        message: `Created pod: ${created.metadata.name}`,
      });
      return created;
    } catch (error) {
      // A namespace on its way out takes no pods, and that is nobody's failure.
      if (isApiError(error, 'Forbidden') && /being terminated/.test(error.message)) return undefined;
      events.record(owner, {
        type: 'Warning',
        reason: 'FailedCreate',
        message: `Error creating: ${(error as Error).message}`,
      });
      throw error;
    }
  }

  async delete(owner: KubeObject, pod: Pod): Promise<void> {
    const { events, client } = this.#options;
    const { namespace = '', name = '', uid } = pod.metadata;
    this.expectations.deleted(owner.metadata.uid ?? '', uid ?? '');
    try {
      await client.delete(PODS, namespace, name, uid === undefined ? {} : { uid });
      events.record(owner, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` });
    } catch (error) {
      if (!isApiError(error, 'NotFound') && !isApiError(error, 'Conflict')) throw error;
    }
  }

  async #adopt(pod: Pod, owner: KubeObject): Promise<Pod | undefined> {
    const { namespace = '', name = '', uid } = pod.metadata;
    try {
      return await this.#options.client.patch<Pod>(PODS, { namespace, name }, 'strategic', {
        metadata: { uid, ownerReferences: [controllerReference(owner)] },
      });
    } catch (error) {
      if (isApiError(error)) return undefined;
      throw error;
    }
  }

  async #release(pod: Pod, owner: string): Promise<void> {
    const { namespace = '', name = '', uid } = pod.metadata;
    try {
      await this.#options.client.patch(PODS, { namespace, name }, 'strategic', {
        metadata: { uid, ownerReferences: [{ $patch: 'delete', uid: owner }] },
      });
    } catch (error) {
      if (!isApiError(error)) throw error;
    }
  }
}

/** Must be called before the informer starts. */
export function indexPods(pods: Informer<Pod>): void {
  pods.addIndex(BY_OWNER, (pod) => {
    const owner = pod.metadata.ownerReferences?.find((item) => item.controller);
    return [owner?.uid ?? `orphan/${pod.metadata.namespace}`];
  });
  pods.addIndex(BY_NAMESPACE, (pod) => [pod.metadata.namespace ?? '']);
}

export function podsIn(pods: Informer<Pod>, namespace: string): Pod[] {
  return pods.byIndex(BY_NAMESPACE, namespace);
}

export function isActive(pod: Pod): boolean {
  return !isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** Ready for at least so long: until then a rollout does not count on it. */
export function isAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  if (!isPodReady(pod)) return false;
  if (minReadySeconds === 0) return true;
  const ready = pod.status?.conditions?.find((item) => item.type === 'Ready');
  return now - Date.parse(ready?.lastTransitionTime ?? '') >= minReadySeconds * 1000;
}

/** Which pods go first when there are too many: those that are of least use now. */
export function byUselessness(a: Pod, b: Pod): number {
  const rank = (pod: Pod): number[] => [
    pod.spec.nodeName === undefined ? 0 : 1,
    pod.status?.phase === 'Running' ? 1 : 0,
    isPodReady(pod) ? 1 : 0,
    Number(pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0),
    -Math.max(0, ...(pod.status?.containerStatuses ?? []).map((item) => item.restartCount)),
    // The newest goes first.
    -Date.parse(pod.metadata.creationTimestamp ?? ''),
  ];
  const [left, right] = [rank(a), rank(b)];
  for (const [at, value] of left.entries()) if (value !== right[at]) return value - right[at]!;
  return 0;
}
