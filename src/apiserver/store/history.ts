import type { Entry } from './collection.ts';

/** One change of one object. */
export interface ChangeEvent {
  readonly revision: number;
  readonly key: string;
  readonly removed: boolean;
  /** The object after the change; for a removal its last bytes, stamped with the removal's revision. */
  readonly bytes: Buffer;
  readonly previous: Entry | undefined;
}

/** The changes of one collection that watches and reads of the past can still see, oldest first. */
export class History {
  #events: ChangeEvent[] = [];

  add(event: ChangeEvent): void {
    this.#events.push(event);
  }

  all(): readonly ChangeEvent[] {
    return this.#events;
  }

  /** Changes after `revision`, at most `limit` of them. */
  since(revision: number, limit = Number.MAX_SAFE_INTEGER): ChangeEvent[] {
    const from = this.#after(revision);
    return this.#events.slice(from, Math.min(this.#events.length, from + limit));
  }

  /** Drops changes up to and with `revision`. */
  compact(revision: number): void {
    const from = this.#after(revision);
    if (from > 0) this.#events = this.#events.slice(from);
  }

  #after(revision: number): number {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#events[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** How much history all collections may keep together. */
export interface HistoryLimits {
  events: number;
  bytes: number;
  ageMs: number;
}

interface Mark {
  revision: number;
  bytes: number;
  at: number;
}

/** Decides up to which revision history must go. */
export class HistoryBudget {
  readonly #limits: HistoryLimits;
  #marks: Mark[] = [];
  #bytes = 0;

  constructor(limits: HistoryLimits) {
    this.#limits = limits;
  }

  add(revision: number, bytes: number, now: number): void {
    this.#marks.push({ revision, bytes, at: now });
    this.#bytes += bytes;
  }

  /** Whether so much is over the limits that a compaction pays. */
  isOver(): boolean {
    const slack = 1.2;
    return this.#marks.length > this.#limits.events * slack || this.#bytes > this.#limits.bytes * slack;
  }

  /** The revision to compact to so that the limits hold, or undefined when they do. */
  excess(now: number): number | undefined {
    let drop = 0;
    let revision: number | undefined;
    for (const mark of this.#marks) {
      const within =
        this.#marks.length - drop <= this.#limits.events &&
        this.#bytes <= this.#limits.bytes &&
        now - mark.at <= this.#limits.ageMs;
      if (within) break;
      drop += 1;
      this.#bytes -= mark.bytes;
      revision = mark.revision;
    }
    if (drop > 0) this.#marks = this.#marks.slice(drop);
    return revision;
  }
}
