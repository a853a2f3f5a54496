import {
  Controller,
  DONE,
  type Informer,
  type KubeObject,
  type Outcome,
  type Request,
  unlessGone,
} from '../../kube/index.ts';
import { forgeName } from '../../scm/index.ts';
import { type Cluster, ClusterDown } from '../clusters/cluster.ts';
import type { Clusters } from '../clusters/clusters.ts';
import type { GitopsContext } from '../context.ts';
import { keyOfObject } from '../engine/object-key.ts';
import { ownerOf as ownerOfObject } from '../engine/owner.ts';
import {
  APP_PROJECTS,
  APPLICATIONS,
  type Application,
  type AppProject,
  NOTES,
  sourcesOf,
} from '../resources.ts';
import { plain } from '../sources/credentials.ts';
import type { ManifestSource } from '../sources/manifests.ts';
import { ApplicationReconciler, ownerOf, problemOf } from './application.reconcile.ts';
import { claimOf, Claims } from './claims.ts';
import { cascadeOf, letGo, removeObjects } from './deletion.ts';
import { projectOf } from './project.ts';

const REMOVAL_MS = 500;
const DOWN_MS = 5_000;
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
      .watches(this.#projects, () => this.#applications.list().map(requestOf));
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
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
    const propagation = cascadeOf(app);
    this.reconciler.forget(ownerOf(app));
    if (propagation === undefined) return DONE;
    try {
      const { cluster } = this.reconciler.find(app);
      const left = await removeObjects(cluster, ownerOf(app), {
        known: app.status?.resources ?? [],
        propagation,
      });
      if (left > 0) return { result: 'requeueAfter', ms: REMOVAL_MS };
    } catch (error) {
      // A cluster that is away comes back; one that nobody knows any more has nothing left that could be taken away.
      if (error instanceof ClusterDown) return { result: 'requeueAfter', ms: DOWN_MS };
      if (problemOf(error)?.condition !== 'InvalidSpecError') throw error;
    }
    await letGo(client, app);
    return DONE;
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
