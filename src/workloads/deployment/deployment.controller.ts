import {
  Controller,
  controllerReference,
  DEPLOYMENTS,
  DONE,
  type EventRecorder,
  type Informer,
  isApiError,
  matchesSelector,
  type Outcome,
  type Pod,
  PODS,
  REPLICA_SETS,
  type Request,
  unlessGone,
} from '../../kube/index.ts';
import type { Runnable, WorkloadContext } from '../context.ts';
import { hashOf, stableText } from '../names.ts';
import type { ReplicaSet } from '../replica-set/replica-set.ts';
import { isActive } from '../pod-control.ts';
import {
  type Deployment,
  DESIRED,
  MAX,
  REVISION,
  REVISION_HISTORY,
  rolloutLimits,
  TEMPLATE_HASH,
} from './deployment.ts';
import { deploymentStatus, isComplete } from './deployment-status.ts';
import { byCreation, proportionalStep, rollingStep, type Scale, wanted } from './rollout.ts';

const BY_OWNER = 'owner';

/** Moves from one template of pods to the next, as its strategy says. */
export class DeploymentController implements Runnable {
  readonly #context: WorkloadContext;
  readonly #deployments: Informer<Deployment>;
  readonly #sets: Informer<ReplicaSet>;
  readonly #pods: Informer<Pod>;
  readonly #events: EventRecorder;
  readonly #controller: Controller;

  constructor(context: WorkloadContext) {
    this.#context = context;
    const { informers, log } = context;
    this.#deployments = informers.for<Deployment>(DEPLOYMENTS);
    this.#sets = informers
      .for<ReplicaSet>(REPLICA_SETS)
      .addIndex(BY_OWNER, (set) => [
        set.metadata.ownerReferences?.find((item) => item.controller)?.uid ?? '',
      ]);
    this.#pods = informers.for<Pod>(PODS);
    this.#events = context.events('deployment-controller');
    this.#controller = new Controller({
      name: 'deployment',
      log,
      reconcile: (request) => this.#reconcile(request),
    })
      .for(this.#deployments)
      .owns(this.#sets, { apiVersion: 'apps/v1', kind: 'Deployment' });
    // A recreation goes on when the last old pod is gone.
    this.#controller.watches(this.#pods, (pod) => this.#recreating(pod));
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  #recreating(pod: Pod): Request[] {
    return this.#deployments
      .list()
      .filter(
        (item) =>
          item.spec.strategy?.type === 'Recreate' &&
          item.metadata.namespace === pod.metadata.namespace &&
          matchesSelector(item.spec.selector, pod.metadata.labels),
      )
      .map((item) => ({ namespace: item.metadata.namespace ?? '', name: item.metadata.name ?? '' }));
  }

  async #reconcile(request: Request): Promise<Outcome> {
    const deployment = this.#deployments.get(request.namespace, request.name);
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return DONE;
    const sets = await this.#claim(deployment);
    let current = sets.find((set) => templateText(set) === templateText(deployment));
    const others = sets.filter((set) => set !== current);
    if (deployment.spec.paused) {
      await this.#scaleAll(deployment, proportionalStep(deployment, sets, desiredBefore));
    } else {
      const made =
        current === undefined
          ? await this.#newSet(deployment, others)
          : await this.#stamp(deployment, current, others);
      if (made === undefined) return DONE;
      current = made;
      await this.#roll(deployment, current, others);
      await this.#cleanUp(deployment, current, others);
    }
    return this.#writeStatus(deployment, current, current === undefined ? sets : [current, ...others]);
  }

  /** Its sets; those without owner that match are taken over. */
  async #claim(deployment: Deployment): Promise<ReplicaSet[]> {
    const owned = this.#sets.byIndex(BY_OWNER, deployment.metadata.uid ?? '');
    const orphans = this.#sets
      .byIndex(BY_OWNER, '')
      .filter(
        (set) =>
          set.metadata.namespace === deployment.metadata.namespace &&
          set.metadata.deletionTimestamp === undefined &&
          matchesSelector(deployment.spec.selector, set.metadata.labels),
      );
    for (const set of orphans) {
      const { namespace = '', name = '', uid } = set.metadata;
      await this.#context.client.patch(REPLICA_SETS, { namespace, name }, 'strategic', {
        metadata: { uid, ownerReferences: [controllerReference(deployment)] },
      });
    }
    return [...owned, ...orphans];
  }

  async #newSet(deployment: Deployment, others: readonly ReplicaSet[]): Promise<ReplicaSet | undefined> {
    const { client } = this.#context;
    const { namespace = '', name = '' } = deployment.metadata;
    const hash = hashOf(deployment.spec.template, deployment.status?.collisionCount ?? 0);
    const labels = { ...deployment.spec.template.metadata?.labels, [TEMPLATE_HASH]: hash };
    const recreate = deployment.spec.strategy?.type === 'Recreate';
    const before = others.reduce((sum, set) => sum + wanted(set), 0);
    const room = (deployment.spec.replicas ?? 1) + rolloutLimits(deployment).surge - before;
    const replicas =
      recreate && this.#oldPods(others).length > 0
        ? 0
        : Math.max(0, Math.min(room, deployment.spec.replicas ?? 1));
    const set: ReplicaSet = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        namespace,
        name: `${name}-${hash}`,
        labels,
        annotations: {
          ...ownAnnotations(deployment),
          [REVISION]: String(lastRevision(others) + 1),
          ...scaleAnnotations(deployment),
        },
        ownerReferences: [controllerReference(deployment)],
      },
      spec: {
        replicas,
        ...(deployment.spec.minReadySeconds && { minReadySeconds: deployment.spec.minReadySeconds }),
        selector: {
          ...deployment.spec.selector,
          matchLabels: { ...deployment.spec.selector.matchLabels, [TEMPLATE_HASH]: hash },
        },
        template: {
          ...deployment.spec.template,
          metadata: { ...deployment.spec.template.metadata, labels },
        },
      },
    };
    try {
      const created = await client.create<ReplicaSet>(REPLICA_SETS, set);
      if (replicas > 0) this.#tellScale(deployment, created, 0, replicas);
      await this.#annotate(deployment, created.metadata.annotations?.[REVISION]);
      return created;
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists')) throw error;
      return this.#collided(deployment, set);
    }
  }

  /** The name is taken: by ourselves, and the cache is late, or by another template of the same hash. */
  async #collided(deployment: Deployment, set: ReplicaSet): Promise<ReplicaSet | undefined> {
    const { namespace = '', name = '' } = set.metadata;
    const there = await this.#context.client.get<ReplicaSet>(REPLICA_SETS, namespace, name);
    const ours = there.metadata.ownerReferences?.some((item) => item.uid === deployment.metadata.uid);
    if (ours && templateText(there) === templateText(deployment)) return there;
    await this.#context.client.patch(
      DEPLOYMENTS,
      { namespace, name: deployment.metadata.name ?? '' },
      'merge',
      { status: { collisionCount: (deployment.status?.collisionCount ?? 0) + 1 } },
      { subresource: 'status' },
    );
    return undefined;
  }

  /** A set that is current again gets the newest revision. */
  async #stamp(deployment: Deployment, set: ReplicaSet, others: readonly ReplicaSet[]): Promise<ReplicaSet> {
    const revision = String(
      Math.max(lastRevision(others) + 1, Number(set.metadata.annotations?.[REVISION] ?? 0)),
    );
    const old = set.metadata.annotations?.[REVISION];
    const wantedAnnotations: Record<string, string> = {
      ...ownAnnotations(deployment),
      [REVISION]: revision,
      ...scaleAnnotations(deployment),
    };
    if (old !== undefined && old !== revision) {
      const history = [set.metadata.annotations?.[REVISION_HISTORY], old].filter(
        (item) => item !== undefined,
      );
      wantedAnnotations[REVISION_HISTORY] = history.join(',');
    }
    const seconds = deployment.spec.minReadySeconds ?? 0;
    const differs =
      Object.entries(wantedAnnotations).some(([key, value]) => set.metadata.annotations?.[key] !== value) ||
      (set.spec.minReadySeconds ?? 0) !== seconds;
    await this.#annotate(deployment, revision);
    if (!differs) return set;
    const { namespace = '', name = '' } = set.metadata;
    return this.#context.client.patch<ReplicaSet>(REPLICA_SETS, { namespace, name }, 'merge', {
      metadata: { annotations: wantedAnnotations },
      spec: { minReadySeconds: seconds },
    });
  }

  async #annotate(deployment: Deployment, revision: string | undefined): Promise<void> {
    if (revision === undefined || deployment.metadata.annotations?.[REVISION] === revision) return;
    const { namespace = '', name = '' } = deployment.metadata;
    await this.#context.client.patch(DEPLOYMENTS, { namespace, name }, 'merge', {
      metadata: { annotations: { [REVISION]: revision } },
    });
  }

  async #roll(deployment: Deployment, current: ReplicaSet, others: readonly ReplicaSet[]): Promise<void> {
    const active = others.filter((set) => wanted(set) > 0);
    if (isScaling(deployment, [current, ...active])) {
      await this.#scaleAll(deployment, proportionalStep(deployment, [current, ...active], desiredBefore));
      return;
    }
    if (deployment.spec.strategy?.type !== 'Recreate') {
      await this.#scaleAll(deployment, rollingStep(deployment, current, active));
      return;
    }
    if (active.length > 0)
      await this.#scaleAll(
        deployment,
        active.map((set) => ({ set, replicas: 0 })),
      );
    else if (this.#oldPods(others).length === 0 && wanted(current) !== (deployment.spec.replicas ?? 1))
      await this.#scaleAll(deployment, [{ set: current, replicas: deployment.spec.replicas ?? 1 }]);
  }

  #oldPods(others: readonly ReplicaSet[]): Pod[] {
    const uids = new Set(others.map((set) => set.metadata.uid));
    return this.#pods
      .list()
      .filter(
        (pod) =>
          pod.metadata.ownerReferences?.some((item) => item.controller && uids.has(item.uid)) &&
          (isActive(pod) || pod.metadata.deletionTimestamp !== undefined),
      );
  }

  async #scaleAll(deployment: Deployment, scales: readonly Scale[]): Promise<void> {
    for (const { set, replicas } of scales) {
      const { namespace = '', name = '' } = set.metadata;
      const before = wanted(set);
      await this.#context.client.patch(REPLICA_SETS, { namespace, name }, 'merge', {
        metadata: { annotations: scaleAnnotations(deployment) },
        spec: { replicas },
      });
      this.#tellScale(deployment, set, before, replicas);
    }
  }

  #tellScale(deployment: Deployment, set: ReplicaSet, before: number, after: number): void {
    const direction = after > before ? 'up' : 'down';
    const message = `Scaled ${direction} replica set ${set.metadata.name} from ${before} to ${after}`;
    this.#events.record(deployment, { type: 'Normal', reason: 'ScalingReplicaSet', message });
  }

  /** Old sets are kept for rollbacks, the newest of them, and only so many. */
  async #cleanUp(deployment: Deployment, current: ReplicaSet, others: readonly ReplicaSet[]): Promise<void> {
    if (!isComplete(deployment, current)) return;
    const idle = others.filter(
      (set) =>
        wanted(set) === 0 &&
        (set.status?.replicas ?? 0) === 0 &&
        set.metadata.deletionTimestamp === undefined,
    );
    const extra = idle.length - (deployment.spec.revisionHistoryLimit ?? 10);
    for (const set of idle
      .toSorted((a, b) => revisionOf(a) - revisionOf(b) || byCreation(a, b))
      .slice(0, Math.max(0, extra))) {
      const { namespace = '', name = '' } = set.metadata;
      await unlessGone(this.#context.client.delete(REPLICA_SETS, namespace, name));
    }
  }

  async #writeStatus(
    deployment: Deployment,
    current: ReplicaSet | undefined,
    sets: readonly ReplicaSet[],
  ): Promise<Outcome> {
    const { now, client } = this.#context;
    const status = deploymentStatus(deployment, current, sets, now());
    const { namespace = '', name = '' } = deployment.metadata;
    if (stableText(status) !== stableText(deployment.status ?? {}))
      await unlessGone(
        client.patch(DEPLOYMENTS, { namespace, name }, 'merge', { status }, { subresource: 'status' }),
      );
    const progressing = status.conditions?.find((item) => item.type === 'Progressing');
    const seconds = deployment.spec.progressDeadlineSeconds;
    if (seconds === undefined || progressing === undefined || deployment.spec.paused) return DONE;
    if (progressing.reason === 'NewReplicaSetAvailable' || progressing.status === 'False') return DONE;
    const since = Date.parse((progressing as { lastUpdateTime?: string }).lastUpdateTime ?? '');
    return { result: 'requeueAfter', ms: Math.max(1000, since + seconds * 1000 - now()) };
  }
}

function templateText(object: { spec: { template: Deployment['spec']['template'] } }): string {
  const { metadata, spec } = object.spec.template;
  const { [TEMPLATE_HASH]: _, ...labels } = metadata?.labels ?? {};
  return stableText({ metadata: { labels, annotations: metadata?.annotations ?? {} }, spec });
}

function lastRevision(sets: readonly ReplicaSet[]): number {
  return Math.max(0, ...sets.map(revisionOf));
}

function revisionOf(set: ReplicaSet): number {
  return Number(set.metadata.annotations?.[REVISION] ?? 0);
}

function desiredBefore(set: ReplicaSet): number | undefined {
  const text = set.metadata.annotations?.[DESIRED];
  return text === undefined ? undefined : Number(text);
}

function isScaling(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some((set) => {
    const before = desiredBefore(set);
    return wanted(set) > 0 && before !== undefined && before !== (deployment.spec.replicas ?? 1);
  });
}

function scaleAnnotations(deployment: Deployment): Record<string, string> {
  const replicas = deployment.spec.replicas ?? 1;
  return { [DESIRED]: String(replicas), [MAX]: String(replicas + rolloutLimits(deployment).surge) };
}

/** What people write on a deployment goes along with its sets; `kubectl rollout history` reads it there. */
function ownAnnotations(deployment: Deployment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(deployment.metadata.annotations ?? {}).filter(
      ([key]) =>
        !key.startsWith('deployment.kubernetes.io/') &&
        key !== 'kubectl.kubernetes.io/last-applied-configuration',
    ),
  );
}
