import { onAbort } from '../../kube/index.ts';
import {
  AckPolicy,
  type Consumer as PullConsumer,
  type ConsumerInfo,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { connect, type ConnectionOptions, type NatsConnection, nanos } from '@nats-io/transport-node';
import type { CloudEvent } from '../ingest/cloud-event.ts';
import type { Consumer, ConsumerOptions, Delivered, EventLog, LoggedEvent } from './event-log.ts';

export interface NatsLogOptions {
  connection: ConnectionOptions;
  /** Tells apart the installations that share a server. */
  stream?: string;
  keepMs?: number;
  keepBytes?: number;
  now: () => number;
}

interface Place {
  base: string;
  /** Counts the consumers of this name: each start makes a new one, so that what was held comes first again. */
  generation: number;
  round: number;
}

const STREAM = 'DISPATCH_EVENTS';
const KEEP_MS = 7 * 24 * 3600_000;
const KEEP_BYTES = -1;
const ACK_WAIT_MS = 60_000;
const WORKING_MS = 20_000;
const MAX_PENDING = 2000;
const FETCH_MS = 1000;

/** Events in a stream of NATS JetStream, with a durable consumer for each reader. */
export class NatsEventLog implements EventLog {
  readonly #options: NatsLogOptions;
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #client: JetStreamClient;
  readonly #stream: string;
  readonly #open = new Map<string, NatsConsumer>();

  private constructor(options: NatsLogOptions, connection: NatsConnection, manager: JetStreamManager) {
    this.#options = options;
    this.#connection = connection;
    this.#manager = manager;
    this.#client = jetstream(connection);
    this.#stream = options.stream ?? STREAM;
  }

  static async open(options: NatsLogOptions): Promise<NatsEventLog> {
    const connection = await connect({ maxReconnectAttempts: -1, ...options.connection });
    const manager = await jetstreamManager(connection);
    const log = new NatsEventLog(options, connection, manager);
    const config = {
      name: log.#stream,
      subjects: [`${log.#stream}.>`],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      max_age: nanos(options.keepMs ?? KEEP_MS),
      max_bytes: options.keepBytes ?? KEEP_BYTES,
    };
    await manager.streams.add(config).catch(async (error: Error) => {
      // It is there with other limits: those of now count.
      if (!/already in use/.test(error.message)) throw error;
      await manager.streams.update(log.#stream, config);
    });
    return log;
  }

  async append({ namespace, event }: LoggedEvent): Promise<void> {
    await this.#client.publish(this.#subject(namespace), JSON.stringify({ at: this.#options.now(), event }));
  }

  async consume({ name, namespace }: ConsumerOptions): Promise<Consumer> {
    const all = await this.#consumersOf(name);
    const newest = all.sort((a, b) => b.place.generation - a.place.generation)[0];
    const consumer = new NatsConsumer({
      manager: this.#manager,
      client: this.#client,
      stream: this.#stream,
      subject: this.#subject(namespace),
      closed: () => this.#open.delete(name),
    });
    const place = newest?.place ?? { base: baseOf(name), generation: 0, round: 0 };
    // Those that were held when the last one ended come first again, in their order.
    await consumer.begin(
      { ...place, generation: place.generation + 1 },
      newest === undefined ? after(await this.#last()) : startOf(newest.info),
    );
    for (const { info } of all) await this.#manager.consumers.delete(this.#stream, info.name).catch(() => {});
    this.#open.set(name, consumer);
    return consumer;
  }

  async remove(name: string): Promise<void> {
    await this.#open.get(name)?.close();
    for (const { info } of await this.#consumersOf(name))
      await this.#manager.consumers.delete(this.#stream, info.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.values()].map((consumer) => consumer.close()));
    await this.#connection.drain();
  }

  async #last(): Promise<number> {
    return (await this.#manager.streams.info(this.#stream)).state.last_seq;
  }

  #subject(namespace: string): string {
    return `${this.#stream}.${namespace}`;
  }

  async #consumersOf(name: string): Promise<{ info: ConsumerInfo; place: Place }[]> {
    const found: { info: ConsumerInfo; place: Place }[] = [];
    for await (const info of this.#manager.consumers.list(this.#stream)) {
      const place = placeOf(info.name);
      if (place?.base === baseOf(name)) found.push({ info, place });
    }
    return found;
  }
}

interface NatsConsumerOptions {
  manager: JetStreamManager;
  client: JetStreamClient;
  stream: string;
  subject: string;
  closed: () => void;
}

type Start =
  | { deliver_policy: typeof DeliverPolicy.StartSequence; opt_start_seq: number }
  | { deliver_policy: typeof DeliverPolicy.StartTime; opt_start_time: string };

class NatsConsumer implements Consumer {
  readonly #options: NatsConsumerOptions;
  /** By their sequence: taken, and not acknowledged. */
  readonly #held = new Map<number, JsMsg>();
  readonly #timer: NodeJS.Timeout;
  #place!: Place;
  #pull: PullConsumer | undefined;
  #fetching: ConsumerMessages | undefined;

  constructor(options: NatsConsumerOptions) {
    this.#options = options;
    // What is being worked on for long is not given out again.
    this.#timer = setInterval(() => {
      for (const message of this.#held.values()) message.working();
    }, WORKING_MS);
  }

  get round(): number {
    return this.#place.round;
  }

  async begin(place: Place, start: Start): Promise<void> {
    const { manager, stream, subject } = this.#options;
    this.#place = place;
    this.#pull = undefined;
    await manager.consumers.add(stream, {
      durable_name: nameOf(place),
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ACK_WAIT_MS),
      max_ack_pending: MAX_PENDING,
      filter_subject: subject,
      ...start,
    });
  }

  async next(limit: number, signal: AbortSignal): Promise<Delivered[]> {
    const { client, stream } = this.#options;
    const consumer = this.#pull ?? (await client.consumers.get(stream, nameOf(this.#place)));
    this.#pull = consumer;
    const stop = (): void => this.#fetching?.stop();
    onAbort(signal, stop);
    try {
      while (!signal.aborted) {
        const found: Delivered[] = [];
        // The first is waited for; with it comes what is there besides.
        const first = await consumer.next({ expires: FETCH_MS });
        if (first === null) continue;
        this.#take(first, found);
        const more = limit === 1 ? 0 : Math.min(limit - 1, (await consumer.info()).num_pending);
        if (more > 0 && !signal.aborted) {
          this.#fetching = await consumer.fetch({ max_messages: more, expires: FETCH_MS });
          for await (const message of this.#fetching) this.#take(message, found);
          this.#fetching = undefined;
        }
        if (found.length > 0) return found;
      }
      return [];
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  ack(sequence: number): void {
    this.#held.get(sequence)?.ack();
    this.#held.delete(sequence);
  }

  async rewind(since: number): Promise<void> {
    const { manager, stream } = this.#options;
    const before = nameOf(this.#place);
    const { generation, round } = this.#place;
    await this.begin(
      { ...this.#place, generation: generation + 1, round: round + 1 },
      { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(since).toISOString() },
    );
    this.#held.clear();
    await manager.consumers.delete(stream, before).catch(() => {});
  }

  async waiting(): Promise<number> {
    const { manager, stream } = this.#options;
    const info = await manager.consumers.info(stream, nameOf(this.#place));
    return info.num_pending + info.num_ack_pending;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#fetching?.stop();
    this.#options.closed();
  }

  #take(message: JsMsg, found: Delivered[]): void {
    const isKnown = this.#held.has(message.seq);
    this.#held.set(message.seq, message);
    if (isKnown) return;
    const { at, event } = message.json<{ at: number; event: CloudEvent }>();
    const namespace = message.subject.slice(message.subject.indexOf('.') + 1);
    found.push({ sequence: message.seq, namespace, event, receivedAt: at });
  }
}

function after(sequence: number): Start {
  return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: sequence + 1 };
}

/** Where one that has been there goes on: one that has acknowledged nothing begins where it began. */
function startOf({ ack_floor: floor, config }: ConsumerInfo): Start {
  if (floor.consumer_seq > 0) return after(floor.stream_seq);
  return config.opt_start_time === undefined
    ? after((config.opt_start_seq ?? 1) - 1)
    : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: config.opt_start_time };
}

/** Names of consumers have no dots and no spaces. */
function baseOf(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9-]/g, '-');
}

function nameOf({ base, generation, round }: Place): string {
  return `${base}_g${generation}_r${round}`;
}

function placeOf(name: string): Place | undefined {
  const match = /^(.*)_g(\d+)_r(\d+)$/.exec(name);
  return match === null
    ? undefined
    : { base: match[1]!, generation: Number(match[2]), round: Number(match[3]) };
}
