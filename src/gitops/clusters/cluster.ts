import {
  type Informer,
  Informers,
  isApiError,
  type KubeClient,
  type KubeObject,
  type Logger,
  type ResourceRef,
  pause,
} from '../../kube/index.ts';
import type { Capabilities } from '../../render/index.ts';
import { healthOf } from '../engine/health.ts';
import { healthByRules, type HealthRules } from '../engine/health-rules.ts';
import { keyOfObject, type ObjectKey, textOfKey } from '../engine/object-key.ts';
import { ownerOf } from '../engine/owner.ts';
import type { Health } from '../resources.ts';

export interface ClusterOptions {
  /** Its address, which is also what it is known by. */
  server: string;
  name: string;
  client: KubeClient;
  rules: HealthRules;
  /** Those of this process, where it is the cluster that this runs on. */
  informers?: Informers;
  log: Logger;
  now: () => number;
}

/** The cluster does not answer, or not in time. */
export class ClusterDown extends Error {}

interface ResourceList {
  resources: { name: string; kind: string; namespaced: boolean; verbs: string[] }[];
}

const CALL_TIMEOUT_MS = 15_000;
const SYNC_TIMEOUT_MS = 15_000;
const PROBE_MS = 5_000;
const SEEN_MS = 2_000;
const REDISCOVER_MS = 2_000;
const CAPABILITIES_MS = 300_000;
const MAX_IN_FLIGHT = 16;
const MAX_VERIFIED = 100_000;

/** What is known of a cluster, whoever acts on it. */
class Shared {
  readonly stopping = new AbortController();
  readonly informers: Informers;
  readonly watched = new Map<string, Informer>();
  readonly kinds = new Map<string, { at: number; found: Promise<ResourceList['resources']> }>();
  readonly listeners = new Set<(object: KubeObject) => void>();
  capabilities: { at: number; value: Promise<Capabilities> } | undefined;
  /** What belongs to whom, among the kinds that are watched. */
  readonly owned = new Map<string, Map<string, KubeObject>>();
  readonly waiting = new Map<string, Set<() => void>>();
  /** Objects that were found to be as they should, by their version. */
  readonly verified = new Map<string, string>();
  down: { since: number; message: string } | undefined;
  inFlight = 0;
  readonly entering = new Map<string, () => void>();

  constructor({ informers, client, log }: ClusterOptions) {
    this.informers = informers ?? new Informers(client, log);
  }
}

/**
 * One cluster that objects are kept on: its kinds, what lives there, and whether it answers at all. A cluster that
 * does not answer is asked again by itself; whoever wants something of it meanwhile hears so at once.
 */
export class Cluster implements AsyncDisposable {
  readonly server: string;
  readonly name: string;
  readonly #options: ClusterOptions;
  readonly #shared: Shared;

  constructor(options: ClusterOptions, shared?: Shared) {
    this.#options = options;
    this.server = options.server;
    this.name = options.name;
    this.#shared = shared ?? new Shared(options);
  }

  /** The same cluster, where every call is made as somebody else, with the rights of that. */
  as(user: string): Cluster {
    return new Cluster({ ...this.#options, client: this.#options.client.as(user) }, this.#shared);
  }

  get problem(): string | undefined {
    return this.#shared.down?.message;
  }

  /** Told of everything that changes among the kinds that are watched. */
  onChange(listener: (object: KubeObject) => void): void {
    this.#shared.listeners.add(listener);
  }

  /**
   * Takes part in the work on this cluster. Where enough others do, it is false, and `onFree` is called when one of
   * them has left: whoever waits costs nothing meanwhile.
   */
  enter(key: string, onFree: () => void): boolean {
    if (this.#shared.inFlight >= MAX_IN_FLIGHT && this.#options.informers === undefined) {
      this.#shared.entering.set(key, onFree);
      return false;
    }
    this.#shared.entering.delete(key);
    this.#shared.inFlight += 1;
    return true;
  }

  leave(): void {
    this.#shared.inFlight -= 1;
    const [next] = this.#shared.entering;
    if (next === undefined) return;
    this.#shared.entering.delete(next[0]);
    next[1]();
  }

  /** Where the objects of a kind are. Undefined where the cluster does not know it. */
  async resourceOf({
    group,
    version,
    kind,
  }: Pick<ObjectKey, 'group' | 'version' | 'kind'>): Promise<ResourceRef | undefined> {
    for (const isRetry of [false, true]) {
      const found = (await this.#resources(group, version, isRetry)).find(
        (item) => item.kind === kind && !item.name.includes('/'),
      );
      if (found !== undefined) return { group, version, plural: found.name, namespaced: found.namespaced };
    }
    return undefined;
  }

  async #resources(group: string, version: string, isRetry: boolean): Promise<ResourceList['resources']> {
    const key = `${group}/${version}`;
    const known = this.#shared.kinds.get(key);
    const { now } = this.#options;
    if (known !== undefined && (!isRetry || now() - known.at < REDISCOVER_MS)) return known.found;
    const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    const found = this.call((client, signal) =>
      client.raw<ResourceList>({ method: 'GET', path, signal }),
    ).then(
      ({ resources }) => resources,
      (error: unknown) => {
        this.#shared.kinds.delete(key);
        if (isApiError(error, 'NotFound')) return [];
        throw error;
      },
    );
    this.#shared.kinds.set(key, { at: now(), found });
    return found;
  }

  /** Kinds may have come: definitions were applied. */
  forgetKinds(): void {
    this.#shared.kinds.clear();
    this.#shared.capabilities = undefined;
  }

  /** What charts may ask about it. */
  capabilities(): Promise<Capabilities> {
    const { now } = this.#options;
    if (this.#shared.capabilities !== undefined && now() - this.#shared.capabilities.at < CAPABILITIES_MS)
      return this.#shared.capabilities.value;
    const value = this.#readCapabilities();
    this.#shared.capabilities = { at: now(), value };
    value.catch(() => {
      this.#shared.capabilities = undefined;
    });
    return value;
  }

  async #readCapabilities(): Promise<Capabilities> {
    const get = <T>(path: string): Promise<T> =>
      this.call((client, signal) => client.raw<T>({ method: 'GET', path, signal }));
    const { gitVersion } = await get<{ gitVersion: string }>('/version');
    const { groups } = await get<{ groups: { versions: { groupVersion: string }[] }[] }>('/apis');
    const versions = ['v1', ...groups.flatMap((group) => group.versions.map((item) => item.groupVersion))];
    const kinds = await Promise.all(
      versions.map(async (groupVersion) => {
        const at = groupVersion.lastIndexOf('/');
        const [group, version] =
          at < 0 ? ['', groupVersion] : [groupVersion.slice(0, at), groupVersion.slice(at + 1)];
        const found = await this.#resources(group, version, false);
        return [
          groupVersion,
          ...found.filter(({ name }) => !name.includes('/')).map(({ kind }) => `${groupVersion}/${kind}`),
        ];
      }),
    );
    return { kubeVersion: gitVersion.replace(/[+-].*$/, ''), apiVersions: kinds.flat() };
  }

  /** Everything of a kind that lives there, kept current. Throws `ClusterDown` where it cannot be had in time. */
  async live(resource: ResourceRef): Promise<Informer> {
    const key = `${resource.group}/${resource.version}/${resource.plural}`;
    let informer = this.#shared.watched.get(key);
    if (informer === undefined) {
      informer = this.#shared.informers.for(resource);
      const tell = (object: KubeObject): void => {
        for (const look of this.#shared.waiting.get(textOfKey(keyOfObject(object))) ?? []) look();
        for (const listener of this.#shared.listeners) listener(object);
      };
      informer.addHandler({
        added: (object) => {
          this.#own(object);
          tell(object);
        },
        updated: (object, before) => {
          this.#disown(before);
          this.#own(object);
          tell(before);
          tell(object);
        },
        deleted: (object) => {
          this.#disown(object);
          tell(object);
        },
      });
      informer.start(this.#shared.stopping.signal);
      this.#shared.watched.set(key, informer);
    }
    await this.#within(informer.synced, SYNC_TIMEOUT_MS);
    return informer;
  }

  #own(object: KubeObject): void {
    const owner = ownerOf(object);
    if (owner === undefined) return;
    const mine = this.#shared.owned.get(owner) ?? new Map<string, KubeObject>();
    this.#shared.owned.set(owner, mine.set(textOfKey(keyOfObject(object)), object));
  }

  #disown(object: KubeObject): void {
    const owner = ownerOf(object);
    const mine = owner === undefined ? undefined : this.#shared.owned.get(owner);
    mine?.delete(textOfKey(keyOfObject(object)));
    if (owner !== undefined && mine?.size === 0) this.#shared.owned.delete(owner);
  }

  /** How an object that lives there is. */
  healthOf(object: KubeObject): Health | undefined {
    return healthByRules(object, this.#options.rules.all) ?? healthOf(object);
  }

  /** Everything that belongs to an owner, among the kinds that are watched. */
  ownedBy(owner: string): KubeObject[] {
    return [...(this.#shared.owned.get(owner)?.values() ?? [])];
  }

  /** Whether an object was found as it should be, in this version and for this wish. */
  isVerified({ metadata }: KubeObject, hash: string): boolean {
    return this.#shared.verified.get(metadata.uid ?? '') === `${metadata.resourceVersion}/${hash}`;
  }

  verify({ metadata }: KubeObject, hash: string): void {
    if (this.#shared.verified.size >= MAX_VERIFIED) this.#shared.verified.clear();
    this.#shared.verified.set(metadata.uid ?? '', `${metadata.resourceVersion}/${hash}`);
  }

  /** Waits until what was written can be seen by whoever looks at the kind: what was just done is not done again. */
  async settled(resource: ResourceRef, written: KubeObject, isGone = false): Promise<void> {
    const informer = await this.live(resource);
    const { namespace = '', name = '', uid } = written.metadata;
    const wanted = Number(written.metadata.resourceVersion ?? 0);
    const isSeen = (): boolean => {
      const there = informer.get(namespace, name);
      if (isGone) return there?.metadata.uid !== uid || there?.metadata.deletionTimestamp !== undefined;
      return there !== undefined && Number(there.metadata.resourceVersion ?? 0) >= wanted;
    };
    if (isSeen()) return;
    const key = textOfKey(keyOfObject(written));
    await new Promise<void>((resolve) => {
      const waiting = this.#shared.waiting.get(key) ?? new Set();
      const done = (): void => {
        clearTimeout(timer);
        waiting.delete(look);
        if (waiting.size === 0) this.#shared.waiting.delete(key);
        resolve();
      };
      const look = (): void => {
        if (isSeen()) done();
      };
      const timer = setTimeout(done, SEEN_MS);
      this.#shared.waiting.set(key, waiting.add(look));
    });
  }

  /** A call that ends in time, one way or the other. */
  async call<T>(work: (client: KubeClient, signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#shared.down !== undefined) throw new ClusterDown(this.#shared.down.message);
    const signal = AbortSignal.any([AbortSignal.timeout(CALL_TIMEOUT_MS), this.#shared.stopping.signal]);
    try {
      return await work(this.#options.client, signal);
    } catch (error) {
      if (isApiError(error)) throw error;
      throw this.#lost(signal.aborted ? 'it does not answer in time' : messageOf(error), error);
    }
  }

  async #within<T>(promise: Promise<T>, ms: number): Promise<T> {
    if (this.#shared.down !== undefined) throw new ClusterDown(this.#shared.down.message);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#lost('it does not answer in time')), ms);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #lost(why: string, cause?: unknown): ClusterDown {
    const message = `The cluster ${this.server} cannot be reached: ${why}.`;
    // This process itself is never away; a kind that cannot be listed is no reason to give everything up.
    if (
      this.#options.informers === undefined &&
      this.#shared.down === undefined &&
      !this.#shared.stopping.signal.aborted
    ) {
      this.#shared.down = { since: this.#options.now(), message };
      void this.#probe();
    }
    return new ClusterDown(message, { cause });
  }

  async #probe(): Promise<void> {
    const { signal } = this.#shared.stopping;
    while (!signal.aborted && this.#shared.down !== undefined) {
      await pause(PROBE_MS, signal);
      try {
        await this.#options.client.raw({
          method: 'GET',
          path: '/version',
          signal: AbortSignal.any([AbortSignal.timeout(PROBE_MS), signal]),
        });
        this.#shared.down = undefined;
        this.forgetKinds();
      } catch (error) {
        if (isApiError(error)) this.#shared.down = undefined;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#shared.stopping.abort();
    if (this.#options.informers === undefined) await this.#options.client.close();
  }
}

function messageOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}
