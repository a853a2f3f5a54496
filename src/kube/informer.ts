import { pause } from './abort.ts';
import type { KubeClient, ResourceRef } from './client.ts';
import type { Logger } from './logger.ts';
import type { KubeObject } from './object.ts';
import { isApiError } from './status.ts';

export interface InformerOptions {
  client: KubeClient;
  log: Logger;
  resource: ResourceRef;
  /** '' for all namespaces. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

export interface InformerHandler<T extends KubeObject> {
  added?: (object: T) => void;
  updated?: (object: T, before: T) => void;
  deleted?: (object: T) => void;
}

export type IndexFunction<T extends KubeObject> = (object: T) => string[];

const PAGE = 500;
const RETRY_BASE_MS = 100;
const RETRY_MAX_MS = 30_000;

/**
 * A cache of one kind, kept current by one list and one watch. It starts again by itself after any loss:
 * handlers see the difference, never a gap. Objects in it are shared and must not be changed.
 */
export class Informer<T extends KubeObject = KubeObject> {
  readonly #options: InformerOptions;
  readonly #objects = new Map<string, T>();
  readonly #handlers = new Set<InformerHandler<T>>();
  readonly #indexes = new Map<string, { of: IndexFunction<T>; keys: Map<string, Set<string>> }>();
  readonly #synced = Promise.withResolvers<void>();
  #revision = '';
  #started = false;

  constructor(options: InformerOptions) {
    this.#options = options;
  }

  /** Resolves when the first list is in the cache. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Must be called before `start`. */
  addIndex(name: string, of: IndexFunction<T>): this {
    this.#indexes.set(name, { of, keys: new Map() });
    return this;
  }

  /** A handler that comes late is told of everything that is there. */
  addHandler(handler: InformerHandler<T>): Disposable {
    this.#handlers.add(handler);
    for (const object of this.#objects.values()) handler.added?.(object);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  get(namespace: string, name: string): T | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  byIndex(name: string, value: string): T[] {
    const keys = this.#indexes.get(name)?.keys.get(value) ?? [];
    return [...keys].map((key) => this.#objects.get(key)!);
  }

  /** Runs until the signal aborts. */
  start(signal: AbortSignal): void {
    if (this.#started) return;
    this.#started = true;
    void this.#run(signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (this.#revision === '') await this.#list(signal);
        this.#synced.resolve();
        failures = 0;
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        // The past that the watch wanted is gone: only a new list helps, at once.
        if (isApiError(error, 'Expired') || isApiError(error, 'Gone')) {
          this.#revision = '';
          continue;
        }
        this.#options.log.debug(
          { err: error, kind: this.#options.resource.plural },
          'a watch was lost and is started again',
        );
        await pause(Math.min(RETRY_BASE_MS * 2 ** failures++, RETRY_MAX_MS) * (0.5 + Math.random()), signal);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, resource, namespace, labelSelector, fieldSelector } = this.#options;
    const found = new Map<string, T>();
    let next: string | undefined;
    let revision = '';
    do {
      const page = await client.list<T>(resource, {
        limit: PAGE,
        signal,
        ...(namespace && { namespace }),
        ...(labelSelector && { labelSelector }),
        ...(fieldSelector && { fieldSelector }),
        ...(next && { continue: next }),
      });
      for (const object of page.items) found.set(keyOf(object), object);
      next = page.metadata.continue || undefined;
      revision = page.metadata.resourceVersion ?? '';
    } while (next !== undefined);
    for (const [key, object] of this.#objects) if (!found.has(key)) this.#remove(key, object);
    for (const object of found.values()) this.#store(object);
    this.#revision = revision;
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, resource, namespace, labelSelector, fieldSelector } = this.#options;
    const events = client.watch<T>(resource, {
      resourceVersion: this.#revision,
      allowBookmarks: true,
      signal,
      ...(namespace && { namespace }),
      ...(labelSelector && { labelSelector }),
      ...(fieldSelector && { fieldSelector }),
    });
    for await (const { type, object } of events) {
      if (type === 'DELETED') this.#remove(keyOf(object), object);
      else if (type !== 'BOOKMARK') this.#store(object);
      this.#revision = object.metadata.resourceVersion ?? this.#revision;
    }
  }

  #store(object: T): void {
    const key = keyOf(object);
    const before = this.#objects.get(key);
    if (
      before?.metadata.resourceVersion === object.metadata.resourceVersion &&
      before?.metadata.uid === object.metadata.uid
    )
      return;
    // Another uid under the same name is another object: its forerunner was deleted.
    if (before !== undefined && before.metadata.uid !== object.metadata.uid) this.#remove(key, before);
    this.#unindex(key);
    this.#objects.set(key, object);
    for (const { of, keys } of this.#indexes.values())
      for (const value of of(object)) keys.set(value, (keys.get(value) ?? new Set()).add(key));
    const known = before !== undefined && before.metadata.uid === object.metadata.uid;
    for (const handler of this.#handlers) {
      if (known) handler.updated?.(object, before);
      else handler.added?.(object);
    }
  }

  #remove(key: string, object: T): void {
    if (!this.#objects.has(key)) return;
    this.#unindex(key);
    this.#objects.delete(key);
    for (const handler of this.#handlers) handler.deleted?.(object);
  }

  #unindex(key: string): void {
    const object = this.#objects.get(key);
    if (object === undefined) return;
    for (const { of, keys } of this.#indexes.values()) {
      for (const value of of(object)) {
        const group = keys.get(value);
        group?.delete(key);
        if (group?.size === 0) keys.delete(value);
      }
    }
  }
}

export function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`;
}
