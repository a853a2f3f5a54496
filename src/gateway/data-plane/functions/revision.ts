import type { Load, RevisionConfig } from '../../functions/protocol.ts';
import { type Check, checkOf } from '../../functions/schema.ts';
import type { Instance } from './instance.ts';

export type Waiting = (instance: Instance | undefined, why?: string) => void;

const MAX_WAITING = 1000;
const START_TIMEOUT_MS = 60_000;

/** One version of a function: its processes, and the calls that wait for one. */
export class Revision {
  readonly key: string;
  readonly name: string;
  readonly instances: Instance[] = [];
  readonly #waiting = new Set<Waiting>();
  #config: RevisionConfig | undefined;
  #checks: { in: Check | undefined; out: Check | undefined } = { in: undefined, out: undefined };
  #inFlight = 0;
  #peak = 0;
  #changed = false;

  constructor(key: string, name: string) {
    this.key = key;
    this.name = name;
  }

  get config(): RevisionConfig | undefined {
    return this.#config;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Nothing is left of it. */
  get isUnused(): boolean {
    return this.#config === undefined && this.instances.length === 0 && this.#inFlight === 0;
  }

  configure(config: RevisionConfig | undefined): void {
    const before = this.#config;
    this.#config = config;
    if (config === undefined || JSON.stringify(before) === JSON.stringify(config)) return;
    this.#checks = {
      in: config.schemaIn && checkOf(config.schemaIn),
      out: config.schemaOut && checkOf(config.schemaOut),
    };
    this.serve();
  }

  problemOfInput(value: () => unknown): string | undefined {
    return this.#checks.in?.(value());
  }

  problemOfOutput(value: () => unknown): string | undefined {
    return this.#checks.out?.(value());
  }

  /** The one with the least to do, if one has room. */
  free(): Instance | undefined {
    const limit = this.#config?.concurrency ?? 1;
    let best: Instance | undefined;
    for (const instance of this.instances)
      if (
        !instance.isDraining &&
        instance.inFlight < limit &&
        instance.inFlight < (best?.inFlight ?? Infinity)
      )
        best = instance;
    return best;
  }

  /** Called with an instance when one has room, or without one when there will be none. */
  wait(waiting: Waiting): boolean {
    if (this.#waiting.size >= MAX_WAITING) return false;
    const timer = setTimeout(
      () => done(undefined, 'No instance of the function could be started in time: call it again later.'),
      START_TIMEOUT_MS,
    );
    const done: Waiting = (instance, why) => {
      clearTimeout(timer);
      this.#waiting.delete(done);
      waiting(instance, why);
    };
    this.#waiting.add(done);
    this.#note();
    return true;
  }

  /** Gives those who wait what has become free. */
  serve(): void {
    for (const waiting of this.#waiting) {
      const instance = this.free();
      if (instance === undefined) return;
      waiting(instance);
    }
  }

  refuse(why: string): void {
    for (const waiting of [...this.#waiting]) waiting(undefined, why);
  }

  begin(instance: Instance): void {
    instance.inFlight += 1;
    this.#inFlight += 1;
    this.#note();
  }

  end(instance: Instance): void {
    instance.inFlight -= 1;
    this.#inFlight -= 1;
    this.#changed = true;
    if (this.#waiting.size > 0) this.serve();
  }

  add(instance: Instance): void {
    this.instances.push(instance);
    this.serve();
  }

  remove(instance: Instance): void {
    const at = this.instances.indexOf(instance);
    if (at >= 0) this.instances.splice(at, 1);
  }

  /** What has been going on since it was asked last; nothing when nothing has. */
  load(): Load | undefined {
    if (!this.#changed && this.#inFlight === 0 && this.#waiting.size === 0) return undefined;
    const load = {
      key: this.key,
      revision: this.name,
      waiting: this.#waiting.size,
      inFlight: this.#inFlight,
      peak: this.#peak,
    };
    this.#changed = false;
    this.#peak = this.#inFlight + this.#waiting.size;
    return load;
  }

  #note(): void {
    this.#changed = true;
    this.#peak = Math.max(this.#peak, this.#inFlight + this.#waiting.size);
  }
}
