import { ApiError } from '../../kube/index.ts';
import type { Sink, User } from '../registry/index.ts';
import type { Duplex } from 'node:stream';

/** A call of the API, however it came: over a socket or in process. */
export interface ApiRequest {
  method: string;
  /** Path without the query, still percent-encoded. */
  path: string;
  query: URLSearchParams;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Bytes from a socket, or an object when the caller is in this process. */
  body?: Buffer | object;
  user: User;
  signal: AbortSignal;
}

export interface BodyReply {
  status: number;
  headers: Record<string, string | string[]>;
  body: Buffer | string;
}

/** A reply that goes on: a watch or a log. `start` may still refuse before it writes. */
export interface StreamReply {
  status: number;
  headers: Record<string, string | string[]>;
  start: (sink: Sink) => Promise<void>;
}

export type Reply = BodyReply | StreamReply;

/** Answers an `Upgrade` request on its socket. */
export type Upgrade = (socket: Duplex, head: Buffer) => Promise<void>;

export interface RequestInfo {
  isResource: boolean;
  /** get, list, watch, create, update, patch, delete, deletecollection; for other paths the HTTP method. */
  verb: string;
  path: string;
  group: string;
  version: string;
  namespace: string;
  plural: string;
  name: string;
  subresource: string;
  /** Path behind the subresource, for proxies. */
  rest: string;
}

const METHOD_VERBS: Record<string, string> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
  GET: 'get',
  HEAD: 'get',
};
const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize']);

export function parseRequest(method: string, path: string, query: URLSearchParams): RequestInfo {
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(decodePart);
  const [root = '', ...rest] = parts;
  const depth = root === 'api' ? 1 : root === 'apis' ? 2 : 0;
  const info: RequestInfo = {
    isResource: false,
    verb: method.toLowerCase(),
    path,
    group: '',
    version: '',
    namespace: '',
    plural: '',
    name: '',
    subresource: '',
    rest: '',
  };
  if (depth === 0 || rest.length <= depth) return info;
  info.isResource = true;
  info.group = depth === 2 ? rest[0]! : '';
  info.version = rest[depth - 1]!;
  let tail = rest.slice(depth);
  const isOldWatch = tail[0] === 'watch' && tail.length > 1;
  if (isOldWatch) tail = tail.slice(1);
  if (
    tail[0] === 'namespaces' &&
    tail.length > 2 &&
    !(tail.length === 3 && NAMESPACE_SUBRESOURCES.has(tail[2]!))
  ) {
    info.namespace = tail[1]!;
    tail = tail.slice(2);
  }
  [info.plural = '', info.name = '', info.subresource = ''] = tail as [string, string?, string?];
  info.rest = tail.slice(3).join('/');
  if (info.plural === 'namespaces' && info.name !== '') info.namespace = info.name;
  info.verb = verbOf(method, info, query, isOldWatch);
  return info;
}

function verbOf(method: string, info: RequestInfo, query: URLSearchParams, isOldWatch: boolean): string {
  const verb = METHOD_VERBS[method] ?? method.toLowerCase();
  const watches = isOldWatch || isTrue(query.get('watch'));
  if (verb === 'get' && watches && info.subresource === '') return 'watch';
  if (verb === 'get' && info.name === '') return 'list';
  if (verb === 'delete' && info.name === '') return 'deletecollection';
  return verb;
}

export function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1';
}

function decodePart(part: string): string {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ApiError('BadRequest', 'The path of the request is not valid percent-encoding.');
  }
}

export function headerOf(request: Pick<ApiRequest, 'headers'>, name: string): string {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}
