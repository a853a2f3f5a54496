import type { IncomingMessage } from 'node:http';
import { type Informer, sameText, type Secret, SECRETS, secretTexts } from '../../kube/index.ts';
import type { CiContext } from '../context.ts';
import { IMAGE_REPOSITORIES, type ImageRepository, REPOSITORIES, type Repository } from '../resources.ts';
import { recordBuild } from './event-sink.ts';

/** A tag of an image that has got new content. */
export interface ImagePush {
  /** Without its tag. */
  image: string;
  tag: string;
  /** The same push always has the same id. */
  id: string;
}

/** Pushes of images, from this server's registry and from others that tell of them. */
export class ImageEvents {
  readonly #context: CiContext;
  readonly #images: Informer<ImageRepository>;
  readonly #repositories: Informer<Repository>;

  constructor(context: CiContext) {
    this.#context = context;
    this.#images = context.informers.for<ImageRepository>(IMAGE_REPOSITORIES);
    this.#repositories = context.informers.for<Repository>(REPOSITORIES);
  }

  find(namespace: string, name: string): ImageRepository | undefined {
    return this.#images.get(namespace, name);
  }

  /** For every object that stands for the image. */
  pushed = async (push: ImagePush): Promise<void> => {
    for (const object of this.#images.list())
      if (object.spec.image === push.image) await this.record(object, push);
  };

  async record(object: ImageRepository, { tag, id }: ImagePush): Promise<void> {
    const { namespace = '', name = '' } = object.metadata;
    const repository = this.#repositories.get(namespace, object.spec.repository);
    if (repository === undefined) return;
    await recordBuild(this.#context.client, repository, { type: 'image', tag }, `image/${name}/${id}`);
    await this.#context.client.patch(
      IMAGE_REPOSITORIES,
      { namespace, name },
      'merge',
      { status: { lastTag: tag } },
      { subresource: 'status' },
    );
  }

  /** Registries sign nothing: what they carry is a token, in a header or in the address. */
  async isAuthentic(object: ImageRepository, request: IncomingMessage): Promise<boolean> {
    const name = object.spec.webhookSecret;
    if (name === undefined) return false;
    const secret = await this.#context.client
      .get<Secret>(SECRETS, object.metadata.namespace ?? '', name)
      .catch(() => undefined);
    const wanted = secretTexts(secret)[0] ?? '';
    const query = new URL(request.url ?? '/', 'http://localhost').searchParams;
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? query.get('token') ?? '';
    return wanted !== '' && sameText(given, wanted);
  }
}

interface RegistryBody {
  /** Docker Hub. */
  push_data?: { tag?: string; pushed_at?: number };
  repository?: { repo_name?: string };
  /** Registries that follow the distribution project. */
  events?: {
    id?: string;
    action?: string;
    target?: { repository?: string; tag?: string; digest?: string };
  }[];
}

/** What a delivery of a registry tells of. */
export function imagePushesOf(body: unknown): { tag: string; id: string }[] {
  const { push_data: hub, events = [] } = (
    typeof body === 'object' && body !== null ? body : {}
  ) as RegistryBody;
  if (hub?.tag !== undefined) return [{ tag: hub.tag, id: `${hub.tag}@${hub.pushed_at ?? ''}` }];
  return events.flatMap(({ id, action, target }) =>
    action === 'push' && target?.tag !== undefined
      ? [{ tag: target.tag, id: id ?? `${target.tag}@${target.digest ?? ''}` }]
      : [],
  );
}
