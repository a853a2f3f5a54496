import { randomUUID } from 'node:crypto';
import type { EndpointRun, Invocation, Outcome, RunError, RunLogs } from '../../gateway/index.ts';
import { ApiError, type Informer, type Logger, type Secret, onAbort } from '../../kube/index.ts';
import type { DataPlaneLink } from '../data-plane-link.ts';
import type { FunctionObject } from '../resources.ts';
import { secretsOf } from './secrets.ts';
import { finished, type FunctionRun, invocationOf, newRun, runName } from './record.ts';
import { RunQueue } from './run-queue.ts';
import type { RunQuery, RunStore } from './run-store.ts';

export interface RunRequest {
  namespace: string;
  function: string;
  input: unknown;
  secrets?: readonly string[];
  event?: object;
  httpContext?: object;
  /** Makes calls that are made twice one run. */
  idempotencyKey?: string;
  /** A run that has failed is carried out again. */
  again?: boolean;
  /** Nobody waits for it. */
  isLater?: boolean;
}

export interface RunsOptions {
  store: RunStore;
  link: DataPlaneLink;
  functions: Informer<FunctionObject>;
  secrets: Informer<Secret>;
  /** What a call has printed that did not end by itself, or goes on. */
  logsOf: (key: string, run: string, instance?: string) => Promise<RunLogs | undefined>;
  now: () => number;
  log: Logger;
}

const MAX_PENDING = 100_000;

/** Calls of functions: carried out now or later, and kept. */
export class Runs {
  readonly #options: RunsOptions;
  readonly #queue: RunQueue;
  readonly #active = new Map<string, Promise<FunctionRun>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #pending = 0;

  constructor(options: RunsOptions) {
    this.#options = options;
    this.#queue = new RunQueue({
      execute: (run) => this.#carryOut(run),
      keep: (run) => options.store.put(run),
      ended: () => {
        this.#pending -= 1;
      },
      now: options.now,
      schedule: (work, ms) => {
        const timer = setTimeout(() => {
          this.#timers.delete(timer);
          work();
        }, ms);
        this.#timers.add(timer);
      },
    });
  }

  /** Goes on with what an earlier server has accepted. */
  start(signal: AbortSignal): void {
    for (const run of this.#options.store.pending()) {
      this.#pending += 1;
      this.#queue.add(run);
    }
    onAbort(signal, () => {
      this.#queue.close();
      for (const timer of this.#timers) clearTimeout(timer);
    });
  }

  /** Resolves when the function has answered, and the run is on disk. */
  async execute(request: RunRequest): Promise<FunctionRun> {
    const fn = this.#functionOf(request);
    const name = nameOf(request);
    const known = this.#options.store.get(request.namespace, name);
    if (known?.status.finishedAt !== undefined && !(request.again && known.status.error)) return known;
    const key = `${request.namespace}/${name}`;
    const active = this.#active.get(key);
    if (active !== undefined) return active;
    const run = newRun(
      { ...request, name, functionId: fn.metadata.uid ?? '', blocking: request.isLater !== true },
      this.#options.now(),
    );
    run.status.attempts = known?.status.attempts ?? 0;
    const work = this.#now(run);
    this.#active.set(key, work);
    try {
      return await work;
    } finally {
      this.#active.delete(key);
    }
  }

  /** Resolves when the run is on disk: from then on it will be done. */
  async accept(request: RunRequest): Promise<FunctionRun> {
    const fn = this.#functionOf(request);
    const name = nameOf(request);
    const known = this.#options.store.get(request.namespace, name);
    if (known !== undefined) return known;
    if (this.#pending >= MAX_PENDING)
      throw new ApiError('TooManyRequests', `More than ${MAX_PENDING} runs wait already: try again later.`);
    const run = newRun(
      { ...request, name, functionId: fn.metadata.uid ?? '', blocking: false },
      this.#options.now(),
    );
    this.#pending += 1;
    try {
      await this.#options.store.put(run);
    } catch (error) {
      this.#pending -= 1;
      throw new ApiError(
        'InsufficientStorage',
        'The run could not be kept: see whether the disk is full.',
        undefined,
        error,
      );
    }
    this.#queue.add(run);
    return run;
  }

  get(namespace: string, name: string): FunctionRun | undefined {
    return this.#options.store.get(namespace, name);
  }

  /** Whether its handler is one of events, whose answer is an event. */
  takesEvents(namespace: string, name: string): boolean {
    return this.#options.functions.get(namespace, name)?.spec.cloudEvents === true;
  }

  list(query: RunQuery): FunctionRun[] {
    return this.#options.store.list(query);
  }

  /** Keeps a run that was given up, with the reason, where it can be found and tried again. */
  async bury(request: RunRequest, why: string): Promise<void> {
    const { store, now, functions } = this.#options;
    const name = nameOf(request);
    const functionId = functions.get(request.namespace, request.function)?.metadata.uid ?? '';
    const run =
      store.get(request.namespace, name) ?? newRun({ ...request, name, functionId, blocking: false }, now());
    await store.put({
      ...run,
      status: {
        ...run.status,
        phase: 'ERROR',
        dead: true,
        finishedAt: run.status.finishedAt ?? now(),
        reason: [`It was given up: ${why}`],
      },
    });
  }

  /** Tries again what was given up. */
  async redrive(namespace: string, name: string): Promise<FunctionRun> {
    const run = this.#options.store.get(namespace, name);
    if (run === undefined) throw new ApiError('NotFound', `run ${name} not found`);
    if (run.status.dead !== true)
      throw new ApiError(
        'Invalid',
        `The run ${name} is not dead: only runs that were given up can be tried again.`,
      );
    const { functionId } = run.status;
    const again: FunctionRun = { ...run, status: { phase: 'INITIALIZED', functionId, attempts: 0 } };
    await this.#options.store.put(again);
    this.#pending += 1;
    this.#queue.add(again);
    return again;
  }

  /** What the run has printed so far, and whether there may be more. */
  async logsOf(run: FunctionRun): Promise<{ logs: RunLogs; ended: boolean }> {
    const { metadata, spec, status } = run;
    const key = `${metadata.namespace}/${spec.function}`;
    const ended = status.finishedAt !== undefined;
    const logs = status.logs ?? (ended ? undefined : await this.#options.logsOf(key, metadata.name));
    return { logs: logs ?? { stdout: [], stderr: [] }, ended };
  }

  /** Calls that came through endpoints have been answered already. */
  keep(runs: readonly EndpointRun[]): void {
    for (const { invocation, outcome } of runs)
      void this.#keep(invocation, outcome).catch((error: unknown) =>
        this.#options.log.debug({ err: error }, 'a run was not kept'),
      );
  }

  acceptInvocation = async (invocation: Invocation, idempotencyKey: string | undefined): Promise<string> => {
    const [namespace = '', name = ''] = invocation.key.split('/');
    const { metadata } = await this.accept({
      namespace,
      function: name,
      input: JSON.parse(invocation.payload),
      ...(invocation.httpContext && { httpContext: invocation.httpContext }),
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    });
    return metadata.name;
  };

  async #keep(invocation: Invocation, outcome: Outcome): Promise<void> {
    const [namespace = '', name = ''] = invocation.key.split('/');
    const functionId = this.#options.functions.get(namespace, name)?.metadata.uid ?? '';
    const run = newRun(
      {
        name: invocation.run,
        namespace,
        function: name,
        functionId,
        blocking: true,
        input: JSON.parse(invocation.payload),
        ...(invocation.httpContext && { httpContext: invocation.httpContext }),
      },
      outcome.startedAt,
    );
    await this.#options.store.put(finished(run, await this.#withLogs(run, outcome)));
  }

  async #now(run: FunctionRun): Promise<FunctionRun> {
    const outcome = await this.#call(run);
    const done = finished(run, outcome);
    await this.#options.store
      .put(done)
      .catch((error: unknown) => this.#options.log.warn({ err: error }, 'a run could not be kept'));
    return done;
  }

  /** One attempt at what was accepted. What fails by the system's fault stays to be done. */
  async #carryOut(run: FunctionRun): Promise<Outcome> {
    const outcome = await this.#call(run);
    if (outcome.error?.type !== 'SystemError') await this.#options.store.put(finished(run, outcome));
    return outcome;
  }

  async #call(run: FunctionRun): Promise<Outcome> {
    const { link, now } = this.#options;
    const given = this.#secretsFor(run);
    if (typeof given === 'object')
      return { output: 'null', error: given, startedAt: now(), finishedAt: now(), revision: '' };
    return this.#withLogs(run, await link.call(invocationOf(run, given)));
  }

  async #withLogs(run: FunctionRun, outcome: Outcome): Promise<Outcome> {
    if (outcome.error === undefined || outcome.logs !== undefined || outcome.instance === undefined)
      return outcome;
    const { metadata, spec } = run;
    const key = `${metadata.namespace}/${spec.function}`;
    const logs = await this.#options.logsOf(key, metadata.name, outcome.instance);
    return logs === undefined ? outcome : { ...outcome, logs };
  }

  /** Undefined where the function's own are enough: the data plane has those. */
  #secretsFor({ metadata, spec }: FunctionRun): string | RunError | undefined {
    if (spec.secrets.length === 0) return undefined;
    const { namespace } = metadata;
    const own = this.#options.functions.get(namespace, spec.function)?.spec.secrets ?? [];
    const { text, missing } = secretsOf(this.#options.secrets, namespace, [...own, ...spec.secrets]);
    if (missing.length === 0) return text;
    const message = `The run needs the secret ${missing.join(', ')}, which is not there.`;
    return { type: 'InputError', message, stacktrace: [], status: 422 };
  }

  #functionOf({ namespace, function: name }: RunRequest): FunctionObject {
    const fn = this.#options.functions.get(namespace, name);
    if (fn === undefined) throw new ApiError('NotFound', `function ${name} not found`);
    if (!this.#options.link.knows(`${namespace}/${name}`))
      throw new ApiError('NotFound', `function ${name} is not READY${reasonOf(fn)}`);
    return fn;
  }
}

function nameOf(request: RunRequest): string {
  const { namespace, function: fn, idempotencyKey } = request;
  return idempotencyKey === undefined ? randomUUID() : runName(namespace, fn, idempotencyKey);
}

function reasonOf({ status }: FunctionObject): string {
  const [reason] = status?.reason ?? [];
  return reason === undefined ? '' : `: ${reason}`;
}
