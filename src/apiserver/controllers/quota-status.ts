import { isDeepStrictEqual } from 'node:util';
import { formatQuantity, isRecord, type Logger } from '../../kube/index.ts';
import { used } from '../admission/index.ts';
import { at } from '../kinds/index.ts';
import { modify, parseEntry, type RegistryDeps, systemCall } from '../registry/index.ts';

const COLLECTION = '/resourcequotas';
const SETTLE_MS = 200;

/** Shows in each quota's status how much of it is used. */
export class QuotaStatus {
  readonly #deps: RegistryDeps;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: RegistryDeps, log: Logger) {
    this.#deps = deps;
    this.#log = log;
  }

  start(signal: AbortSignal): void {
    const { store } = this.#deps;
    const wake = (): void => {
      // Without quotas this costs one look at a size.
      if (store.shelf(COLLECTION).live.size === 0) return;
      this.#timer ??= setTimeout(() => void this.#sync(), SETTLE_MS).unref();
    };
    const shelves = this.#deps.catalog
      .all()
      .filter((resource) => resource.namespaced)
      .map((resource) => store.shelf(resource.collection));
    for (const shelf of shelves) shelf.listeners.add(wake);
    signal.addEventListener('abort', () => {
      clearTimeout(this.#timer);
      for (const shelf of shelves) shelf.listeners.delete(wake);
    });
    wake();
  }

  async #sync(): Promise<void> {
    this.#timer = undefined;
    const resource = this.#deps.catalog.find('', 'v1', 'resourcequotas');
    if (resource === undefined) return;
    for (const entry of this.#deps.store.shelf(COLLECTION).live.range('')) {
      const quota = parseEntry(entry);
      const { namespace = '', name = '' } = quota.metadata;
      const hard = at(quota, 'spec.hard');
      if (!isRecord(hard)) continue;
      const status = {
        hard,
        used: Object.fromEntries(
          Object.keys(hard).map((key) => [
            key,
            formatQuantity({
              nano: used(this.#deps.store, namespace, key),
              format: key.includes('memory') || key.includes('storage') ? 'binary' : 'decimal',
            }),
          ]),
        ),
      };
      if (isDeepStrictEqual(quota['status'], status)) continue;
      const target = { resource, namespace, name, subresource: 'status' };
      await modify(this.#deps, target, systemCall('resourcequota-controller'), (current) => ({
        object: { ...current, status },
      })).catch((error: unknown) =>
        this.#log.warn({ err: error, quota: name }, 'the status of a quota could not be written'),
      );
    }
  }
}
