import { ApiError } from '../../kube/index.ts';
import type { Aggregation, RemoteOpenApi } from '../aggregation/index.ts';
import type { Access, AdminToken, Rbac, ServiceAccountTokens } from '../auth/index.ts';
import type { Catalog } from '../catalog.ts';
import type { OpenApi } from '../discovery/index.ts';
import type { Resource } from '../kinds/index.ts';
import { ProtobufDecoder } from '../protobuf/index.ts';
import type { RegistryDeps, User } from '../registry/index.ts';
import type { Schema } from '../schema/index.ts';
import { mediaType } from './body.ts';
import { impersonate } from './impersonate.ts';
import { handlePath } from './paths.ts';
import { type ApiRequest, parseRequest, type Reply, type RequestInfo, type Upgrade } from './request.ts';
import { handleResource } from './resources.ts';
import { handleReview, isReview } from './reviews.ts';
import { findSubresource, type PodConnector } from './subresources.ts';

export interface CoreDeps {
  registry: RegistryDeps;
  catalog: Catalog;
  rbac: Rbac;
  tokens: ServiceAccountTokens;
  adminToken: AdminToken;
  openapi: OpenApi;
  remoteOpenapi: RemoteOpenApi;
  aggregation: Aggregation;
  /** Reaches the pods of this machine: logs, exec, port-forward. */
  pods: PodConnector;
  /** The schema of a type that is no resource. */
  findType: (groupVersion: string, kind: string) => Schema | undefined;
  metrics: () => string;
  /** A backup of everything, as one file. */
  backup: () => Promise<Buffer>;
  /** What is not ready yet, by name of the check; empty when all is. */
  unready: () => string[];
}

const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/**
 * The API without any transport: authorises a call and answers it. The HTTPS listener and the in-process
 * client both come through here, so that there is one policy point.
 */
export class ApiCore {
  readonly #deps: CoreDeps;
  #protobuf: ProtobufDecoder | undefined;

  constructor(deps: CoreDeps) {
    this.#deps = deps;
  }

  get deps(): CoreDeps {
    return this.#deps;
  }

  async handle(original: ApiRequest): Promise<Reply> {
    const info = parseRequest(original.method, original.path, original.query);
    const request = this.#decoded(this.#admitted(original, info));
    if (!info.isResource) return handlePath(this.#deps, request);
    const resource = this.#deps.catalog.find(info.group, info.version, info.plural);
    if (resource === undefined) return this.#elsewhere(request, info);
    if (isReview(resource)) return handleReview(this.#deps, request, info, resource);
    if (info.subresource === '' || isGeneric(resource, info))
      return handleResource(this.#deps.registry, request, info, resource);
    const handler = findSubresource(resource, info.subresource);
    if (handler?.handle === undefined) throw unknownPath();
    return handler.handle(this.#deps, request, info, resource);
  }

  /** Answers a request that wants to take over its connection. */
  async upgrade(original: ApiRequest): Promise<Upgrade> {
    const info = parseRequest(original.method, original.path, original.query);
    const request = this.#admitted(original, info);
    const resource = this.#deps.catalog.find(info.group, info.version, info.plural);
    if (resource === undefined) {
      const upgrade = await this.#deps.aggregation.upgrade(request, info);
      if (upgrade === undefined) throw unknownPath();
      return upgrade;
    }
    const handler = findSubresource(resource, info.subresource);
    if (handler?.upgrade === undefined)
      throw new ApiError('BadRequest', 'This path does not take connection upgrades.');
    return handler.upgrade(this.#deps, request, info, resource);
  }

  /** The request as the user that it acts for, if that user may do it. */
  #admitted(original: ApiRequest, info: RequestInfo): ApiRequest {
    const user = impersonate(this.#deps.rbac, original);
    const request = user === original.user ? original : { ...original, user };
    const access = accessOf(info, user);
    if (!this.#deps.rbac.allows(access)) throw forbidden(access);
    return request;
  }

  /** Newer kubectl sends built-in kinds as protobuf: from here on they are objects like all others. */
  #decoded(request: ApiRequest): ApiRequest {
    if (!Buffer.isBuffer(request.body) || request.body.length === 0 || mediaType(request) !== PROTOBUF)
      return request;
    this.#protobuf ??= new ProtobufDecoder();
    const { catalog, findType } = this.#deps;
    const find = (apiVersion: string, kind: string): Schema | undefined =>
      kind === 'DeleteOptions'
        ? findType('meta/v1', kind)
        : (catalog.findKind(apiVersion, kind)?.schema ?? findType(apiVersion, kind));
    return { ...request, body: this.#protobuf.decode(request.body, find) };
  }

  async #elsewhere(request: ApiRequest, info: RequestInfo): Promise<Reply> {
    const reply = await this.#deps.aggregation.handle(request, info);
    if (reply === undefined) throw unknownPath();
    return reply;
  }
}

function isGeneric(resource: Resource, info: RequestInfo): boolean {
  return (
    (info.subresource === 'status' && resource.hasStatus) ||
    (info.subresource === 'scale' && resource.scale !== undefined)
  );
}

function unknownPath(): ApiError {
  return new ApiError('NotFound', 'the server could not find the requested resource');
}

function accessOf(info: RequestInfo, user: User): Access {
  const { verb, group, plural, subresource, namespace, name } = info;
  return {
    user,
    verb,
    ...(!info.isResource && { path: info.path }),
    group,
    plural,
    subresource,
    namespace,
    name,
  };
}

export function forbidden(access: Access): ApiError {
  const { user, verb, path, group, plural, subresource, namespace, name } = access;
  const who = `User ${JSON.stringify(user.name)} cannot ${verb}`;
  if (path !== undefined)
    return new ApiError('Forbidden', `forbidden: ${who} path ${JSON.stringify(path)}`, {});
  const resource = subresource === '' ? plural : `${plural}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const what = `${group === '' ? plural : `${plural}.${group}`}${name === '' ? '' : ` ${JSON.stringify(name)}`} is forbidden: `;
  return new ApiError(
    'Forbidden',
    `${what}${who} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(group)} ${where}`,
    {
      ...(name !== '' && { name }),
      ...(group !== '' && { group }),
      kind: plural,
    },
  );
}
