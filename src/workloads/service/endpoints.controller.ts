import {
  Controller,
  controllerReference,
  DONE,
  ENDPOINT_SLICES,
  ENDPOINTS,
  hasLabels,
  type Informer,
  isApiError,
  isPodFinished,
  isPodReady,
  type KubeObject,
  type Outcome,
  type Pod,
  PODS,
  type Request,
  type ResourceRef,
  SERVICES,
  unlessGone,
} from '../../kube/index.ts';
import type { Runnable, WorkloadContext } from '../context.ts';
import { hashOf, stableText } from '../names.ts';
import { indexPods, podsIn } from '../pod-control.ts';
import {
  type EndpointSlice,
  type Service,
  type SliceEndpoint,
  type SlicePort,
  targetPort,
} from './service.ts';

const MAX_PER_SLICE = 100;
const SERVICE_NAME = 'kubernetes.io/service-name';
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
const MANAGER = 'endpointslice-controller.k8s.io';

interface Member {
  endpoint: SliceEndpoint;
  ports: SlicePort[];
}

/** Writes down which pods stand behind a service. */
export class EndpointsController implements Runnable {
  readonly #context: WorkloadContext;
  readonly #services: Informer<Service>;
  readonly #pods: Informer<Pod>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #endpoints: Informer;
  readonly #controller: Controller;

  constructor(context: WorkloadContext) {
    this.#context = context;
    const { informers, log } = context;
    this.#services = informers
      .for<Service>(SERVICES)
      .addIndex('namespace', (item) => [item.metadata.namespace ?? '']);
    this.#pods = informers.for<Pod>(PODS);
    indexPods(this.#pods);
    this.#endpoints = informers.for(ENDPOINTS);
    this.#slices = informers
      .for<EndpointSlice>(ENDPOINT_SLICES)
      .addIndex('service', (slice) => [
        `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME]}`,
      ]);
    this.#controller = new Controller({
      name: 'endpoints',
      log,
      reconcile: (request) => this.#reconcile(request),
    }).for(this.#services);
    this.#controller.watches(this.#pods, (pod) => this.#servicesOf(pod));
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  #servicesOf(pod: Pod): Request[] {
    const namespace = pod.metadata.namespace ?? '';
    return this.#services
      .byIndex('namespace', namespace)
      .filter(({ spec }) => spec.selector !== undefined && hasLabels(spec.selector, pod.metadata.labels))
      .map((service) => ({ namespace, name: service.metadata.name ?? '' }));
  }

  async #reconcile(request: Request): Promise<Outcome> {
    const service = this.#services.get(request.namespace, request.name);
    if (service === undefined) {
      // Slices go with their owner; Endpoints have the name of the service and no owner.
      await this.#delete(ENDPOINTS, request.namespace, request.name);
      return DONE;
    }
    if (service.spec.selector === undefined || service.spec.type === 'ExternalName') return DONE;
    const members = podsIn(this.#pods, request.namespace)
      .filter((pod) => hasLabels(service.spec.selector!, pod.metadata.labels))
      .flatMap((pod) => this.#member(service, pod))
      .sort((a, b) => (a.endpoint.addresses[0]! < b.endpoint.addresses[0]! ? -1 : 1));
    await this.#writeSlices(service, members);
    await this.#writeEndpoints(service, members);
    return DONE;
  }

  #member(service: Service, pod: Pod): Member[] {
    const { podIP } = pod.status ?? {};
    if (podIP === undefined || isPodFinished(pod)) return [];
    const terminating = pod.metadata.deletionTimestamp !== undefined;
    const serving = isPodReady(pod);
    const ports = (service.spec.ports ?? []).flatMap((port): SlicePort[] => {
      const number = targetPort(pod, port);
      if (number === undefined) return [];
      const { name = '', protocol = 'TCP', appProtocol } = port;
      return [{ name, port: number, protocol, ...(appProtocol && { appProtocol }) }];
    });
    const { name = '', namespace = '', uid = '' } = pod.metadata;
    const { hostname, subdomain, nodeName } = pod.spec;
    const endpoint: SliceEndpoint = {
      addresses: [podIP],
      conditions: {
        ready: (serving || service.spec.publishNotReadyAddresses === true) && !terminating,
        serving,
        terminating,
      },
      ...(hostname && subdomain === service.metadata.name && { hostname }),
      ...(nodeName && { nodeName }),
      targetRef: { kind: 'Pod', name, namespace, uid },
    };
    return [{ endpoint, ports }];
  }

  async #writeSlices(service: Service, members: readonly Member[]): Promise<void> {
    const { namespace = '', name = '' } = service.metadata;
    const known = this.#slices
      .byIndex('service', `${namespace}/${name}`)
      .filter((slice) => slice.metadata.labels?.[MANAGED_BY] === MANAGER);
    const wanted = groups(members).flatMap(({ ports, endpoints }) => {
      const parts: EndpointSlice[] = [];
      for (let at = 0; at === 0 || at < endpoints.length; at += MAX_PER_SLICE)
        parts.push(sliceOf(service, ports, endpoints.slice(at, at + MAX_PER_SLICE), parts.length));
      return parts;
    });
    for (const slice of wanted) {
      const before = known.find((item) => item.metadata.name === slice.metadata.name);
      if (before !== undefined && bodyText(before) === bodyText(slice)) continue;
      await this.#put(ENDPOINT_SLICES, slice, before !== undefined);
    }
    const names = new Set(wanted.map((slice) => slice.metadata.name));
    for (const slice of known)
      if (!names.has(slice.metadata.name))
        await this.#delete(ENDPOINT_SLICES, namespace, slice.metadata.name ?? '');
  }

  async #writeEndpoints(service: Service, members: readonly Member[]): Promise<void> {
    const { namespace = '', name = '' } = service.metadata;
    const subsets = groups(members).map(({ ports, endpoints }) => {
      const addressOf = ({ addresses, nodeName, targetRef, hostname }: SliceEndpoint) => ({
        ip: addresses[0],
        ...(hostname && { hostname }),
        nodeName,
        targetRef,
      });
      const ready = endpoints.filter((item) => item.conditions.ready).map(addressOf);
      const notReady = endpoints
        .filter((item) => !item.conditions.ready && !item.conditions.terminating)
        .map(addressOf);
      return {
        ...(ready.length > 0 && { addresses: ready }),
        ...(notReady.length > 0 && { notReadyAddresses: notReady }),
        ports: ports.map((port) => ({
          ...(port.name && { name: port.name }),
          port: port.port,
          protocol: port.protocol,
        })),
      };
    });
    const object: KubeObject = {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { namespace, name, labels: { ...service.metadata.labels } },
      subsets: subsets.filter((item) => 'addresses' in item || 'notReadyAddresses' in item),
    };
    const before = this.#endpoints.get(namespace, name);
    if (before !== undefined && stableText(before['subsets'] ?? []) === stableText(object['subsets'])) return;
    await this.#put(ENDPOINTS, object, before !== undefined);
  }

  async #put(resource: ResourceRef, object: KubeObject, exists: boolean): Promise<void> {
    const { client } = this.#context;
    try {
      if (exists) await client.update(resource, object);
      else await client.create(resource, object);
    } catch (error) {
      if (isApiError(error, 'AlreadyExists')) await client.update(resource, object);
      else if (!isApiError(error, 'NotFound') && !isApiError(error, 'Forbidden')) throw error;
    }
  }

  async #delete(resource: ResourceRef, namespace: string, name: string): Promise<void> {
    await unlessGone(this.#context.client.delete(resource, namespace, name));
  }
}

/** Endpoints with the same ports belong together: named ports may have other numbers in other pods. */
function groups(members: readonly Member[]): { ports: SlicePort[]; endpoints: SliceEndpoint[] }[] {
  const found = new Map<string, { ports: SlicePort[]; endpoints: SliceEndpoint[] }>();
  for (const { ports, endpoint } of members) {
    const key = stableText(ports);
    const group = found.get(key) ?? { ports, endpoints: [] };
    group.endpoints.push(endpoint);
    found.set(key, group);
  }
  return [...found.values()];
}

function sliceOf(
  service: Service,
  ports: SlicePort[],
  endpoints: SliceEndpoint[],
  index: number,
): EndpointSlice {
  const { namespace = '', name = '' } = service.metadata;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace,
      name: `${name.slice(0, 50)}-${hashOf([ports, index]).slice(0, 5)}`,
      labels: { ...service.metadata.labels, [SERVICE_NAME]: name, [MANAGED_BY]: MANAGER },
      ownerReferences: [controllerReference(service)],
    },
    addressType: 'IPv4',
    endpoints,
    ports,
  };
}

function bodyText({ endpoints, ports, addressType }: EndpointSlice): string {
  return stableText({ endpoints, ports: ports ?? [], addressType });
}
