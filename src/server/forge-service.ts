import type { ApiRequest, Reply, RequestInfo } from '../apiserver/index.ts';
import { ApiError, isRecord } from '../kube/index.ts';
import { ForgeError, type ForgeRepositories } from '../scm/index.ts';
import { RUN_GROUP, RUN_VERSION, type ServicePart } from './local-services.ts';

const REASONS = { invalid: 'Invalid', exists: 'AlreadyExists', missing: 'NotFound' } as const;

/** The repositories that this server hosts: the namespace is the owner. */
export class ForgeService implements ServicePart {
  readonly resources = [
    {
      name: 'gitrepositories',
      namespaced: true,
      verbs: ['get', 'list', 'create', 'update', 'delete'],
      kind: 'GitRepository',
    },
  ];
  readonly #forge: ForgeRepositories;
  readonly #publicUrl: () => string;

  constructor(forge: ForgeRepositories, publicUrl: () => string) {
    this.#forge = forge;
    this.#publicUrl = publicUrl;
  }

  handle = async (request: ApiRequest, info: RequestInfo): Promise<Reply | undefined> => {
    try {
      return await this.#answer(request, info);
    } catch (error) {
      if (error instanceof ForgeError) throw new ApiError(REASONS[error.code], error.message);
      throw error;
    }
  };

  async #answer(
    request: ApiRequest,
    { verb, namespace: owner, name }: RequestInfo,
  ): Promise<Reply | undefined> {
    switch (verb) {
      case 'list':
        return reply(200, {
          kind: 'GitRepositoryList',
          apiVersion: `${RUN_GROUP}/${RUN_VERSION}`,
          metadata: {},
          items: (await this.#forge.list(owner || undefined)).map((item) => this.#object(item)),
        });
      case 'create': {
        const body =
          request.body instanceof Buffer ? (JSON.parse(request.body.toString()) as unknown) : request.body;
        const metadata = isRecord(body) && isRecord(body['metadata']) ? body['metadata'] : {};
        const spec = isRecord(body) && isRecord(body['spec']) ? body['spec'] : {};
        const repository = { owner, name: String(metadata['name'] ?? '') };
        await this.#forge.create(
          repository,
          typeof spec['defaultBranch'] === 'string' ? { defaultBranch: spec['defaultBranch'] } : {},
        );
        return reply(201, this.#object(repository));
      }
      case 'get': {
        if (!(await this.#forge.exists({ owner, name })))
          throw new ForgeError('missing', `There is no repository ${owner}/${name}.`);
        return reply(200, this.#object({ owner, name }));
      }
      case 'delete':
        await this.#forge.delete({ owner, name });
        return reply(200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' });
      default:
        return undefined;
    }
  }

  #object({ owner, name }: { owner: string; name: string }): object {
    return {
      kind: 'GitRepository',
      apiVersion: `${RUN_GROUP}/${RUN_VERSION}`,
      metadata: { name, namespace: owner },
      status: { url: `${this.#publicUrl()}/dispatch/git/${owner}/${name}.git` },
    };
  }
}

function reply(status: number, body: object): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
