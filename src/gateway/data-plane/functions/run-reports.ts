import type { EndpointRun } from '../../functions/protocol.ts';

/** Successful calls that are kept, for each function and second. Those that failed are all kept. */
const KEPT_PER_SECOND = 50;
const MAX_WAITING = 200;

/** Calls that endpoints have answered, on their way to where they are kept. */
export class RunReports {
  readonly #tell: (runs: EndpointRun[]) => void;
  readonly #now: () => number;
  readonly #kept = new Map<string, number>();
  #second = 0;
  #waiting: EndpointRun[] = [];

  constructor(tell: (runs: EndpointRun[]) => void, now: () => number) {
    this.#tell = tell;
    this.#now = now;
  }

  add(run: EndpointRun): void {
    if (run.outcome.error === undefined && !this.#mayKeep(run.invocation.key)) return;
    this.#waiting.push(run);
    if (this.#waiting.length === 1) setImmediate(() => this.#flush());
    else if (this.#waiting.length >= MAX_WAITING) this.#flush();
  }

  #mayKeep(key: string): boolean {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#kept.clear();
    }
    const count = (this.#kept.get(key) ?? 0) + 1;
    this.#kept.set(key, count);
    return count <= KEPT_PER_SECOND;
  }

  #flush(): void {
    if (this.#waiting.length === 0) return;
    const runs = this.#waiting;
    this.#waiting = [];
    this.#tell(runs);
  }
}
