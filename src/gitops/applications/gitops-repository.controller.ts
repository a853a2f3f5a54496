import type { Static } from 'typebox';
import { GITOPS_REPOSITORY, GROUP, VERSION } from '../../api/index.ts';
import {
  type Condition,
  Controller,
  controllerReference,
  DONE,
  type Informer,
  type KubeObject,
  type Outcome,
  type Request,
  type ResourceRef,
  unlessGone,
  withCondition,
} from '../../kube/index.ts';
import type { GitopsContext } from '../context.ts';
import { APPLICATIONS, type Application, FIELD_MANAGER, FINALIZER, IN_CLUSTER, NOTES } from '../resources.ts';

export const GITOPS_REPOSITORIES: ResourceRef = {
  group: GROUP,
  version: VERSION,
  plural: GITOPS_REPOSITORY.plural,
  namespaced: true,
};

export type GitopsRepository = KubeObject & {
  spec: Static<typeof GITOPS_REPOSITORY.spec>;
  status?: Static<typeof GITOPS_REPOSITORY.status>;
};

/** Makes an application of each short form, and tells in it how that one is. */
export class GitopsRepositoryController {
  readonly #context: GitopsContext;
  readonly #repositories: Informer<GitopsRepository>;
  readonly #applications: Informer<Application>;
  readonly #controller: Controller;

  constructor(context: GitopsContext) {
    this.#context = context;
    this.#repositories = context.informers.for<GitopsRepository>(GITOPS_REPOSITORIES);
    this.#applications = context.informers.for<Application>(APPLICATIONS);
    this.#controller = new Controller({
      name: 'gitops-repository',
      log: context.log,
      reconcile: (request) => this.#reconcile(request),
    })
      .for(this.#repositories)
      .owns(this.#applications, { apiVersion: `${GROUP}/${VERSION}`, kind: 'GitopsRepository' });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    const repository = this.#repositories.get(namespace, name);
    if (repository === undefined || repository.metadata.deletionTimestamp !== undefined) return DONE;
    const { client } = this.#context;
    await client.apply<Application>(APPLICATIONS, applicationOf(repository), {
      fieldManager: FIELD_MANAGER,
      force: true,
    });
    await this.#report(repository, this.#applications.get(namespace, name));
    return DONE;
  }

  async #report(repository: GitopsRepository, app: Application | undefined): Promise<void> {
    const { namespace = '', name = '' } = repository.metadata;
    const { sync, health, conditions: problems = [] } = app?.status ?? {};
    const isReady = sync?.status === 'Synced' && health?.status === 'Healthy';
    const message =
      problems.map((item) => item.message).join(' ') ||
      `It is ${sync?.status ?? 'Unknown'} and ${health?.status ?? 'Unknown'}.`;
    const conditions = withCondition(
      repository.status?.conditions as Condition[] | undefined,
      {
        type: 'Ready',
        status: isReady ? 'True' : 'False',
        reason: isReady ? 'InPlace' : (sync?.status ?? 'Unknown'),
        message,
      },
      this.#context.now(),
    );
    const status = { application: name, ...(sync?.revision && { revision: sync.revision }), conditions };
    if (JSON.stringify(status) === JSON.stringify(repository.status)) return;
    await unlessGone(
      this.#context.client.patch(
        GITOPS_REPOSITORIES,
        { namespace, name },
        'merge',
        { status },
        { subresource: 'status' },
      ),
    );
  }
}

function applicationOf(repository: GitopsRepository): Application {
  const { namespace = '', name = '' } = repository.metadata;
  const {
    repositoryUrl: repoURL,
    path = '.',
    revision: targetRevision = 'HEAD',
    suspended = false,
    scmSecret,
  } = repository.spec;
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: {
      name,
      namespace,
      finalizers: [FINALIZER],
      ownerReferences: [controllerReference(repository)],
      annotations: { [NOTES.suspended]: String(suspended), ...(scmSecret && { [NOTES.secret]: scmSecret }) },
    },
    spec: {
      project: 'default',
      source: { repoURL, path, targetRevision },
      destination: { server: IN_CLUSTER, namespace },
      syncPolicy: { automated: { prune: true, selfHeal: true } },
    },
  };
}
