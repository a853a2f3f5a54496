import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  controllerReference,
  type Informer,
  type KubeClient,
  unlessThere,
  readBody,
} from '../../kube/index.ts';
import {
  answerDelivery,
  type ForgeRepository,
  type Push,
  refEvents,
  type ScmEvent,
} from '../../scm/index.ts';
import type { CiContext } from '../context.ts';
import { ImageEvents, imagePushesOf } from './image-events.ts';
import { localName } from '../../scm/index.ts';
import { webhookSecret } from '../repositories/repository.controller.ts';
import { type Build, type BuildEvent, BUILDS, REPOSITORIES, type Repository } from '../resources.ts';

const MAX_UNKNOWN_BYTES = 1024 * 1024;
const REFUSED = 'The delivery is not accepted.\n';

/** Takes the deliveries of providers. What is answered with success is written down. */
export class EventSink {
  readonly #context: CiContext;
  readonly #repositories: Informer<Repository>;
  readonly images: ImageEvents;

  constructor(context: CiContext) {
    this.#context = context;
    this.images = new ImageEvents(context);
    this.#repositories = context.informers.for<Repository>(REPOSITORIES);
  }

  /** `path` is what follows "/dispatch/hook/". */
  handle = async (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> => {
    const [providerName, namespace = '', name = ''] = path.split('/');
    if (providerName === 'registry' || providerName === 'dockerhub') {
      await this.#registry(request, response, { namespace, name });
      return;
    }
    const repository = this.#repositories.get(namespace, name);
    await answerDelivery(request, response, {
      provider: providerName,
      isKnown: repository !== undefined,
      secret: async () => (repository === undefined ? undefined : webhookSecret(this.#context, repository)),
      accept: async (events, body) => {
        // The same delivery has the same body, whatever number it is given when it is sent again.
        const id = createHash('sha256').update(body).digest('hex');
        for (const [at, event] of events.entries()) await this.record(repository!, event, `${id}/${at}`);
      },
    });
  };

  async #registry(
    request: IncomingMessage,
    response: ServerResponse,
    at: { namespace: string; name: string },
  ): Promise<void> {
    const object = this.images.find(at.namespace, at.name);
    const body = await readBody(request, MAX_UNKNOWN_BYTES);
    if (body === undefined) {
      answer(response, 413, 'The delivery is too large.\n');
      return;
    }
    if (
      object === undefined ||
      request.method !== 'POST' ||
      !(await this.images.isAuthentic(object, request))
    ) {
      answer(response, 403, REFUSED);
      return;
    }
    for (const push of imagePushesOf(parseJson(body)))
      await this.images.record(object, { ...push, image: object.spec.image });
    answer(response, 202, 'Accepted.\n');
  }

  /** A push to a repository of this server: for every Repository object that stands for it. */
  pushed = async ({ id, repository, updates }: Push): Promise<void> => {
    for (const object of this.#repositories.list()) {
      const local = localName(this.#context, object);
      if (local?.owner !== repository.owner || local.name !== repository.name) continue;
      if (object.metadata.namespace !== repository.owner) continue;
      for (const update of updates)
        for (const event of refEvents({ ...update, author: '' }))
          await this.record(object, event, `${id}/${update.ref}`);
    }
  };

  /** Something has happened to a change request of this server. */
  changed = async (repository: ForgeRepository, event: ScmEvent, id: string): Promise<void> => {
    for (const object of this.#repositories.list()) {
      const local = localName(this.#context, object);
      if (local?.owner !== repository.owner || local.name !== repository.name) continue;
      if (object.metadata.namespace === repository.owner) await this.record(object, event, id);
    }
  };

  /** Writes an event down. The same event is written once, however often it comes. */
  record(repository: Repository, event: ScmEvent | BuildEvent, id: string): Promise<void> {
    return recordBuild(this.#context.client, repository, event, id);
  }
}

export async function recordBuild(
  client: KubeClient,
  repository: Repository,
  event: ScmEvent | BuildEvent,
  id: string,
): Promise<void> {
  const { name = '', namespace = '' } = repository.metadata;
  const hash = createHash('sha256').update(`${repository.metadata.uid}/${id}`).digest('hex').slice(0, 16);
  const build: Build = {
    apiVersion: repository.apiVersion,
    kind: 'Build',
    metadata: {
      name: `${name.slice(0, 40)}-${hash}`,
      namespace,
      labels: { repository: name.slice(0, 63) },
      ownerReferences: [controllerReference(repository)],
    },
    spec: { repository: name, event: event as BuildEvent },
  };
  await unlessThere(client.create(BUILDS, build));
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
}
