import {
  CONTROLLER_REVISIONS,
  Controller,
  DONE,
  type Informer,
  type Outcome,
  type Request,
  type Secret,
  SECRETS,
  writeStatus,
} from '../../kube/index.ts';
import type { FunctionsContext } from '../context.ts';
import {
  FUNCTIONS,
  type FunctionObject,
  IMAGES,
  type ImageObject,
  type RevisionObject,
} from '../resources.ts';
import { FunctionReconciler } from './function.reconcile.ts';
import { Revisions } from './revisions.ts';

/** Keeps functions callable as their objects say. */
export class FunctionController {
  readonly functions: Informer<FunctionObject>;
  readonly #context: FunctionsContext;
  readonly #controller: Controller;
  readonly #reconciler: FunctionReconciler;
  /** Functions that have not been looked at since the start. */
  readonly #unseen = new Set<string>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #gone: (namespace: string, name: string) => Promise<void>;

  /** `gone` is told of functions that were deleted. */
  constructor(context: FunctionsContext, gone: (namespace: string, name: string) => Promise<void>) {
    const { informers, client, now } = context;
    this.#context = context;
    this.#gone = gone;
    this.functions = informers.for<FunctionObject>(FUNCTIONS);
    const images = informers.for<ImageObject>(IMAGES);
    const secrets = informers.for<Secret>(SECRETS);
    const revisions = informers.for<RevisionObject>(CONTROLLER_REVISIONS);
    this.#reconciler = new FunctionReconciler(context, {
      images,
      secrets,
      revisions: new Revisions(client, revisions, now),
    });
    const users = (test: (fn: FunctionObject) => boolean): Request[] =>
      this.functions.list().filter(test).map(requestOf);
    this.#controller = new Controller({
      name: 'function',
      log: context.log,
      concurrency: 8,
      reconcile: (request, signal) => this.#reconcile(request, signal),
    })
      .for(this.functions)
      .watches(images, ({ metadata }) =>
        users((fn) => fn.metadata.namespace === metadata.namespace && fn.spec.image === metadata.name),
      )
      .watches(secrets, ({ metadata }) =>
        users(
          (fn) =>
            fn.metadata.namespace === metadata.namespace &&
            [...(fn.spec.secrets ?? []), ...(fn.spec.services ?? [])].includes(metadata.name ?? ''),
        ),
      );
  }

  /** Resolves when every function that there was at the start can be called, or has been found broken. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** The number of its instances is another one. */
  poke(key: string): void {
    this.#controller.queue.add(key);
  }

  async run(signal: AbortSignal): Promise<void> {
    for (const fn of this.functions.list()) this.#unseen.add(`${fn.metadata.namespace}/${fn.metadata.name}`);
    if (this.#unseen.size === 0) this.#ready.resolve();
    await this.#controller.run(signal);
  }

  async #reconcile(request: Request, signal: AbortSignal): Promise<Outcome> {
    try {
      return await this.#pass(request, signal);
    } finally {
      this.#unseen.delete(`${request.namespace}/${request.name}`);
      if (this.#unseen.size === 0) this.#ready.resolve();
    }
  }

  async #pass({ namespace, name }: Request, signal: AbortSignal): Promise<Outcome> {
    const fn = this.functions.get(namespace, name);
    if (fn === undefined || fn.metadata.deletionTimestamp !== undefined) {
      this.#reconciler.forget(`${namespace}/${name}`);
      await this.#gone(namespace, name);
      return DONE;
    }
    const { status, outcome } = await this.#reconciler.reconcile(
      fn,
      (before) => this.#commit(before, fn),
      signal,
    );
    await this.#commit(status, fn);
    return outcome;
  }

  #commit(status: NonNullable<FunctionObject['status']>, fn: FunctionObject): Promise<void> {
    const known = this.functions.get(fn.metadata.namespace ?? '', fn.metadata.name ?? '') ?? fn;
    return writeStatus(this.#context.client, FUNCTIONS, known, status);
  }
}

function requestOf({ metadata }: FunctionObject): Request {
  return { namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
}
