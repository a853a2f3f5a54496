interface Bucket {
  tokens: number;
  at: number;
}

const MAX_CLIENTS = 10_000;

/** So many calls of one client in so much time; what was not used is kept up to that number. */
export class RateLimit {
  readonly rate: { count: number; seconds: number };
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: { count: number; seconds: number }, now: () => number) {
    this.rate = rate;
    this.#now = now;
  }

  /** Undefined when the call may go on, or the seconds after which it may be tried again. */
  take(client: string): number | undefined {
    const { count, seconds } = this.rate;
    const ms = seconds * 1000;
    const now = this.#now();
    const known = this.#buckets.get(client);
    const tokens = Math.min(
      count,
      known === undefined ? count : known.tokens + ((now - known.at) * count) / ms,
    );
    // The order of a Map is that of insertion: the first is the one that has been quiet for longest.
    this.#buckets.delete(client);
    if (this.#buckets.size >= MAX_CLIENTS) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (tokens >= 1) {
      this.#buckets.set(client, { tokens: tokens - 1, at: now });
      return undefined;
    }
    this.#buckets.set(client, { tokens, at: now });
    return Math.max(1, Math.ceil(((1 - tokens) * ms) / count / 1000));
  }
}
