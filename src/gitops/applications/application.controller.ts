import {
  Controller,
  DONE,
  hasFinalizer,
  type Informer,
  type KubeObject,
  type Outcome,
  type Request,
  unlessGone,
  withoutFinalizer,
} from '../../kube/index.ts';
import { forgeName } from '../../scm/index.ts';
import { type Cluster, ClusterDown } from '../clusters/cluster.ts';
import type { Clusters } from '../clusters/clusters.ts';
import type { GitopsContext } from '../context.ts';
import { keyOfObject, showKey } from '../engine/object-key.ts';
import { ownerOf as ownerOfObject } from '../engine/owner.ts';
import {
  APP_PROJECTS,
  APPLICATIONS,
  type Application,
  type AppProject,
  DELETION_FINALIZERS,
  type DeletionPhase,
  NOTES,
  sourcesOf,
} from '../resources.ts';
import { plain } from '../sources/credentials.ts';
import type { ManifestSource } from '../sources/manifests.ts';
import { ApplicationReconciler, type Found, ownerOf, problemOf } from './application.reconcile.ts';
import { claimOf, Claims } from './claims.ts';
import { isApproved } from './confirmation.ts';
import { cascadeOf, letGo, removeObjects, waitingForWord, watchKinds } from './deletion.ts';
import { runDeletionHooks } from './deletion-hooks.ts';
import { projectOf, refusalOf } from './project.ts';

const REMOVAL_MS = 500;
const DOWN_MS = 5_000;
const HELD_MS = 10_000;
const BY_REPOSITORY = 'repository-of-application';

/** Keeps applications in place: woken by Git, by their clusters, and by whoever changes them. */
export class ApplicationController {
  readonly #context: GitopsContext;
  readonly #source: ManifestSource;
  readonly #applications: Informer<Application>;
  readonly #projects: Informer<AppProject>;
  readonly #controller: Controller;
  readonly #claims = new Claims();
  readonly reconciler: ApplicationReconciler;

  constructor(context: GitopsContext, clusters: Clusters, source: ManifestSource) {
    this.#context = context;
    this.#source = source;
    this.#applications = context.informers
      .for<Application>(APPLICATIONS)
      .addIndex(BY_REPOSITORY, (app) => sourcesOf(app).map(({ repoURL }) => repositoryKey(context, repoURL)));
    this.#projects = context.informers.for<AppProject>(APP_PROJECTS);
    this.reconciler = new ApplicationReconciler({
      context,
      clusters,
      source,
      claims: this.#claims,
      projectOf: (app) => projectOf(app, this.#projects),
      wake: (owner) => this.#wake(owner),
      exists: (owner) => this.#find(owner) !== undefined,
    });
    this.#controller = new Controller({
      name: 'application',
      log: context.log,
      concurrency: 32,
      reconcile: (request) => this.#reconcile(request),
    })
      .for(this.#applications)
      .watches(this.#projects, () => this.#applications.list().map(requestOf))
      .watches(clusters.rules.maps, (map) =>
        clusters.rules.isSource(map) ? this.#applications.list().map(requestOf) : [],
      );
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  /** Resolves when all applications are known. */
  get synced(): Promise<void> {
    return this.#applications.synced;
  }

  list(): Application[] {
    return this.#applications.list();
  }

  get(namespace: string, name: string): Application | undefined {
    return this.#applications.get(namespace, name);
  }

  /** A live object has changed: whoever keeps it looks, and whoever wants it. */
  observed(cluster: Cluster, object: KubeObject): void {
    const owner = ownerOfObject(object);
    if (owner !== undefined) this.#wake(owner);
    const key = claimOf(cluster, keyOfObject(object));
    for (const other of this.#claims.others(owner ?? '', key)) this.#wake(other);
  }

  /** The applications of a repository, at any address by which it is reached. */
  of(url: string): Application[] {
    return this.#applications.byIndex(BY_REPOSITORY, repositoryKey(this.#context, url));
  }

  /** Something was pushed to a repository: whoever uses it looks at it at once. */
  refresh(url: string): void {
    for (const app of this.of(url))
      this.#controller.queue.add(`${app.metadata.namespace}/${app.metadata.name}`);
  }

  #wake(owner: string): void {
    const found = /^app\/([^_]+)_(.+)$/.exec(owner);
    if (found !== null) this.#controller.queue.add(`${found[1]}/${found[2]}`);
  }

  #find(owner: string): Application | undefined {
    const found = /^app\/([^_]+)_(.+)$/.exec(owner);
    return found === null ? undefined : this.#applications.get(found[1]!, found[2]!);
  }

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    const known = this.#applications.get(namespace, name);
    if (known === undefined) {
      this.reconciler.forget(`app/${namespace}_${name}`);
      return DONE;
    }
    // As it is now: what the last pass has written may not be in the cache yet, and would be done again.
    const app = await unlessGone(this.#context.client.get<Application>(APPLICATIONS, namespace, name));
    if (app === undefined) return DONE;
    if (app.metadata.deletionTimestamp !== undefined) return this.#remove(app);
    if (app.metadata.annotations?.[NOTES.refresh] !== undefined) await this.#forgetSources(app);
    return this.reconciler.reconcile(app);
  }

  async #forgetSources(app: Application): Promise<void> {
    for (const source of sourcesOf(app)) {
      const remote = await this.#source.remoteOf(app, source).catch(() => undefined);
      this.#source.repositories.forget(remote?.url ?? source.repoURL);
    }
    if (app.metadata.annotations?.[NOTES.refresh] === 'hard') this.reconciler.forget(ownerOf(app));
  }

  async #remove(app: Application): Promise<Outcome> {
    const { client } = this.#context;
    try {
      const found = this.reconciler.find(app);
      const waits =
        (await this.#runHooks(app, 'PreDelete', found)) ??
        (await this.#removeObjects(app, found)) ??
        (await this.#runHooks(app, 'PostDelete', found));
      if (waits !== undefined) return waits;
    } catch (error) {
      // A cluster that is away comes back; one that nobody knows any more has nothing left that could be taken away.
      if (error instanceof ClusterDown) return { result: 'requeueAfter', ms: DOWN_MS };
      const problem = problemOf(error);
      if (problem === undefined) throw error;
      if (problem.condition !== 'InvalidSpecError') return this.#held(app, problem.message);
    }
    this.reconciler.forget(ownerOf(app));
    await letGo(client, app);
    return DONE;
  }

  async #removeObjects(app: Application, { cluster }: Found): Promise<Outcome | undefined> {
    const propagation = cascadeOf(app);
    if (propagation === undefined) return undefined;
    const known = app.status?.resources ?? [];
    await watchKinds(cluster, known);
    const owner = ownerOf(app);
    const waiting = isApproved(app, app.metadata.deletionTimestamp) ? [] : waitingForWord(cluster, owner);
    if (waiting.length > 0) {
      const names = waiting.map((object) => showKey(keyOfObject(object)));
      const message = `It waits for a word before these go: ${names.join(', ')}. Say so with "dispatch gitops app confirm-deletion ${app.metadata.name}".`;
      return this.#held(app, message, 'ConfirmationRequired');
    }
    const left = await removeObjects(cluster, owner, { known, propagation });
    return left > 0 ? { result: 'requeueAfter', ms: REMOVAL_MS } : undefined;
  }

  /** What runs before its objects go, or after. The finalizer goes when it has ended well. */
  async #runHooks(app: Application, phase: DeletionPhase, found: Found): Promise<Outcome | undefined> {
    const finalizer = DELETION_FINALIZERS[phase];
    if (!hasFinalizer(app, finalizer)) return undefined;
    // As it was last deployed, not as Git has it by now.
    const { revisions, revision } = app.status?.history?.at(-1) ?? app.status?.sync ?? {};
    const pinned = revisions ?? (revision ? [revision] : undefined);
    const { items } = await this.reconciler.wanted(app, found, pinned);
    const { server, name: cluster } = found.cluster;
    const { phase: result, message } = await runDeletionHooks(app, phase, {
      items,
      cluster: found.cluster,
      refusal: (key) => refusalOf(found.rules, key, { server, name: cluster, isShared: found.isShared }),
    });
    if (result === 'Failed')
      return this.#held(
        app,
        `${message}. Delete the hook to have it run again, or delete the application with --no-cascade.`,
      );
    if (result === 'Running') return { result: 'requeueAfter', ms: REMOVAL_MS };
    const { namespace = '', name = '' } = app.metadata;
    const finalizers = withoutFinalizer(app, finalizer);
    await unlessGone(
      this.#context.client.patch(APPLICATIONS, { namespace, name }, 'merge', { metadata: { finalizers } }),
    );
    return { result: 'requeueAfter', ms: 1 };
  }

  /** Its end waits for something that its owner can see to. */
  async #held(app: Application, message: string, type = 'DeletionError'): Promise<Outcome> {
    await this.reconciler.tell(app, { type, message });
    return { result: 'requeueAfter', ms: HELD_MS };
  }
}

/** The same for every address by which a repository is reached. */
function repositoryKey(context: GitopsContext, url: string): string {
  const local = forgeName(context, url);
  return local === undefined ? plain(url) : `${local.owner}/${local.name}`;
}

function requestOf({ metadata }: KubeObject): Request {
  return { namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
}
