import { isRecord, type Logger, every, onAbort } from '../../kube/index.ts';
import type { Aggregation } from '../aggregation/index.ts';
import { at, listAt } from '../kinds/index.ts';
import { modify, parseEntry, type RegistryDeps, systemCall } from '../registry/index.ts';
import { coalesced } from './coalesced.ts';

const COLLECTION = 'apiregistration.k8s.io/apiservices';
const CHECK_MS = 30_000;

/** Tells in each APIService's status whether its server answers. */
export class ApiServiceStatus {
  readonly #deps: RegistryDeps;
  readonly #aggregation: Aggregation;
  readonly #log: Logger;

  constructor(deps: RegistryDeps, aggregation: Aggregation, log: Logger) {
    this.#deps = deps;
    this.#aggregation = aggregation;
    this.#log = log;
  }

  start(signal: AbortSignal): void {
    const { listeners } = this.#deps.store.shelf(COLLECTION);
    const wake = coalesced(() => this.#sync(signal));
    listeners.add(wake);
    every(CHECK_MS, signal, wake);
    onAbort(signal, () => listeners.delete(wake));
    wake();
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const resource = this.#deps.catalog.find('apiregistration.k8s.io', 'v1', 'apiservices');
    if (resource === undefined) return;
    for (const entry of this.#deps.store.shelf(COLLECTION).live.range('')) {
      if (signal.aborted) return;
      const service = parseEntry(entry);
      const local = at(service, 'spec.service') === undefined;
      const problem = local ? undefined : await this.#aggregation.probe(service);
      const wanted = {
        type: 'Available',
        status: problem === undefined ? 'True' : 'False',
        reason: local ? 'Local' : problem === undefined ? 'Passed' : 'FailedDiscoveryCheck',
        message: local ? 'Local APIServices are always available' : (problem ?? 'all checks passed'),
      };
      const known = listAt(service, 'status.conditions').find((item) => at(item, 'type') === 'Available');
      if (isRecord(known) && known['status'] === wanted.status && known['message'] === wanted.message)
        continue;
      const condition = {
        ...wanted,
        lastTransitionTime: `${new Date(this.#deps.now()).toISOString().slice(0, 19)}Z`,
      };
      const target = { resource, namespace: '', name: service.metadata.name ?? '', subresource: 'status' };
      await modify(this.#deps, target, systemCall('apiserver'), (current) => ({
        object: { ...current, status: { conditions: [condition] } },
      })).catch((error: unknown) =>
        this.#log.warn({ err: error }, 'the status of an APIService could not be written'),
      );
    }
  }
}
