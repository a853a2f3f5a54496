import { ApiError, isRecord, type KubeObject } from '../../kube/index.ts';
import { at, listAt, numberAt, type Resource, textAt } from '../kinds/index.ts';
import {
  type Call,
  decodeObject,
  matchesLabels,
  modify,
  notFound,
  objectKey,
  parseEntry,
  type RegistryDeps,
  remove,
  selectorOf,
  shape,
  type Target,
} from '../registry/index.ts';
import { admitSubresource, connectOptions } from './admit.ts';
import { readBody } from './body.ts';
import type { CoreDeps } from './core.ts';
import { callOf } from './options.ts';
import { type DialPod, proxyToPod, proxyToService, targetOf } from './proxy.ts';
import type { ApiRequest, Reply, RequestInfo, Upgrade } from './request.ts';
import { handleResource } from './resources.ts';

/** What reaches into running pods. The node agent of this machine, or nothing where there is none. */
export interface PodConnector {
  logs: (pod: KubeObject, query: URLSearchParams) => Promise<Reply>;
  connect: (
    pod: KubeObject,
    kind: 'exec' | 'attach' | 'portforward',
    request: ApiRequest,
  ) => Promise<Upgrade>;
  /** A connection to a port of a pod, where pods have a network that this process is not in. */
  dial?: DialPod;
}

/** For a server without nodes: pods are only objects. */
export const NO_PODS: PodConnector = {
  logs: async (pod) => refusePod(pod),
  connect: async (pod) => refusePod(pod),
};

function refusePod(pod: KubeObject): never {
  const name = pod.metadata.name ?? '';
  if (textAt(pod, 'spec.nodeName') === undefined)
    throw new ApiError('BadRequest', `pod ${name} does not have a host assigned`);
  throw new ApiError(
    'ServiceUnavailable',
    `The node ${textAt(pod, 'spec.nodeName')} of pod ${name} cannot be reached from here.`,
  );
}

interface Subresource {
  handle?: (deps: CoreDeps, request: ApiRequest, info: RequestInfo, resource: Resource) => Promise<Reply>;
  upgrade?: (deps: CoreDeps, request: ApiRequest, info: RequestInfo, resource: Resource) => Promise<Upgrade>;
}

const SUBRESOURCES: Record<string, Subresource> = {
  'serviceaccounts/token': { handle: issueToken },
  'namespaces/finalize': { handle: finalize },
  'pods/eviction': { handle: evict },
  'pods/binding': { handle: bind },
  'pods/ephemeralcontainers': { handle: specSubresource },
  'pods/resize': { handle: specSubresource },
  'pods/log': {
    handle: async (deps, request, info, resource) =>
      deps.pods.logs(readObject(deps.registry, resource, info), request.query),
  },
  'pods/exec': connect('exec', 'PodExecOptions'),
  'pods/attach': connect('attach', 'PodAttachOptions'),
  'pods/portforward': connect('portforward', 'PodPortForwardOptions'),
  'pods/proxy': {
    handle: async (deps, request, info, resource) => {
      const named = { ...info, name: targetOf(info.name).name };
      const pod = readObject(deps.registry, resource, named);
      await admitConnect(deps, request, named, resource, 'PodProxyOptions');
      return proxyToPod(pod, { request, info, dial: deps.pods.dial });
    },
  },
  'services/proxy': {
    handle: async (deps, request, info, resource) => {
      const named = { ...info, name: targetOf(info.name).name };
      await admitConnect(deps, request, named, resource, 'ServiceProxyOptions');
      return proxyToService(deps.registry, { request, info, dial: deps.pods.dial });
    },
  },
};

export function findSubresource(resource: Resource, name: string): Subresource | undefined {
  const key = `${resource.plural}/${name}`;
  return resource.group === '' && Object.hasOwn(SUBRESOURCES, key) ? SUBRESOURCES[key] : undefined;
}

function connect(way: 'exec' | 'attach' | 'portforward', kind: string): Subresource {
  return {
    upgrade: async (deps, request, info, resource) => {
      const pod = readObject(deps.registry, resource, info);
      await admitConnect(deps, request, info, resource, kind);
      return deps.pods.connect(pod, way, request);
    },
    handle: async (deps, _, info, resource) => {
      readObject(deps.registry, resource, info);
      throw new ApiError('BadRequest', 'Upgrade request required');
    },
  };
}

function admitConnect(
  deps: CoreDeps,
  request: ApiRequest,
  info: RequestInfo,
  resource: Resource,
  kind: string,
): Promise<void> {
  const options = connectOptions(kind, request, info);
  return admitSubresource(deps.registry, { operation: 'CONNECT', request, info, resource }, options);
}

function readObject(
  deps: RegistryDeps,
  resource: Resource,
  info: Pick<RequestInfo, 'namespace' | 'name'>,
): KubeObject {
  const entry = deps.store.get(resource.collection, objectKey(info.namespace, info.name));
  if (entry === undefined) throw notFound(resource, info.name);
  return parseEntry(entry);
}

function reply(object: unknown, status: number): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(object) };
}

function onlyVerb(info: RequestInfo, ...verbs: string[]): void {
  if (!verbs.includes(info.verb))
    throw new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
}

/** The body of a subresource that has a kind of its own. */
function readTyped(
  deps: CoreDeps,
  request: ApiRequest,
  groupVersion: string,
  kind: string,
  call: Call,
): KubeObject {
  const [group, version] = groupVersion.split('/') as [string, string];
  const body = readBody(request) ?? {};
  if (!isRecord(body)) throw new ApiError('BadRequest', `The body must be one ${kind} object.`);
  const schema = deps.findType(groupVersion, kind);
  if (schema === undefined) throw new Error(`no type ${kind} in ${groupVersion}`);
  shape({ group, version, kind }, schema, body, call);
  return { ...(body as KubeObject), apiVersion: groupVersion, kind };
}

async function issueToken(
  deps: CoreDeps,
  request: ApiRequest,
  info: RequestInfo,
  resource: Resource,
): Promise<Reply> {
  onlyVerb(info, 'create');
  const account = readObject(deps.registry, resource, info);
  const review = readTyped(deps, request, 'authentication.k8s.io/v1', 'TokenRequest', callOf(request));
  await admitSubresource(deps.registry, { operation: 'CREATE', request, info, resource }, review);
  const reference = at(review, 'spec.boundObjectRef');
  const bound = isRecord(reference) ? boundObject(deps.registry, reference, info) : undefined;
  const issued = await deps.tokens.issue({
    namespace: info.namespace,
    name: info.name,
    uid: account.metadata.uid ?? '',
    audiences: listAt(review, 'spec.audiences').map(String),
    expirationSeconds: numberAt(review, 'spec.expirationSeconds') || 3600,
    ...(bound && { bound }),
  });
  review.metadata = {
    name: info.name,
    namespace: info.namespace,
    creationTimestamp: new Date(deps.registry.now()).toISOString().replace(/\.\d+/, ''),
  };
  review['status'] = { token: issued.token, expirationTimestamp: issued.expires };
  return reply(review, 201);
}

function boundObject(
  deps: RegistryDeps,
  reference: Record<string, unknown>,
  info: RequestInfo,
): { kind: string; name: string; uid: string } {
  const kind = String(reference['kind']);
  const plural = kind === 'Pod' ? 'pods' : kind === 'Secret' ? 'secrets' : undefined;
  if (plural === undefined)
    throw new ApiError(
      'Invalid',
      `TokenRequest.authentication.k8s.io "" is invalid: spec.boundObjectRef.kind: Unsupported value: ${JSON.stringify(kind)}: supported values: "Pod", "Secret"`,
    );
  const name = String(reference['name'] ?? '');
  const entry = deps.store.get(`/${plural}`, objectKey(info.namespace, name));
  if (entry === undefined) throw notFound({ group: '', plural }, name);
  const uid = parseEntry(entry).metadata.uid ?? '';
  if (reference['uid'] !== undefined && reference['uid'] !== uid) {
    throw new ApiError(
      'Conflict',
      `the UID in the bound object reference (${String(reference['uid'])}) does not match the UID of ${kind.toLowerCase()} ${name} (${uid})`,
    );
  }
  return { kind, name, uid };
}

/** The only way to take the last finalizers off a namespace. */
async function finalize(
  deps: CoreDeps,
  request: ApiRequest,
  info: RequestInfo,
  resource: Resource,
): Promise<Reply> {
  onlyVerb(info, 'update');
  const call = callOf(request);
  const wanted = decodeObject(resource, readBody(request), call);
  const target: Target = { resource, namespace: '', name: info.name, subresource: 'finalize' };
  const written = await modify(deps.registry, target, call, (current) => ({
    object: { ...current, spec: wanted['spec'] ?? {} },
  }));
  return reply(written.object, 200);
}

/** Parts of a pod's spec that change through a subresource of their own. */
function specSubresource(
  deps: CoreDeps,
  request: ApiRequest,
  info: RequestInfo,
  resource: Resource,
): Promise<Reply> {
  return handleResource(deps.registry, request, info, resource);
}

function success(): Reply {
  return reply({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }, 201);
}

async function bind(
  deps: CoreDeps,
  request: ApiRequest,
  info: RequestInfo,
  resource: Resource,
): Promise<Reply> {
  onlyVerb(info, 'create');
  const call = callOf(request);
  const binding = readTyped(deps, request, 'v1', 'Binding', call);
  await admitSubresource(deps.registry, { operation: 'CREATE', request, info, resource }, binding);
  const node = textAt(binding, 'target.name') ?? '';
  if (node === '')
    throw new ApiError(
      'Invalid',
      `Binding ${JSON.stringify(info.name)} is invalid: target.name: Required value`,
    );
  const target: Target = { resource, namespace: info.namespace, name: info.name, subresource: 'binding' };
  await modify(deps.registry, target, call, (pod) => {
    const current = textAt(pod, 'spec.nodeName');
    if (current !== undefined)
      throw new ApiError(
        'Conflict',
        `Operation cannot be fulfilled on pods/binding ${JSON.stringify(info.name)}: pod ${info.name} is already assigned to node ${JSON.stringify(current)}`,
      );
    return { object: { ...pod, spec: { ...(isRecord(pod['spec']) ? pod['spec'] : {}), nodeName: node } } };
  });
  return success();
}

/** Deletes a pod unless a disruption budget says that too few would be left. */
async function evict(
  deps: CoreDeps,
  request: ApiRequest,
  info: RequestInfo,
  resource: Resource,
): Promise<Reply> {
  onlyVerb(info, 'create');
  const call = callOf(request);
  const pod = readObject(deps.registry, resource, info);
  const eviction = readTyped(deps, request, 'policy/v1', 'Eviction', call);
  await admitSubresource(deps.registry, { operation: 'CREATE', request, info, resource }, eviction);
  for (const entry of deps.registry.store
    .shelf('policy/poddisruptionbudgets')
    .live.range(`${info.namespace}/`)) {
    const budget = parseEntry(entry);
    if (!matchesLabels(selectorOf(at(budget, 'spec.selector')), pod.metadata.labels)) continue;
    if (numberAt(budget, 'status.disruptionsAllowed') > 0 || textAt(pod, 'status.phase') !== 'Running')
      continue;
    throw new ApiError(
      'TooManyRequests',
      "Cannot evict pod as it would violate the pod's disruption budget.",
      {
        causes: [
          {
            reason: 'DisruptionBudget',
            message: `The disruption budget ${budget.metadata.name} needs ${numberAt(budget, 'status.desiredHealthy')} healthy pods and has ${numberAt(budget, 'status.currentHealthy')} currently`,
          },
        ],
      },
    );
  }
  const grace = at(eviction, 'deleteOptions.gracePeriodSeconds');
  await remove(
    deps.registry,
    resource,
    info.namespace,
    info.name,
    {
      propagation: undefined,
      gracePeriodSeconds: typeof grace === 'number' ? grace : undefined,
      uid: pod.metadata.uid,
      resourceVersion: undefined,
    },
    call,
  );
  return success();
}
