import { createHash } from 'node:crypto';
import { ApiError, type KubeObject, cloneJson } from '../../kube/index.ts';
import type { Resource } from '../kinds/index.ts';
import { applyJsonPatch, applyMergePatch, applyStrategicMerge } from '../patch/index.ts';
import {
  applyObject,
  type Call,
  create,
  deletedStatus,
  get,
  list,
  parseDeleteOptions,
  parseListQuery,
  parseWatchQuery,
  patch,
  type RegistryDeps,
  readScale,
  remove,
  renderWritten,
  reportProblems,
  SCALE_COLUMNS,
  select,
  type Target,
  update,
  type View,
  viewOf,
  Watch,
  type Written,
  writeScale,
} from '../registry/index.ts';
import { mediaType, parseJson, parseYamlBody, readBody } from './body.ts';
import { viewFor } from './negotiate.ts';
import { duplicateFields } from './duplicate-fields.ts';
import { callOf, warningHeaders } from './options.ts';
import { type ApiRequest, isTrue, type Reply, type RequestInfo } from './request.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

/** One resource call: what was asked for, of which kind, in which form the answer goes out. */
interface ResourceCall {
  deps: RegistryDeps;
  request: ApiRequest;
  info: RequestInfo;
  resource: Resource;
  view: View;
}

type Handler = (call: ResourceCall) => Promise<Reply>;

const HANDLERS: Record<string, Handler> = {
  get: getHandler,
  list: listHandler,
  watch: watchHandler,
  create: createHandler,
  update: updateHandler,
  patch: patchHandler,
  delete: deleteHandler,
  deletecollection: deleteCollectionHandler,
};

/** Objects, their status and their scale: everything that the generic operations serve. */
export async function handleResource(
  deps: RegistryDeps,
  request: ApiRequest,
  info: RequestInfo,
  resource: Resource,
): Promise<Reply> {
  const handler = HANDLERS[info.verb];
  if (handler === undefined || !allowsVerb(resource, info)) {
    throw new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
  }
  return handler({ deps, request, info, resource, view: viewFor(request, deps.now()) });
}

function allowsVerb(resource: Resource, info: RequestInfo): boolean {
  if (info.subresource !== '') return ['get', 'update', 'patch'].includes(info.verb);
  if (info.verb === 'create' && info.name !== '') return false;
  if ((info.verb === 'update' || info.verb === 'patch') && info.name === '') return false;
  return resource.verbs.includes(info.verb);
}

function targetOf({ info, resource }: ResourceCall): Target {
  return {
    resource,
    namespace: resource.namespaced ? info.namespace : '',
    name: info.name,
    subresource: info.subresource,
  };
}

function replyWith(resource: Resource, view: View, written: Written, call: Call, status = 200): Reply {
  if (resource.deprecationWarning !== undefined) call.warnings.push(resource.deprecationWarning);
  return {
    status,
    headers: { ...JSON_TYPE, ...warningHeaders(call.warnings) },
    body: renderWritten(resource, written, view),
  };
}

function scaleReply(scale: KubeObject, view: View, call?: Call): Reply {
  return {
    status: 200,
    headers: { ...JSON_TYPE, ...warningHeaders(call?.warnings ?? []) },
    body: JSON.stringify(viewOf({ columns: SCALE_COLUMNS }, scale, view)),
  };
}

async function getHandler(call: ResourceCall): Promise<Reply> {
  const { deps, resource, view } = call;
  const target = targetOf(call);
  if (target.subresource === 'scale') return scaleReply(readScale(deps, target), view);
  return {
    status: 200,
    headers: JSON_TYPE,
    body: await get(deps, resource, target.namespace, target.name, view),
  };
}

async function listHandler({ deps, request, info, resource, view }: ResourceCall): Promise<Reply> {
  const body = await list(deps, resource, info.namespace, parseListQuery(request.query, resource), view);
  return { status: 200, headers: JSON_TYPE, body };
}

async function watchHandler({ deps, request, info, resource, view }: ResourceCall): Promise<Reply> {
  const listQuery = parseListQuery(request.query, resource);
  const query = parseWatchQuery(request.query, listQuery);
  if (info.name !== '')
    query.fields = [...query.fields, { key: 'metadata.name', operator: '=', values: [info.name] }];
  const namespace = info.plural === 'namespaces' ? '' : info.namespace;
  return {
    status: 200,
    headers: JSON_TYPE,
    start: async (sink) => new Watch(deps, resource, namespace, query, view, sink).start(namespace),
  };
}

/** The body, with what is wrong in its text itself reported as the caller asked. */
function objectBody(resource: Resource, request: ApiRequest, call: Call): unknown {
  const body = readBody(request);
  const isText = Buffer.isBuffer(request.body) && !mediaType(request).includes('yaml');
  if (call.fieldValidation === 'Ignore' || !isText) return body;
  reportProblems(
    resource,
    duplicateFields(String(request.body)).map((path) => `duplicate field "${path}"`),
    call,
  );
  return body;
}

async function createHandler({ deps, request, info, resource, view }: ResourceCall): Promise<Reply> {
  const call = callOf(request);
  if (resource.namespaced && info.namespace === '')
    throw new ApiError('BadRequest', `${resource.kind} objects live in a namespace: name one in the path.`);
  const written = await create(deps, resource, info.namespace, objectBody(resource, request, call), call);
  return replyWith(resource, view, written, call, 201);
}

async function updateHandler(resourceCall: ResourceCall): Promise<Reply> {
  const { deps, request, resource, view } = resourceCall;
  const call = callOf(request);
  const target = targetOf(resourceCall);
  const body = objectBody(resource, request, call);
  if (target.subresource === 'scale')
    return scaleReply(await writeScale(deps, target, () => body, call), view, call);
  return replyWith(resource, view, await update(deps, target, body, call), call);
}

async function patchHandler(resourceCall: ResourceCall): Promise<Reply> {
  const { deps, request, resource, view } = resourceCall;
  const call = callOf(request);
  const target = targetOf(resourceCall);
  const type = mediaType(request);
  if (type === 'application/apply-patch+yaml' || type === 'application/apply-patch+json') {
    const written = await applyObject(deps, target, applyBody(request), applyCall(request, call), {
      force: isTrue(request.query.get('force')),
      fingerprint: fingerprintOf(request),
    });
    return replyWith(resource, view, written, call, written.created ? 201 : 200);
  }
  const apply = patchFunction(type, readBody(request, 'patch'), resource);
  if (target.subresource === 'scale')
    return scaleReply(await writeScale(deps, target, (scale) => apply(scale), call), view, call);
  return replyWith(resource, view, await patch(deps, target, apply, call), call);
}

function fingerprintOf(request: ApiRequest): string {
  const hash = createHash('sha256').update(`${request.query}\n${request.path}\n`);
  return hash
    .update(Buffer.isBuffer(request.body) ? request.body : JSON.stringify(request.body ?? ''))
    .digest('base64');
}

function applyCall(request: ApiRequest, call: Call): Call {
  if (request.query.get('fieldManager') === null) {
    throw new ApiError(
      'BadRequest',
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    );
  }
  return call;
}

function applyBody(request: ApiRequest): unknown {
  const { body } = request;
  if (body === undefined) throw new ApiError('BadRequest', 'The body of an apply patch must be one object.');
  if (!Buffer.isBuffer(body)) return cloneJson(body);
  // JSON is YAML, and much faster to parse as what it is.
  return body[0] === 0x7b ? parseJson(body.toString()) : parseYamlBody(body);
}

function patchFunction(type: string, body: unknown, resource: Resource): (current: KubeObject) => unknown {
  switch (type) {
    case 'application/json-patch+json':
      return (current) => applyJsonPatch(current, body);
    case 'application/merge-patch+json':
      return (current) => applyMergePatch(current, body);
    case 'application/strategic-merge-patch+json':
      if (resource.definition !== undefined) break;
      return (current) => applyStrategicMerge(current, body, resource.schema);
  }
  throw new ApiError(
    'UnsupportedMediaType',
    'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
  );
}

async function deleteHandler(resourceCall: ResourceCall): Promise<Reply> {
  const { deps, request, resource } = resourceCall;
  const call = callOf(request);
  const target = targetOf(resourceCall);
  const options = parseDeleteOptions(readBody(request), request.query);
  const deleted = await remove(
    deps,
    resource,
    target.namespace,
    target.name,
    options,
    withBodyDryRun(request, call),
  );
  if (!deleted.gone) return replyWith(resource, resourceCall.view, deleted, call);
  return { status: 200, headers: JSON_TYPE, body: JSON.stringify(deletedStatus(resource, deleted.object)) };
}

/** DeleteOptions may ask for a dry run in the body too. */
function withBodyDryRun(request: ApiRequest, call: Call): Call {
  const body = readBody(request) as { dryRun?: unknown } | undefined;
  return Array.isArray(body?.dryRun) && body.dryRun.includes('All') ? { ...call, dryRun: true } : call;
}

async function deleteCollectionHandler({ deps, request, info, resource }: ResourceCall): Promise<Reply> {
  const call = withBodyDryRun(request, callOf(request));
  const options = parseDeleteOptions(readBody(request), request.query);
  const { entries, meta } = select(deps, resource, info.namespace, parseListQuery(request.query, resource));
  for (const entry of entries) {
    const at = entry.key.indexOf('/');
    try {
      await remove(deps, resource, entry.key.slice(0, at), entry.key.slice(at + 1), options, call);
    } catch (error) {
      // Somebody else deleted it first, which is what was wanted.
      if (!(error instanceof ApiError) || error.reason !== 'NotFound') throw error;
    }
  }
  const body = JSON.stringify({
    kind: resource.listKind,
    apiVersion: resource.group === '' ? resource.version : `${resource.group}/${resource.version}`,
    metadata: meta,
    items: [],
  });
  return { status: 200, headers: JSON_TYPE, body };
}
