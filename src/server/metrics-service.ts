import {
  type ApiRequest,
  listReply,
  type LocalService,
  objectReply,
  type Reply,
  type RequestInfo,
  type Resource,
} from '../apiserver/index.ts';
import {
  ApiError,
  type Informers,
  type KubeObject,
  NODES,
  type Pod,
  PODS,
  hasLabels,
} from '../kube/index.ts';
import { NODE_METRICS, POD_METRICS } from './described.ts';
import type { UsageMeter } from './usage-meter.ts';

const GROUP = 'metrics.k8s.io';
const VERSION = 'v1beta1';
const WINDOW = '5s';

/** The API that `kubectl top` reads. */
export function metricsService(usage: UsageMeter, informers: Informers, now: () => number): LocalService {
  const timestamp = (): string => `${new Date(now()).toISOString().slice(0, 19)}Z`;
  const quantities = ({ cpu, memory }: { cpu: number; memory: number }) => ({
    cpu: `${Math.round(cpu * 1e9)}n`,
    memory: `${Math.round(memory / 1024)}Ki`,
  });
  const podMetrics = (pod: Pod) => ({
    kind: 'PodMetrics',
    apiVersion: `${GROUP}/${VERSION}`,
    metadata: {
      name: pod.metadata.name ?? '',
      namespace: pod.metadata.namespace ?? '',
      labels: pod.metadata.labels ?? {},
      creationTimestamp: timestamp(),
    },
    timestamp: timestamp(),
    window: WINDOW,
    containers: usage.containers(pod).map((item) => ({ name: item.name, usage: quantities(item) })),
  });
  const nodeMetrics = (name: string, labels: Record<string, string>) => ({
    kind: 'NodeMetrics',
    apiVersion: `${GROUP}/${VERSION}`,
    metadata: { name, labels, creationTimestamp: timestamp() },
    timestamp: timestamp(),
    window: WINDOW,
    usage: quantities(usage.node(name)),
  });
  const pods = informers.for<Pod>(PODS);
  const nodes = informers.for(NODES);
  return {
    group: GROUP,
    version: VERSION,
    resources: () => ({
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: `${GROUP}/${VERSION}`,
      resources: [
        { name: 'nodes', singularName: '', namespaced: false, kind: 'NodeMetrics', verbs: ['get', 'list'] },
        { name: 'pods', singularName: '', namespaced: true, kind: 'PodMetrics', verbs: ['get', 'list'] },
      ],
    }),
    described: () => [NODE_METRICS, POD_METRICS],
    handle: async (request: ApiRequest, info: RequestInfo): Promise<Reply | undefined> => {
      const labels = labelsOf(request.query.get('labelSelector'));
      if (info.plural === 'nodes') {
        const found = nodes
          .list()
          .filter(
            (node) =>
              (info.name === '' || node.metadata.name === info.name) &&
              hasLabels(labels, node.metadata.labels),
          )
          .map((node) => nodeMetrics(node.metadata.name ?? '', node.metadata.labels ?? {}));
        return answer(request, info, NODE_METRICS, found, now());
      }
      if (info.plural !== 'pods') return undefined;
      const found = pods
        .list()
        .filter((pod) => info.namespace === '' || pod.metadata.namespace === info.namespace)
        .filter(
          (pod) =>
            (info.name === '' || pod.metadata.name === info.name) && hasLabels(labels, pod.metadata.labels),
        )
        .filter((pod) => usage.containers(pod).length > 0)
        .map(podMetrics);
      return answer(request, info, POD_METRICS, found, now());
    },
  };
}

function answer(
  request: ApiRequest,
  info: RequestInfo,
  resource: Resource,
  items: readonly KubeObject[],
  now: number,
): Reply {
  if (info.name === '') return listReply(request, resource, items, now);
  const [item] = items;
  if (item === undefined)
    throw new ApiError('NotFound', `${info.plural}.${GROUP} ${JSON.stringify(info.name)} not found`);
  return objectReply(request, resource, item, now);
}

function labelsOf(selector: string | null): Record<string, string> {
  const pairs = (selector ?? '').split(',').flatMap((part) => {
    const match = /^([^=!]+)==?([^=]*)$/.exec(part.trim());
    return match === null ? [] : [[match[1]!, match[2]!] as const];
  });
  return Object.fromEntries(pairs);
}
