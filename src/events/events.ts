import type { ControllerContext } from '../kube/index.ts';
import { DriverController } from './drivers/driver.controller.ts';
import type { DriverSources } from './drivers/driver.ts';
import type { CloudEvent } from './ingest/cloud-event.ts';
import type { EventLog } from './log/event-log.ts';
import type { FunctionCaller } from './subscriptions/delivery.ts';
import { SubscriptionController } from './subscriptions/subscription.controller.ts';

/** Events, from whoever makes them to the functions that want them. */
export class Events implements AsyncDisposable {
  readonly drivers: DriverController;
  readonly #events: EventLog;
  readonly #subscriptions: SubscriptionController;

  constructor(
    context: ControllerContext,
    parts: { events: EventLog; caller: FunctionCaller; sources: DriverSources },
  ) {
    this.#events = parts.events;
    this.#subscriptions = new SubscriptionController(context, parts.events, parts.caller);
    this.drivers = new DriverController(context, parts.sources, (namespace, event) =>
      this.emit(namespace, [event]),
    );
  }

  /** Resolves when they are on disk. */
  async emit(namespace: string, events: readonly CloudEvent[]): Promise<void> {
    await Promise.all(events.map((event) => this.#events.append({ namespace, event })));
  }

  replay(namespace: string, name: string, since: number): Promise<void> {
    return this.#subscriptions.replay(namespace, name, since);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#subscriptions.run(signal), this.drivers.run(signal)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#events[Symbol.asyncDispose]();
  }
}
