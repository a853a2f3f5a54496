import {
  Controller,
  DONE,
  type Informer,
  type Outcome,
  type Request,
  timestamp,
  writeStatus,
} from '../../kube/index.ts';
import type { FunctionsContext } from '../context.ts';
import { BASE_IMAGES, type BaseImageObject } from '../resources.ts';

/** A name may come to stand for something newer. */
const RECHECK_MS = 3 * 3600_000;
const RETRY_MS = 30_000;

export class BaseImageController {
  readonly #context: FunctionsContext;
  readonly #images: Informer<BaseImageObject>;
  readonly #controller: Controller;

  constructor(context: FunctionsContext) {
    this.#context = context;
    this.#images = context.informers.for<BaseImageObject>(BASE_IMAGES);
    this.#controller = new Controller({
      name: 'base-image',
      log: context.log,
      reconcile: (request, signal) => this.#reconcile(request, signal),
    }).for(this.#images);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile({ namespace, name }: Request, signal: AbortSignal): Promise<Outcome> {
    const image = this.#images.get(namespace, name);
    if (image === undefined || image.metadata.deletionTimestamp !== undefined) return DONE;
    const { client, host, now } = this.#context;
    const { status } = image;
    const checkedAt = Date.parse(status?.checkedAt ?? '');
    if (status?.phase === 'READY' && now() - checkedAt < RECHECK_MS && !isChanged(image))
      return { result: 'requeueAfter', ms: checkedAt + RECHECK_MS - now() };
    try {
      const digest = await host.resolve(image.spec.image, namespace, signal);
      await writeStatus(client, BASE_IMAGES, image, {
        phase: 'READY',
        digest: `${image.spec.image}@${digest}`,
        checkedAt: timestamp(now()),
      });
      return { result: 'requeueAfter', ms: RECHECK_MS };
    } catch (error) {
      if (signal.aborted) throw error;
      await writeStatus(client, BASE_IMAGES, image, { phase: 'ERROR', reason: [(error as Error).message] });
      return { result: 'requeueAfter', ms: RETRY_MS };
    }
  }
}

function isChanged({ spec, status }: BaseImageObject): boolean {
  return status?.digest?.startsWith(`${spec.image}@`) !== true;
}
