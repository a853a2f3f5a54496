/** When to try again after failures, per item: quickly at first, then with growing pauses. */
export interface BackoffOptions {
  baseMs: number;
  maxMs: number;
}

export interface QueueClock {
  now: () => number;
  /** Calls back later; the returned function cancels. */
  schedule: (ms: number, callback: () => void) => () => void;
}

export const SYSTEM_CLOCK: QueueClock = {
  now: Date.now,
  schedule: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export interface QueueMetrics {
  depth: number;
  added: number;
  retried: number;
  running: number;
}

/**
 * Items wait at most once, and are worked on by one worker at a time: an item that is added while it is being
 * worked on comes again afterwards. `take` waits; it gives undefined once the queue is closed.
 */
export class WorkQueue {
  readonly #clock: QueueClock;
  readonly #backoff: BackoffOptions;
  readonly #ready = new Set<string>();
  readonly #running = new Set<string>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #delayed = new Map<string, { at: number; cancel: () => void }>();
  readonly #takers: ((item: string | undefined) => void)[] = [];
  #closed = false;
  #added = 0;
  #retried = 0;

  constructor(clock: QueueClock = SYSTEM_CLOCK, backoff: BackoffOptions = { baseMs: 5, maxMs: 60_000 }) {
    this.#clock = clock;
    this.#backoff = backoff;
  }

  get metrics(): QueueMetrics {
    return {
      depth: this.#ready.size,
      added: this.#added,
      retried: this.#retried,
      running: this.#running.size,
    };
  }

  add(item: string): void {
    if (this.#closed) return;
    this.#added += 1;
    this.#cancelDelay(item);
    if (this.#running.has(item)) {
      this.#again.add(item);
      return;
    }
    this.#offer(item);
  }

  /** The earliest of several delays for one item counts. */
  addAfter(item: string, ms: number): void {
    if (this.#closed) return;
    if (ms <= 0) {
      this.add(item);
      return;
    }
    const at = this.#clock.now() + ms;
    const known = this.#delayed.get(item);
    if (known !== undefined && known.at <= at) return;
    known?.cancel();
    const cancel = this.#clock.schedule(ms, () => {
      this.#delayed.delete(item);
      this.add(item);
    });
    this.#delayed.set(item, { at, cancel });
  }

  /** Adds the item after a pause that grows with every failure in a row. */
  retry(item: string): void {
    const failures = this.#failures.get(item) ?? 0;
    this.#failures.set(item, failures + 1);
    this.#retried += 1;
    this.addAfter(item, Math.min(this.#backoff.baseMs * 2 ** Math.min(failures, 30), this.#backoff.maxMs));
  }

  /** The item succeeded: its next failure starts from the shortest pause. */
  forget(item: string): void {
    this.#failures.delete(item);
  }

  take(): Promise<string | undefined> {
    const [next] = this.#ready;
    if (next !== undefined) {
      this.#ready.delete(next);
      this.#running.add(next);
      return Promise.resolve(next);
    }
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  done(item: string): void {
    this.#running.delete(item);
    if (this.#again.delete(item)) this.#offer(item);
  }

  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    this.#ready.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #offer(item: string): void {
    const taker = this.#takers.shift();
    if (taker === undefined) {
      this.#ready.add(item);
      return;
    }
    this.#running.add(item);
    taker(item);
  }

  #cancelDelay(item: string): void {
    this.#delayed.get(item)?.cancel();
    this.#delayed.delete(item);
  }
}
