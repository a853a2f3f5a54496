import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  Controller,
  DONE,
  type EventRecorder,
  type Informer,
  isApiError,
  type KubeObject,
  type LabelSelector,
  matchesSelector,
  type Outcome,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  type Pod,
  PODS,
  quantityNumber,
  type Request,
  STORAGE_CLASSES,
  unlessGone,
} from '../../kube/index.ts';
import type { Runnable, WorkloadContext } from '../context.ts';
import { deleteIfThere, writeStatus } from '../status-writer.ts';

interface Claim extends KubeObject {
  spec: {
    accessModes?: string[];
    resources?: { requests?: Record<string, string> };
    storageClassName?: string;
    volumeName?: string;
    volumeMode?: string;
    selector?: LabelSelector;
  };
  status?: { phase?: string };
}

interface Volume extends KubeObject {
  spec: {
    capacity?: Record<string, string>;
    accessModes?: string[];
    storageClassName?: string;
    persistentVolumeReclaimPolicy?: string;
    claimRef?: { namespace?: string; name?: string; uid?: string };
    hostPath?: { path: string };
    volumeMode?: string;
  };
  status?: { phase?: string };
}

export interface VolumeBinderOptions {
  /** Directories for volumes that are made on demand. */
  dir: string;
  removeFiles: (path: string) => Promise<void>;
}

const PROVISIONER = 'dispatch.dev/directory';
const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by';
const PROTECTION = 'kubernetes.io/pvc-protection';

/** Binds claims to volumes, and makes a directory for each claim that no volume is there for. */
export class VolumeBinder implements Runnable {
  readonly #context: WorkloadContext;
  readonly #options: VolumeBinderOptions;
  readonly #claims: Informer<Claim>;
  readonly #volumes: Informer<Volume>;
  readonly #classes: Informer;
  readonly #pods: Informer<Pod>;
  readonly #events: EventRecorder;
  readonly #claimQueue: Controller;
  readonly #volumeQueue: Controller;

  constructor(context: WorkloadContext, options: VolumeBinderOptions) {
    this.#context = context;
    this.#options = options;
    const { informers, log } = context;
    this.#claims = informers.for<Claim>(PERSISTENT_VOLUME_CLAIMS);
    this.#volumes = informers.for<Volume>(PERSISTENT_VOLUMES);
    this.#classes = informers.for(STORAGE_CLASSES);
    this.#pods = informers.for<Pod>(PODS);
    this.#events = context.events('persistentvolume-controller');
    this.#claimQueue = new Controller({
      name: 'persistentvolumeclaim',
      log,
      concurrency: 1,
      reconcile: (request) => this.#bind(request),
    }).for(this.#claims);
    this.#claimQueue.watches(this.#volumes, () => this.#unbound());
    this.#claimQueue.watches(this.#classes, () => this.#unbound());
    this.#claimQueue.watches(this.#pods, (pod) =>
      (pod.spec.volumes ?? []).flatMap(({ persistentVolumeClaim: claim }) =>
        claim === undefined ? [] : [{ namespace: pod.metadata.namespace ?? '', name: claim.claimName }],
      ),
    );
    this.#volumeQueue = new Controller({
      name: 'persistentvolume',
      log,
      reconcile: (request) => this.#reclaim(request),
    }).for(this.#volumes);
    this.#volumeQueue.watches(this.#claims, (claim) =>
      claim.spec.volumeName === undefined ? [] : [{ namespace: '', name: claim.spec.volumeName }],
    );
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#claimQueue.run(signal), this.#volumeQueue.run(signal)]);
  }

  #unbound(): Request[] {
    return this.#claims
      .list()
      .filter((claim) => claim.status?.phase !== 'Bound')
      .map((claim) => ({ namespace: claim.metadata.namespace ?? '', name: claim.metadata.name ?? '' }));
  }

  async #bind(request: Request): Promise<Outcome> {
    const claim = this.#claims.get(request.namespace, request.name);
    if (claim === undefined) return DONE;
    if (claim.metadata.deletionTimestamp !== undefined) return this.#letGo(claim);
    if (!(claim.metadata.finalizers ?? []).includes(PROTECTION))
      await this.#patchClaim(claim, {
        metadata: { finalizers: [...(claim.metadata.finalizers ?? []), PROTECTION] },
      });
    const bound =
      claim.spec.volumeName === undefined ? undefined : this.#volumes.get('', claim.spec.volumeName);
    if (claim.spec.volumeName !== undefined) {
      if (bound === undefined) await this.#status(claim, { phase: 'Lost' });
      else await this.#complete(claim, bound);
      return DONE;
    }
    const volume = this.#match(claim) ?? (await this.#provision(claim));
    if (volume === undefined) {
      await this.#status(claim, { phase: 'Pending' });
      return DONE;
    }
    await this.#complete(claim, volume);
    return DONE;
  }

  /** The smallest volume that is free and large enough. */
  #match(claim: Claim): Volume | undefined {
    const wanted = quantityNumber(claim.spec.resources?.requests?.['storage'] ?? '0');
    const fits = this.#volumes.list().filter((volume) => {
      const { claimRef, capacity, accessModes = [], storageClassName = '' } = volume.spec;
      if (volume.metadata.deletionTimestamp !== undefined) return false;
      if (claimRef !== undefined) {
        const ours = claimRef.namespace === claim.metadata.namespace && claimRef.name === claim.metadata.name;
        return ours && (claimRef.uid === undefined || claimRef.uid === claim.metadata.uid);
      }
      return (
        storageClassName === (claim.spec.storageClassName ?? '') &&
        quantityNumber(capacity?.['storage'] ?? '0') >= wanted &&
        (claim.spec.accessModes ?? []).every((mode) => accessModes.includes(mode)) &&
        (claim.spec.selector === undefined || matchesSelector(claim.spec.selector, volume.metadata.labels))
      );
    });
    return fits.sort((a, b) => sizeOf(a) - sizeOf(b))[0];
  }

  async #provision(claim: Claim): Promise<Volume | undefined> {
    const storageClass = this.#classes.get('', claim.spec.storageClassName ?? '');
    if (storageClass === undefined || storageClass['provisioner'] !== PROVISIONER) {
      const message =
        claim.spec.storageClassName === undefined || claim.spec.storageClassName === ''
          ? 'no persistent volumes available for this claim and no storage class is set'
          : `storageclass.storage.k8s.io "${claim.spec.storageClassName}" not found`;
      this.#events.record(claim, { type: 'Normal', reason: 'FailedBinding', message });
      return undefined;
    }
    // The name is the claim's own, so that a second try after a crash finds the first one's volume.
    const name = `pvc-${claim.metadata.uid ?? randomUUID()}`;
    const { namespace = '', name: claimName = '', uid } = claim.metadata;
    const volume: Volume = {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name, annotations: { [PROVISIONED_BY]: PROVISIONER } },
      spec: {
        capacity: { storage: claim.spec.resources?.requests?.['storage'] ?? '1Gi' },
        accessModes: claim.spec.accessModes ?? ['ReadWriteOnce'],
        persistentVolumeReclaimPolicy: String(storageClass['reclaimPolicy'] ?? 'Delete'),
        storageClassName: storageClass.metadata.name ?? '',
        volumeMode: claim.spec.volumeMode ?? 'Filesystem',
        claimRef: {
          ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
          namespace,
          name: claimName,
          ...(uid && { uid }),
        },
        hostPath: { path: join(this.#options.dir, name) },
      },
    };
    try {
      const created = await this.#context.client.create<Volume>(PERSISTENT_VOLUMES, volume);
      this.#events.record(claim, {
        type: 'Normal',
        reason: 'ProvisioningSucceeded',
        message: `Successfully provisioned volume ${name}`,
      });
      return created;
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists')) throw error;
      return this.#context.client.get<Volume>(PERSISTENT_VOLUMES, '', name);
    }
  }

  async #complete(claim: Claim, volume: Volume): Promise<void> {
    const { namespace = '', name = '', uid = '' } = claim.metadata;
    if (volume.spec.claimRef?.uid !== uid)
      await this.#context.client.patch(PERSISTENT_VOLUMES, { name: volume.metadata.name ?? '' }, 'merge', {
        spec: { claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid } },
      });
    await writeStatus(this.#context.client, PERSISTENT_VOLUMES, volume, { phase: 'Bound' });
    if (claim.spec.volumeName === undefined)
      await this.#patchClaim(claim, { spec: { volumeName: volume.metadata.name } });
    await this.#status(claim, {
      phase: 'Bound',
      accessModes: volume.spec.accessModes ?? [],
      capacity: volume.spec.capacity ?? {},
    });
  }

  /** A claim that pods still use stays until they are gone. */
  async #letGo(claim: Claim): Promise<Outcome> {
    const used = this.#pods
      .list()
      .some(
        (pod) =>
          pod.metadata.namespace === claim.metadata.namespace &&
          pod.status?.phase !== 'Succeeded' &&
          pod.status?.phase !== 'Failed' &&
          (pod.spec.volumes ?? []).some(
            (volume) => volume.persistentVolumeClaim?.claimName === claim.metadata.name,
          ),
      );
    if (used || !(claim.metadata.finalizers ?? []).includes(PROTECTION)) return DONE;
    await this.#patchClaim(claim, {
      metadata: { finalizers: (claim.metadata.finalizers ?? []).filter((item) => item !== PROTECTION) },
    });
    return DONE;
  }

  /** What becomes of a volume whose claim is gone. */
  async #reclaim(request: Request): Promise<Outcome> {
    const volume = this.#volumes.get('', request.name);
    if (volume === undefined) return DONE;
    const { claimRef, persistentVolumeReclaimPolicy: policy } = volume.spec;
    if (claimRef?.uid === undefined) {
      await writeStatus(this.#context.client, PERSISTENT_VOLUMES, volume, { phase: 'Available' });
      return DONE;
    }
    const claim = this.#claims.get(claimRef.namespace ?? '', claimRef.name ?? '');
    if (claim?.metadata.uid === claimRef.uid) return DONE;
    // The cache of claims may be behind the one of volumes.
    const live = await unlessGone(
      this.#context.client.get<Claim>(
        PERSISTENT_VOLUME_CLAIMS,
        claimRef.namespace ?? '',
        claimRef.name ?? '',
      ),
    );
    if (live?.metadata.uid === claimRef.uid) return DONE;
    await writeStatus(this.#context.client, PERSISTENT_VOLUMES, volume, { phase: 'Released' });
    if (policy !== 'Delete' || volume.metadata.annotations?.[PROVISIONED_BY] !== PROVISIONER) return DONE;
    const path = volume.spec.hostPath?.path ?? '';
    if (path === join(this.#options.dir, volume.metadata.name ?? '')) {
      await this.#options.removeFiles(path);
      await rm(path, { recursive: true, force: true });
    }
    await deleteIfThere(this.#context.client, PERSISTENT_VOLUMES, volume);
    return DONE;
  }

  async #patchClaim(claim: Claim, patch: object): Promise<void> {
    const { namespace = '', name = '' } = claim.metadata;
    await unlessGone(
      this.#context.client.patch(PERSISTENT_VOLUME_CLAIMS, { namespace, name }, 'merge', patch),
    );
  }

  #status(claim: Claim, status: object): Promise<void> {
    return writeStatus(this.#context.client, PERSISTENT_VOLUME_CLAIMS, claim, status);
  }
}

function sizeOf(volume: Volume): number {
  return quantityNumber(volume.spec.capacity?.['storage'] ?? '0');
}

/** The class that claims get when they name none. */
export const DEFAULT_CLASS: KubeObject = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: {
    name: 'standard',
    annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
  },
  provisioner: PROVISIONER,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'Immediate',
};
