import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';
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
export function targetOf(name: string): { scheme: string; name: string; port: string } {
  const parts = name.split(':');
  if (parts.length === 1) return { scheme: 'http', name, port: '' };
  if (parts.length === 2) return { scheme: 'http', name: parts[0]!, port: parts[1]! };
  const [scheme = '', target = '', port = ''] = parts;
  if (scheme !== '' && scheme !== 'http' && scheme !== 'https')
    throw new ApiError('BadRequest', `A proxy path takes http or https, not ${JSON.stringify(scheme)}.`);
  return { scheme: scheme || 'http', name: target, port };
}

export type DialPod = (pod: KubeObject, port: number, signal: AbortSignal) => Promise<Duplex>;

/** A request on its way to somebody else. */
export interface Passing {
  request: ApiRequest;
  info: RequestInfo;
  dial: DialPod | undefined;
}

interface Place {
  scheme: string;
  address: string;
  port: string;
  /** Where it is a pod of this machine: it is reached through the node. */
  pod: KubeObject | undefined;
}

export async function proxyToPod(pod: KubeObject, passing: Passing): Promise<Reply> {
  const { scheme, port } = targetOf(passing.info.name);
  const address = textAt(pod, 'status.podIP');
  if (address === undefined)
    throw new ApiError('ServiceUnavailable', `pod ${pod.metadata.name} has no address yet`);
  const first = listAt(pod, 'spec.containers').flatMap((container) => listAt(container, 'ports'))[0];
  return forward({ scheme, address, port: port || (textAt(first, 'containerPort') ?? '80'), pod }, passing);
}

export async function proxyToService(deps: RegistryDeps, passing: Passing): Promise<Reply> {
  const { info } = passing;
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
  return forward({ scheme, ...found }, passing);
}

function endpointOf(
  deps: RegistryDeps,
  namespace: string,
  service: string,
  portName: string,
): Omit<Place, 'scheme'> | undefined {
  for (const entry of deps.store.shelf('discovery.k8s.io/endpointslices').live.range(`${namespace}/`)) {
    const slice = parseEntry(entry);
    if (slice.metadata.labels?.['kubernetes.io/service-name'] !== service) continue;
    const port = listAt(slice, 'ports').find((item) => (textAt(item, 'name') ?? '') === portName);
    const [ready] = listAt(slice, 'endpoints').filter(
      (endpoint) => at(endpoint, 'conditions.ready') !== false,
    );
    const address = listAt(ready, 'addresses')[0];
    if (port === undefined || typeof address !== 'string') continue;
    const name = textAt(ready, 'targetRef.kind') === 'Pod' ? textAt(ready, 'targetRef.name') : undefined;
    const target = name === undefined ? undefined : deps.store.get('/pods', objectKey(namespace, name));
    const pod = target && parseEntry(target);
    // Whoever writes slices names a pod and an address: they have to belong together.
    const isItsOwn = pod !== undefined && textAt(pod, 'status.podIP') === address;
    return { address, port: textAt(port, 'port') ?? '', pod: isItsOwn ? pod : undefined };
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

async function forward(place: Place, { request, info, dial }: Passing): Promise<Reply> {
  const { scheme, address, port, pod } = place;
  const query = request.query.size > 0 ? `?${request.query}` : '';
  const host = hostOf(address);
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(PROXY_TIMEOUT_MS)]);
  try {
    const socket =
      pod !== undefined && dial !== undefined ? await dial(pod, Number(port), signal) : undefined;
    const answer = await ask(`${scheme}://${host}:${port}/${info.rest}${query}`, request, { socket, signal });
    return {
      status: answer.statusCode ?? 502,
      headers: forwardedHeaders(answer.headers),
      start: (sink) => pour(answer, sink),
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

function ask(
  url: string,
  request: ApiRequest,
  { socket, signal }: { socket: Duplex | undefined; signal: AbortSignal },
): Promise<IncomingMessage> {
  const isSecure = url.startsWith('https:');
  // What is asked for is a pod or an address, and not a name that a certificate could show.
  const through = socket && isSecure ? tlsConnect({ socket, rejectUnauthorized: false }) : socket;
  const body = forwardedBody(request);
  return new Promise((resolve, reject) => {
    const sent = (isSecure ? httpsRequest : httpRequest)(
      url,
      {
        method: request.method,
        headers: {
          ...forwardedHeaders(request.headers),
          ...(body !== null && { 'content-length': body.length }),
          connection: 'close',
        },
        signal,
        rejectUnauthorized: false,
        ...(through !== undefined && { createConnection: () => through as Socket }),
      },
      resolve,
    );
    sent.once('error', reject);
    // A connection that the node has made is held back until somebody reads it.
    sent.once('socket', (own) => own.resume());
    sent.end(body ?? undefined);
  });
}
