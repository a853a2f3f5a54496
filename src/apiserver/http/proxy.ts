import { BlockList, isIP } from 'node:net';
import { request as httpRequest } from 'undici';
import { ApiError, type KubeObject } from '../../kube/index.ts';
import { at, listAt, textAt } from '../kinds/index.ts';
import { notFound, objectKey, parseEntry, type RegistryDeps } from '../registry/index.ts';
import { forwardedBody, forwardedHeaders, pour } from './forward.ts';
import type { ApiRequest, Reply, RequestInfo } from './request.ts';

const PROXY_TIMEOUT_MS = 60_000;

const blocked = new BlockList();
blocked.addSubnet('127.0.0.0', 8, 'ipv4');
blocked.addSubnet('169.254.0.0', 16, 'ipv4');
blocked.addAddress('::1', 'ipv6');
blocked.addSubnet('fe80::', 10, 'ipv6');

/** `name` or `scheme:name:port`, as proxy paths name their target. */
function targetOf(name: string): { scheme: string; name: string; port: string } {
  const parts = name.split(':');
  if (parts.length === 1) return { scheme: 'http', name, port: '' };
  if (parts.length === 2) return { scheme: 'http', name: parts[0]!, port: parts[1]! };
  const [scheme = '', target = '', port = ''] = parts;
  if (scheme !== '' && scheme !== 'http' && scheme !== 'https')
    throw new ApiError('BadRequest', `A proxy path takes http or https, not ${JSON.stringify(scheme)}.`);
  return { scheme: scheme || 'http', name: target, port };
}

export async function proxyToPod(pod: KubeObject, request: ApiRequest, info: RequestInfo): Promise<Reply> {
  const { scheme, port } = targetOf(info.name);
  const address = textAt(pod, 'status.podIP');
  if (address === undefined)
    throw new ApiError('ServiceUnavailable', `pod ${pod.metadata.name} has no address yet`);
  const first = listAt(pod, 'spec.containers').flatMap((container) => listAt(container, 'ports'))[0];
  return forward(
    `${scheme}://${hostOf(address)}:${port || (textAt(first, 'containerPort') ?? '80')}`,
    request,
    info,
  );
}

export async function proxyToService(
  deps: RegistryDeps,
  request: ApiRequest,
  info: RequestInfo,
): Promise<Reply> {
  const { scheme, name, port } = targetOf(info.name);
  const entry = deps.store.get('/services', objectKey(info.namespace, name));
  if (entry === undefined) throw notFound({ group: '', plural: 'services' }, name);
  const service = parseEntry(entry);
  const ports = listAt(service, 'spec.ports');
  const wanted =
    port === ''
      ? ports[0]
      : ports.find((item) => textAt(item, 'name') === port || textAt(item, 'port') === port);
  const found =
    wanted === undefined ? undefined : endpointOf(deps, info.namespace, name, textAt(wanted, 'name') ?? '');
  if (found === undefined)
    throw new ApiError('ServiceUnavailable', `no endpoints available for service ${JSON.stringify(name)}`);
  return forward(`${scheme}://${found}`, request, info);
}

function endpointOf(
  deps: RegistryDeps,
  namespace: string,
  service: string,
  portName: string,
): string | undefined {
  for (const entry of deps.store.shelf('discovery.k8s.io/endpointslices').live.range(`${namespace}/`)) {
    const slice = parseEntry(entry);
    if (slice.metadata.labels?.['kubernetes.io/service-name'] !== service) continue;
    const port = listAt(slice, 'ports').find((item) => (textAt(item, 'name') ?? '') === portName);
    const ready = listAt(slice, 'endpoints').filter((endpoint) => at(endpoint, 'conditions.ready') !== false);
    const address = listAt(ready[0], 'addresses')[0];
    if (port !== undefined && typeof address === 'string')
      return `${hostOf(address)}:${textAt(port, 'port')}`;
  }
  return undefined;
}

/** Addresses come from objects that users write: they must not lead back into this machine's own services. */
function hostOf(address: string): string {
  const family = isIP(address);
  if (family === 0 || blocked.check(address, family === 6 ? 'ipv6' : 'ipv4'))
    throw new ApiError('Forbidden', 'address not allowed');
  return family === 6 ? `[${address}]` : address;
}

async function forward(origin: string, request: ApiRequest, info: RequestInfo): Promise<Reply> {
  const query = request.query.size > 0 ? `?${request.query}` : '';
  try {
    const answer = await httpRequest(`${origin}/${info.rest}${query}`, {
      method: request.method as 'GET',
      headers: forwardedHeaders(request.headers),
      body: forwardedBody(request),
      signal: AbortSignal.any([request.signal, AbortSignal.timeout(PROXY_TIMEOUT_MS)]),
    });
    return {
      status: answer.statusCode,
      headers: forwardedHeaders(answer.headers),
      start: (sink) => pour(answer.body, sink),
    };
  } catch (error) {
    throw new ApiError(
      'ServiceUnavailable',
      `error trying to reach service: ${error instanceof Error ? error.message : String(error)}`,
      undefined,
      error,
    );
  }
}
