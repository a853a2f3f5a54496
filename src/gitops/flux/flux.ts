import type { KubeObject } from '../../kube/index.ts';
import type { Clusters } from '../clusters/clusters.ts';
import type { GitopsContext } from '../context.ts';
import type { RepositoryCredentials } from '../sources/credentials.ts';
import type { Repositories } from '../sources/repositories.ts';
import { KeptController } from './kept.controller.ts';
import {
  BUCKETS,
  GIT_REPOSITORIES,
  HELM_CHARTS,
  HELM_RELEASES,
  HELM_REPOSITORIES,
  KUSTOMIZATIONS,
  OCI_REPOSITORIES,
} from './resources.ts';
import { SourceController } from './source.controller.ts';
import { FluxSources } from './sources.ts';

/** The kinds of Flux, on the same engine as applications. */
export class Flux implements AsyncDisposable {
  readonly #sources: readonly SourceController[];
  readonly #kept: readonly KeptController[];

  constructor(
    context: GitopsContext,
    parts: { clusters: Clusters; repositories: Repositories; credentials: RepositoryCredentials },
  ) {
    const sources = new FluxSources({ context, ...parts });
    this.#sources = [GIT_REPOSITORIES, HELM_REPOSITORIES, OCI_REPOSITORIES, BUCKETS, HELM_CHARTS].map(
      (resource) => new SourceController(context, resource, sources),
    );
    this.#kept = [KUSTOMIZATIONS, HELM_RELEASES].map(
      (resource) =>
        new KeptController(context, resource, { clusters: parts.clusters, parts: { context, sources } }),
    );
  }

  observed(object: KubeObject): void {
    for (const controller of this.#kept) controller.observed(object);
  }

  refresh(url: string): void {
    for (const controller of this.#sources) controller.refresh(url);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#sources, ...this.#kept].map((controller) => controller.run(signal)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#kept.map((controller) => controller[Symbol.asyncDispose]()));
  }
}
