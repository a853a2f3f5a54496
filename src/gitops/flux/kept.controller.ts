import { createHash } from 'node:crypto';
import {
  conditionOf,
  CONFIG_MAPS,
  Controller,
  DONE,
  hasFinalizer,
  type Informer,
  isApiError,
  type KubeObject,
  type Outcome,
  type Request,
  type ResourceRef,
  SECRETS,
  unlessGone,
  durationMs,
  withFinalizer,
  withoutFinalizer,
} from '../../kube/index.ts';
import { RenderError } from '../../render/index.ts';
import { GitError, SourceProblem } from '../../scm/index.ts';
import { removeObjects } from '../applications/deletion.ts';
import { missingFinalizers, runDeletionHooks } from '../applications/deletion-hooks.ts';
import { type Cluster, ClusterDown } from '../clusters/cluster.ts';
import type { Clusters } from '../clusters/clusters.ts';
import type { GitopsContext } from '../context.ts';
import { type Compared, compareAll } from '../engine/comparison.ts';
import { type Desired, prepare } from '../engine/desired.ts';
import { ownerOf } from '../engine/owner.ts';
import { advance, SYNC_DEFAULTS, type SyncStep } from '../engine/sync.ts';
import { hookTasks, type SyncTask } from '../engine/sync-tasks.ts';
import { APP_PROJECTS, type AppProject, DELETION_FINALIZERS, type DeletionPhase } from '../resources.ts';
import {
  type DesiredParts,
  type KeptManifests,
  type KeptRelease,
  kustomizationManifests,
  releaseManifests,
} from './desired.ts';
import { driftRules, driftWarning, leavesDrift } from './drift.ts';
import { SourceNotReady } from './not-ready.ts';
import { manifestsOf } from './helm-storage.ts';
import { isLate, keptHealth } from './kept-health.ts';
import { KeptClusters } from './kept-clusters.ts';
import { ownerIdOf, ownershipOf, refusalFor } from './kept-owner.ts';
import { goodNews, type Report, statusOf } from './kept-report.ts';
import { storageKey, storageOf } from './release.ts';
import { BUCKETS, GIT_REPOSITORIES, type Kept, OCI_REPOSITORIES, type SourceObject } from './resources.ts';

const FINALIZER = 'finalizers.fluxcd.io';
const INTERVAL_MS = 600_000;
const RETRY_MS = 10_000;
const WAIT_MS = 1_000;
const FILE_SOURCES = {
  GitRepository: GIT_REPOSITORIES,
  OCIRepository: OCI_REPOSITORIES,
  Bucket: BUCKETS,
};
const BY_SOURCE = 'source';
const BY_VALUES = 'values';

/** Keeps what Kustomizations, or HelmReleases, say. Both are the same work on manifests that come from different places. */
export class KeptController {
  readonly #context: GitopsContext;
  readonly #resource: ResourceRef;
  readonly #clusters: KeptClusters;
  readonly #parts: DesiredParts;
  readonly #objects: Informer<Kept>;
  readonly #projects: Informer<AppProject>;
  readonly #controller: Controller;
  readonly #prepared = new Map<string, { key: string; items: Promise<Desired[]> }>();

  constructor(
    context: GitopsContext,
    resource: ResourceRef,
    { clusters, parts }: { clusters: Clusters; parts: DesiredParts },
  ) {
    this.#context = context;
    this.#resource = resource;
    this.#clusters = new KeptClusters(context.client, clusters);
    this.#parts = parts;
    this.#objects = context.informers
      .for<Kept>(resource)
      .addIndex(BY_SOURCE, ({ metadata, spec }) => {
        const reference = spec.sourceRef ?? spec.chart?.spec.sourceRef ?? spec.chartRef;
        return reference === undefined ? [] : [`${reference.kind}/${metadata.namespace}/${reference.name}`];
      })
      .addIndex(BY_VALUES, (kept) =>
        valuesNamedBy(kept).map(({ kind, name }) => `${kind}/${kept.metadata.namespace}/${name}`),
      );
    this.#projects = context.informers.for<AppProject>(APP_PROJECTS);
    this.#controller = new Controller({
      name: resource.plural,
      log: context.log,
      concurrency: 16,
      reconcile: (request) => this.#reconcile(request),
    }).forSpecOf(this.#objects);
    for (const [kind, sources] of Object.entries(FILE_SOURCES))
      this.#controller.watches(context.informers.for<SourceObject>(sources), ({ metadata }) =>
        this.#objects.byIndex(BY_SOURCE, `${kind}/${metadata.namespace}/${metadata.name}`).map(requestOf),
      );
    for (const [kind, values] of [['Secret', SECRETS] as const, ['ConfigMap', CONFIG_MAPS] as const])
      this.#controller.watches(context.informers.for(values), (object) => {
        const { namespace, name } = object.metadata;
        const named = this.#objects.byIndex(BY_VALUES, `${kind}/${namespace}/${name}`);
        return (clusters.rules.isSource(object) ? this.#objects.list() : named).map(requestOf);
      });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  observed(object: KubeObject): void {
    const found = new RegExp(`^${this.#resource.group}/([^_]+)_(.+)$`).exec(ownerOf(object) ?? '');
    if (found !== null) this.#controller.queue.add(`${found[1]}/${found[2]}`);
  }

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    if (this.#objects.get(namespace, name) === undefined) {
      this.#prepared.delete(`${namespace}/${name}`);
      return DONE;
    }
    const kept = await unlessGone(this.#context.client.get<Kept>(this.#resource, namespace, name));
    if (kept === undefined) return DONE;
    if (kept.metadata.deletionTimestamp !== undefined) return this.#remove(kept);
    if (kept.spec.suspend) return DONE;
    if (!hasFinalizer(kept, FINALIZER)) {
      await this.#patch(kept, { metadata: { finalizers: withFinalizer(kept, FINALIZER) } });
      return DONE;
    }
    const intervalMs = durationMs(kept.spec.interval ?? '') ?? INTERVAL_MS;
    try {
      const cluster = await this.#clusters.of(kept);
      const key = `${this.#resource.plural}/${namespace}/${name}`;
      if (!cluster.enter(key, () => this.#controller.queue.add(`${namespace}/${name}`))) return DONE;
      try {
        return await this.#pass(kept, cluster, intervalMs);
      } finally {
        cluster.leave();
      }
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === undefined) throw error;
      await this.#report(kept, { status: 'False', reason, message: (error as Error).message });
      return { result: 'requeueAfter', ms: Math.min(intervalMs, retryMs(kept)) };
    }
  }

  async #pass(kept: Kept, cluster: Cluster, intervalMs: number): Promise<Outcome> {
    const blocked = this.#unready(kept);
    if (blocked !== undefined) {
      await this.#report(kept, { status: 'False', reason: 'DependencyNotReady', message: blocked });
      return { result: 'requeueAfter', ms: WAIT_MS };
    }
    const isRelease = kept.kind === 'HelmRelease';
    const manifests = await (isRelease ? releaseManifests : kustomizationManifests)(
      this.#parts,
      kept,
      cluster,
    );
    const pauseMs =
      manifests.release && (await this.#remedy(kept, manifests.release, { cluster, intervalMs }));
    if (pauseMs !== undefined) return { result: 'requeueAfter', ms: pauseMs };
    const items = await this.#prepare(kept, manifests, cluster);
    if (isRelease) {
      const refusal = refusalFor(kept, this.#projects, cluster)(storageKey(kept));
      if (refusal !== undefined) throw new SourceNotReady(refusal);
      const finalizers = missingFinalizers(kept, items);
      if (finalizers !== undefined) {
        await this.#patch(kept, { metadata: { finalizers, resourceVersion: kept.metadata.resourceVersion } });
        return DONE;
      }
    }
    for (const { id, v } of kept.status?.inventory?.entries ?? []) await watchKind(cluster, id, v);
    const owned = { owner: ownerIdOf(this.#resource, kept), cluster, rules: driftRules(kept) };
    const lasting = items.filter(({ hooks }) => hooks.length === 0);
    const compared = await compareAll(lasting, owned);
    const step = await this.#sync(kept, { items, compared, cluster, manifests });
    const entries = lasting.map(({ key }) => ({
      id: `${key.namespace}_${key.name}_${key.group}_${key.kind}`,
      v: key.version,
    }));
    const done = { revision: manifests.revision, entries };
    if (step?.phase === 'Failed')
      return this.#failed(kept, manifests, {
        reason: 'ReconciliationFailed',
        message: step.message,
        ...done,
      });
    if (step?.phase === 'Running') return this.#waits(kept, manifests, { message: step.message, ...done });
    const health = keptHealth(kept, {
      compared: step === undefined ? compared : await compareAll(lasting, owned),
      all: kept.spec.wait === true || (isRelease && manifests.release?.attempt.action.disableWait !== true),
    });
    if (health !== undefined)
      return this.#waits(kept, manifests, {
        message: health.message,
        ...(health.code === 'Degraded' && { status: 'False' as const, reason: 'HealthCheckFailed' }),
        isApplied: true,
        ...done,
      });
    const tested = await this.#test(kept, manifests, cluster);
    if (tested?.phase === 'Running')
      return this.#waits(kept, manifests, { message: tested.message, isApplied: true, ...done });
    if (tested?.phase === 'Failed' && kept.spec.test?.ignoreFailures !== true)
      return this.#failed(kept, manifests, {
        reason: 'TestFailed',
        message: `Helm test failed: ${tested.message}`,
        isApplied: true,
        ...done,
      });
    const release = await manifests.release?.succeeded();
    const news = goodNews(kept, manifests, release);
    const message = `${news.message}${driftWarning(kept, compared)}`;
    await this.#report(kept, { ...news, message, isApplied: true, release, ...done });
    return { result: 'requeueAfter', ms: intervalMs };
  }

  /** What is not there yet has its time. */
  async #waits(
    kept: Kept,
    manifests: KeptManifests,
    report: Partial<Report> & { message: string },
  ): Promise<Outcome> {
    if (isLate(kept, manifests.revision, this.#context.now())) {
      const message = `timeout waiting for: ${report.message}`;
      return this.#failed(kept, manifests, { ...report, reason: 'HealthCheckFailed', message });
    }
    await this.#report(kept, { status: 'Unknown', reason: 'Progressing', ...report });
    return { result: 'requeueAfter', ms: WAIT_MS };
  }

  /** After a try that has failed: what it has left goes, and the next one has its time, if there is one. */
  async #remedy(
    kept: Kept,
    { attempt }: KeptRelease,
    { cluster, intervalMs }: { cluster: Cluster; intervalMs: number },
  ): Promise<number | undefined> {
    if (attempt.isToBeRemoved) {
      if ((await this.#removeObjects(kept, cluster)) !== undefined) return WAIT_MS;
      await this.#patch(kept, { status: await attempt.removed() }, 'status');
      return 1;
    }
    if (!attempt.isGivenUp) return attempt.pauseMs(retryMs(kept));
    const message = await attempt.lastWords();
    await this.#report(kept, { status: 'False', reason: 'RetriesExceeded', message });
    return intervalMs;
  }

  /** Whether a new release works, as its chart sees it. */
  async #test(kept: Kept, { release }: KeptManifests, cluster: Cluster): Promise<SyncStep | undefined> {
    if (kept.spec.test?.enable !== true || release?.attempt.isNew !== true) return undefined;
    const { items } = await prepare(await release.tests(), ownershipOf(this.#resource, kept), cluster);
    return this.#advance(kept, { tasks: hookTasks(items), id: `${release.attempt.attempt}/test`, cluster });
  }

  async #failed(
    kept: Kept,
    { release }: KeptManifests,
    report: Omit<Report, 'status' | 'release'>,
  ): Promise<Outcome> {
    const failed = await release?.failed(report.message);
    await this.#report(kept, { ...report, status: 'False', release: failed });
    return { result: 'requeueAfter', ms: retryMs(kept) };
  }

  /** Does what differs, and nothing where nothing does. */
  async #sync(
    kept: Kept,
    {
      items,
      compared,
      cluster,
      manifests: { revision, release },
    }: {
      items: readonly Desired[];
      compared: readonly Compared[];
      cluster: Cluster;
      manifests: KeptManifests;
    },
  ): Promise<SyncStep | undefined> {
    const { spec, metadata } = kept;
    const isRelease = kept.kind === 'HelmRelease';
    const isNew =
      release?.attempt.isNew ??
      (kept.status?.lastAppliedRevision !== revision ||
        kept.status.observedGeneration !== metadata.generation);
    if (release !== undefined && !isNew && !release.attempt.isRolledBack && leavesDrift(kept))
      return undefined;
    const differing = compared.filter(
      ({ sync, requiresPruning }) => sync === 'OutOfSync' && (!requiresPruning || isRelease || spec.prune),
    );
    const tasks: SyncTask[] = [
      ...differing.map(
        (item): SyncTask =>
          item.desired === undefined
            ? { type: 'prune', phase: 'Sync', wave: 0, key: item.key, compared: item }
            : { type: 'apply', phase: 'Sync', wave: 0, key: item.key, desired: item.desired, compared: item },
      ),
      ...(isNew ? hookTasks(items) : []),
    ];
    const id = release?.attempt.attempt ?? `${revision}/${metadata.generation}`;
    return this.#advance(kept, { tasks, id, cluster });
  }

  async #advance(
    kept: Kept,
    { tasks, id, cluster }: { tasks: SyncTask[]; id: string; cluster: Cluster },
  ): Promise<SyncStep | undefined> {
    if (tasks.length === 0) return undefined;
    const { metadata, spec } = kept;
    return advance({
      tasks,
      results: [],
      options: { ...SYNC_DEFAULTS, prune: true, force: spec.force ?? false },
      cluster,
      rules: [],
      id: createHash('sha256')
        .update(`${metadata.namespace ?? ''}/${metadata.name}/${id}`)
        .digest('hex'),
      isConfirmed: true,
      refusal: refusalFor(kept, this.#projects, cluster),
    });
  }

  #prepare(kept: Kept, manifests: KeptManifests, cluster: Cluster): Promise<Desired[]> {
    const place = `${kept.metadata.namespace}/${kept.metadata.name}`;
    const known = this.#prepared.get(place);
    if (known?.key === manifests.key) return known.items;
    const items = manifests
      .render()
      .then((found) => prepare(found, ownershipOf(this.#resource, kept), cluster))
      .then((prepared) => prepared.items);
    this.#prepared.set(place, { key: manifests.key, items });
    items.catch(() => this.#prepared.delete(place));
    return items;
  }

  /** What it waits for, in a sentence. */
  #unready({ spec, metadata }: Kept): string | undefined {
    for (const { name, namespace = metadata.namespace ?? '' } of spec.dependsOn ?? []) {
      const other = this.#objects.get(namespace, name);
      if (other === undefined) return `The dependency '${namespace}/${name}' is not there.`;
      const isReady =
        conditionOf(other.status?.conditions, 'Ready')?.status === 'True' &&
        other.status?.observedGeneration === other.metadata.generation;
      if (!isReady) return `dependency '${namespace}/${name}' is not ready`;
    }
    return undefined;
  }

  async #remove(kept: Kept): Promise<Outcome> {
    if (!hasFinalizer(kept, FINALIZER)) return DONE;
    const isKeeping = kept.spec.prune || kept.kind === 'HelmRelease';
    if (isKeeping && !(await this.#clusters.hasLostAccount(kept))) {
      try {
        const cluster = await this.#clusters.of(kept);
        const waits =
          (await this.#uninstallHooks(kept, 'PreDelete', cluster)) ??
          (await this.#removeObjects(kept, cluster)) ??
          (await this.#uninstallHooks(kept, 'PostDelete', cluster));
        if (waits !== undefined) return waits;
        if (kept.kind === 'HelmRelease') {
          const storage = storageOf(kept, cluster, this.#context.now);
          await (kept.spec.uninstall?.keepHistory ? storage.uninstalled() : storage.clear());
        }
      } catch (error) {
        if (error instanceof ClusterDown) return { result: 'requeueAfter', ms: RETRY_MS };
        if (reasonOf(error) === undefined) throw error;
      }
    }
    const ours = new Set([FINALIZER, ...Object.values(DELETION_FINALIZERS)]);
    const finalizers = (kept.metadata.finalizers ?? []).filter((finalizer) => !ours.has(finalizer));
    await this.#patch(kept, { metadata: { finalizers } });
    return DONE;
  }

  async #removeObjects(kept: Kept, cluster: Cluster): Promise<Outcome | undefined> {
    for (const { id, v } of kept.status?.inventory?.entries ?? []) await watchKind(cluster, id, v);
    const order = { known: [], propagation: 'Background' } as const;
    const left = await removeObjects(cluster, ownerIdOf(this.#resource, kept), order);
    return left > 0 ? { result: 'requeueAfter', ms: WAIT_MS } : undefined;
  }

  /** What a chart runs before its objects go, or after. */
  async #uninstallHooks(kept: Kept, phase: DeletionPhase, cluster: Cluster): Promise<Outcome | undefined> {
    const finalizer = DELETION_FINALIZERS[phase];
    if (!hasFinalizer(kept, finalizer) || kept.spec.uninstall?.disableHooks) return undefined;
    const version = kept.status?.history?.[0]?.version;
    const release = version && (await storageOf(kept, cluster, this.#context.now).get(version));
    if (release) {
      const { items } = await prepare(manifestsOf(release), ownershipOf(this.#resource, kept), cluster);
      const refusal = refusalFor(kept, this.#projects, cluster);
      const { phase: result, message } = await runDeletionHooks(kept, phase, { items, cluster, refusal });
      if (result === 'Failed')
        await this.#report(kept, { status: 'False', reason: 'UninstallFailed', message });
      if (result !== 'Succeeded') return { result: 'requeueAfter', ms: WAIT_MS };
    }
    await this.#patch(kept, { metadata: { finalizers: withoutFinalizer(kept, finalizer) } });
    return { result: 'requeueAfter', ms: 1 };
  }

  async #report(kept: Kept, report: Report): Promise<void> {
    const status = statusOf(kept, report, this.#context.now());
    if (JSON.stringify({ ...kept.status, ...status }) === JSON.stringify(kept.status)) return;
    await this.#patch(kept, { status }, 'status');
  }

  async #patch({ metadata }: Kept, patch: object, subresource?: string): Promise<void> {
    const { namespace = '', name = '' } = metadata;
    await unlessGone(
      this.#context.client.patch(
        this.#resource,
        { namespace, name },
        'merge',
        patch,
        subresource === undefined ? {} : { subresource },
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#clusters[Symbol.asyncDispose]();
  }
}

function retryMs({ spec }: Kept): number {
  return durationMs(spec.retryInterval ?? '') ?? RETRY_MS;
}

async function watchKind(cluster: Cluster, id: string, version: string): Promise<void> {
  const [, , group = '', kind = ''] = id.split('_');
  const resource = await cluster.resourceOf({ group, version, kind });
  if (resource !== undefined) await cluster.live(resource);
}

/** Secrets and ConfigMaps whose values go into it. */
function valuesNamedBy({ spec }: Kept): { kind: string; name: string }[] {
  const secrets = [spec.decryption?.secretRef, spec.kubeConfig?.secretRef].filter(
    (item) => item !== undefined,
  );
  return [
    ...secrets.map(({ name }) => ({ kind: 'Secret', name })),
    ...(spec.valuesFrom ?? []),
    ...(spec.postBuild?.substituteFrom ?? []),
  ];
}

function requestOf({ metadata }: KubeObject): Request {
  return { namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
}

/** Why it is not ready, for what its owner can mend. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof SourceNotReady || error instanceof SourceProblem || error instanceof GitError)
    return 'ArtifactFailed';
  if (error instanceof RenderError) return 'BuildFailed';
  if (error instanceof ClusterDown) return 'ClusterUnreachable';
  return isApiError(error, 'Forbidden') || (error as Error).name === 'KubeconfigError'
    ? 'ReconciliationFailed'
    : undefined;
}
