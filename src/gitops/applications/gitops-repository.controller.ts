import { createHash } from 'node:crypto';
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
  type Secret,
  SECRETS,
  secretText,
  unlessGone,
  withCondition,
} from '../../kube/index.ts';
import { CLUSTER_LABEL, type Clusters } from '../clusters/clusters.ts';
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

/** Where a repository is kept in place. */
interface Place {
  application: string;
  /** Undefined for the cluster that this runs on. */
  cluster: string | undefined;
}

/** Makes an application of each short form, or one for each cluster, and tells in it how they are. */
export class GitopsRepositoryController {
  readonly #context: GitopsContext;
  readonly #clusters: Clusters;
  readonly #repositories: Informer<GitopsRepository>;
  readonly #applications: Informer<Application>;
  readonly #controller: Controller;

  constructor(context: GitopsContext, clusters: Clusters) {
    this.#context = context;
    this.#clusters = clusters;
    this.#repositories = context.informers.for<GitopsRepository>(GITOPS_REPOSITORIES);
    this.#applications = context.informers.for<Application>(APPLICATIONS);
    this.#controller = new Controller({
      name: 'gitops-repository',
      log: context.log,
      reconcile: (request) => this.#reconcile(request),
    })
      .for(this.#repositories)
      .owns(this.#applications, { apiVersion: `${GROUP}/${VERSION}`, kind: 'GitopsRepository' })
      .watches(context.informers.for<Secret>(SECRETS), (secret) =>
        secret.metadata.labels?.[CLUSTER_LABEL] === 'cluster' ? this.#federatedIn(secret) : [],
      );
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  #federatedIn(secret: Secret): Request[] {
    return this.#repositories
      .list()
      .filter(({ metadata, spec }) => spec.federated && metadata.namespace === secret.metadata.namespace)
      .map(({ metadata }) => ({ namespace: metadata.namespace ?? '', name: metadata.name ?? '' }));
  }

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    const repository = this.#repositories.get(namespace, name);
    if (repository === undefined || repository.metadata.deletionTimestamp !== undefined) return DONE;
    const { client } = this.#context;
    const places = this.#placesOf(repository);
    for (const place of places.filter(({ application }) => !this.#isTaken(repository, application)))
      await client.apply<Application>(APPLICATIONS, applicationOf(repository, place), {
        fieldManager: FIELD_MANAGER,
        force: true,
      });
    const wanted = new Set(places.map(({ application }) => application));
    for (const { metadata } of this.#ownedBy(repository))
      if (!wanted.has(metadata.name ?? '') && metadata.deletionTimestamp === undefined)
        await unlessGone(client.delete(APPLICATIONS, namespace, metadata.name ?? ''));
    await this.#report(repository, places);
    return DONE;
  }

  #placesOf({ metadata, spec }: GitopsRepository): Place[] {
    const { namespace = '', name = '' } = metadata;
    const own: Place = { application: name, cluster: undefined };
    if (!spec.federated) return [own];
    const others = this.#clusters
      .secretsFor(namespace)
      .filter((secret) => secret.metadata.namespace === namespace)
      .map((secret) => secretText(secret, 'name') || secretText(secret, 'server'));
    return [own, ...others.sort().map((cluster) => ({ application: nameFor(name, cluster), cluster }))];
  }

  /** An application of that name is there, and is somebody else's. */
  #isTaken({ metadata }: GitopsRepository, name: string): boolean {
    const app = this.#applications.get(metadata.namespace ?? '', name);
    return (
      app !== undefined && app.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid) !== true
    );
  }

  #ownedBy({ metadata }: GitopsRepository): Application[] {
    return this.#applications
      .list()
      .filter((app) => app.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid));
  }

  async #report(repository: GitopsRepository, places: readonly Place[]): Promise<void> {
    const { namespace = '', name = '' } = repository.metadata;
    const [own, ...others] = places.map(({ application, cluster }) => ({
      name: cluster ?? 'in-cluster',
      application,
      ...(this.#isTaken(repository, application)
        ? {
            ready: false,
            reason: 'NameTaken',
            message: `There is an application ${application} already: give one of the two another name.`,
          }
        : stateOf(this.#applications.get(namespace, application))),
    }));
    const open = [own!, ...others].find(({ ready }) => !ready);
    const conditions = withCondition(
      repository.status?.conditions as Condition[] | undefined,
      {
        type: 'Ready',
        status: open === undefined ? 'True' : 'False',
        reason: open === undefined ? 'InPlace' : open.reason,
        message:
          open === undefined || open === own ? (open ?? own!).message : `On ${open.name}: ${open.message}`,
      },
      this.#context.now(),
    );
    const clusters = [own!, ...others].map(({ reason: _, ...rest }) => rest);
    const status = {
      application: name,
      ...(own!.revision && { revision: own!.revision }),
      ...(repository.spec.federated && { clusters }),
      conditions,
    };
    if (JSON.stringify(status) === JSON.stringify(repository.status)) return;
    await unlessGone(
      this.#context.client.patch(
        GITOPS_REPOSITORIES,
        { namespace, name },
        'merge',
        { status: { ...status, ...(!repository.spec.federated && { clusters: null }) } },
        { subresource: 'status' },
      ),
    );
  }
}

function stateOf(app: Application | undefined): {
  revision?: string;
  ready: boolean;
  reason: string;
  message: string;
} {
  const { sync, health, conditions = [] } = app?.status ?? {};
  const ready = sync?.status === 'Synced' && health?.status === 'Healthy';
  return {
    ...(sync?.revision && { revision: sync.revision }),
    ready,
    reason: ready ? 'InPlace' : (sync?.status ?? 'Unknown'),
    message:
      conditions.map((item) => item.message).join(' ') ||
      `It is ${sync?.status ?? 'Unknown'} and ${health?.status ?? 'Unknown'}.`,
  };
}

/** A name for the application of a cluster, which may be called anything. */
function nameFor(name: string, cluster: string): string {
  const plain = cluster
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  const isSame = plain === cluster;
  const digest = createHash('sha256').update(cluster).digest('hex').slice(0, 8);
  return `${name}-${isSame ? plain : `${plain}-${digest}`}`.slice(0, 253);
}

function applicationOf(repository: GitopsRepository, { application, cluster }: Place): Application {
  const { namespace = '' } = repository.metadata;
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
      name: application,
      namespace,
      finalizers: [FINALIZER],
      ownerReferences: [controllerReference(repository)],
      annotations: { [NOTES.suspended]: String(suspended), ...(scmSecret && { [NOTES.secret]: scmSecret }) },
    },
    spec: {
      project: 'default',
      source: { repoURL, path, targetRevision },
      destination: { ...(cluster === undefined ? { server: IN_CLUSTER } : { name: cluster }), namespace },
      syncPolicy: {
        automated: { prune: true, selfHeal: true },
        ...(cluster !== undefined && { syncOptions: ['CreateNamespace=true'] }),
      },
    },
  };
}
