import { isDeepStrictEqual } from 'node:util';
import {
  ApiError,
  Controller,
  type ControllerContext,
  DONE,
  type Informer,
  type Outcome,
  type Request,
  writeStatus,
} from '../../kube/index.ts';
import type { Consumer, EventLog } from '../log/event-log.ts';
import { SUBSCRIPTIONS, type SubscriptionObject } from '../resources.ts';
import type { FunctionCaller } from './delivery.ts';
import { BadFilterError, type Filter, filterOf } from './filter.ts';
import { SubscriptionRunner } from './runner.ts';

interface Parts {
  uid: string;
  spec: SubscriptionObject['spec'];
  filter: Filter;
  consumer: Consumer;
}

interface Running extends Parts {
  runner: SubscriptionRunner;
  stop: AbortController;
  work: Promise<void>;
}

const MAX_ATTEMPTS = 5;
const STATUS_MS = 2000;

/** Keeps a runner for each subscription. */
export class SubscriptionController {
  readonly #context: ControllerContext;
  readonly #log: EventLog;
  readonly #caller: FunctionCaller;
  readonly #subscriptions: Informer<SubscriptionObject>;
  readonly #controller: Controller;
  readonly #running = new Map<string, Running>();
  /** What earlier runners of a subscription have counted. */
  readonly #before = new Map<string, { delivered: number; dead: number }>();

  constructor(context: ControllerContext, log: EventLog, caller: FunctionCaller) {
    this.#context = context;
    this.#log = log;
    this.#caller = caller;
    this.#subscriptions = context.informers.for<SubscriptionObject>(SUBSCRIPTIONS);
    this.#controller = new Controller({
      name: 'subscription',
      log: context.log,
      reconcile: (request) => this.#reconcile(request),
    }).for(this.#subscriptions);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#controller.run(signal);
    await Promise.all([...this.#running.keys()].map((key) => this.#stop(key)));
  }

  /** Delivers again what came since a time. */
  async replay(namespace: string, name: string, since: number): Promise<void> {
    const key = `${namespace}/${name}`;
    const running = this.#running.get(key);
    if (running === undefined)
      throw new ApiError('NotFound', `The subscription ${name} is not there, or is not READY.`);
    // The runner holds events of the round before: it ends, and another one begins.
    running.stop.abort();
    await running.work;
    this.#count(key, running);
    await running.consumer.rewind(since);
    this.#begin(key, running);
  }

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    const key = `${namespace}/${name}`;
    const subscription = this.#subscriptions.get(namespace, name);
    const running = this.#running.get(key);
    if (subscription === undefined || subscription.metadata.deletionTimestamp !== undefined) {
      await this.#stop(key);
      if (running !== undefined) await this.#log.remove(running.uid);
      this.#before.delete(key);
      return DONE;
    }
    const { uid = '' } = subscription.metadata;
    if (running !== undefined && running.uid !== uid) {
      await this.#stop(key);
      await this.#log.remove(running.uid);
    }
    let filter: Filter;
    try {
      filter = filterOf(subscription.spec);
    } catch (error) {
      if (!(error instanceof BadFilterError)) throw error;
      await this.#stop(key);
      await this.#commit(subscription, { phase: 'ERROR', reason: [error.message] });
      return { result: 'terminal', reason: error.message };
    }
    if (!isDeepStrictEqual(this.#running.get(key)?.spec, subscription.spec)) {
      await this.#stop(key);
      // Even one that is not enabled has its place: what comes meanwhile waits for it.
      const consumer = await this.#log.consume({ name: uid, namespace });
      if (subscription.spec.enabled === false) await consumer.close();
      else this.#begin(key, { uid, spec: subscription.spec, filter, consumer });
    }
    return this.#report(key, subscription);
  }

  #begin(key: string, parts: Parts): void {
    const { uid, spec, filter, consumer } = parts;
    const runner = new SubscriptionRunner({
      uid,
      function: spec.function,
      secrets: spec.secrets ?? [],
      filter,
      maxAttempts: spec.maxAttempts ?? MAX_ATTEMPTS,
      consumer,
      caller: this.#caller,
      log: this.#context.log,
    });
    const stop = new AbortController();
    const work = runner.run(stop.signal).catch((error: unknown) => {
      this.#context.log.error(
        { err: error, subscription: key },
        'a subscription has stopped, and is started again',
      );
      this.#running.delete(key);
      this.#controller.queue.retry(key);
    });
    this.#running.set(key, { uid, spec, filter, consumer, runner, stop, work });
  }

  async #stop(key: string): Promise<void> {
    const running = this.#running.get(key);
    if (running === undefined) return;
    this.#running.delete(key);
    running.stop.abort();
    await running.work;
    await running.consumer.close();
    this.#count(key, running);
  }

  #count(key: string, running: Running): void {
    const { delivered, dead } = running.runner.counts;
    const before = this.#before.get(key) ?? { delivered: 0, dead: 0 };
    this.#before.set(key, { delivered: before.delivered + delivered, dead: before.dead + dead });
  }

  async #report(key: string, subscription: SubscriptionObject): Promise<Outcome> {
    const running = this.#running.get(key);
    if (!this.#before.has(key)) {
      const { delivered = 0, dead = 0 } = subscription.status ?? {};
      this.#before.set(key, { delivered, dead });
    }
    const before = this.#before.get(key)!;
    const counts = running?.runner.counts ?? { delivered: 0, dead: 0 };
    await this.#commit(subscription, {
      phase: 'READY',
      delivered: before.delivered + counts.delivered,
      dead: before.dead + counts.dead,
      waiting: (await running?.consumer.waiting()) ?? 0,
    });
    return { result: 'requeueAfter', ms: STATUS_MS };
  }

  #commit(
    subscription: SubscriptionObject,
    status: NonNullable<SubscriptionObject['status']>,
  ): Promise<void> {
    return writeStatus(this.#context.client, SUBSCRIPTIONS, subscription, status);
  }
}
