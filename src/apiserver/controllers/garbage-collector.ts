import { ApiError, type KubeObject, type Logger, type OwnerReference } from '../../kube/index.ts';
import type { Resource } from '../kinds/index.ts';
import {
  type DeleteOptions,
  FOREGROUND,
  modify,
  objectKey,
  ORPHAN,
  parseEntry,
  type RegistryDeps,
  remove,
  systemCall,
} from '../registry/index.ts';
import type { Entry } from '../store/index.ts';

const NO_OPTIONS: DeleteOptions = {
  propagation: undefined,
  gracePeriodSeconds: undefined,
  uid: undefined,
  resourceVersion: undefined,
};

interface Place {
  collection: string;
  key: string;
}

interface Dependent extends Place {
  owners: readonly OwnerReference[];
}

/**
 * Deletes what lost its last owner, and carries out foreground and orphaning deletion. It follows the store's
 * history through one cursor per collection, so a restart only has to look at everything once.
 */
export class GarbageCollector {
  readonly #deps: RegistryDeps;
  readonly #log: Logger;
  /** Objects with owners, by the owner's uid. */
  readonly #dependents = new Map<string, Map<string, Dependent>>();
  readonly #owned = new Map<string, Dependent>();
  readonly #cursors = new Map<string, number>();
  readonly #queue = new Map<string, Place>();
  #running = false;
  #stopped = false;

  constructor(deps: RegistryDeps, log: Logger) {
    this.#deps = deps;
    this.#log = log;
  }

  start(signal: AbortSignal): void {
    signal.addEventListener('abort', () => {
      this.#stopped = true;
    });
    this.#watchAll();
    this.#deps.catalog.onChange(() => this.#watchAll());
    // Orphans of owners that went while nobody was looking.
    for (const dependent of this.#owned.values()) this.#enqueue(dependent);
  }

  #watchAll(): void {
    for (const resource of this.#deps.catalog.all()) {
      const { collection } = resource;
      if (this.#cursors.has(collection) || resource.verbs.length === 1) continue;
      const shelf = this.#deps.store.shelf(collection);
      this.#cursors.set(collection, this.#deps.store.revision);
      for (const entry of shelf.live.range('')) this.#seen(collection, entry);
      shelf.listeners.add(() => this.#follow(collection));
    }
  }

  #follow(collection: string): void {
    const from = this.#cursors.get(collection) ?? 0;
    const events = this.#deps.store.shelf(collection).history.since(from);
    for (const event of events) {
      if (event.removed) this.#gone(collection, event.key, parseEntry(event));
      else this.#seen(collection, event);
    }
    this.#cursors.set(collection, this.#deps.store.revision);
  }

  #seen(collection: string, entry: Pick<Entry, 'key' | 'bytes' | 'revision'>): void {
    // Most objects have neither owners nor our finalizers: their bytes tell without a parse.
    const hasOwners = entry.bytes.includes('"ownerReferences"');
    const isLeaving = entry.bytes.includes('"deletionTimestamp"');
    const id = `${collection}\0${entry.key}`;
    if (!hasOwners && !isLeaving && !this.#owned.has(id)) return;
    const { metadata } = parseEntry(entry);
    this.#link(id, { collection, key: entry.key, owners: metadata.ownerReferences ?? [] });
    const ours = metadata.finalizers?.some((item) => item === FOREGROUND || item === ORPHAN);
    if (metadata.deletionTimestamp !== undefined && ours) this.#enqueue({ collection, key: entry.key });
    if (hasOwners) this.#checkOwners({ collection, key: entry.key, owners: metadata.ownerReferences ?? [] });
  }

  #link(id: string, dependent: Dependent): void {
    for (const owner of this.#owned.get(id)?.owners ?? []) this.#dependents.get(owner.uid)?.delete(id);
    this.#owned.delete(id);
    if (dependent.owners.length === 0) return;
    this.#owned.set(id, dependent);
    for (const owner of dependent.owners) {
      const group = this.#dependents.get(owner.uid) ?? new Map<string, Dependent>();
      this.#dependents.set(owner.uid, group.set(id, dependent));
    }
  }

  #gone(collection: string, key: string, object: KubeObject): void {
    const id = `${collection}\0${key}`;
    const owners = this.#owned.get(id)?.owners ?? [];
    this.#link(id, { collection, key, owners: [] });
    const uid = object.metadata.uid ?? '';
    for (const dependent of this.#dependents.get(uid)?.values() ?? []) this.#enqueue(dependent);
    // An owner that waits for its dependents may be able to go now.
    for (const owner of owners) {
      const place = this.#placeOf(owner, key);
      if (place !== undefined) this.#enqueue(place);
    }
  }

  /** An object may be created after its owner has gone. */
  #checkOwners(dependent: Dependent): void {
    if (dependent.owners.some((owner) => this.#liveOwner(owner, dependent.key) === undefined))
      this.#enqueue(dependent);
  }

  #placeOf(owner: OwnerReference, dependentKey: string): Place | undefined {
    const at = owner.apiVersion.indexOf('/');
    const resource = this.#deps.catalog.findStored(at < 0 ? '' : owner.apiVersion.slice(0, at), owner.kind);
    if (resource === undefined) return undefined;
    const namespace = resource.namespaced ? dependentKey.slice(0, dependentKey.indexOf('/')) : '';
    return { collection: resource.collection, key: objectKey(namespace, owner.name) };
  }

  #liveOwner(owner: OwnerReference, dependentKey: string): KubeObject | undefined {
    const place = this.#placeOf(owner, dependentKey);
    const entry = place && this.#deps.store.latest(place.collection, place.key);
    const object = entry && parseEntry(entry);
    return object?.metadata.uid === owner.uid ? object : undefined;
  }

  #enqueue({ collection, key }: Place): void {
    this.#queue.set(`${collection}\0${key}`, { collection, key });
    if (!this.#running) {
      this.#running = true;
      void this.#drain();
    }
  }

  async #drain(): Promise<void> {
    for (;;) {
      const next = this.#queue.entries().next();
      if (next.done || this.#stopped) break;
      const [id, place] = next.value;
      this.#queue.delete(id);
      try {
        await this.#process(place);
      } catch (error) {
        if (!(error instanceof ApiError) || error.code >= 500)
          this.#log.warn({ err: error, object: place.key }, 'garbage collection of an object failed');
      }
    }
    this.#running = false;
  }

  async #process(place: Place): Promise<void> {
    const entry = this.#deps.store.latest(place.collection, place.key);
    const resource = this.#deps.catalog.storedIn(place.collection);
    if (entry === undefined || resource === undefined) return;
    const object = parseEntry(entry);
    const finalizers = object.metadata.finalizers ?? [];
    if (object.metadata.deletionTimestamp !== undefined) {
      if (finalizers.includes(ORPHAN)) return this.#orphan(resource, object);
      if (finalizers.includes(FOREGROUND)) return this.#foreground(resource, object);
    }
    await this.#collect(resource, object, place.key);
  }

  /** Deletes an object when all its owners are gone, or forgets the ones that are. */
  async #collect(resource: Resource, object: KubeObject, key: string): Promise<void> {
    const owners = object.metadata.ownerReferences ?? [];
    if (owners.length === 0) return;
    const known = owners.filter((owner) => this.#placeOf(owner, key) !== undefined);
    const gone = known.filter((owner) => this.#liveOwner(owner, key) === undefined);
    if (gone.length === 0) return;
    const { namespace = '', name = '', uid } = object.metadata;
    if (gone.length === owners.length) {
      const propagation = object.metadata.finalizers?.includes(ORPHAN)
        ? 'Orphan'
        : object.metadata.finalizers?.includes(FOREGROUND)
          ? 'Foreground'
          : 'Background';
      await remove(
        this.#deps,
        resource,
        namespace,
        name,
        { ...NO_OPTIONS, propagation, uid },
        systemCall('garbage-collector'),
      );
      return;
    }
    await this.#withoutOwners(resource, object, gone);
  }

  async #foreground(resource: Resource, owner: KubeObject): Promise<void> {
    const blocking: Dependent[] = [];
    for (const dependent of this.#dependents.get(owner.metadata.uid ?? '')?.values() ?? []) {
      const entry = this.#deps.store.latest(dependent.collection, dependent.key);
      const object = entry && parseEntry(entry);
      const reference = object?.metadata.ownerReferences?.find((item) => item.uid === owner.metadata.uid);
      if (object === undefined || reference === undefined) continue;
      if (reference.blockOwnerDeletion === true) blocking.push(dependent);
      const kind = this.#deps.catalog.storedIn(dependent.collection);
      if (kind === undefined || object.metadata.deletionTimestamp !== undefined) continue;
      const others = (object.metadata.ownerReferences ?? []).filter(
        (item) => item !== reference && this.#liveOwner(item, dependent.key) !== undefined,
      );
      if (others.length > 0) {
        await this.#withoutOwners(kind, object, [reference]);
        blocking.splice(blocking.indexOf(dependent), 1);
      } else {
        await remove(
          this.#deps,
          kind,
          object.metadata.namespace ?? '',
          object.metadata.name ?? '',
          { ...NO_OPTIONS, propagation: 'Foreground' },
          systemCall('garbage-collector'),
        );
      }
    }
    const left = blocking.filter(
      (dependent) => this.#deps.store.latest(dependent.collection, dependent.key) !== undefined,
    );
    if (left.length === 0) await this.#withoutFinalizer(resource, owner, FOREGROUND);
  }

  async #orphan(resource: Resource, owner: KubeObject): Promise<void> {
    for (const dependent of [...(this.#dependents.get(owner.metadata.uid ?? '')?.values() ?? [])]) {
      const entry = this.#deps.store.latest(dependent.collection, dependent.key);
      const kind = this.#deps.catalog.storedIn(dependent.collection);
      if (entry === undefined || kind === undefined) continue;
      const object = parseEntry(entry);
      const references = (object.metadata.ownerReferences ?? []).filter(
        (item) => item.uid === owner.metadata.uid,
      );
      await this.#withoutOwners(kind, object, references);
    }
    await this.#withoutFinalizer(resource, owner, ORPHAN);
  }

  async #withoutOwners(
    resource: Resource,
    object: KubeObject,
    gone: readonly OwnerReference[],
  ): Promise<void> {
    const uids = new Set(gone.map((owner) => owner.uid));
    await this.#change(resource, object, (metadata) => ({
      ...metadata,
      ownerReferences: (metadata.ownerReferences ?? []).filter((owner) => !uids.has(owner.uid)),
    }));
  }

  async #withoutFinalizer(resource: Resource, object: KubeObject, finalizer: string): Promise<void> {
    await this.#change(resource, object, (metadata) => ({
      ...metadata,
      finalizers: (metadata.finalizers ?? []).filter((item) => item !== finalizer),
    }));
  }

  async #change(
    resource: Resource,
    object: KubeObject,
    change: (metadata: KubeObject['metadata']) => KubeObject['metadata'],
  ): Promise<void> {
    const target = {
      resource,
      namespace: object.metadata.namespace ?? '',
      name: object.metadata.name ?? '',
      subresource: '',
    };
    await modify(this.#deps, target, systemCall('garbage-collector'), (current) => ({
      object: { ...current, metadata: change(current.metadata) },
    }));
  }
}
