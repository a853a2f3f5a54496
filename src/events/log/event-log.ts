import type { CloudEvent } from '../ingest/cloud-event.ts';

export interface LoggedEvent {
  namespace: string;
  event: CloudEvent;
}

export interface Delivered extends LoggedEvent {
  /** Counts up; not every number is there. */
  sequence: number;
  /** When it came, in milliseconds since the epoch. */
  receivedAt: number;
}

export interface ConsumerOptions {
  /** Never that of another one that was there before. */
  name: string;
  namespace: string;
}

/**
 * A reader that remembers how far it has come, over restarts too. It gets every event of its namespace that came
 * after it was made, in order, and gets again after a restart what it has not acknowledged.
 */
export interface Consumer {
  /** At least one, as soon as there is one; none when the signal aborts. */
  next: (limit: number, signal: AbortSignal) => Promise<Delivered[]>;
  /** Acknowledgements may come in any order. */
  ack: (sequence: number) => void;
  /** Goes back to the first event since a time; a new round begins. */
  rewind: (since: number) => Promise<void>;
  /** Counts how often it has been sent back. */
  readonly round: number;
  /** How many events it has not acknowledged. */
  waiting: () => Promise<number>;
  /** Resolves when what was acknowledged is on disk. */
  close: () => Promise<void>;
}

/** Where events are kept. Appending resolves when an event is on disk, and cannot be lost from then on. */
export interface EventLog extends AsyncDisposable {
  append: (event: LoggedEvent) => Promise<void>;
  /** One at a time for each name. */
  consume: (options: ConsumerOptions) => Promise<Consumer>;
  /** Forgets a consumer. */
  remove: (name: string) => Promise<void>;
}
