import type { ApiRequest, Reply, RequestInfo } from '../apiserver/index.ts';
import {
  APPLICATIONS,
  type Application,
  differencesOf,
  type Gitops,
  manifestsOf,
  problemOf,
  treeOf,
} from '../gitops/index.ts';
import { ApiError, type KubeClient } from '../kube/index.ts';
import { bodyOf, jsonReply, type ServicePart } from './local-services.ts';

/** What is known of applications and is no object: their manifests, their differences, and what was made for them. */
export class GitopsService implements ServicePart {
  readonly resources = [
    ...['manifests', 'diff', 'tree'].map((name) => ({ name, verbs: ['get'] })),
    ...['adopt', 'revert'].map((name) => ({ name, verbs: ['create'] })),
  ].map(({ name, verbs }) => ({
    name: `applications/${name}`,
    namespaced: true,
    verbs,
    kind: 'Application',
  }));
  readonly #client: KubeClient;
  readonly #gitops: Gitops;

  constructor(client: KubeClient, gitops: Gitops) {
    this.#client = client;
    this.#gitops = gitops;
  }

  handle = async (request: ApiRequest, info: RequestInfo): Promise<Reply | undefined> => {
    const { namespace, name, subresource } = info;
    const app = await this.#client.get<Application>(APPLICATIONS, namespace, name);
    const revision = request.query.get('revision');
    const revisions = revision === null ? undefined : revision.split(',');
    try {
      const value =
        info.verb === 'create'
          ? await this.#change(subresource, app, bodyOf(request))
          : await this.#answer(subresource, app, revisions);
      if (value === undefined) return undefined;
      return jsonReply(200, value);
    } catch (error) {
      const problem = problemOf(error);
      if (problem === undefined) throw error;
      throw new ApiError('Invalid', problem.message, undefined, error);
    }
  };

  #change(subresource: string, app: Application, body: Record<string, unknown>): Promise<object> | undefined {
    const text = (key: string): string | undefined => (typeof body[key] === 'string' ? body[key] : undefined);
    if (subresource === 'adopt') return this.#gitops.adopt(app, text('title'));
    return subresource === 'revert' ? this.#gitops.revert(app, text('revision') ?? '') : undefined;
  }

  #answer(
    subresource: string,
    app: Application,
    revisions: readonly string[] | undefined,
  ): Promise<object> | undefined {
    const { reconciler } = this.#gitops.applications;
    switch (subresource) {
      case 'manifests':
        return manifestsOf(reconciler, app, revisions).then((items) => ({ items }));
      case 'diff':
        return differencesOf(reconciler, app, revisions).then((items) => ({ items }));
      case 'tree':
        return treeOf(reconciler, app).then((items) => ({ items }));
      default:
        return undefined;
    }
  }
}
