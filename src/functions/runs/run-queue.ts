import type { Outcome } from '../../gateway/index.ts';
import type { FunctionRun } from './record.ts';

export interface RunQueueOptions {
  /** Carries the run out, and keeps what became of it. */
  execute: (run: FunctionRun) => Promise<Outcome>;
  keep: (run: FunctionRun) => Promise<void>;
  /** A run needs nothing more. */
  ended: () => void;
  now: () => number;
  schedule: (work: () => void, ms: number) => void;
}

const MAX_EACH = 32;
const MAX_ATTEMPTS = 8;
const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 60_000;

/**
 * Works off what was accepted: each function has a line of its own, so that a slow one holds up nobody else. What
 * fails by no fault of the function is tried again, and after the last time kept as dead.
 */
export class RunQueue {
  readonly #options: RunQueueOptions;
  readonly #lines = new Map<string, { waiting: FunctionRun[]; active: number }>();
  #closed = false;

  constructor(options: RunQueueOptions) {
    this.#options = options;
  }

  /** It is on disk already. */
  add(run: FunctionRun): void {
    const wait = (run.status.nextAt ?? 0) - this.#options.now();
    if (wait > 0) {
      this.#options.schedule(() => this.#enter(run), wait);
      return;
    }
    this.#enter(run);
  }

  /** Nothing new is begun. */
  close(): void {
    this.#closed = true;
  }

  #enter(run: FunctionRun): void {
    const key = `${run.metadata.namespace}/${run.spec.function}`;
    const line = this.#lines.get(key) ?? { waiting: [], active: 0 };
    this.#lines.set(key, line);
    line.waiting.push(run);
    this.#next(key);
  }

  #next(key: string): void {
    const line = this.#lines.get(key)!;
    while (!this.#closed && line.active < MAX_EACH && line.waiting.length > 0) {
      line.active += 1;
      void this.#work(line.waiting.shift()!).finally(() => {
        line.active -= 1;
        if (line.active === 0 && line.waiting.length === 0) this.#lines.delete(key);
        else this.#next(key);
      });
    }
  }

  async #work(run: FunctionRun): Promise<void> {
    const outcome = await this.#options.execute(run).catch(() => undefined);
    if (outcome?.error?.type !== 'SystemError') {
      // Where it could not be kept what became of it, the next server does it again.
      this.#options.ended();
      return;
    }
    const attempts = run.status.attempts + 1;
    const { error } = outcome;
    const now = this.#options.now();
    if (attempts >= MAX_ATTEMPTS) {
      await this.#keep({
        ...run,
        status: {
          ...run.status,
          phase: 'ERROR',
          attempts,
          error,
          dead: true,
          finishedAt: now,
          startedAt: outcome.startedAt,
          reason: [`It was given up after ${attempts} attempts: ${error.message}`],
        },
      });
      this.#options.ended();
      return;
    }
    const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempts - 1));
    const again: FunctionRun = {
      ...run,
      status: { ...run.status, phase: 'INITIALIZED', attempts, nextAt: now + pause, reason: [error.message] },
    };
    await this.#keep(again);
    this.add(again);
  }

  /** A full disk must not stop the line: what is on disk is older, and is done again after a restart. */
  async #keep(run: FunctionRun): Promise<void> {
    await this.#options.keep(run).catch(() => {});
  }
}
