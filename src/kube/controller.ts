import { isDeepStrictEqual } from 'node:util';
import { onAbort } from './abort.ts';
import type { Informer } from './informer.ts';
import { keyOf } from './informer.ts';
import type { Logger } from './logger.ts';
import type { KubeObject } from './object.ts';
import { isApiError } from './status.ts';
import { SYSTEM_CLOCK, type QueueClock, WorkQueue } from './work-queue.ts';

export interface Request {
  namespace: string;
  name: string;
}

/** How a pass ended. Failed work of the user is no error: it is written into the object's status. */
export type Outcome =
  | { result: 'done' }
  | { result: 'requeueAfter'; ms: number }
  /** Nothing will change until the object does. */
  | { result: 'terminal'; reason: string };

export const DONE: Outcome = { result: 'done' };

export interface ControllerOptions {
  name: string;
  reconcile: (request: Request, signal: AbortSignal) => Promise<Outcome>;
  log: Logger;
  concurrency?: number;
  clock?: QueueClock;
}

type Mapper<T extends KubeObject> = (object: T) => Request[];

/**
 * Calls `reconcile` for every object that may need it: one pass per object at a time, again with growing
 * pauses after an error, never in parallel for one object.
 */
export class Controller {
  readonly queue: WorkQueue;
  readonly #options: ControllerOptions;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.queue = new WorkQueue(options.clock ?? SYSTEM_CLOCK);
  }

  /** The kind that it is for: every change of an object leads to a pass for it. */
  for<T extends KubeObject>(informer: Informer<T>): this {
    return this.watches(informer, (object) => [requestOf(object)]);
  }

  /** The same, but for what it writes into the status itself: no pass leads to the next one by that alone. */
  forSpecOf<T extends KubeObject>(informer: Informer<T>): this {
    const enqueue = (object: T): void => this.queue.add(keyOf(object));
    informer.addHandler({
      added: enqueue,
      updated: (object, before) => {
        if (!isDeepStrictEqual(withoutTraces(object), withoutTraces(before))) enqueue(object);
      },
      deleted: enqueue,
    });
    return this;
  }

  /** Objects that it makes: their changes lead to a pass for the controller that owns them. */
  owns<T extends KubeObject>(informer: Informer<T>, owner: { apiVersion: string; kind: string }): this {
    const group = owner.apiVersion.split('/').at(-2) ?? '';
    return this.watches(informer, (object) => {
      const found = object.metadata.ownerReferences?.find(
        (item) =>
          item.controller === true &&
          item.kind === owner.kind &&
          (item.apiVersion.split('/').at(-2) ?? '') === group,
      );
      return found === undefined ? [] : [{ namespace: object.metadata.namespace ?? '', name: found.name }];
    });
  }

  /** Anything else: the mapper names the objects that a change concerns. */
  watches<T extends KubeObject>(informer: Informer<T>, mapper: Mapper<T>): this {
    const enqueue = (object: T): void => {
      for (const { namespace, name } of mapper(object)) this.queue.add(`${namespace}/${name}`);
    };
    informer.addHandler({
      added: enqueue,
      updated: (object, before) => {
        // An object that stops concerning somebody still has to be noticed by them.
        enqueue(before);
        enqueue(object);
      },
      deleted: enqueue,
    });
    return this;
  }

  /** Works until the signal aborts; resolves when the last pass has ended. */
  async run(signal: AbortSignal): Promise<void> {
    onAbort(signal, () => this.queue.close());
    await Promise.all(Array.from({ length: this.#options.concurrency ?? 4 }, () => this.#work(signal)));
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (let item = await this.queue.take(); item !== undefined; item = await this.queue.take()) {
      await this.#pass(item, signal);
      this.queue.done(item);
    }
  }

  async #pass(item: string, signal: AbortSignal): Promise<void> {
    const at = item.indexOf('/');
    const { name, reconcile, log } = this.#options;
    try {
      const outcome = await reconcile({ namespace: item.slice(0, at), name: item.slice(at + 1) }, signal);
      this.queue.forget(item);
      if (outcome.result === 'requeueAfter') this.queue.addAfter(item, outcome.ms);
    } catch (error) {
      if (signal.aborted) return;
      // A pass on an older version than the newest is no failure: it comes again with the newer one.
      const level = isApiError(error, 'Conflict') ? 'debug' : 'warn';
      log[level]({ err: error, controller: name, object: item }, 'a pass failed and is tried again');
      this.queue.retry(item);
    }
  }
}

/** What somebody has said of an object, without what writing it leaves behind. */
function withoutTraces({ metadata }: KubeObject): object {
  const { resourceVersion: _, managedFields: __, ...said } = metadata;
  return said;
}

export function requestOf(object: KubeObject): Request {
  const [namespace = '', name = ''] = keyOf(object).split('/');
  return { namespace, name };
}
