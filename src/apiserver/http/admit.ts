import type { KubeObject } from '../../kube/index.ts';
import type { Resource } from '../kinds/index.ts';
import type { Operation, RegistryDeps } from '../registry/index.ts';
import { callOf } from './options.ts';
import { type ApiRequest, isTrue, type RequestInfo } from './request.ts';

export interface SubresourceCall {
  operation: Operation;
  request: ApiRequest;
  info: RequestInfo;
  resource: Resource;
}

/** Lets admission decide on a subresource that takes a kind of its own; it may alter the object in place. */
export async function admitSubresource(
  deps: RegistryDeps,
  { operation, request, info, resource }: SubresourceCall,
  object: KubeObject,
): Promise<void> {
  const call = callOf(request);
  const [version = '', group = ''] = String(object.apiVersion).split('/').reverse();
  const attributes = {
    operation,
    resource,
    subresource: info.subresource,
    kind: { group, version, kind: String(object.kind) },
    namespace: info.namespace,
    name: info.name,
    object,
    before: undefined,
    options: operation === 'CREATE' ? { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' } : {},
    call,
  };
  await deps.admission.mutate(attributes);
  await deps.admission.validate(attributes);
}

const FLAGS = ['stdin', 'stdout', 'stderr', 'tty'];

/** What somebody who connects to a pod or service wants, as webhooks are shown it. */
export function connectOptions(kind: string, { query }: ApiRequest, { rest }: RequestInfo): KubeObject {
  const options: KubeObject = { kind, apiVersion: 'v1', metadata: {} };
  if (kind.endsWith('ProxyOptions')) return { ...options, path: rest };
  if (kind === 'PodPortForwardOptions')
    return {
      ...options,
      ports: query
        .getAll('ports')
        .flatMap((item) => item.split(','))
        .map(Number),
    };
  for (const flag of FLAGS) if (query.has(flag)) options[flag] = isTrue(query.get(flag));
  if (query.has('container')) options['container'] = query.get('container');
  if (kind === 'PodExecOptions') options['command'] = query.getAll('command');
  return options;
}
