import type { KubeClient, ResourceRef } from './client.ts';
import { Informer } from './informer.ts';
import type { Logger } from './logger.ts';
import type { KubeObject } from './object.ts';

/** One informer per kind for the whole process, however many controllers look at it. */
export class Informers {
  readonly #client: KubeClient;
  readonly #log: Logger;
  readonly #known = new Map<string, Informer>();

  constructor(client: KubeClient, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  for<T extends KubeObject = KubeObject>(resource: ResourceRef): Informer<T> {
    const key = `${resource.group}/${resource.version}/${resource.plural}`;
    let informer = this.#known.get(key);
    if (informer === undefined) {
      informer = new Informer({ client: this.#client, log: this.#log, resource });
      this.#known.set(key, informer);
    }
    return informer as unknown as Informer<T>;
  }

  /** Starts all and waits until each has seen its first list. */
  async start(signal: AbortSignal): Promise<void> {
    for (const informer of this.#known.values()) informer.start(signal);
    await Promise.all([...this.#known.values()].map((informer) => informer.synced));
  }
}
