import {
  CONTROLLER_REVISIONS,
  Controller,
  DONE,
  type Informer,
  isPodReady,
  type KubeObject,
  type LabelSelector,
  type ObjectMeta,
  type Outcome,
  PERSISTENT_VOLUME_CLAIMS,
  type Pod,
  PODS,
  type PodTemplate,
  type Request,
  STATEFUL_SETS,
  unlessThere,
} from '../../kube/index.ts';
import type { Runnable, WorkloadContext } from '../context.ts';
import { isAvailable, PodControl } from '../pod-control.ts';
import { type Revision, RevisionHistory, type Revisions } from '../revisions.ts';
import { deleteIfThere, writeStatus } from '../status-writer.ts';

interface StatefulSet extends KubeObject {
  spec: {
    replicas?: number;
    selector: LabelSelector;
    template: PodTemplate;
    serviceName?: string;
    podManagementPolicy?: 'OrderedReady' | 'Parallel';
    updateStrategy?: { type?: 'RollingUpdate' | 'OnDelete'; rollingUpdate?: { partition?: number } };
    volumeClaimTemplates?: { metadata: ObjectMeta; spec: object }[];
    minReadySeconds?: number;
    revisionHistoryLimit?: number;
    ordinals?: { start?: number };
    persistentVolumeClaimRetentionPolicy?: { whenDeleted?: string; whenScaled?: string };
  };
  status?: { currentRevision?: string; updateRevision?: string; collisionCount?: number };
}

const REVISION_LABEL = 'controller-revision-hash';
const NAME_LABEL = 'statefulset.kubernetes.io/pod-name';
const INDEX_LABEL = 'apps.kubernetes.io/pod-index';

/** Pods with names and volumes that stay theirs, started and replaced one after another. */
export class StatefulSetController implements Runnable {
  readonly #context: WorkloadContext;
  readonly #sets: Informer<StatefulSet>;
  readonly #claims: Informer;
  readonly #pods: PodControl;
  readonly #history: RevisionHistory;
  readonly #controller: Controller;

  constructor(context: WorkloadContext) {
    this.#context = context;
    const { informers, client, log, now } = context;
    this.#sets = informers.for<StatefulSet>(STATEFUL_SETS);
    this.#claims = informers.for(PERSISTENT_VOLUME_CLAIMS);
    const pods = informers.for<Pod>(PODS);
    this.#history = new RevisionHistory(client, informers.for<Revision>(CONTROLLER_REVISIONS));
    this.#pods = new PodControl({ client, pods, events: context.events('statefulset-controller'), now });
    this.#controller = new Controller({
      name: 'statefulset',
      log,
      reconcile: (request) => this.#reconcile(request),
    })
      .for(this.#sets)
      .owns(pods, { apiVersion: 'apps/v1', kind: 'StatefulSet' });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(request: Request): Promise<Outcome> {
    const set = this.#sets.get(request.namespace, request.name);
    if (set === undefined || set.metadata.deletionTimestamp !== undefined) return DONE;
    const isCurrent = this.#pods.isCurrent(set);
    const pods = await this.#pods.claim(set, set.spec.selector);
    const revisions = await this.#history.of(set, set.spec.template, set.status?.currentRevision);
    const mine = pods.filter((pod) => ordinalOf(set, pod) !== undefined);
    if (isCurrent) await this.#manage(set, mine, revisions);
    await this.#report(set, mine, revisions);
    const inUse = new Set([revisions.current.metadata.name ?? '', revisions.update.metadata.name ?? '']);
    await this.#history.truncate(set, inUse, set.spec.revisionHistoryLimit ?? 10);
    return DONE;
  }

  async #manage(set: StatefulSet, pods: readonly Pod[], revisions: Revisions): Promise<void> {
    const first = set.spec.ordinals?.start ?? 0;
    const end = first + (set.spec.replicas ?? 1);
    const parallel = set.spec.podManagementPolicy === 'Parallel';
    const byOrdinal = new Map(pods.map((pod) => [ordinalOf(set, pod)!, pod]));
    for (let ordinal = first; ordinal < end; ordinal += 1) {
      const pod = byOrdinal.get(ordinal);
      if (pod === undefined) {
        await this.#create(set, ordinal, this.#revisionFor(set, ordinal, revisions));
        if (!parallel) return;
        continue;
      }
      // One that has ended for good makes room for itself.
      if (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') {
        if (pod.metadata.deletionTimestamp === undefined) await this.#pods.delete(set, pod);
        if (!parallel) return;
        continue;
      }
      if (!parallel && !this.#isHealthy(set, pod)) return;
    }
    const extra = pods
      .filter((pod) => !isWithin(ordinalOf(set, pod)!, first, end))
      .sort((a, b) => ordinalOf(set, b)! - ordinalOf(set, a)!);
    for (const pod of extra) {
      if (pod.metadata.deletionTimestamp === undefined) await this.#pods.delete(set, pod);
      if (!parallel) return;
    }
    if (extra.length === 0) await this.#removeClaims(set, first, end);
    await this.#update(set, byOrdinal, { first, end, revisions });
  }

  /** From the last to the first, each when the one before is well again. */
  async #update(
    set: StatefulSet,
    byOrdinal: ReadonlyMap<number, Pod>,
    { first, end, revisions }: { first: number; end: number; revisions: Revisions },
  ): Promise<void> {
    if (set.spec.updateStrategy?.type === 'OnDelete') return;
    const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
    for (let ordinal = end - 1; ordinal >= Math.max(first, partition); ordinal -= 1) {
      const pod = byOrdinal.get(ordinal);
      if (pod === undefined) return;
      if (pod.metadata.deletionTimestamp !== undefined) return;
      if (pod.metadata.labels?.[REVISION_LABEL] !== revisions.update.metadata.name) {
        await this.#pods.delete(set, pod);
        return;
      }
      if (!this.#isHealthy(set, pod)) return;
    }
  }

  #revisionFor(set: StatefulSet, ordinal: number, { current, update }: Revisions): Revision {
    const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
    return ordinal < partition ? current : update;
  }

  #isHealthy(set: StatefulSet, pod: Pod): boolean {
    return (
      pod.metadata.deletionTimestamp === undefined &&
      isAvailable(pod, set.spec.minReadySeconds ?? 0, this.#context.now())
    );
  }

  async #create(set: StatefulSet, ordinal: number, revision: Revision): Promise<void> {
    const name = `${set.metadata.name}-${ordinal}`;
    const claims = await this.#ensureClaims(set, ordinal);
    const { template } = (revision.data as { spec: { template: PodTemplate } }).spec;
    await this.#pods.create(set, template, {
      name,
      edit: (pod) => {
        pod.metadata.labels = {
          ...pod.metadata.labels,
          [REVISION_LABEL]: revision.metadata.name ?? '',
          [NAME_LABEL]: name,
          [INDEX_LABEL]: String(ordinal),
        };
        pod.spec.hostname = name;
        if (set.spec.serviceName) pod.spec.subdomain = set.spec.serviceName;
        const others = (pod.spec.volumes ?? []).filter((volume) => !claims.has(volume.name));
        const own = [...claims].map(([volume, claimName]) => ({
          name: volume,
          persistentVolumeClaim: { claimName },
        }));
        pod.spec.volumes = [...others, ...own];
      },
    });
  }

  async #ensureClaims(set: StatefulSet, ordinal: number): Promise<Map<string, string>> {
    const claims = new Map<string, string>();
    for (const { metadata, spec } of set.spec.volumeClaimTemplates ?? []) {
      const name = `${metadata.name}-${set.metadata.name}-${ordinal}`;
      claims.set(metadata.name ?? '', name);
      const namespace = set.metadata.namespace ?? '';
      if (this.#claims.get(namespace, name) !== undefined) continue;
      const whenDeleted = set.spec.persistentVolumeClaimRetentionPolicy?.whenDeleted;
      const { uid = '', name: owner = '' } = set.metadata;
      await unlessThere(
        this.#context.client.create(PERSISTENT_VOLUME_CLAIMS, {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          metadata: {
            ...metadata,
            name,
            namespace,
            labels: { ...set.spec.selector.matchLabels, ...metadata.labels },
            ...(whenDeleted === 'Delete' && {
              ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: owner, uid }],
            }),
          },
          spec,
        }),
      );
    }
    return claims;
  }

  async #removeClaims(set: StatefulSet, first: number, end: number): Promise<void> {
    if (set.spec.persistentVolumeClaimRetentionPolicy?.whenScaled !== 'Delete') return;
    const prefixes = (set.spec.volumeClaimTemplates ?? []).map(
      ({ metadata }) => `${metadata.name}-${set.metadata.name}-`,
    );
    for (const claim of this.#claims.list()) {
      if (claim.metadata.namespace !== set.metadata.namespace) continue;
      const prefix = prefixes.find((item) => claim.metadata.name?.startsWith(item));
      const ordinal = prefix === undefined ? Number.NaN : Number(claim.metadata.name!.slice(prefix.length));
      if (Number.isInteger(ordinal) && !isWithin(ordinal, first, end))
        await deleteIfThere(this.#context.client, PERSISTENT_VOLUME_CLAIMS, claim);
    }
  }

  async #report(set: StatefulSet, pods: readonly Pod[], { current, update }: Revisions): Promise<void> {
    const updated = pods.filter((pod) => pod.metadata.labels?.[REVISION_LABEL] === update.metadata.name);
    const replicas = set.spec.replicas ?? 1;
    const ready = pods.filter(isPodReady).length;
    const done = updated.length === replicas && pods.length === replicas && ready === replicas;
    const currentName = done ? update.metadata.name : (set.status?.currentRevision ?? current.metadata.name);
    await writeStatus(this.#context.client, STATEFUL_SETS, set, {
      observedGeneration: set.metadata.generation ?? 0,
      replicas: pods.length,
      readyReplicas: ready,
      availableReplicas: pods.filter((pod) => this.#isHealthy(set, pod)).length,
      updatedReplicas: updated.length,
      currentReplicas: pods.filter((pod) => pod.metadata.labels?.[REVISION_LABEL] === currentName).length,
      currentRevision: currentName,
      updateRevision: update.metadata.name,
      collisionCount: 0,
    });
  }
}

function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${set.metadata.name}-`;
  const rest = pod.metadata.name?.startsWith(prefix) ? pod.metadata.name.slice(prefix.length) : '';
  return /^\d+$/.test(rest) ? Number(rest) : undefined;
}

function isWithin(ordinal: number, first: number, end: number): boolean {
  return ordinal >= first && ordinal < end;
}
