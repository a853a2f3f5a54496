import type { RouteMetrics } from '../gateway/index.ts';
import { type Informer, type Informers, type Pod, PODS, every } from '../kube/index.ts';
import type { Runtime } from '../node/index.ts';

export interface UsageMeterOptions {
  runtime: Pick<Runtime, 'stats'>;
  informers: Informers;
  requests: () => Promise<RouteMetrics[]>;
  now: () => number;
}

export interface ContainerUse {
  name: string;
  cpu: number;
  memory: number;
}

interface Sample {
  at: number;
  cpuNanos: number;
}

const INTERVAL_MS = 5_000;

/** What pods use and how often they are asked, as rates over the last few seconds. */
export class UsageMeter {
  readonly #options: UsageMeterOptions;
  readonly #pods: Informer<Pod>;
  #samples = new Map<string, Sample>();
  #usage = new Map<string, ContainerUse[]>();
  #counts = new Map<string, number>();
  #rates = new Map<string, number>();
  #countedAt = 0;

  constructor(options: UsageMeterOptions) {
    this.#options = options;
    this.#pods = options.informers.for<Pod>(PODS);
  }

  start(signal: AbortSignal): void {
    const measure = (): void => {
      Promise.all([this.#measure(), this.#count()]).catch(() => {
        // A keeper or a gateway that is being replaced is asked again next time.
      });
    };
    every(INTERVAL_MS, signal, measure);
  }

  pod(pod: Pod): { cpu: number; memory: number } | undefined {
    const containers = this.containers(pod);
    if (containers.length === 0) return undefined;
    return {
      cpu: containers.reduce((sum, item) => sum + item.cpu, 0),
      memory: containers.reduce((sum, item) => sum + item.memory, 0),
    };
  }

  containers(pod: Pod): ContainerUse[] {
    return this.#usage.get(pod.metadata.uid ?? '') ?? [];
  }

  node(name: string): { cpu: number; memory: number } {
    const used = this.#pods
      .list()
      .filter((pod) => pod.spec.nodeName === name)
      .map((pod) => this.pod(pod) ?? { cpu: 0, memory: 0 });
    return {
      cpu: used.reduce((sum, item) => sum + item.cpu, 0),
      memory: used.reduce((sum, item) => sum + item.memory, 0),
    };
  }

  requestsPerSecond(namespace: string, kind: string, name: string): number | undefined {
    return this.#rates.get(`${kind.toLowerCase()}/${namespace}/${name}`);
  }

  async #measure(): Promise<void> {
    const now = this.#options.now();
    const samples = new Map<string, Sample>();
    const usage = new Map<string, ContainerUse[]>();
    for (const { id, podUid, name, cpuNanos, memoryBytes } of await this.#options.runtime.stats()) {
      samples.set(id, { at: now, cpuNanos });
      const before = this.#samples.get(id);
      const seconds = before === undefined ? 0 : (now - before.at) / 1000;
      const cpu = before === undefined || seconds <= 0 ? 0 : (cpuNanos - before.cpuNanos) / 1e9 / seconds;
      usage.set(podUid, [...(usage.get(podUid) ?? []), { name, cpu: Math.max(0, cpu), memory: memoryBytes }]);
    }
    this.#samples = samples;
    this.#usage = usage;
  }

  async #count(): Promise<void> {
    const now = this.#options.now();
    const counts = new Map<string, number>();
    const add = (key: string, count: number): void => void counts.set(key, (counts.get(key) ?? 0) + count);
    for (const { owner, backends, count } of await this.#options.requests()) {
      add(owner, count);
      for (const backend of backends) add(`service/${backend.split(':')[0]}`, count);
    }
    const seconds = (now - this.#countedAt) / 1000;
    if (this.#countedAt > 0 && seconds > 0)
      this.#rates = new Map(
        [...counts].map(([key, count]) => [key, Math.max(0, count - (this.#counts.get(key) ?? 0)) / seconds]),
      );
    this.#counts = counts;
    this.#countedAt = now;
  }
}
