import { every } from '../../kube/index.ts';
import { randomUUID } from 'node:crypto';
import type { FunctionsToDataPlane, InstanceEnd, Load, RunLogs } from '../../gateway/index.ts';
import type { Logger } from '../../kube/index.ts';
import type { SourceStore } from '../sources/source-store.ts';
import { type HostedProcess, type InstanceHost, LoadError } from './host.ts';
import type { Plan } from './plan.ts';
import { Spares } from './spares.ts';

export interface FleetOptions {
  host: InstanceHost;
  sources: SourceStore;
  tell: (message: FunctionsToDataPlane) => void;
  /** The number of instances of a function has changed. */
  changed: (key: string) => void;
  now: () => number;
  log: Logger;
}

interface Crew {
  plan: Plan;
  running: Map<string, HostedProcess>;
  starting: number;
  /** Calls that had no instance at the last report. */
  waiting: number;
  usedAt: number;
  /** The most calls at a time in this window, and since when it lasts. */
  peak: number;
  since: number;
  failures: number;
  retryAt: number;
  released: boolean;
}

const TICK_MS = 1000;
const MAX_BACK_OFF_MS = 30_000;
/** Ended processes whose logs may still be asked for. */
const MAX_ENDED = 64;

/** The processes of all functions: as many as calls need, none where nobody calls. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #spares: Spares;
  readonly #crews = new Map<string, Crew>();
  readonly #ended = new Map<string, HostedProcess>();
  #signal: AbortSignal = AbortSignal.abort();

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#spares = new Spares(options.host, options.log);
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#options.host.clear();
    this.#signal = signal;
    this.#spares.start(signal);
    every(TICK_MS, signal, () => this.#tick());
    this.#tick();
  }

  async stop(): Promise<void> {
    await this.#spares.clear();
    const all = [...this.#crews.values()].flatMap(({ running }) => [...running.values()]);
    await Promise.all(all.map((process) => process.stop()));
  }

  /** Calls may come for this revision. */
  set(plan: Plan): void {
    const crew = this.#crewOf(plan);
    crew.plan = plan;
    crew.released = false;
    this.#spares.want(plan);
  }

  /** No new calls: what there is may end what it does. */
  release(key: string, revision: string): void {
    const id = `${key} ${revision}`;
    const crew = this.#crews.get(id);
    if (crew === undefined) return;
    crew.released = true;
    for (const name of crew.running.keys()) this.#options.tell({ type: 'drain-instance', id: name });
    if (crew.running.size === 0 && crew.starting === 0) this.#crews.delete(id);
  }

  revisionsOf(key: string): string[] {
    return [...this.#crews.values()].filter(({ plan }) => plan.key === key).map(({ plan }) => plan.revision);
  }

  countOf(key: string): number {
    let count = 0;
    for (const { plan, running } of this.#crews.values()) if (plan.key === key) count += running.size;
    return count;
  }

  /** One instance, started now: throws what its runtime says when the function cannot be loaded. */
  async add(plan: Plan): Promise<void> {
    const crew = this.#crewOf(plan);
    crew.starting += 1;
    try {
      this.#enlist(crew, await this.#make(plan));
    } finally {
      crew.starting -= 1;
    }
  }

  /** What the data plane needs to know of the instances that there are. */
  greeting(): FunctionsToDataPlane[] {
    return [...this.#crews.values()].flatMap(({ plan, running, released }) =>
      [...running.values()].flatMap((process): FunctionsToDataPlane[] =>
        released
          ? [announcement(plan, process), { type: 'drain-instance', id: process.id }]
          : [announcement(plan, process)],
      ),
    );
  }

  loads(loads: readonly Load[]): void {
    const now = this.#options.now();
    for (const { key, revision, waiting, inFlight, peak } of loads) {
      const crew = this.#crews.get(`${key} ${revision}`);
      if (crew === undefined) continue;
      crew.usedAt = now;
      crew.waiting = waiting;
      crew.peak = Math.max(crew.peak, peak);
      this.#grow(crew, inFlight + waiting);
    }
  }

  /** It has nothing to do any more, or does not do what it should. */
  end(id: string): void {
    void this.#find(id)?.stop();
  }

  /** What a call has printed that has not told it itself. */
  async logsOf(key: string, run: string, instance?: string): Promise<RunLogs | undefined> {
    const candidates =
      instance === undefined
        ? [...this.#crews.values()]
            .filter(({ plan }) => plan.key === key)
            .flatMap(({ running }) => [...running.values()])
        : [this.#find(instance) ?? this.#ended.get(instance)];
    for (const process of candidates) {
      const logs = await process?.logsOf(run).catch(() => undefined);
      if (logs !== undefined && logs.stdout.length + logs.stderr.length > 0) return logs;
    }
    return undefined;
  }

  #find(id: string): HostedProcess | undefined {
    for (const { running } of this.#crews.values()) {
      const process = running.get(id);
      if (process !== undefined) return process;
    }
    return undefined;
  }

  #crewOf(plan: Plan): Crew {
    const id = `${plan.key} ${plan.revision}`;
    let crew = this.#crews.get(id);
    if (crew === undefined) {
      const now = this.#options.now();
      crew = {
        plan,
        running: new Map(),
        starting: 0,
        waiting: 0,
        usedAt: now,
        peak: 0,
        since: now,
        failures: 0,
        retryAt: 0,
        released: false,
      };
      this.#crews.set(id, crew);
    }
    return crew;
  }

  #grow(crew: Crew, calls: number): void {
    const { plan, running, starting } = crew;
    const wanted = Math.min(plan.maxScale, Math.max(plan.minScale, Math.ceil(calls / plan.concurrency)));
    if (this.#signal.aborted || crew.released || crew.retryAt > this.#options.now()) return;
    for (let missing = wanted - running.size - starting; missing > 0; missing -= 1) {
      this.add(plan).then(
        () => {
          crew.failures = 0;
        },
        (error: Error) => this.#failed(crew, error),
      );
    }
  }

  #failed(crew: Crew, error: Error): void {
    if (this.#signal.aborted) return;
    const { plan } = crew;
    crew.failures += 1;
    crew.retryAt = this.#options.now() + Math.min(MAX_BACK_OFF_MS, 500 * 2 ** crew.failures);
    this.#options.log.warn(
      { err: error, function: plan.key },
      'an instance of a function could not be started',
    );
    if (crew.running.size > 0) return;
    this.#options.tell({
      type: 'unavailable',
      key: plan.key,
      revision: plan.revision,
      message: `No instance of the function could be started: ${error.message}`,
    });
  }

  async #make(plan: Plan): Promise<HostedProcess> {
    const { host, sources } = this.#options;
    if (plan.port !== undefined) {
      const { image, language, memoryBytes, cpuMillis, env, port, isOwnImage: hasHealth } = plan;
      return host.start(
        { id: randomUUID(), image, language, memoryBytes, cpuMillis, env, port, hasHealth },
        this.#signal,
      );
    }
    const files = plan.sourceDigest === undefined ? [] : await sources.get(plan.namespace, plan.sourceDigest);
    if (files === undefined)
      throw new LoadError(
        `The source ${plan.sourceDigest} is not there: create or update the function again.`,
      );
    const { image, language, memoryBytes, cpuMillis, handler, env, cloudEvents } = plan;
    const process =
      this.#spares.take(plan) ??
      (await host.start(
        { id: randomUUID(), image, language, memoryBytes, cpuMillis, env: {} },
        this.#signal,
      ));
    try {
      await process.load({ files, handler, env, cloudEvents });
      return process;
    } catch (error) {
      await process.stop();
      throw error;
    }
  }

  #enlist(crew: Crew, process: HostedProcess): void {
    if (this.#signal.aborted) {
      void process.stop();
      return;
    }
    const { plan } = crew;
    crew.running.set(process.id, process);
    crew.usedAt = this.#options.now();
    void process.ended.then((end) => this.#gone(crew, process, end));
    this.#options.tell(announcement(plan, process));
    if (crew.released) this.#options.tell({ type: 'drain-instance', id: process.id });
    this.#options.changed(plan.key);
  }

  #gone(crew: Crew, process: HostedProcess, end: InstanceEnd): void {
    const { plan } = crew;
    crew.running.delete(process.id);
    this.#ended.set(process.id, process);
    if (this.#ended.size > MAX_ENDED) this.#ended.delete(this.#ended.keys().next().value!);
    this.#options.tell({ type: 'instance-gone', id: process.id, end });
    this.#options.changed(plan.key);
    if (!crew.released) this.#grow(crew, crew.waiting);
    else if (crew.running.size === 0 && crew.starting === 0)
      this.#crews.delete(`${plan.key} ${plan.revision}`);
  }

  /** Fewer where fewer are needed, and at least as many as somebody wants always. */
  #tick(): void {
    const now = this.#options.now();
    for (const crew of this.#crews.values()) {
      const { plan, running } = crew;
      if (crew.released) continue;
      this.#grow(crew, 0);
      if (now - crew.since < plan.idleMs) continue;
      const isIdle = now - crew.usedAt >= plan.idleMs;
      const needed = isIdle ? 0 : Math.max(1, Math.ceil(crew.peak / plan.concurrency));
      const surplus = running.size - Math.max(plan.minScale, needed);
      for (const id of [...running.keys()].slice(0, Math.max(0, surplus)))
        this.#options.tell({ type: 'drain-instance', id });
      crew.peak = 0;
      crew.since = now;
    }
  }
}

function announcement({ key, revision }: Plan, { id, at }: HostedProcess): FunctionsToDataPlane {
  return { type: 'instance', key, revision, id, at };
}
