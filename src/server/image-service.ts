import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { ApiRequest, Reply, RequestInfo } from '../apiserver/index.ts';
import {
  BuildError,
  type BuildNetwork,
  buildImage,
  type BuiltinImages,
  type CollectorSettings,
  formatReference,
  type Image,
  ImageCollector,
  type ImageStore,
  Keychain,
  OWN_HOST,
  parseReference,
  pruneImages,
  pullImage,
  pushImage,
  RegistryClient,
  type RegistrySettings,
  type Repositories,
  saveImage,
  type StepRunner,
} from '../images/index.ts';
import { ApiError, isRecord, type Logger } from '../kube/index.ts';
import { outwardDispatcher } from './outward-fetch.ts';
import { jsonReply, RUN_GROUP, RUN_VERSION, type ServicePart } from './local-services.ts';

export interface ImageServiceOptions {
  images: ImageStore;
  builtin: BuiltinImages;
  repositories: Repositories;
  runner: StepRunner;
  settings: RegistrySettings;
  root: string;
  /** Images that pods of this machine use now, by digest. */
  inUse: () => ReadonlySet<string>;
  /** How the registry of this server is called. */
  registry: () => string;
  now: () => number;
}

export interface BuildRequest {
  context: string;
  dockerfile?: string;
  /** The Dockerfile itself, where it has been read already. */
  dockerfileText?: string;
  target?: string;
  tags?: string[];
  buildArgs?: Record<string, string>;
  labels?: Record<string, string>;
  secrets?: Record<string, { path?: string; value?: string }>;
  noCache?: boolean;
  network?: BuildNetwork;
  push?: boolean;
  output?: { type: 'tar' | 'oci'; path: string };
  outputs?: { type: 'tar' | 'oci'; path: string }[];
  credentials?: string;
}

/** Images of this machine, as an API: what `dispatch image` speaks to. */
export class ImageService implements ServicePart {
  readonly resources = ['images', 'imagebuilds', 'imagepulls', 'imagepushes', 'imageprunes'].map((name) => ({
    name,
    namespaced: false,
    kind: 'Image',
    verbs: name === 'images' ? ['list', 'delete'] : ['create'],
  }));
  readonly #options: ImageServiceOptions;
  readonly #client: RegistryClient;
  readonly #outward = outwardDispatcher();

  constructor(options: ImageServiceOptions) {
    this.#options = options;
    this.#client = new RegistryClient(options.settings);
  }

  /** Whether something of a namespace may give an image this name: in this registry it has a part of its own. */
  mayName(name: string, namespace: string): boolean {
    const reference = parseReference(name);
    return !this.#options.images.isOurs(reference) || reference.repository.startsWith(`${namespace}/`);
  }

  /** Drops what nobody needs, now and then. */
  collector(settings: CollectorSettings, log: Logger): ImageCollector {
    return new ImageCollector({ ...this.#options, settings, log });
  }

  handle = async (request: ApiRequest, info: RequestInfo): Promise<Reply | undefined> => {
    switch (info.plural) {
      case 'images':
        return info.verb === 'delete' || info.verb === 'deletecollection'
          ? this.#remove(request)
          : this.#list(request);
      case 'imagebuilds':
        return streamed((say, signal) => {
          const { dockerfileText: _, ...body } = bodyOf<BuildRequest>(request);
          return this.build(body, say, signal);
        });
      case 'imagepulls':
        return streamed(async (say, signal) => {
          const { name, credentials } = bodyOf<{ name: string; credentials?: string }>(request);
          say(`Pulling ${name}\n`);
          return describe(await this.#resolve(name, keychainOf(credentials), signal, true));
        });
      case 'imagepushes':
        return streamed((say, signal) =>
          this.#push(bodyOf<{ name: string; credentials?: string }>(request), say, signal),
        );
      case 'imageprunes':
        return jsonReply(
          200,
          await pruneImages({ ...this.#options, ...bodyOf<{ olderThanMs?: number }>(request) }),
        );
      default:
        return undefined;
    }
  };

  async #list(request: ApiRequest): Promise<Reply> {
    const { images } = this.#options;
    const wanted = request.query.get('name');
    if (wanted !== null) {
      const image = await this.#find(wanted);
      return jsonReply(200, { ...describe(image), manifest: image.manifest, config: image.config });
    }
    const items: object[] = [];
    for (const [name, digest] of images.names()) {
      const image = await images.load(digest, name);
      items.push({
        name: this.#shown(name),
        digest,
        size: image?.size ?? 0,
        created: image?.config.created ?? '',
        complete: image !== undefined,
      });
    }
    return jsonReply(200, {
      kind: 'ImageList',
      apiVersion: `${RUN_GROUP}/${RUN_VERSION}`,
      metadata: {},
      items,
    });
  }

  async #find(name: string): Promise<Image> {
    const reference = parseReference(name);
    const image = this.#options.builtin.has(reference)
      ? await this.#options.builtin.get(reference)
      : await this.#options.images.find(reference);
    if (image === undefined)
      throw new ApiError('NotFound', `There is no image ${name} on this machine: pull or build it.`);
    return image;
  }

  async #remove(request: ApiRequest): Promise<Reply> {
    const { images } = this.#options;
    const name = request.query.get('name') ?? '';
    const reference = formatReference(images.canonical(parseReference(name)));
    if (!(await images.untag(reference)))
      throw new ApiError('NotFound', `There is no image ${name} on this machine.`);
    return jsonReply(200, { removed: name });
  }

  async #resolve(name: string, keychain: Keychain, signal: AbortSignal, always = false): Promise<Image> {
    const { images, builtin } = this.#options;
    const reference = parseReference(name);
    if (builtin.has(reference)) return builtin.get(reference);
    const known = await images.find(reference);
    if (known !== undefined && (!always || images.isOurs(reference))) return known;
    if (images.isOurs(reference)) throw new BuildError(`the registry of this server has no ${name}`);
    return pullImage(reference, { client: this.#client, images, keychain, arch: process.arch, signal });
  }

  /** The namespace that an image of this server belongs to; undefined for images of other registries. */
  ownerOf(name: string): string | undefined {
    const { images } = this.#options;
    const reference = images.canonical(parseReference(name));
    if (reference.host !== OWN_HOST) return undefined;
    const slash = reference.repository.indexOf('/');
    return slash < 0 ? 'default' : reference.repository.slice(0, slash);
  }

  /** Builds for whoever is allowed to: that has been asked before. */
  async build(
    request: BuildRequest,
    say: (text: string) => void,
    signal: AbortSignal,
  ): Promise<{ name: string; digest: string; size: number }> {
    const { images, runner, root } = this.#options;
    if (
      !isAbsolute(request.context ?? '') ||
      !(await stat(request.context).catch(() => undefined))?.isDirectory()
    )
      throw new BuildError(
        `the build context ${JSON.stringify(request.context)} is no directory of this machine`,
      );
    const path = request.dockerfile ?? join(request.context, 'Dockerfile');
    const dockerfile =
      request.dockerfileText ??
      (await readFile(path, 'utf8').catch(() => {
        throw new BuildError(`there is no Dockerfile at ${path}`);
      }));
    const keychain = keychainOf(request.credentials);
    const image = await buildImage({
      images,
      resolve: (name, stop) => this.#resolve(name, keychain, stop),
      runner,
      root,
      contextDir: request.context,
      dockerfile,
      ...(request.target !== undefined && { target: request.target }),
      buildArgs: request.buildArgs ?? {},
      labels: request.labels ?? {},
      secrets: request.secrets ?? {},
      noCache: request.noCache === true,
      network: request.network ?? 'default',
      ...(request.network !== 'host' && { dispatcher: this.#outward }),
      arch: process.arch,
      owners: process.getuid?.() === 0,
      onOutput: say,
      signal,
    });
    for (const tag of request.tags ?? []) {
      await this.#tag(image, tag);
      say(`Tagged ${tag}\n`);
      if (request.push && !images.isOurs(parseReference(tag)))
        await this.#push(
          { name: tag, ...(request.credentials && { credentials: request.credentials }) },
          say,
          signal,
        );
    }
    for (const output of [...(request.output ? [request.output] : []), ...(request.outputs ?? [])])
      await this.#output(image, output, request.tags?.[0]);
    return describe(image);
  }

  /** Under a name of our registry it is in our registry: nothing has to be carried. */
  async #tag(image: Image, tag: string): Promise<void> {
    const { images, repositories } = this.#options;
    const reference = images.canonical(parseReference(tag));
    if (reference.host === OWN_HOST) {
      const size = (await images.content.sizeOf(image.digest)) ?? 0;
      await repositories.add({
        repository: reference.repository,
        digest: image.digest,
        mediaType: image.manifest.mediaType ?? '',
        size,
        artifactType: image.manifest.config.mediaType,
      });
    }
    await images.tag(formatReference(reference), image.digest);
  }

  async #output(
    image: Image,
    output: { type: 'tar' | 'oci'; path: string },
    name: string | undefined,
  ): Promise<void> {
    if (!isAbsolute(output.path)) throw new BuildError(`${output.path} must be an absolute path`);
    await saveImage(image, { content: this.#options.images.content, ...output, name });
  }

  async #push(
    request: { name: string; credentials?: string },
    say: (text: string) => void,
    signal: AbortSignal,
  ): Promise<object> {
    const image = await this.#find(request.name);
    const reference = parseReference(request.name);
    if (this.#options.images.isOurs(reference)) {
      await this.#tag(image, request.name);
      return describe(image);
    }
    say(`Pushing ${request.name}\n`);
    await pushImage(image, reference, {
      client: this.#client,
      images: this.#options.images,
      keychain: keychainOf(request.credentials),
      signal,
    });
    return describe(image);
  }

  #shown(name: string): string {
    return name.startsWith(`${OWN_HOST}/`)
      ? `${this.#options.registry()}${name.slice(OWN_HOST.length)}`
      : name;
  }
}

function describe(image: Image): { name: string; digest: string; size: number } {
  return { name: image.name, digest: image.digest, size: image.size };
}

function keychainOf(credentials: string | undefined): Keychain {
  const keychain = new Keychain();
  return credentials === undefined ? keychain : keychain.addDockerConfig(credentials);
}

function bodyOf<T>(request: ApiRequest): T {
  const { body } = request;
  let document: unknown = body;
  if (Buffer.isBuffer(body)) {
    try {
      document = body.length === 0 ? {} : JSON.parse(body.toString());
    } catch (error) {
      throw new ApiError('BadRequest', 'The body of the request is not JSON.', undefined, error);
    }
  }
  if (!isRecord(document)) throw new ApiError('BadRequest', 'The body of the request must be an object.');
  return document as T;
}

/** Lines of JSON: what happens, and at the end the result or why there is none. */
function streamed(work: (say: (text: string) => void, signal: AbortSignal) => Promise<object>): Reply {
  return {
    status: 200,
    headers: { 'content-type': 'application/x-ndjson' },
    start: async (sink) => {
      const line = (document: object): void => void sink.write(`${JSON.stringify(document)}\n`);
      try {
        line({ result: await work((text) => line({ output: text }), sink.signal) });
      } catch (error) {
        line({ error: error instanceof Error ? error.message : String(error) });
      }
      sink.end();
    },
  };
}
