import type {
  EndpointRun,
  FunctionConfig,
  FunctionsFromDataPlane,
  FunctionsToDataPlane,
  Invocation,
  Outcome,
  RevisionConfig,
} from '../../functions/protocol.ts';
import type { UpstreamPool } from '../upstream.ts';
import {
  connectionTo,
  InstanceCall,
  LostConnectionError,
  parseAnswer,
  parseHttp,
  type RawAnswer,
  type RawRequest,
} from './exchange.ts';
import { Instance } from './instance.ts';
import { endedBy, failed, failure, timedOut } from './outcomes.ts';
import { Revision } from './revision.ts';
import { RunReports } from './run-reports.ts';

export interface CallsOptions {
  pool: UpstreamPool;
  tell: (message: FunctionsFromDataPlane) => void;
  now: () => number;
}

export interface Accepted {
  run?: string;
  problem?: string;
}

interface KnownFunction {
  config: FunctionConfig;
  /** With the weights added up. */
  choices: { revision: Revision; upTo: number }[];
}

/** One call on its way. */
interface Attempt<T> {
  known: KnownFunction;
  invocation: Pick<Invocation, 'run' | 'key'>;
  request: (config: RevisionConfig, deadline: number) => RawRequest;
  read: (answer: RawAnswer, revision: Revision) => T;
}

type Result<T> = Pick<Outcome, 'startedAt' | 'finishedAt' | 'revision' | 'instance' | 'error'> & {
  value?: T;
};

const LOAD_MS = 1000;
const PING_MS = 500;
const END_MS = 2000;
const PING: RawRequest = {
  method: 'GET',
  head: 'GET /healthz HTTP/1.1\r\nhost: function\r\n',
  body: '',
};

/**
 * Carries calls to the processes of functions, as many at a time as each may have, and says to the server how many
 * are wanted. All calls come by here: those of endpoints and those that the server makes.
 */
export class FunctionCalls {
  readonly #options: CallsOptions;
  readonly #functions = new Map<string, KnownFunction>();
  /** By "namespace/name revision". */
  readonly #revisions = new Map<string, Revision>();
  readonly #instances = new Map<string, { instance: Instance; revision: Revision }>();
  readonly #accepting = new Map<number, (accepted: Accepted) => void>();
  readonly #reports: RunReports;
  #next = 1;
  #reporting = false;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#reports = new RunReports((runs) => options.tell({ type: 'runs', runs }), options.now);
    setInterval(() => this.#report(), LOAD_MS).unref();
  }

  heard(message: FunctionsToDataPlane): void {
    switch (message.type) {
      case 'functions':
        for (const config of message.set) this.#set(config);
        for (const key of message.removed) this.#remove(key);
        break;
      case 'instance': {
        const revision = this.#revisionOf(message.key, message.revision);
        const instance = new Instance(message.id, message.at);
        this.#instances.set(message.id, { instance, revision });
        revision.add(instance);
        break;
      }
      case 'drain-instance': {
        const found = this.#instances.get(message.id);
        if (found === undefined) this.#options.tell({ type: 'drained', id: message.id });
        else this.#retire(found.revision, found.instance);
        break;
      }
      case 'instance-gone': {
        const found = this.#instances.get(message.id);
        found?.instance.end(message.end);
        if (found === undefined) break;
        this.#forget(found.revision, found.instance);
        if (found.revision.waiting > 0) this.#report();
        break;
      }
      case 'unavailable':
        this.#revisions.get(`${message.key} ${message.revision}`)?.refuse(message.message);
        break;
      case 'call':
        void this.call(message.invocation).then((outcome) =>
          this.#options.tell({ type: 'result', id: message.id, outcome }),
        );
        break;
      case 'accepted':
        this.#accepting.get(message.id)?.(message);
        this.#accepting.delete(message.id);
        break;
    }
  }

  /** Whether the function is there, and answers HTTP by itself. */
  kindOf(key: string): 'none' | 'handler' | 'http' {
    const known = this.#functions.get(key);
    if (known === undefined) return 'none';
    return known.config.revisions[0]?.http === true ? 'http' : 'handler';
  }

  /** What is wrong with an input, before anything is done with it. */
  problemOfInput(key: string, payload: string): string | undefined {
    return this.#functions.get(key)?.choices[0]?.revision.problemOfInput(() => JSON.parse(payload));
  }

  async call(invocation: Invocation): Promise<Outcome> {
    const { key, payload, secrets } = invocation;
    const known = this.#functions.get(key);
    const refused = this.#refusal(known, invocation);
    if (refused !== undefined) return refused;
    const result = await this.#attempt({
      known: known!,
      invocation,
      request: (config, deadline) =>
        requestOf(
          invocation,
          { secrets: secrets ?? known!.config.secrets, services: known!.config.services },
          config,
          deadline,
        ),
      read: (answer, revision) => {
        const parsed = revision.config?.http ? parseHttp(answer) : parseAnswer(answer);
        if (parsed.error !== undefined) return parsed;
        const problem = revision.problemOfOutput(() => JSON.parse(parsed.output));
        if (problem === undefined) return parsed;
        const error = failure(
          'FunctionError',
          `The output does not fit the schema of the function: ${problem}.`,
        );
        return { ...parsed, output: 'null', error };
      },
      check: (revision) => {
        const problem = revision.problemOfInput(() => JSON.parse(payload));
        return problem === undefined
          ? undefined
          : failure('InputError', `The input does not fit the schema of the function: ${problem}.`);
      },
    });
    const { value, ...rest } = result;
    if (value === undefined) return { output: 'null', ...rest };
    const { retires: _, ...answer } = value;
    return { ...rest, ...answer };
  }

  /** For functions that answer HTTP by themselves: the request as it is, and the answer as it is. */
  async forward(
    invocation: Pick<Invocation, 'run' | 'key'>,
    request: RawRequest,
  ): Promise<{ answer: RawAnswer } | { outcome: Outcome }> {
    const known = this.#functions.get(invocation.key);
    const refused = this.#refusal(known, invocation);
    if (refused !== undefined) return { outcome: refused };
    const { value, ...rest } = await this.#attempt({
      known: known!,
      invocation,
      request: () => request,
      read: (answer) => ({ answer, retires: false }),
    });
    return value === undefined ? { outcome: { output: 'null', ...rest } } : { answer: value.answer };
  }

  /** To be done later: resolves when it is on disk. */
  accept(invocation: Invocation, idempotencyKey: string | undefined): Promise<Accepted> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#accepting.set(id, resolve);
      this.#options.tell({
        type: 'accept',
        id,
        invocation,
        ...(idempotencyKey !== undefined && { idempotencyKey }),
      });
    });
  }

  /** A call of an endpoint has ended. */
  ended(run: EndpointRun): void {
    this.#reports.add(run);
  }

  #refusal(known: KnownFunction | undefined, { key, secrets }: Partial<Invocation>): Outcome | undefined {
    const now = this.#options.now();
    const at = { startedAt: now, finishedAt: now, revision: '' };
    if (known === undefined || known.choices.length === 0)
      return failed(failure('SystemError', `The function ${key} is not READY.`, 404), at);
    const { missing } = known.config;
    if (missing.length > 0 && secrets === undefined)
      return failed(
        failure('InputError', `The function needs the secret ${missing.join(', ')}, which is not there.`),
        at,
      );
    return undefined;
  }

  async #attempt<T extends { retires: boolean }>(
    attempt: Attempt<T> & { check?: (revision: Revision) => Outcome['error'] },
  ): Promise<Result<T>> {
    const { now } = this.#options;
    const startedAt = now();
    const revision = choose(attempt.known);
    const error = attempt.check?.(revision);
    const at = { startedAt, revision: revision.name };
    if (error !== undefined) return { ...at, finishedAt: now(), error };
    const free = revision.free() ?? (await this.#wait(revision));
    if (typeof free === 'string') return { ...at, finishedAt: now(), error: failure('SystemError', free) };
    const outcome = await this.#perform(attempt, revision, free);
    return { ...at, finishedAt: now(), instance: free.id, ...outcome };
  }

  /** An instance with room, or why there is none. */
  #wait(revision: Revision): Promise<Instance | string> {
    return new Promise((resolve) => {
      const taken = revision.wait((instance, why) => resolve(instance ?? why ?? 'The function is gone.'));
      if (!taken) resolve('Too many calls wait for the function: call it again later.');
      else if (!this.#reporting) {
        this.#reporting = true;
        setImmediate(() => {
          this.#reporting = false;
          this.#report();
        });
      }
    });
  }

  async #perform<T extends { retires: boolean }>(
    { request, read }: Attempt<T>,
    revision: Revision,
    instance: Instance,
  ): Promise<{ value: T } | { error: NonNullable<Outcome['error']> }> {
    const { pool, now } = this.#options;
    const config = revision.config ?? FALLBACK;
    let call: InstanceCall | undefined;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      call?.giveUp();
    }, config.timeoutMs);
    revision.begin(instance);
    try {
      const found = connectionTo(pool, instance);
      const connection = found instanceof Promise ? await found : found;
      if (late) {
        connection.abandon();
        throw new LostConnectionError('given up');
      }
      call = new InstanceCall(connection, request(config, now() + config.timeoutMs));
      const value = read(await call.answer, revision);
      if (value.retires) this.#retire(revision, instance);
      return { value };
    } catch (error) {
      clearTimeout(timer);
      if (late) {
        this.#expired(revision, instance);
        return { error: timedOut(config.timeoutMs) };
      }
      // Whatever it was that did not answer properly: nobody else is sent there.
      instance.isDraining = true;
      if (!(error instanceof LostConnectionError)) {
        this.#options.tell({ type: 'kill', id: instance.id });
        return { error: failure('FunctionError', 'The answer of the function cannot be read.') };
      }
      return { error: await this.#whyLost(instance, error) };
    } finally {
      clearTimeout(timer);
      revision.end(instance);
      if (instance.isDraining && instance.inFlight === 0) this.#drained(revision, instance);
    }
  }

  async #whyLost(instance: Instance, error: LostConnectionError): Promise<NonNullable<Outcome['error']>> {
    if (error.message === 'the answer is too large') {
      this.#options.tell({ type: 'kill', id: instance.id });
      return failure('FunctionError', 'The output is too large: 16 MiB are allowed.');
    }
    let timer: NodeJS.Timeout | undefined;
    const nobodyKnows = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), END_MS);
    });
    const end = await Promise.race([instance.gone, nobodyKnows]);
    clearTimeout(timer);
    if (end === undefined) this.#options.tell({ type: 'kill', id: instance.id });
    return endedBy(end);
  }

  /** It may still be busy with what took too long: whether it is alive is asked, and then others may end there. */
  #expired(revision: Revision, instance: Instance): void {
    this.#retire(revision, instance);
    const kill = (): void => this.#options.tell({ type: 'kill', id: instance.id });
    if (instance.inFlight <= 1) {
      kill();
      return;
    }
    this.#ping(instance).catch(kill);
  }

  async #ping(instance: Instance): Promise<void> {
    const call = new InstanceCall(await connectionTo(this.#options.pool, instance), PING);
    const timer = setTimeout(() => call.giveUp(), PING_MS);
    await call.answer.finally(() => clearTimeout(timer));
  }

  #retire(revision: Revision, instance: Instance): void {
    instance.isDraining = true;
    // The call that is being answered counts itself out a moment later.
    if (instance.inFlight === 0) this.#drained(revision, instance);
  }

  #drained(revision: Revision, instance: Instance): void {
    if (!this.#instances.has(instance.id)) return;
    this.#forget(revision, instance);
    this.#options.tell({ type: 'drained', id: instance.id });
  }

  #forget(revision: Revision, instance: Instance): void {
    this.#instances.delete(instance.id);
    revision.remove(instance);
    this.#options.pool.drop(instance.endpoint);
    this.#clean(revision);
  }

  #clean(revision: Revision): void {
    if (revision.isUnused) this.#revisions.delete(`${revision.key} ${revision.name}`);
  }

  #revisionOf(key: string, name: string): Revision {
    const id = `${key} ${name}`;
    let revision = this.#revisions.get(id);
    if (revision === undefined) {
      revision = new Revision(key, name);
      this.#revisions.set(id, revision);
    }
    return revision;
  }

  #set(config: FunctionConfig): void {
    const before = this.#functions.get(config.key);
    let upTo = 0;
    const choices = config.revisions.map((item) => {
      const revision = this.#revisionOf(config.key, item.name);
      revision.configure(item);
      upTo += item.weight;
      return { revision, upTo };
    });
    this.#functions.set(config.key, { config, choices });
    for (const { revision } of before?.choices ?? []) {
      if (choices.some((item) => item.revision === revision)) continue;
      this.#leave(revision, 'The function was changed: call it again.');
    }
  }

  #remove(key: string): void {
    const before = this.#functions.get(key);
    this.#functions.delete(key);
    for (const { revision } of before?.choices ?? []) this.#leave(revision, `The function ${key} is gone.`);
  }

  /** Those who wait for a revision that gets no more calls, and has no process, wait for nothing. */
  #leave(revision: Revision, why: string): void {
    if (revision.instances.length === 0) revision.refuse(why);
    revision.configure(undefined);
    this.#clean(revision);
  }

  #report(): void {
    const loads = [...this.#revisions.values()].flatMap((revision) => revision.load() ?? []);
    if (loads.length > 0) this.#options.tell({ type: 'load', loads });
  }
}

/** For calls that were under way when their revision was taken out. */
const FALLBACK: RevisionConfig = { name: '', weight: 0, timeoutMs: 60_000, concurrency: 1 };

function choose({ choices }: KnownFunction): Revision {
  if (choices.length === 1) return choices[0]!.revision;
  const at = Math.random() * choices.at(-1)!.upTo;
  return (choices.find(({ upTo }) => at < upTo) ?? choices[0]!).revision;
}

function requestOf(
  { run, payload, event, httpContext }: Invocation,
  given: { secrets: string; services: string },
  { http }: RevisionConfig,
  deadline: number,
): RawRequest {
  if (http)
    return {
      method: 'POST',
      head: `POST / HTTP/1.1\r\nhost: function\r\nx-dispatch-run: ${run}\r\ncontent-type: application/json\r\n`,
      body: payload,
    };
  let context = `{"context":{"run":"${run}","secrets":${given.secrets},"serviceBindings":${given.services},"deadline":${deadline}`;
  if (event !== undefined) context += `,"event":${JSON.stringify(event)}`;
  if (httpContext !== undefined) context += `,"httpContext":${JSON.stringify(httpContext)}`;
  return {
    method: 'POST',
    head: `POST / HTTP/1.1\r\nhost: function\r\nx-dispatch-run: ${run}\r\nx-dispatch-raw: 1\r\ncontent-type: application/json\r\n`,
    body: `${context}},"payload":${payload}}`,
  };
}
