import { every } from '../../kube/index.ts';
import type { Logger } from '../../kube/index.ts';
import { textAt } from '../kinds/index.ts';
import { type DeleteOptions, parseEntry, type RegistryDeps, remove, systemCall } from '../registry/index.ts';

const COLLECTION = '/events';
const KEEP_MS = 3600_000;
const INTERVAL_MS = 5 * 60_000;
const OPTIONS: DeleteOptions = {
  propagation: undefined,
  gracePeriodSeconds: undefined,
  uid: undefined,
  resourceVersion: undefined,
};

/** Events tell of the last hour; older ones would only fill the store. */
export class EventExpiry {
  readonly #deps: RegistryDeps;
  readonly #log: Logger;

  constructor(deps: RegistryDeps, log: Logger) {
    this.#deps = deps;
    this.#log = log;
  }

  start(signal: AbortSignal): void {
    every(INTERVAL_MS, signal, () => void this.expire(signal));
    void this.expire(signal);
  }

  async expire(signal: AbortSignal): Promise<void> {
    const resource = this.#deps.catalog.find('', 'v1', 'events');
    if (resource === undefined) return;
    const oldest = this.#deps.now() - KEEP_MS;
    for (const entry of [...this.#deps.store.shelf(COLLECTION).live.range('')]) {
      if (signal.aborted) return;
      const event = parseEntry(entry);
      const last =
        textAt(event, 'series.lastObservedTime') ??
        textAt(event, 'lastTimestamp') ??
        textAt(event, 'eventTime') ??
        event.metadata.creationTimestamp ??
        '';
      if (!(Date.parse(last) < oldest)) continue;
      const { namespace = '', name = '' } = event.metadata;
      await remove(this.#deps, resource, namespace, name, OPTIONS, systemCall('event-expiry')).catch(
        (error: unknown) => this.#log.debug({ err: error, event: name }, 'an old event could not be removed'),
      );
    }
  }
}
