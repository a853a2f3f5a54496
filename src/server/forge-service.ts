import type { ApiRequest, Reply, RequestInfo } from '../apiserver/index.ts';
import { ApiError, isRecord } from '../kube/index.ts';
import {
  ForgeError,
  type ForgeRepositories,
  type ForgeRepository,
  isSafeRevision,
  type LocalForge,
  ScmError,
} from '../scm/index.ts';
import { bodyOf, RUN_GROUP, RUN_VERSION, type ServicePart } from './local-services.ts';

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
    { name: 'gitrepositories/diff', namespaced: true, verbs: ['get'], kind: 'GitRepository' },
    { name: 'gitrepositories/changes', namespaced: true, verbs: ['create'], kind: 'GitRepository' },
  ];
  readonly #forge: ForgeRepositories;
  readonly #publicUrl: () => string;
  readonly #changes: LocalForge;

  constructor(forge: ForgeRepositories, changes: LocalForge, publicUrl: () => string) {
    this.#forge = forge;
    this.#changes = changes;
    this.#publicUrl = publicUrl;
  }

  handle = async (request: ApiRequest, info: RequestInfo): Promise<Reply | undefined> => {
    try {
      return await this.#answer(request, info);
    } catch (error) {
      if (error instanceof ScmError)
        throw new ApiError(error.status === 422 ? 'Invalid' : 'BadRequest', `${error.message}.`);
      if (error instanceof ForgeError) throw new ApiError(REASONS[error.code], error.message);
      throw error;
    }
  };

  async #answer(
    request: ApiRequest,
    { verb, namespace: owner, name, subresource }: RequestInfo,
  ): Promise<Reply | undefined> {
    if (subresource === 'diff') return this.#diff(request, { owner, name });
    if (subresource === 'changes') return this.#propose(request, { owner, name });
    switch (verb) {
      case 'list':
        return reply(200, {
          kind: 'GitRepositoryList',
          apiVersion: `${RUN_GROUP}/${RUN_VERSION}`,
          metadata: {},
          items: (await this.#forge.list(owner || undefined)).map((item) => this.#object(item)),
        });
      case 'create': {
        const body = bodyOf(request);
        const metadata = isRecord(body['metadata']) ? body['metadata'] : {};
        const spec = isRecord(body['spec']) ? body['spec'] : {};
        const repository = { owner, name: String(metadata['name'] ?? '') };
        await this.#forge.create(
          repository,
          typeof spec['defaultBranch'] === 'string' ? { defaultBranch: spec['defaultBranch'] } : {},
        );
        await this.#protect(repository, spec);
        return reply(201, this.#object(repository));
      }
      case 'get': {
        await this.#require({ owner, name });
        return reply(200, this.#object({ owner, name }));
      }
      case 'update': {
        await this.#require({ owner, name });
        const spec = bodyOf(request)['spec'];
        await this.#protect({ owner, name }, isRecord(spec) ? spec : {});
        return reply(200, this.#object({ owner, name }));
      }
      case 'delete':
        await this.#forge.delete({ owner, name });
        return reply(200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' });
      default:
        return undefined;
    }
  }

  async #require(repository: ForgeRepository): Promise<void> {
    if (!(await this.#forge.exists(repository)))
      throw new ForgeError('missing', `There is no repository ${repository.owner}/${repository.name}.`);
  }

  async #protect(repository: ForgeRepository, spec: Record<string, unknown>): Promise<void> {
    const branches = spec['protectedBranches'];
    if (Array.isArray(branches)) await this.#forge.protect(repository, branches.map(String));
  }

  /** What one branch has that another has not. */
  async #diff({ query }: ApiRequest, repository: ForgeRepository): Promise<Reply> {
    await this.#require(repository);
    const [source, target] = [query.get('source') ?? '', query.get('target') ?? ''];
    for (const branch of [source, target])
      if (!isSafeRevision(branch))
        throw new ApiError('Invalid', `${JSON.stringify(branch)} is no name of a branch.`);
    const range = `refs/heads/${target}...refs/heads/${source}`;
    const args = [
      '--git-dir',
      this.#forge.pathOf(repository),
      'diff',
      '--no-color',
      '--no-ext-diff',
      range,
      '--',
    ];
    const text = await this.#forge.git.run(args).catch((error: unknown) => {
      throw new ApiError('NotFound', `There is no branch ${source} or ${target} any more.`, undefined, error);
    });
    return reply(200, { text });
  }

  async #propose(request: ApiRequest, repository: ForgeRepository): Promise<Reply> {
    await this.#require(repository);
    const body = bodyOf(request);
    const text = (key: string): string => (typeof body[key] === 'string' ? body[key] : '');
    const proposal = {
      source: text('source'),
      target: text('target'),
      title: text('title'),
      body: text('body'),
    };
    const { owner, name } = repository;
    return reply(201, await this.#changes.open(`${owner}/${name}`, { ...proposal, author: text('author') }));
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
