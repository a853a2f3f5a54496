import { DONE, isApiError, type KubeObject, type Outcome, timestamp, unlessGone } from '../../kube/index.ts';
import { type Manifest, RenderError } from '../../render/index.ts';
import { GitError, SourceProblem } from '../../scm/index.ts';
import { type Cluster, ClusterDown } from '../clusters/cluster.ts';
import { type Clusters, UnknownCluster } from '../clusters/clusters.ts';
import type { GitopsContext } from '../context.ts';
import { type Compared, compareAll } from '../engine/comparison.ts';
import { type Desired, prepare } from '../engine/desired.ts';
import { JqError } from '../engine/jq-paths.ts';
import { type ObjectKey, showKey } from '../engine/object-key.ts';
import { applicationMark, applicationOwner } from '../engine/owner.ts';
import {
  APPLICATIONS,
  type Application,
  type ApplicationCondition,
  type ApplicationStatus,
  NOTES,
  type OperationState,
  sourcesOf,
} from '../resources.ts';
import type { ManifestSource } from '../sources/manifests.ts';
import { POLL_MS } from '../sources/repositories.ts';
import { decide } from './automation.ts';
import { claimOf, type Claims } from './claims.ts';
import { missingFinalizers } from './deletion-hooks.ts';
import { advanceOperation, startOperation } from './operation.ts';
import { isWindowOpen, ProjectProblem, type ProjectRules, projectProblems, refusalOf } from './project.ts';
import {
  healthOfAll,
  patchBetween,
  resourceStatuses,
  sameStatus,
  summaryOf,
  syncOf,
  withHistory,
  withTimes,
} from './status.ts';

export interface ReconcileParts {
  context: GitopsContext;
  clusters: Clusters;
  source: ManifestSource;
  claims: Claims;
  /** The rules that hold for an application. */
  projectOf: (app: Application) => ProjectRules;
  /** Asks for another application to be looked at. */
  wake: (owner: string) => void;
  exists: (owner: string) => boolean;
}

/** What Git says about an application. */
export interface Wanted {
  revisions: string[];
  items: Desired[];
  warnings: ApplicationCondition[];
  sourceType: string;
}

export interface Found {
  cluster: Cluster;
  isShared: boolean;
  rules: ProjectRules;
}

/** Something that its owner has to mend: it becomes a condition. */
export class ApplicationProblem extends Error {
  readonly condition: string;

  constructor(condition: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.condition = condition;
  }
}

const DOWN_MS = 5_000;

/** Brings one application forward by one pass. */
export class ApplicationReconciler {
  readonly #parts: ReconcileParts;
  readonly #rendered = new Map<string, { key: string; wanted: Promise<Wanted> }>();
  readonly #healed = new Map<string, { count: number; at: number }>();

  constructor(parts: ReconcileParts) {
    this.#parts = parts;
  }

  forget(owner: string): void {
    this.#rendered.delete(owner);
    this.#rendered.delete(`${owner}@`);
    this.#healed.delete(owner);
    for (const other of this.#parts.claims.set(owner, [])) this.#parts.wake(other);
  }

  async reconcile(app: Application): Promise<Outcome> {
    const { context } = this.#parts;
    try {
      const found = this.find(app);
      const owner = ownerOf(app);
      if (!found.cluster.enter(owner, () => this.#parts.wake(owner))) return DONE;
      try {
        return await this.#pass(app, found);
      } finally {
        found.cluster.leave();
      }
    } catch (error) {
      const problem = problemOf(error);
      if (problem === undefined) throw error;
      await this.#report(app, {
        conditions: withTimes(
          [{ type: problem.condition, message: problem.message }],
          app.status?.conditions,
          context.now(),
        ),
        sync: { ...app.status?.sync, status: 'Unknown' },
        health: {
          status:
            problem.condition === 'InvalidSpecError' || error instanceof ClusterDown
              ? 'Unknown'
              : (app.status?.health?.status ?? 'Unknown'),
        },
      });
      return { result: 'requeueAfter', ms: error instanceof ClusterDown ? DOWN_MS : POLL_MS / 6 };
    }
  }

  /** Something about an application that its owner has to see to. */
  async tell(app: Application, condition: ApplicationCondition): Promise<void> {
    const conditions = withTimes([condition], app.status?.conditions, this.#parts.context.now());
    await this.#report(app, { conditions });
  }

  /** The cluster and the rules of an application. Throws where it may not be what it is. */
  find(app: Application): Found {
    const { clusters, projectOf } = this.#parts;
    const rules = projectOf(app);
    const { cluster, isShared } = clusters.find(app.spec.destination, app.metadata.namespace ?? '');
    const problems = projectProblems(app, rules, { server: cluster.server, name: cluster.name, isShared });
    if (sourcesOf(app).length === 0) problems.push('It names no source: give spec.source or spec.sources.');
    if (problems.length > 0) throw new ApplicationProblem('InvalidSpecError', problems.join(' '));
    return { cluster, isShared, rules };
  }

  async #pass(app: Application, found: Found): Promise<Outcome> {
    const { context, claims, wake } = this.#parts;
    const owner = ownerOf(app);
    const state = app.status?.operationState;
    const pinned = state?.phase === 'Running' ? pinnedRevisions(state) : undefined;
    const current = await this.wanted(app, found);
    const isInterrupted = state?.phase === 'Running' && mayBeInterrupted(app, state, current.revisions);
    const wanted = pinned === undefined || isInterrupted ? current : await this.wanted(app, found, pinned);
    for (const other of claims.set(
      owner,
      wanted.items.map(({ key }) => claimOf(found.cluster, key)),
    ))
      wake(other);
    const finalizers = missingFinalizers(app, wanted.items);
    if (finalizers !== undefined) {
      await this.#patch(app, { metadata: { finalizers, resourceVersion: app.metadata.resourceVersion } });
      return { result: 'requeueAfter', ms: 1 };
    }
    const compared = await this.compare(app, found, wanted);
    const operation = await this.#operation(app, { found, wanted, compared, isInterrupted });
    const after = operation.changed ? await this.compare(app, found, wanted) : compared;
    const conditions = [
      ...wanted.warnings,
      ...this.#shared(owner, found.cluster, after),
      ...operation.conditions,
    ];
    const finished =
      operation.state !== undefined && operation.state !== state && operation.state.phase === 'Succeeded';
    const health = { status: healthOfAll(after) };
    const gateway = context.publicUrl();
    await this.#report(app, {
      sync: {
        status: syncOf(after),
        revision: current.revisions[0] ?? '',
        ...(app.spec.sources && { revisions: current.revisions }),
        comparedTo: {
          destination: app.spec.destination,
          ...(app.spec.source && { source: app.spec.source }),
          ...(app.spec.sources && { sources: app.spec.sources }),
        },
      },
      health: {
        ...health,
        lastTransitionTime:
          app.status?.health?.status === health.status
            ? (app.status.health.lastTransitionTime ?? timestamp(context.now()))
            : timestamp(context.now()),
      },
      resources: resourceStatuses(after),
      summary: summaryOf(after, gateway),
      sourceType: current.sourceType,
      conditions: withTimes(conditions, app.status?.conditions, context.now()),
      history: finished ? withHistory(app, operation.state!, context.now()) : (app.status?.history ?? []),
      ...(operation.state && { operationState: operation.state }),
    });
    return { result: 'requeueAfter', ms: Math.max(10, Math.min(operation.againMs, await this.#pollMs(app))) };
  }

  /** What Git says now, or at revisions that were named. It is rendered again only when something of it has changed. */
  async wanted(
    app: Application,
    { cluster, rules, isShared }: Found,
    revisions?: readonly string[],
  ): Promise<Wanted> {
    const { source } = this.#parts;
    const owner = ownerOf(app);
    const commits = await source.revisions(app, revisions);
    const capabilities = await cluster.capabilities();
    const key = JSON.stringify([
      commits,
      app.spec.source,
      app.spec.sources,
      app.spec.destination,
      cluster.server,
      capabilities.kubeVersion,
      rules.name,
      isShared,
    ]);
    // Of what was named, the last is remembered: a synchronisation asks for the same again and again.
    const place = revisions === undefined ? owner : `${owner}@`;
    const known = this.#rendered.get(place);
    if (known?.key === key) return known.wanted;
    const wanted = this.#render(app, commits, cluster);
    this.#rendered.set(place, { key, wanted });
    wanted.catch(() => this.#rendered.delete(place));
    return wanted;
  }

  async #render(app: Application, commits: readonly string[], cluster: Cluster): Promise<Wanted> {
    const { manifests, revisions, sourceType } = await this.#parts.source.render(app, commits, cluster);
    const { namespace = '', name = '' } = app.metadata;
    const owner = {
      mark: applicationMark(namespace, name),
      namespace: app.spec.destination.namespace ?? namespace,
    };
    const { items, repeated } = await prepare([...manifests, ...namespaceOf(app)], owner, cluster);
    const warnings = repeated.map((message) => ({ type: 'RepeatedResourceWarning', message }));
    return { revisions, items, warnings, sourceType };
  }

  async compare(app: Application, { cluster }: Found, wanted: Wanted): Promise<Compared[]> {
    // What was kept before may have to go: its kinds are watched as well.
    for (const { group, version, kind } of app.status?.resources ?? []) {
      const resource = await cluster.resourceOf({ group, version, kind });
      if (resource !== undefined) await cluster.live(resource);
    }
    return compareAll(
      wanted.items.filter(({ hooks }) => hooks.length === 0),
      { owner: ownerOf(app), cluster, rules: app.spec.ignoreDifferences ?? [] },
    );
  }

  #shared(owner: string, cluster: Cluster, compared: readonly Compared[]): ApplicationCondition[] {
    const { claims, exists } = this.#parts;
    return compared.flatMap(({ key, claimedBy }) => {
      const others = new Set(claims.others(owner, claimOf(cluster, key)));
      if (claimedBy !== undefined && exists(claimedBy)) others.add(claimedBy);
      return [...others].map((other) => ({
        type: 'SharedResourceWarning',
        message: `${showKey(key)} is also wanted by ${other.replace(/^app\//, '').replace('_', '/')}.`,
      }));
    });
  }

  async #operation(
    app: Application,
    {
      found,
      wanted,
      compared,
      isInterrupted,
    }: { found: Found; wanted: Wanted; compared: Compared[]; isInterrupted: boolean },
  ): Promise<{
    state: OperationState | undefined;
    conditions: ApplicationCondition[];
    againMs: number;
    changed: boolean;
  }> {
    const { context } = this.#parts;
    const now = context.now();
    const conditions: ApplicationCondition[] = [];
    let state = app.status?.operationState;
    let againMs = POLL_MS;
    if (isInterrupted)
      state = {
        ...state!,
        phase: 'Failed',
        message: `interrupted by ${wanted.revisions.join(', ').slice(0, 12)}`,
        finishedAt: timestamp(now),
      };
    const isFree = state?.phase !== 'Running';
    if (state?.phase === 'Terminating')
      state = { ...state, phase: 'Failed', message: 'Operation terminated', finishedAt: timestamp(now) };
    const isManual = app.operation !== undefined;
    const open = isWindowOpen(app, found.rules, { now, isManual, cluster: found.cluster.name });
    if (isFree && app.operation !== undefined && open) {
      const pinned = pinnedOf(app.operation);
      const { revisions } = pinned === undefined ? wanted : await this.wanted(app, found, pinned);
      state = startOperation(app, app.operation, { revisions, now });
      await this.#takeOrder(app);
      // It is begun in the pass that has the manifests of its revision.
      if (revisions.join() !== wanted.revisions.join())
        return { state, conditions, againMs: 0, changed: false };
    } else if (isFree) {
      const decision = decide({
        app,
        compared: this.#notShared(compared),
        revisions: wanted.revisions,
        wanted: wanted.items.length,
        isWindowOpen: open,
        healed: this.#healed.get(ownerOf(app)),
        now,
      });
      if (decision.type === 'held') conditions.push({ type: decision.condition, message: decision.message });
      if (decision.type === 'later') againMs = decision.ms;
      if (decision.type === 'sync') {
        state = startOperation(app, decision.operation, { revisions: wanted.revisions, now });
        if (decision.isHealing) this.#countHealing(ownerOf(app), now);
        else this.#healed.delete(ownerOf(app));
      }
    }
    if (state?.phase !== 'Running') return { state, conditions, againMs, changed: false };
    const refusal = (key: ObjectKey): string | undefined =>
      this.#claimRefusal(app, key, compared) ??
      refusalOf(found.rules, key, { ...pick(found.cluster), isShared: found.isShared });
    const next = await advanceOperation({
      app,
      state,
      desired: wanted.items,
      compared: this.#notShared(compared),
      cluster: found.cluster,
      refusal,
      now,
    });
    if (next.state.phase === 'Failed')
      conditions.push({ type: 'SyncError', message: next.state.message ?? '' });
    return { state: next.state, conditions, againMs: next.againMs ?? againMs, changed: true };
  }

  /** What others keep stays with them, until one of both lets go. */
  #notShared(compared: readonly Compared[]): Compared[] {
    return compared
      .map((item) =>
        item.claimedBy !== undefined && !this.#parts.exists(item.claimedBy)
          ? { ...item, claimedBy: undefined }
          : item,
      )
      .filter(({ claimedBy }) => claimedBy === undefined);
  }

  #claimRefusal(app: Application, key: ObjectKey, compared: readonly Compared[]): string | undefined {
    const isStrict = app.spec.syncPolicy?.syncOptions?.includes('FailOnSharedResource=true');
    const shared = compared.find(({ claimedBy }) => claimedBy !== undefined && this.#parts.exists(claimedBy));
    if (!isStrict || shared === undefined) return undefined;
    return `Shared resource found: ${showKey(shared.key)} belongs to ${shared.claimedBy} as well, so ${showKey(key)} is not applied.`;
  }

  #countHealing(owner: string, now: number): void {
    const known = this.#healed.get(owner);
    const isRecent = known !== undefined && now - known.at < 60_000;
    this.#healed.set(owner, { count: isRecent ? known.count + 1 : 1, at: now });
  }

  /** An order is taken once. */
  async #takeOrder(app: Application): Promise<void> {
    const { namespace = '', name = '', resourceVersion } = app.metadata;
    const updated = await this.#parts.context.client.patch<Application>(
      APPLICATIONS,
      { namespace, name },
      'merge',
      {
        metadata: { resourceVersion },
        operation: null,
      },
    );
    app.metadata = { ...app.metadata, resourceVersion: updated.metadata.resourceVersion ?? '' };
  }

  async #pollMs(app: Application): Promise<number> {
    const { source } = this.#parts;
    const polls = await Promise.all(
      sourcesOf(app).map(async (item) =>
        item.chart === undefined ? source.repositories.nextPollMs(await source.remoteOf(app, item)) : POLL_MS,
      ),
    );
    return Math.min(...polls, POLL_MS);
  }

  /** Writes what is new. Nothing is written that says the same as before. */
  async #report(app: Application, status: ApplicationStatus): Promise<void> {
    const next: ApplicationStatus = { ...app.status, ...status };
    const isRefreshed = app.metadata.annotations?.[NOTES.refresh] !== undefined;
    // A word is for one synchronisation.
    const isTaken =
      app.metadata.annotations?.[NOTES.approved] !== undefined &&
      app.status?.operationState?.phase === 'Running' &&
      next.operationState?.phase !== 'Running';
    if (sameStatus(app.status, next) && !isRefreshed) return;
    const notes = {
      ...(isRefreshed && { [NOTES.refresh]: null }),
      ...(isTaken && { [NOTES.approved]: null }),
    };
    const patch = {
      status: patchBetween(app.status ?? {}, { ...next, reconciledAt: timestamp(this.#parts.context.now()) }),
      ...((isRefreshed || isTaken) && { metadata: { annotations: notes } }),
    };
    await this.#patch(app, patch);
  }

  async #patch({ metadata }: Application, patch: object): Promise<void> {
    const { namespace = '', name = '' } = metadata;
    await unlessGone(
      this.#parts.context.client.patch<KubeObject>(APPLICATIONS, { namespace, name }, 'merge', patch),
    );
  }
}

function pick({ server, name }: Cluster): { server: string; name: string } {
  return { server, name };
}

export function ownerOf({ metadata }: Application): string {
  return applicationOwner(metadata.namespace ?? '', metadata.name ?? '');
}

function pinnedRevisions(state: OperationState): string[] | undefined {
  const result = state.syncResult;
  return result === undefined ? undefined : (result.revisions ?? [result.revision]);
}

/** An order may be for another revision than the newest. */
function pinnedOf({ sync }: NonNullable<Application['operation']>): string[] | undefined {
  if (sync?.revisions !== undefined) return sync.revisions;
  return sync?.revision === undefined || sync.revision === '' ? undefined : [sync.revision];
}

/** A newer commit may be what mends a synchronisation that does not come to its end. */
function mayBeInterrupted(app: Application, state: OperationState, revisions: readonly string[]): boolean {
  if (!state.operation.initiatedBy?.automated || app.spec.syncPolicy?.automated === undefined) return false;
  return (pinnedRevisions(state) ?? []).join() !== revisions.join();
}

function namespaceOf(app: Application): Manifest[] {
  const { syncPolicy, destination } = app.spec;
  if (!syncPolicy?.syncOptions?.includes('CreateNamespace=true') || destination.namespace === undefined)
    return [];
  const { labels, annotations } = syncPolicy.managedNamespaceMetadata ?? {};
  const object = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: destination.namespace,
      ...(labels && { labels }),
      // It is there before everything else, and stays when the application goes.
      annotations: { ...annotations, [NOTES.wave]: '-1000', [NOTES.options]: 'Prune=false,Delete=false' },
    },
  };
  return [{ object, file: 'CreateNamespace' }];
}

/** What goes wrong through no fault of this server is told in the status, and is no failure of the pass. */
export function problemOf(error: unknown): ApplicationProblem | undefined {
  if (error instanceof ApplicationProblem) return error;
  if (error instanceof ProjectProblem || error instanceof UnknownCluster)
    return new ApplicationProblem('InvalidSpecError', error.message);
  const isComparison =
    error instanceof RenderError ||
    error instanceof GitError ||
    error instanceof SourceProblem ||
    error instanceof ClusterDown ||
    error instanceof JqError;
  if (isComparison) return new ApplicationProblem('ComparisonError', error.message);
  return isApiError(error, 'Forbidden')
    ? new ApplicationProblem('ComparisonError', error.message)
    : undefined;
}
