import { ENDPOINT_SLICES, type Informer, type Informers, SERVICES } from '../../kube/index.ts';
import type { Backend, Endpoint } from '../config.ts';
import type { ServiceObject, SliceObject } from './objects.ts';

const SERVICE_NAME = 'kubernetes.io/service-name';
const BY_SERVICE = 'service';

/** Which endpoints stand behind a service now. */
export class Backends {
  readonly #services: Informer<ServiceObject>;
  readonly #slices: Informer<SliceObject>;
  readonly #hostIp: string;

  constructor(informers: Informers, hostIp: string) {
    this.#services = informers.for<ServiceObject>(SERVICES);
    this.#slices = informers
      .for<SliceObject>(ENDPOINT_SLICES)
      .addIndex(BY_SERVICE, (slice) => [
        `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME]}`,
      ]);
    this.#hostIp = hostIp;
  }

  get informers(): Informer[] {
    return [this.#services, this.#slices] as unknown as Informer[];
  }

  /** Whether a backend's service is there at all, by the name that we gave the backend. */
  exists(backend: string): boolean {
    const [namespace = '', name = ''] = backend.split(':')[0]!.split('/');
    return this.#services.get(namespace, name) !== undefined;
  }

  /** A backend without endpoints when the service or its port is not there: it answers 503. */
  of(
    namespace: string,
    name: string,
    port: number | string | undefined,
    protocol?: Backend['protocol'],
  ): Backend {
    const service = this.#services.get(namespace, name);
    const found = service?.spec.ports?.find((item) =>
      port === undefined ? true : typeof port === 'number' ? item.port === port : item.name === port,
    );
    const backend: Backend = {
      name: `${namespace}/${name}:${port ?? found?.port ?? ''}`,
      weight: 1,
      protocol: protocol ?? protocolOf(found?.appProtocol),
      endpoints: [],
    };
    if (service?.spec.type === 'ExternalName' && service.spec.externalName !== undefined) {
      backend.endpoints = [
        { address: service.spec.externalName, port: found?.port ?? Number(port ?? 80), host: true },
      ];
    } else if (found !== undefined) {
      backend.endpoints = this.#endpoints(`${namespace}/${name}`, found.name ?? '');
    }
    return backend;
  }

  #endpoints(service: string, portName: string): Endpoint[] {
    return this.#slices.byIndex(BY_SERVICE, service).flatMap((slice) => {
      const port = slice.ports?.find((item) => (item.name ?? '') === portName)?.port;
      if (port === undefined) return [];
      return (slice.endpoints ?? [])
        .filter((endpoint) => endpoint.conditions?.ready !== false)
        .flatMap((endpoint) => endpoint.addresses)
        .map((address) => ({ address, port, ...(address === this.#hostIp && { host: true }) }));
    });
  }
}

function protocolOf(appProtocol: string | undefined): Backend['protocol'] {
  if (appProtocol === 'https') return 'https';
  return appProtocol === 'kubernetes.io/h2c' || appProtocol === 'grpc' ? 'h2c' : 'http';
}
