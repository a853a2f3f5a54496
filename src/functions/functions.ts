import { join } from 'node:path';
import type { FunctionsLink, FunctionsToDataPlane } from '../gateway/index.ts';
import {
  ApiError,
  CONTROLLER_REVISIONS,
  type ControllerContext,
  pause,
  type Secret,
  SECRETS,
} from '../kube/index.ts';
import type { FunctionsContext, ImageMaker, PushTarget, StandaloneImage } from './context.ts';
import { DataPlaneLink } from './data-plane-link.ts';
import { BaseImageController } from './images/base-image.controller.ts';
import { imageRequestOf } from './images/function-image.ts';
import { ImageController } from './images/image.controller.ts';
import { Fleet } from './instances/fleet.ts';
import type { InstanceHost } from './instances/host.ts';
import { FUNCTIONS, type FunctionObject, type RevisionObject } from './resources.ts';
import { FunctionController } from './revisions/function.controller.ts';
import { RunStore } from './runs/run-store.ts';
import { Runs } from './runs/runs.ts';
import { SourceStore } from './sources/source-store.ts';

export interface FunctionsOptions extends ControllerContext {
  dir: string;
  host: InstanceHost;
  maker: ImageMaker;
  tell: (message: FunctionsToDataPlane) => void;
}

const SETTLE_MS = 60_000;
const POLL_MS = 100;

/** Functions, from their objects to the processes that answer, and their runs. */
export class Functions implements AsyncDisposable {
  readonly runs: Runs;
  readonly sources: SourceStore;
  readonly link: FunctionsLink;
  readonly #fleet: Fleet;
  readonly #context: FunctionsContext;
  readonly #store: RunStore;
  readonly #functions: FunctionController;
  readonly #controllers: readonly { run: (signal: AbortSignal) => Promise<void> }[];

  private constructor(options: FunctionsOptions, store: RunStore) {
    const { informers, now, log, tell, host, dir } = options;
    this.#store = store;
    this.sources = new SourceStore(join(dir, 'sources'), now);
    const link = new DataPlaneLink(tell, now);
    this.link = link;
    this.#fleet = new Fleet({
      host,
      sources: this.sources,
      tell: (message) => link.tell(message),
      changed: (key) => this.#functions.poke(key),
      now,
      log,
    });
    const context: FunctionsContext = { ...options, link, fleet: this.#fleet, sources: this.sources };
    this.#context = context;
    this.#functions = new FunctionController(context, (namespace, name) => store.removeAll(namespace, name));
    this.#controllers = [this.#functions, new ImageController(context), new BaseImageController(context)];
    this.runs = new Runs({
      store,
      link,
      functions: this.#functions.functions,
      secrets: informers.for<Secret>(SECRETS),
      logsOf: (key, run, instance) => this.#fleet.logsOf(key, run, instance),
      now,
      log,
    });
    link.attach({
      loads: (loads) => this.#fleet.loads(loads),
      end: (instance) => this.#fleet.end(instance),
      ran: (runs) => this.runs.keep(runs),
      accept: this.runs.acceptInvocation,
      instances: () => this.#fleet.greeting(),
    });
  }

  static async open(options: FunctionsOptions): Promise<Functions> {
    return new Functions(options, await RunStore.open(join(options.dir, 'runs'), options.now));
  }

  /** Resolves when every function that there was at the start can be called, or has been found broken. */
  get ready(): Promise<void> {
    return this.#functions.ready;
  }

  /** After the informers have seen what is there. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#fleet.start(signal);
    const work = this.#controllers.map((controller) => controller.run(signal));
    void this.ready.then(() => {
      if (!signal.aborted) this.runs.start(signal);
    });
    await Promise.all(work);
    await this.#fleet.stop();
  }

  /**
   * The revision that is called now, as an image that is the function by itself: for clusters that know nothing of
   * functions. What answers HTTP by itself is one already.
   */
  async imageOf(
    namespace: string,
    name: string,
    push: PushTarget | undefined,
    signal: AbortSignal,
  ): Promise<StandaloneImage> {
    const { client, maker } = this.#context;
    const { phase, reason, revision } = await this.#settled(namespace, name, signal);
    if (phase === 'ERROR' || revision === undefined)
      throw new ApiError(
        'Conflict',
        `The function ${name} cannot be called: ${reason?.[0] ?? 'it is not READY'}`,
      );
    const { data } = await client.get<RevisionObject>(CONTROLLER_REVISIONS, namespace, revision);
    if (data.template.http && push === undefined)
      return { image: data.image.reference, digest: data.image.digest, isForNobody: false };
    const request = await imageRequestOf({ namespace, name }, data, this.sources);
    return maker.standalone({ ...request, ...(push && { push }) }, signal);
  }

  /** The status of a function as its object says it now, and not as it was before the last change. */
  async #settled(
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<NonNullable<FunctionObject['status']>> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(SETTLE_MS)]);
    for (;;) {
      const fn = await this.#context.client.get<FunctionObject>(FUNCTIONS, namespace, name);
      const { observedGeneration = 0, phase } = fn.status ?? {};
      const isSettled = observedGeneration >= (fn.metadata.generation ?? 0);
      if (isSettled && (phase === 'READY' || phase === 'ERROR')) return fn.status!;
      if (limit.aborted)
        throw new ApiError(
          'Conflict',
          `The function ${name} is still being made: try again when it is READY.`,
        );
      await pause(POLL_MS, limit);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }
}
