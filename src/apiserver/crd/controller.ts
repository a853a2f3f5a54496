import { onAbort } from '../../kube/index.ts';
import type { Logger } from '../../kube/index.ts';
import type { Catalog } from '../catalog.ts';
import {
  parseDeleteOptions,
  parseEntry,
  type RegistryDeps,
  remove,
  systemCall,
  modify,
  type Target,
} from '../registry/index.ts';
import { type DefinitionContext, resourcesOf } from './definition.ts';
import { CRD_COLLECTION, CRD_FINALIZER, isEstablished } from './plugin.ts';

/** Keeps the catalog in step with the definitions, and removes the objects of definitions that go. */
export class DefinitionController {
  readonly #deps: RegistryDeps;
  readonly #catalog: Catalog;
  readonly #context: DefinitionContext;
  readonly #log: Logger;
  readonly #served = new Map<string, number>();
  readonly #cleaning = new Set<string>();

  constructor(deps: RegistryDeps, context: DefinitionContext, log: Logger) {
    this.#deps = deps;
    this.#catalog = deps.catalog;
    this.#context = context;
    this.#log = log;
  }

  /** Serves what is stored, and from then on follows every change as it becomes durable. */
  start(signal: AbortSignal): void {
    const shelf = this.#deps.store.shelf(CRD_COLLECTION);
    const sync = (): void => this.#sync(signal);
    shelf.listeners.add(sync);
    signal.addEventListener('abort', () => shelf.listeners.delete(sync), { once: true });
    sync();
  }

  #sync(signal: AbortSignal): void {
    const seen = new Set<string>();
    for (const entry of this.#deps.store.shelf(CRD_COLLECTION).live.range('')) {
      seen.add(entry.key);
      if (this.#served.get(entry.key) === entry.revision) continue;
      this.#served.set(entry.key, entry.revision);
      const definition = parseEntry(entry);
      const name = definition.metadata.name ?? '';
      this.#catalog.replace(name, isEstablished(definition) ? resourcesOf(definition, this.#context) : []);
      if (definition.metadata.deletionTimestamp !== undefined) void this.#cleanUp(name, signal);
    }
    for (const key of this.#served.keys()) {
      if (seen.has(key)) continue;
      this.#served.delete(key);
      this.#catalog.replace(key.slice(1), []);
    }
  }

  /** Deletes every object of a definition, then lets the definition go. */
  async #cleanUp(name: string, signal: AbortSignal): Promise<void> {
    if (this.#cleaning.has(name)) return;
    this.#cleaning.add(name);
    try {
      const call = systemCall('apiserver');
      const resource = this.#catalog
        .all()
        .find((item) => item.definition?.name === name && item.conversion === undefined);
      const options = parseDeleteOptions(undefined, new URLSearchParams());
      while (resource !== undefined && !signal.aborted) {
        const entries = [...this.#deps.store.shelf(resource.collection).live.range('')];
        if (entries.length === 0) break;
        for (const entry of entries) {
          const at = entry.key.indexOf('/');
          await remove(
            this.#deps,
            resource,
            entry.key.slice(0, at),
            entry.key.slice(at + 1),
            options,
            call,
          ).catch(() => undefined);
        }
        if ([...this.#deps.store.shelf(resource.collection).live.range('')].length > 0)
          await this.#nextChange(resource.collection, signal);
      }
      const crd = this.#catalog.find('apiextensions.k8s.io', 'v1', 'customresourcedefinitions');
      if (crd === undefined || signal.aborted) return;
      const target: Target = { resource: crd, namespace: '', name, subresource: '' };
      await modify(this.#deps, target, call, (current) => {
        const finalizers = (current.metadata.finalizers ?? []).filter((item) => item !== CRD_FINALIZER);
        return { object: { ...current, metadata: { ...current.metadata, finalizers } } };
      });
    } catch (error) {
      this.#log.warn(
        { err: error, definition: name },
        'cleaning up after a definition failed; it is tried again with its next change',
      );
    } finally {
      this.#cleaning.delete(name);
    }
  }

  /** Objects with finalizers of others go later. */
  #nextChange(collection: string, signal: AbortSignal): Promise<void> {
    const { listeners } = this.#deps.store.shelf(collection);
    return new Promise((resolve) => {
      const done = (): void => {
        listeners.delete(done);
        resolve();
      };
      listeners.add(done);
      onAbort(signal, done);
    });
  }
}
