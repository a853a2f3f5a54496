import { randomUUID } from 'node:crypto';
import type { Logger } from '../../kube/index.ts';
import type { HostedProcess, InstanceHost, ProcessSpec } from './host.ts';
import { kindOfProcess, type Plan } from './plan.ts';

interface Shelf {
  spec: Omit<ProcessSpec, 'id'>;
  ready: HostedProcess[];
  starting: boolean;
  failures: number;
}

const EACH = 1;
const MAX_KINDS = 6;
const REFILL_MS = 50;
const RETRY_MS = 10_000;

/**
 * Processes that have started and belong to nobody yet: a function that needs one has only its code to load. One for
 * each kind of process that was wanted lately.
 */
export class Spares {
  readonly #host: InstanceHost;
  readonly #log: Logger;
  readonly #shelves = new Map<string, Shelf>();
  #signal: AbortSignal | undefined;

  constructor(host: InstanceHost, log: Logger) {
    this.#host = host;
    this.#log = log;
  }

  start(signal: AbortSignal): void {
    this.#signal = signal;
    for (const shelf of this.#shelves.values()) this.#refill(shelf, REFILL_MS);
  }

  /** Processes of this kind will be wanted. */
  want(plan: Plan): void {
    if (plan.port === undefined) this.#shelfOf(plan);
  }

  take(plan: Plan): HostedProcess | undefined {
    if (plan.port !== undefined) return undefined;
    const shelf = this.#shelfOf(plan);
    const process = shelf.ready.shift();
    this.#refill(shelf, REFILL_MS);
    return process;
  }

  async clear(): Promise<void> {
    const all = [...this.#shelves.values()].flatMap(({ ready }) => ready.splice(0));
    this.#shelves.clear();
    await Promise.all(all.map((process) => process.stop()));
  }

  #shelfOf(plan: Plan): Shelf {
    const kind = kindOfProcess(plan);
    let shelf = this.#shelves.get(kind);
    this.#shelves.delete(kind);
    if (shelf === undefined) {
      const { image, language, memoryBytes, cpuMillis } = plan;
      shelf = {
        spec: { image, language, memoryBytes, cpuMillis, env: {} },
        ready: [],
        starting: false,
        failures: 0,
      };
      this.#refill(shelf, REFILL_MS);
    }
    // The one that was wanted last is at the end.
    this.#shelves.set(kind, shelf);
    if (this.#shelves.size > MAX_KINDS) {
      const [oldest, dropped] = this.#shelves.entries().next().value!;
      this.#shelves.delete(oldest);
      for (const process of dropped.ready.splice(0)) void process.stop();
    }
    return shelf;
  }

  #refill(shelf: Shelf, afterMs: number): void {
    const signal = this.#signal;
    if (signal === undefined || signal.aborted || shelf.starting || shelf.ready.length >= EACH) return;
    shelf.starting = true;
    setTimeout(() => void this.#add(shelf, signal), afterMs).unref();
  }

  async #add(shelf: Shelf, signal: AbortSignal): Promise<void> {
    try {
      if (signal.aborted) return;
      const process = await this.#host.start({ ...shelf.spec, id: `spare-${randomUUID()}` }, signal);
      if (signal.aborted || ![...this.#shelves.values()].includes(shelf)) {
        await process.stop();
        return;
      }
      shelf.failures = 0;
      shelf.ready.push(process);
      void process.ended.then(() => {
        const at = shelf.ready.indexOf(process);
        if (at < 0) return;
        shelf.ready.splice(at, 1);
        this.#refill(shelf, RETRY_MS);
      });
    } catch (error) {
      if (!signal.aborted) this.#log.debug({ err: error }, 'a spare process could not be started');
      shelf.failures += 1;
    } finally {
      shelf.starting = false;
      this.#refill(shelf, shelf.failures === 0 ? REFILL_MS : RETRY_MS * shelf.failures);
    }
  }
}
