import { ApiError } from '../../kube/index.ts';
import { ISSUER } from '../auth/index.ts';
import {
  aggregated,
  apiVersions,
  groupDocument,
  groupList,
  resourceList,
  toProtobuf,
} from '../discovery/index.ts';
import { VERSION_INFO } from '../version.ts';
import type { CoreDeps } from './core.ts';
import { parseAccept } from './negotiate.ts';
import { type ApiRequest, headerOf, type Reply } from './request.ts';

type PathHandler = (
  deps: CoreDeps,
  request: ApiRequest,
  parts: string[],
) => Promise<Reply | undefined> | Reply | undefined;

/** Paths that are no objects, by their first part. */
const PATHS: Record<string, PathHandler> = {
  '': () =>
    json({
      paths: [
        '/api',
        '/apis',
        '/healthz',
        '/livez',
        '/metrics',
        '/openapi/v2',
        '/openapi/v3',
        '/readyz',
        '/version',
      ],
    }),
  version: () => json(VERSION_INFO),
  healthz: health,
  livez: health,
  readyz: health,
  metrics: (deps) => text(deps.metrics(), 'text/plain; version=0.0.4; charset=utf-8'),
  backup: async (deps, _, parts) =>
    parts.length === 0
      ? { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: await deps.backup() }
      : undefined,
  api: apiRoot,
  apis: apisRoot,
  openapi: openapi,
  openid: async (deps, _, parts) =>
    parts.join('/') === 'v1/jwks' ? json(await deps.tokens.keySet(), 'application/jwk-set+json') : undefined,
  '.well-known': (_, __, parts) =>
    parts.join('/') === 'openid-configuration' ? json(openidConfiguration()) : undefined,
};

export async function handlePath(deps: CoreDeps, request: ApiRequest): Promise<Reply> {
  const [root = '', ...parts] = request.path.split('/').filter((part) => part !== '');
  const handler = Object.hasOwn(PATHS, root) ? PATHS[root] : undefined;
  if (handler === undefined) throw unknown();
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
  const reply = await handler(deps, request, parts);
  if (reply === undefined) throw unknown();
  return reply;
}

function unknown(): ApiError {
  return new ApiError('NotFound', 'the server could not find the requested resource');
}

function json(value: unknown, type = 'application/json'): Reply {
  return {
    status: 200,
    headers: { 'content-type': type },
    body: typeof value === 'string' ? value : JSON.stringify(value),
  };
}

function text(body: string, type = 'text/plain; charset=utf-8', status = 200): Reply {
  return { status, headers: { 'content-type': type, 'x-content-type-options': 'nosniff' }, body };
}

function health(deps: CoreDeps, request: ApiRequest, parts: string[]): Reply {
  const failed = deps.unready();
  const checks = ['ping', 'store', 'poststarthook/start-apiserver-admission-initializer'];
  const [single] = parts;
  if (single !== undefined && !checks.includes(parts.join('/'))) throw unknown();
  const verbose = request.query.has('verbose');
  const lines = [
    ...checks.map((name) => `[+]${name} ok`),
    ...failed.map((name) => `[-]${name} failed: reason withheld`),
  ];
  const root = request.path.split('/').find((part) => part !== '') ?? 'healthz';
  if (failed.length > 0) return text(`${lines.join('\n')}\n${root} check failed\n`, undefined, 500);
  return text(verbose ? `${lines.join('\n')}\n${root} check passed\n` : 'ok');
}

/** The aggregated form of discovery, when the client lists it before the plain one. */
function aggregatedVersion(request: ApiRequest): 'v2' | 'v2beta1' | undefined {
  for (const range of parseAccept(headerOf(request, 'accept'))) {
    if (range.type !== 'application/json') continue;
    if (range.parameters.get('as') !== 'APIGroupDiscoveryList') return undefined;
    const version = range.parameters.get('v');
    if (version === 'v2' || version === 'v2beta1') return version;
  }
  return undefined;
}

function discoveryType(version: string): string {
  return `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
}

async function apiRoot(deps: CoreDeps, request: ApiRequest, parts: string[]): Promise<Reply | undefined> {
  const [version, ...more] = parts;
  if (version === undefined) {
    const form = aggregatedVersion(request);
    if (form !== undefined) return json(aggregated(deps.catalog, 'api', form, []), discoveryType(form));
    return json(apiVersions(headerOf(request, 'host')));
  }
  const list = more.length === 0 ? resourceList(deps.catalog, '', version) : undefined;
  return list === undefined ? undefined : json(list);
}

async function apisRoot(deps: CoreDeps, request: ApiRequest, parts: string[]): Promise<Reply | undefined> {
  const [group, version, ...more] = parts;
  if (more.length > 0) return undefined;
  const remote = deps.aggregation.groups();
  if (group === undefined) {
    const form = aggregatedVersion(request);
    if (form !== undefined)
      return json(
        aggregated(deps.catalog, 'apis', form, await deps.aggregation.discovery(request)),
        discoveryType(form),
      );
    return json(groupList(deps.catalog, remote));
  }
  if (version === undefined) {
    const document = groupDocument(deps.catalog, remote, group);
    return document === undefined ? undefined : json(document);
  }
  const list = resourceList(deps.catalog, group, version);
  if (list !== undefined) return json(list);
  return deps.aggregation.handleGroupVersion(request, group, version);
}

const PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

async function openapi(deps: CoreDeps, request: ApiRequest, parts: string[]): Promise<Reply | undefined> {
  const [version, ...path] = parts;
  if (version === 'v2' && path.length === 0) return openapiV2(deps, request);
  if (version !== 'v3') return undefined;
  if (path.length === 0) {
    const remote = await deps.remoteOpenapi.v3Index();
    return json({ paths: { ...remote, ...deps.openapi.v3Index() } });
  }
  const groupVersion = path.slice(1).join('/');
  const document = deps.openapi.v3(groupVersion);
  return document === undefined ? deps.remoteOpenapi.v3(request, groupVersion) : json(document);
}

async function openapiV2(deps: CoreDeps, request: ApiRequest): Promise<Reply> {
  const wantsProtobuf = parseAccept(headerOf(request, 'accept')).some((range) =>
    range.type.startsWith('application/com.github.proto-openapi.spec.v2'),
  );
  const hasRemote = deps.aggregation.remote().length > 0;
  if (!wantsProtobuf && !hasRemote) return json(deps.openapi.v2Json());
  const document = hasRemote ? await deps.remoteOpenapi.v2(deps.openapi.v2()) : deps.openapi.v2();
  if (!wantsProtobuf) return json(document);
  return { status: 200, headers: { 'content-type': PROTOBUF }, body: toProtobuf(document) };
}

function openidConfiguration(): unknown {
  return {
    issuer: ISSUER,
    jwks_uri: `${ISSUER}/openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  };
}
