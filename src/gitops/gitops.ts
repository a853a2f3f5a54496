import type { KubeObject } from '../kube/index.ts';
import { forgeName, type ScmEvent } from '../scm/index.ts';
import { type AdoptParts, type Adoption, adoptChanges, revertTo } from './applications/adopt.ts';
import { GitopsRepositoryController } from './applications/gitops-repository.controller.ts';
import { Planner } from './applications/plan.ts';
import { HookController } from './applications/hook.controller.ts';
import { type Application, sourcesOf } from './resources.ts';
import { ApplicationController } from './applications/application.controller.ts';
import { Clusters } from './clusters/clusters.ts';
import type { GitopsContext } from './context.ts';
import { Flux } from './flux/flux.ts';
import { RepositoryCredentials } from './sources/credentials.ts';
import { ManifestSource } from './sources/manifests.ts';
import { Repositories } from './sources/repositories.ts';

/** Everything that keeps clusters as Git says. Make it before the informers start. */
export class Gitops implements AsyncDisposable {
  readonly applications: ApplicationController;
  readonly clusters: Clusters;
  readonly repositories: Repositories;
  readonly hooks: HookController;
  readonly #flux: Flux;
  readonly #planner: Planner;
  readonly #source: ManifestSource;
  readonly #short: GitopsRepositoryController;

  readonly #context: GitopsContext;

  constructor(context: GitopsContext) {
    this.#context = context;
    const { mirrors, checkoutsDir: dir, now } = context;
    this.repositories = new Repositories({ mirrors, dir, now });
    this.clusters = new Clusters(context, (cluster) =>
      cluster.onChange((object: KubeObject) => {
        this.applications.observed(cluster, object);
        this.#flux.observed(object);
      }),
    );
    const credentials = new RepositoryCredentials(context);
    this.#source = new ManifestSource(context, this.repositories, credentials);
    this.applications = new ApplicationController(context, this.clusters, this.#source);
    const { clusters, repositories } = this;
    this.#flux = new Flux(context, { clusters, repositories, credentials });
    this.#short = new GitopsRepositoryController(context, clusters);
    this.#planner = new Planner({
      client: context.client,
      reconciler: this.applications.reconciler,
      credentials,
      publicUrl: context.publicUrl,
      log: context.log,
    });
    this.hooks = new HookController({
      context,
      credentials,
      happened: async (app, event) => {
        for (const { repoURL } of sourcesOf(app)) await this.happened(repoURL, event);
      },
    });
  }

  /** Something was pushed to a repository, at an address by which objects may name it. */
  pushed(url: string): void {
    const local = forgeName(this.#context, url);
    this.repositories.forget(local === undefined ? url : this.#context.forge.pathOf(local));
    this.applications.refresh(url);
    this.#flux.refresh(url);
  }

  /** What its provider tells of a repository. */
  async happened(url: string, event: ScmEvent): Promise<void> {
    if (event.type === 'pull_request') await this.#planner.order(this.applications.of(url), event);
    else if (event.type === 'push' || event.type === 'tag') this.pushed(url);
  }

  /** Proposes what was changed by hand to the repository of an application. */
  adopt(app: Application, title: string | undefined): Promise<Adoption> {
    return adoptChanges(this.#parts(), app, title);
  }

  /** Puts the repository of an application back to an older commit. */
  revert(app: Application, revision: string): Promise<{ commit: string; branch: string }> {
    return revertTo(this.#parts(), app, revision);
  }

  #parts(): AdoptParts {
    return { context: this.#context, reconciler: this.applications.reconciler, source: this.#source };
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.repositories.start();
    // A server that ends before everything is known does not wait for it.
    void this.applications.synced.then(() => {
      if (!signal.aborted) void this.#planner.resume(this.applications.list());
    });
    await Promise.all([
      this.applications.run(signal),
      this.#short.run(signal),
      this.hooks.run(signal),
      this.#flux.run(signal),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flux[Symbol.asyncDispose]();
    await this.clusters[Symbol.asyncDispose]();
  }
}
