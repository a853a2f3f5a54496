import type { Container, Probe } from '../../kube/index.ts';
import { probeOnce, type ProbeTarget } from './probes.ts';

export type ProbeKind = 'startup' | 'readiness' | 'liveness';

export interface ProbeEvents {
  /** The container counts as started, or as ready, or not any more. */
  changed: (what: { started?: boolean; ready?: boolean }) => void;
  /** A check failed so often that the container has to go. */
  failed: (kind: ProbeKind, probe: Probe, message: string) => void;
  /** A single check failed. */
  unhealthy: (kind: ProbeKind, message: string) => void;
}

const FIRST_RETRY_MS = 25;

/** Checks one attempt of one container, until it is disposed. */
export class Prober implements Disposable {
  readonly #target: ProbeTarget;
  readonly #events: ProbeEvents;
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(target: ProbeTarget, events: ProbeEvents, started: boolean) {
    this.#target = target;
    this.#events = events;
    const { container } = target;
    if (container.startupProbe !== undefined && !started) this.#watch('startup', container.startupProbe);
    else this.#afterStart(container);
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #afterStart(container: Container): void {
    this.#events.changed({ started: true, ...(container.readinessProbe === undefined && { ready: true }) });
    if (container.readinessProbe !== undefined) this.#watch('readiness', container.readinessProbe);
    if (container.livenessProbe !== undefined) this.#watch('liveness', container.livenessProbe);
  }

  #watch(kind: ProbeKind, probe: Probe): void {
    const periodMs = Math.max(1, probe.periodSeconds ?? 10) * 1000;
    const firstPeriodEnds = performance.now() + (probe.initialDelaySeconds ?? 0) * 1000 + periodMs;
    let earlyMs = FIRST_RETRY_MS;
    let good = 0;
    let bad = 0;
    const check = async (): Promise<void> => {
      const { ok, message } = await probeOnce(probe, this.#target);
      if (this.#stopped) return;
      // A start is not held up for a whole period: until then, checks that fail are repeated and do not count.
      if (!ok && kind !== 'liveness' && performance.now() + earlyMs < firstPeriodEnds) {
        earlyMs *= 2;
        this.#later(check, earlyMs);
        return;
      }
      good = ok ? good + 1 : 0;
      bad = ok ? 0 : bad + 1;
      if (!ok) this.#events.unhealthy(kind, message);
      if (good >= (kind === 'readiness' ? (probe.successThreshold ?? 1) : 1)) {
        if (kind === 'readiness') this.#events.changed({ ready: true });
        if (kind === 'startup') {
          this.#afterStart(this.#target.container);
          return;
        }
      }
      if (bad >= (probe.failureThreshold ?? 3)) {
        if (kind === 'readiness') this.#events.changed({ ready: false });
        else {
          this.#events.failed(kind, probe, message);
          return;
        }
      }
      this.#later(check, periodMs);
    };
    this.#later(check, (probe.initialDelaySeconds ?? 0) * 1000);
  }

  #later(check: () => Promise<void>, ms: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void check();
    }, ms);
    this.#timers.add(timer);
  }
}
