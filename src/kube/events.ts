import type { KubeClient, ResourceRef } from './client.ts';
import type { Logger } from './logger.ts';
import { timestamp } from './metadata.ts';
import type { KubeObject } from './object.ts';
import { isApiError } from './status.ts';

export const EVENTS: ResourceRef = { group: '', version: 'v1', plural: 'events', namespaced: true };

export interface EventText {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

interface Known {
  name: string;
  namespace: string;
  count: number;
  first: string;
}

const MAX_KNOWN = 4096;
const MAX_MESSAGE = 1024;

/** Writes events about objects. The same thing again raises a count instead of adding an object. */
export class EventRecorder {
  readonly #client: KubeClient;
  readonly #component: string;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();
  #queue: Promise<void> = Promise.resolve();

  constructor(client: KubeClient, component: string, log: Logger, now: () => number = Date.now) {
    this.#client = client;
    this.#component = component;
    this.#log = log;
    this.#now = now;
  }

  /** Never throws and is never waited for: an event that is lost must not hold up the work it tells of. */
  record(object: KubeObject, event: EventText): void {
    this.#queue = this.#queue
      .then(() => this.#write(object, event))
      .catch((error: unknown) => this.#log.debug({ err: error }, 'an event was lost'));
  }

  /** Resolves when everything recorded so far is written or lost. */
  async flush(): Promise<void> {
    await this.#queue;
  }

  async #write(object: KubeObject, event: EventText): Promise<void> {
    const key = [object.metadata.uid, event.type, event.reason, event.message].join('\n');
    const time = timestamp(this.#now());
    const known = this.#known.get(key);
    if (known !== undefined && (await this.#again(known, time))) return;
    const namespace = object.metadata.namespace ?? 'default';
    const name = `${object.metadata.name}.${this.#now().toString(16)}${Math.random().toString(16).slice(2, 8)}`;
    await this.#client.create(EVENTS, this.#body(object, event, { namespace, name, time }));
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(key, { name, namespace, count: 1, first: time });
  }

  async #again(known: Known, time: string): Promise<boolean> {
    try {
      await this.#client.patch(EVENTS, known, 'merge', { count: known.count + 1, lastTimestamp: time });
      known.count += 1;
      return true;
    } catch (error) {
      if (isApiError(error, 'NotFound')) return false;
      throw error;
    }
  }

  #body(
    object: KubeObject,
    event: EventText,
    at: { namespace: string; name: string; time: string },
  ): KubeObject {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: at.name, namespace: at.namespace },
      involvedObject: {
        apiVersion: object.apiVersion,
        kind: object.kind,
        name,
        ...(namespace && { namespace }),
        ...(uid && { uid }),
        ...(resourceVersion && { resourceVersion }),
      },
      type: event.type,
      reason: event.reason,
      message: event.message.slice(0, MAX_MESSAGE),
      source: { component: this.#component },
      reportingComponent: this.#component,
      firstTimestamp: at.time,
      lastTimestamp: at.time,
      count: 1,
    };
  }
}
