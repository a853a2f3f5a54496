export type { DriverSources, GitChange, ImagePush } from './drivers/driver.ts';
export { Events } from './events.ts';
export { BadEventError, type CloudEvent, eventOf } from './ingest/cloud-event.ts';
export { eventsOf } from './ingest/http-binding.ts';
export { Ingest } from './ingest/ingest.ts';
export type { Consumer, Delivered, EventLog, LoggedEvent } from './log/event-log.ts';
export { LocalEventLog } from './log/local-event-log.ts';
export { NatsEventLog } from './log/nats-event-log.ts';
export {
  DRIVER_TYPES,
  DRIVERS,
  type DriverObject,
  type DriverTypeObject,
  SUBSCRIPTIONS,
  type SubscriptionObject,
} from './resources.ts';
export type { Call, CallResult, FunctionCaller } from './subscriptions/delivery.ts';
