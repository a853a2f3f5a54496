import { createHash } from 'node:crypto';
import {
  Controller,
  DONE,
  type Informer,
  type Outcome,
  type Request,
  writeStatus,
} from '../../kube/index.ts';
import type { FunctionsContext } from '../context.ts';
import { BASE_IMAGES, type BaseImageObject, IMAGES, type ImageObject } from '../resources.ts';

const RETRY_MS = 60_000;

export class ImageController {
  readonly #context: FunctionsContext;
  readonly #images: Informer<ImageObject>;
  readonly #bases: Informer<BaseImageObject>;
  readonly #controller: Controller;

  constructor(context: FunctionsContext) {
    this.#context = context;
    this.#images = context.informers.for<ImageObject>(IMAGES);
    this.#bases = context.informers.for<BaseImageObject>(BASE_IMAGES);
    this.#controller = new Controller({
      name: 'image',
      log: context.log,
      reconcile: (request, signal) => this.#reconcile(request, signal),
    })
      .for(this.#images)
      .watches(this.#bases, ({ metadata }) =>
        this.#images
          .list()
          .filter(
            (image) =>
              image.metadata.namespace === metadata.namespace && image.spec.baseImage === metadata.name,
          )
          .map((image) => ({ namespace: image.metadata.namespace ?? '', name: image.metadata.name ?? '' })),
      );
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile({ namespace, name }: Request, signal: AbortSignal): Promise<Outcome> {
    const image = this.#images.get(namespace, name);
    if (image === undefined || image.metadata.deletionTimestamp !== undefined) return DONE;
    const commit = (status: NonNullable<ImageObject['status']>): Promise<void> =>
      writeStatus(this.#context.client, IMAGES, this.#images.get(namespace, name) ?? image, status);
    const base = this.#bases.get(namespace, image.spec.baseImage);
    const basis = base?.status?.phase === 'READY' ? base.status.digest : undefined;
    if (base === undefined || basis === undefined) {
      const [why] = base?.status?.reason ?? [];
      if (base === undefined || why !== undefined) {
        const problem =
          base === undefined
            ? 'is not there: make it with "dispatch create base-image"'
            : `has failed: ${why}`;
        await commit({ phase: 'ERROR', reason: [`The base image ${image.spec.baseImage} ${problem}.`] });
      } else await commit({ phase: 'INITIALIZED' });
      return DONE;
    }
    const builtFrom = fingerprint(image, basis);
    const { status } = image;
    if (status?.phase === 'READY' && status.builtFrom === builtFrom) return DONE;
    const language = base.spec.language ?? '';
    const at = basis.lastIndexOf('@');
    const known = { language, builtFrom };
    if (!hasDependencies(image)) {
      await commit({ phase: 'READY', image: base.spec.image, digest: basis.slice(at + 1), ...known });
      return DONE;
    }
    await commit({ ...status, phase: status?.image === undefined ? 'CREATING' : 'UPDATING' });
    try {
      const built = await this.#context.maker.withDependencies(
        {
          namespace,
          name,
          base: base.spec.image,
          language,
          manifest: image.spec.runtimeDependencies?.manifest,
          packages: image.spec.systemDependencies?.packages ?? [],
        },
        signal,
      );
      await commit({ phase: 'READY', ...built, ...known });
      return DONE;
    } catch (error) {
      if (signal.aborted) throw error;
      await commit({ phase: 'ERROR', language, reason: [(error as Error).message] });
      return { result: 'requeueAfter', ms: RETRY_MS };
    }
  }
}

function hasDependencies({ spec }: ImageObject): boolean {
  return (
    (spec.runtimeDependencies?.manifest ?? '').trim() !== '' ||
    (spec.systemDependencies?.packages ?? []).length > 0
  );
}

function fingerprint({ spec }: ImageObject, basis: string): string {
  const parts = [basis, spec.runtimeDependencies?.manifest ?? '', spec.systemDependencies?.packages ?? []];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
