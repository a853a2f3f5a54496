import {
  CONTROLLER_REVISIONS,
  controllerReference,
  type Informer,
  isApiError,
  type KubeClient,
  type KubeObject,
  unlessGone,
} from '../kube/index.ts';
import { hashOf, stableText } from './names.ts';

export interface Revision extends KubeObject {
  data: object;
  revision: number;
}

export interface Revisions {
  current: Revision;
  update: Revision;
}

/** The history of an object's template, kept as ControllerRevisions: `kubectl rollout undo` reads it. */
export class RevisionHistory {
  readonly #client: KubeClient;
  readonly #revisions: Informer<Revision>;

  constructor(client: KubeClient, revisions: Informer<Revision>) {
    this.#client = client;
    this.#revisions = revisions.addIndex('owner', (item) => [
      item.metadata.ownerReferences?.find((reference) => reference.controller)?.uid ?? '',
    ]);
  }

  /** The revision of the object as it is, made if it is new, and the one that its status names. */
  async of(owner: KubeObject, template: object, currentName: string | undefined): Promise<Revisions> {
    const known = this.#revisions.byIndex('owner', owner.metadata.uid ?? '');
    const data = { spec: { template: { ...template, $patch: 'replace' } } };
    const last = Math.max(0, ...known.map((item) => item.revision));
    let update = known.find((item) => stableText(item.data) === stableText(data));
    if (update === undefined) update = await this.#create(owner, data, last + 1);
    else if (update.revision < last) update = await this.#raise(update, last + 1);
    const current = known.find((item) => item.metadata.name === currentName) ?? update;
    return { current, update };
  }

  async truncate(owner: KubeObject, inUse: ReadonlySet<string>, limit: number): Promise<void> {
    const idle = this.#revisions
      .byIndex('owner', owner.metadata.uid ?? '')
      .filter((item) => !inUse.has(item.metadata.name ?? ''))
      .sort((a, b) => a.revision - b.revision);
    for (const item of idle.slice(0, Math.max(0, idle.length - limit))) {
      await unlessGone(
        this.#client.delete(CONTROLLER_REVISIONS, item.metadata.namespace ?? '', item.metadata.name ?? ''),
      );
    }
  }

  async #create(owner: KubeObject, data: object, revision: number): Promise<Revision> {
    const { namespace = '', name = '', labels } = owner.metadata;
    const hash = hashOf(data);
    const object: Revision = {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: {
        namespace,
        name: `${name}-${hash}`,
        labels: { ...labels, 'controller-revision-hash': hash },
        ownerReferences: [controllerReference(owner)],
      },
      data,
      revision,
    };
    try {
      return await this.#client.create<Revision>(CONTROLLER_REVISIONS, object);
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists')) throw error;
      return this.#client.get<Revision>(CONTROLLER_REVISIONS, namespace, `${name}-${hash}`);
    }
  }

  #raise(item: Revision, revision: number): Promise<Revision> {
    const { namespace = '', name = '' } = item.metadata;
    return this.#client.patch<Revision>(CONTROLLER_REVISIONS, { namespace, name }, 'merge', { revision });
  }
}
