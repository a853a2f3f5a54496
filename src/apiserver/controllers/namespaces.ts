import { ApiError, isRecord, type KubeObject, type Logger } from '../../kube/index.ts';
import {
  create,
  type DeleteOptions,
  modify,
  objectKey,
  parseEntry,
  type RegistryDeps,
  remove,
  systemCall,
  type Target,
} from '../registry/index.ts';

const COLLECTION = '/namespaces';
const OPTIONS: DeleteOptions = {
  propagation: 'Background',
  gracePeriodSeconds: undefined,
  uid: undefined,
  resourceVersion: undefined,
};
const RETRY_MS = 250;

/** Gives every namespace its default account and CA, and empties namespaces that are deleted. */
export class NamespaceController {
  readonly #deps: RegistryDeps;
  readonly #rootCa: string;
  readonly #log: Logger;
  readonly #busy = new Set<string>();

  constructor(deps: RegistryDeps, rootCa: string, log: Logger) {
    this.#deps = deps;
    this.#rootCa = rootCa;
    this.#log = log;
  }

  start(signal: AbortSignal): void {
    const sync = (): void => {
      for (const entry of this.#deps.store.shelf(COLLECTION).live.range(''))
        void this.#reconcile(entry.key.slice(1), signal);
    };
    let cursor = this.#deps.store.revision;
    const follow = (): void => {
      const names = new Set(
        this.#deps.store
          .shelf(COLLECTION)
          .history.since(cursor)
          .map((event) => event.key.slice(1)),
      );
      cursor = this.#deps.store.revision;
      for (const name of names) void this.#reconcile(name, signal);
    };
    const { listeners } = this.#deps.store.shelf(COLLECTION);
    listeners.add(follow);
    signal.addEventListener('abort', () => listeners.delete(follow), { once: true });
    this.#restore('/serviceaccounts', '/default', signal);
    this.#restore('/configmaps', '/kube-root-ca.crt', signal);
    sync();
  }

  /** What every namespace has comes back when somebody deletes it. */
  #restore(collection: string, suffix: string, signal: AbortSignal): void {
    const { listeners, history } = this.#deps.store.shelf(collection);
    let cursor = this.#deps.store.revision;
    const follow = (): void => {
      const gone = history.since(cursor).filter((event) => event.removed && event.key.endsWith(suffix));
      cursor = this.#deps.store.revision;
      for (const event of gone) void this.#reconcile(event.key.slice(0, -suffix.length), signal);
    };
    listeners.add(follow);
    signal.addEventListener('abort', () => listeners.delete(follow), { once: true });
  }

  async #reconcile(name: string, signal: AbortSignal): Promise<void> {
    if (this.#busy.has(name) || signal.aborted) return;
    const entry = this.#deps.store.get(COLLECTION, `/${name}`);
    if (entry === undefined) return;
    this.#busy.add(name);
    const namespace = parseEntry(entry);
    try {
      if (namespace.metadata.deletionTimestamp === undefined) await this.#furnish(name);
      else await this.#empty(namespace, signal);
    } catch (error) {
      if (!(error instanceof ApiError))
        this.#log.error({ err: error, namespace: name }, 'a namespace could not be reconciled');
    } finally {
      this.#busy.delete(name);
    }
    const now = this.#deps.store.get(COLLECTION, `/${name}`);
    if (now !== undefined && now !== entry) void this.#reconcile(name, signal);
  }

  async #furnish(namespace: string): Promise<void> {
    await this.#ensure('serviceaccounts', 'ServiceAccount', namespace, 'default', {});
    await this.#ensure('configmaps', 'ConfigMap', namespace, 'kube-root-ca.crt', {
      data: { 'ca.crt': this.#rootCa },
    });
  }

  async #ensure(
    plural: string,
    kind: string,
    namespace: string,
    name: string,
    fields: Record<string, unknown>,
  ): Promise<void> {
    const resource = this.#deps.catalog.find('', 'v1', plural);
    if (
      resource === undefined ||
      this.#deps.store.latest(resource.collection, objectKey(namespace, name)) !== undefined
    )
      return;
    const body = { apiVersion: 'v1', kind, metadata: { name }, ...fields };
    await create(this.#deps, resource, namespace, body, systemCall('apiserver')).catch((error: unknown) => {
      if (!(error instanceof ApiError) || (error.reason !== 'AlreadyExists' && error.reason !== 'Forbidden'))
        throw error;
    });
  }

  /** Deletes everything in the namespace; what has finalizers goes when those let it. */
  async #empty(namespace: KubeObject, signal: AbortSignal): Promise<void> {
    const name = namespace.metadata.name ?? '';
    for (;;) {
      const left = await this.#deleteContents(name);
      if (signal.aborted || this.#deps.store.get(COLLECTION, `/${name}`) === undefined) return;
      if (left === 0) break;
      await this.#report(name, left);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    const target = this.#target(name, 'finalize');
    await modify(this.#deps, target, systemCall('namespace-controller'), (current) => {
      const spec = isRecord(current['spec']) ? current['spec'] : {};
      const finalizers = (Array.isArray(spec['finalizers']) ? spec['finalizers'] : []).filter(
        (item) => item !== 'kubernetes',
      );
      return { object: { ...current, spec: { ...spec, finalizers } } };
    });
  }

  async #deleteContents(name: string): Promise<number> {
    let left = 0;
    for (const resource of this.#deps.catalog.all()) {
      if (!resource.namespaced || resource.conversion !== undefined || !resource.verbs.includes('delete'))
        continue;
      for (const entry of [...this.#deps.store.shelf(resource.collection).live.range(`${name}/`)]) {
        await remove(
          this.#deps,
          resource,
          name,
          entry.key.slice(name.length + 1),
          OPTIONS,
          systemCall('namespace-controller'),
        ).catch(() => undefined);
      }
      left += [...this.#deps.store.shelf(resource.collection).live.range(`${name}/`)].length;
    }
    return left;
  }

  async #report(name: string, left: number): Promise<void> {
    const message = `Some resources are remaining: ${left} object${left === 1 ? '' : 's'} waiting for finalizers`;
    await modify(this.#deps, this.#target(name, 'status'), systemCall('namespace-controller'), (current) => {
      const status = isRecord(current['status']) ? current['status'] : {};
      const known = Array.isArray(status['conditions'])
        ? (status['conditions'] as { type: string; message: string }[])
        : [];
      if (known.some((item) => item.type === 'NamespaceContentRemaining' && item.message === message))
        return { object: current };
      const lastTransitionTime = `${new Date(this.#deps.now()).toISOString().slice(0, 19)}Z`;
      const condition = {
        type: 'NamespaceContentRemaining',
        status: 'True',
        reason: 'SomeResourcesRemain',
        message,
        lastTransitionTime,
      };
      return { object: { ...current, status: { ...status, conditions: [condition] } } };
    });
  }

  #target(name: string, subresource: string): Target {
    const resource = this.#deps.catalog.find('', 'v1', 'namespaces');
    if (resource === undefined) throw new Error('the catalog has no namespaces');
    return { resource, namespace: '', name, subresource };
  }
}
