import { join } from 'node:path';
import { Stream, Table } from '../../journal/index.ts';
import type { Consumer, ConsumerOptions, Delivered, EventLog, LoggedEvent } from './event-log.ts';
import { Progress } from './progress.ts';

export interface LocalLogOptions {
  dir: string;
  now: () => number;
  /** How much is kept of what everybody has read. */
  keepBytes?: number;
  keepMs?: number;
  segmentBytes?: number;
}

interface State {
  floor: number;
  done: number[];
  round: number;
}

const KEEP_BYTES = 512 * 1024 * 1024;
const KEEP_MS = 7 * 24 * 3600_000;
const SAVE_MS = 20;
const READ = 512;
const SWEEP_EVERY = 10_000;

/** Events in files of this machine, with the places of their readers beside them. */
export class LocalEventLog implements EventLog {
  readonly #options: Required<Omit<LocalLogOptions, 'segmentBytes'>>;
  readonly #stream: Stream;
  readonly #states: Table;
  readonly #consumers = new Map<string, LocalConsumer>();
  #sinceSweep = 0;

  private constructor(options: LocalLogOptions, stream: Stream, states: Table) {
    this.#options = { keepBytes: KEEP_BYTES, keepMs: KEEP_MS, ...options };
    this.#stream = stream;
    this.#states = states;
  }

  static async open(options: LocalLogOptions): Promise<LocalEventLog> {
    const states = await Table.open(join(options.dir, 'consumers'));
    const stream = await Stream.open(join(options.dir, 'stream'), undefined, {
      ...(options.segmentBytes !== undefined && { segmentBytes: options.segmentBytes }),
    });
    return new LocalEventLog(options, stream, states);
  }

  async append({ namespace, event }: LoggedEvent): Promise<void> {
    const value = Buffer.from(JSON.stringify({ at: this.#options.now(), event }));
    await this.#stream.append(namespace, value);
    this.#sinceSweep += 1;
    if (this.#sinceSweep < SWEEP_EVERY) return;
    this.#sinceSweep = 0;
    await this.#sweep();
  }

  async consume({ name, namespace }: ConsumerOptions): Promise<Consumer> {
    const known = this.#states.get(name);
    const state: State =
      known === undefined
        ? { floor: this.#stream.last, done: [], round: 0 }
        : (JSON.parse(known.toString()) as State);
    const save = (value: State): Promise<void> => this.#states.put(name, Buffer.from(JSON.stringify(value)));
    // From now on it has a place of its own, and what comes is kept for it.
    if (known === undefined) await save(state);
    const consumer = new LocalConsumer(this.#stream, state, {
      namespace,
      save,
      closed: () => this.#consumers.delete(name),
    });
    this.#consumers.set(name, consumer);
    return consumer;
  }

  async remove(name: string): Promise<void> {
    await this.#consumers.get(name)?.close();
    await this.#states.delete(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#consumers.values()].map((consumer) => consumer.close()));
    await this.#stream[Symbol.asyncDispose]();
    await this.#states[Symbol.asyncDispose]();
  }

  /** What everybody has read goes when it is old or when there is too much of it. */
  async #sweep(): Promise<void> {
    const { keepBytes, keepMs, now } = this.#options;
    const floors = [...this.#states.entries()].map(
      ([, value]) => (JSON.parse(value.toString()) as State).floor,
    );
    const read = Math.min(this.#stream.last, ...floors);
    if (this.#stream.bytes > keepBytes) await this.#stream.drop(read);
    const [oldest] = await this.#stream.read(this.#stream.first, 1);
    if (oldest !== undefined && now() - timeOf(oldest.value) > keepMs) await this.#stream.drop(read);
  }
}

class LocalConsumer implements Consumer {
  readonly #stream: Stream;
  readonly #namespace: string;
  readonly #save: (state: State) => Promise<void>;
  readonly #closed: () => void;
  #progress: Progress;
  #round: number;
  #cursor: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    stream: Stream,
    state: State,
    {
      namespace,
      save,
      closed,
    }: { namespace: string; save: (state: State) => Promise<void>; closed: () => void },
  ) {
    this.#stream = stream;
    this.#namespace = namespace;
    this.#save = save;
    this.#closed = closed;
    this.#progress = new Progress(state.floor, state.done);
    this.#round = state.round;
    this.#cursor = state.floor;
  }

  get round(): number {
    return this.#round;
  }

  async next(limit: number, signal: AbortSignal): Promise<Delivered[]> {
    while (!signal.aborted) {
      const records = await this.#stream.read(this.#cursor + 1, READ);
      const found: Delivered[] = [];
      for (const { sequence, key, value } of records) {
        if (found.length >= limit) break;
        this.#cursor = sequence;
        // What belongs to others is done without anybody doing it.
        if (key !== this.#namespace) this.#progress.add(sequence);
        else if (!this.#progress.isDone(sequence)) {
          const { at, event } = JSON.parse(value.toString()) as { at: number; event: Delivered['event'] };
          found.push({ sequence, namespace: key, event, receivedAt: at });
        }
      }
      if (found.length > 0) return found;
      if (records.length > 0) this.#later();
      else await this.#stream.news(this.#cursor, signal);
    }
    return [];
  }

  ack(sequence: number): void {
    this.#progress.add(sequence);
    this.#later();
  }

  async rewind(since: number): Promise<void> {
    let floor = this.#stream.last;
    search: for (let from = this.#stream.first; from <= this.#stream.last; ) {
      const records = await this.#stream.read(from, READ);
      if (records.length === 0) break;
      for (const { sequence, value } of records) {
        if (timeOf(value) < since) continue;
        floor = sequence - 1;
        break search;
      }
      from = records.at(-1)!.sequence + 1;
    }
    this.#progress = new Progress(floor);
    this.#cursor = floor;
    this.#round += 1;
    await this.#save(this.#state());
  }

  async waiting(): Promise<number> {
    return Math.max(0, this.#stream.last - this.#progress.floor - this.#progress.done.length);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#closed();
    await this.#save(this.#state());
  }

  /** Many acknowledgements are one write: what is lost of them comes again, and is known by its key. */
  #later(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#save(this.#state()).catch(() => this.#later());
    }, SAVE_MS);
  }

  #state(): State {
    return { floor: this.#progress.floor, done: this.#progress.done, round: this.#round };
  }
}

/** Every record begins with when it came. */
function timeOf(value: Buffer): number {
  return Number.parseInt(value.toString('latin1', 6, 24), 10);
}
