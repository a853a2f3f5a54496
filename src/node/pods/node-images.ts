import {
  BadReferenceError,
  type BuiltinImages,
  type Image,
  type ImageStore,
  MissingProgramError,
  parseReference,
  type Reference,
} from '../../images/index.ts';
import type { Container, Pod } from '../../kube/index.ts';
import { ImageProblem, type ImageSource, type PullPolicy, type ReadyImage } from './images.ts';

/** Fetches an image that is not here, with the credentials that the pod may use. */
export type Pull = (reference: Reference, pod: Pod, signal: AbortSignal) => Promise<Image>;

/** Images of this node: from the store, made of this machine's programs, or fetched. */
export class NodeImages implements ImageSource {
  readonly #store: ImageStore;
  readonly #builtin: BuiltinImages;
  readonly #pull: Pull;
  readonly #isServed: (name: string) => boolean;
  readonly nameFor: (container: Container) => string;

  /** `isServed` names images that stand for work of this process: they have no files. */
  constructor(parts: {
    store: ImageStore;
    builtin: BuiltinImages;
    pull: Pull;
    isServed: (name: string) => boolean;
    nameFor: (container: Container) => string;
  }) {
    this.#store = parts.store;
    this.#builtin = parts.builtin;
    this.#pull = parts.pull;
    this.#isServed = parts.isServed;
    this.nameFor = parts.nameFor;
  }

  async find(name: string): Promise<ReadyImage | undefined> {
    if (this.#isServed(name)) return served(name);
    const reference = parse(name);
    if (this.#builtin.has(reference)) return this.#ready(await this.#make(reference));
    const image = await this.#store.find(reference);
    return image && this.#ready(image);
  }

  async ensure(name: string, policy: PullPolicy, pod: Pod, signal: AbortSignal): Promise<ReadyImage> {
    if (this.#isServed(name)) return served(name);
    const reference = parse(name);
    if (this.#builtin.has(reference)) return this.#ready(await this.#make(reference));
    // What a build or a push has put under this name here is the newest there can be.
    const known = await this.#store.find(reference);
    if (known !== undefined && (policy !== 'Always' || this.#store.isOurs(reference)))
      return this.#ready(known);
    if (policy === 'Never')
      throw new ImageProblem(
        'ErrImageNeverPull',
        `Container image "${name}" is not present with pull policy of Never`,
      );
    if (this.#store.isOurs(reference))
      throw new ImageProblem(
        'ErrImagePull',
        `the registry of this server has no ${name}: push or build it first`,
      );
    try {
      return await this.#ready(await this.#pull(reference, pod, signal));
    } catch (error) {
      // An image that is here runs, whether or not its registry can be reached now.
      if (known !== undefined) return this.#ready(known);
      throw new ImageProblem('ErrImagePull', (error as Error).message, error);
    }
  }

  async #make(reference: Reference): Promise<Image> {
    try {
      return await this.#builtin.get(reference);
    } catch (error) {
      if (error instanceof MissingProgramError) throw new ImageProblem('ErrImagePull', error.message, error);
      throw error;
    }
  }

  async #ready(image: Image): Promise<ReadyImage> {
    return {
      reference: image.name,
      digest: image.digest,
      rootfs: await this.#store.root(image),
      config: image.config.config ?? {},
    };
  }
}

function parse(name: string): Reference {
  try {
    return parseReference(name);
  } catch (error) {
    if (error instanceof BadReferenceError) throw new ImageProblem('InvalidImageName', error.message, error);
    throw error;
  }
}

function served(name: string): ReadyImage {
  return { reference: name, digest: '', rootfs: '', config: { Entrypoint: [name] } };
}
