import {
  ENDPOINT_SLICES,
  type Informer,
  type Informers,
  type KubeObject,
  type Logger,
  type Pod,
  PODS,
  SERVICES,
} from '../../kube/index.ts';
import type { Endpoint, NameEntry, NetworkTable, ServiceRoute } from '../keeper/protocol.ts';

export interface ServiceTableOptions {
  informers: Informers;
  /** The address of the API in the pods' network, served by this machine. */
  api: { address: string; port: number };
  hostIp: string;
  publish: (table: NetworkTable) => Promise<void>;
  log: Logger;
}

interface ServiceSpec {
  type?: string;
  clusterIP?: string;
  externalName?: string;
  sessionAffinity?: string;
  publishNotReadyAddresses?: boolean;
  ports?: { name?: string; port: number; protocol?: string }[];
}

interface Slice extends KubeObject {
  endpoints?: { addresses: string[]; conditions?: { ready?: boolean }; hostname?: string }[];
  ports?: { name?: string; port?: number; protocol?: string }[];
}

const DOMAIN = 'cluster.local';
const SERVICE_NAME = 'kubernetes.io/service-name';
const COALESCE_MS = 5;

/** Follows services and what stands behind them, and keeps the pods' network informed. */
export class ServiceTable {
  readonly #options: ServiceTableOptions;
  readonly #services: Informer;
  readonly #slices: Informer<Slice>;
  readonly #pods: Informer<Pod>;
  #timer: NodeJS.Timeout | undefined;
  #published = '';

  constructor(options: ServiceTableOptions) {
    this.#options = options;
    const { informers } = options;
    this.#services = informers.for(SERVICES);
    this.#slices = informers.for<Slice>(ENDPOINT_SLICES);
    this.#pods = informers.for<Pod>(PODS);
    const changed = (): void => {
      if (this.#timer === undefined) this.#timer = setTimeout(() => this.#publish(), COALESCE_MS);
    };
    for (const informer of [this.#services, this.#slices])
      informer.addHandler({ added: changed, updated: changed, deleted: changed });
    this.#pods.addHandler({
      updated: (pod, before) => {
        if (pod.status?.podIP !== before.status?.podIP) changed();
      },
      deleted: changed,
    });
  }

  #publish(): void {
    this.#timer = undefined;
    const table = this.table();
    const text = JSON.stringify(table);
    if (text === this.#published) return;
    this.#published = text;
    this.#options.publish(table).catch((error: unknown) => {
      this.#published = '';
      this.#options.log.debug({ err: error }, 'the network of the pods could not be told of services');
    });
  }

  table(): NetworkTable {
    const { api } = this.#options;
    const routes: ServiceRoute[] = [
      {
        address: api.address,
        port: 443,
        protocol: 'TCP',
        endpoints: [{ address: '127.0.0.1', port: api.port, host: true }],
        affinity: false,
      },
    ];
    const names: Record<string, NameEntry> = {};
    const slices = new Map<string, Slice[]>();
    for (const slice of this.#slices.list()) {
      const key = `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME]}`;
      slices.set(key, [...(slices.get(key) ?? []), slice]);
    }
    for (const service of this.#services.list()) {
      const key = `${service.metadata.namespace}/${service.metadata.name}`;
      this.#addService(service, slices.get(key) ?? [], { routes, names });
    }
    for (const pod of this.#pods.list()) {
      const ip = pod.status?.podIP;
      if (ip !== undefined)
        names[`${ip.replaceAll('.', '-')}.${pod.metadata.namespace}.pod.${DOMAIN}`] = { addresses: [ip] };
    }
    return { routes, names };
  }

  #addService(
    service: KubeObject,
    slices: readonly Slice[],
    into: { routes: ServiceRoute[]; names: Record<string, NameEntry> },
  ): void {
    const spec = service['spec'] as ServiceSpec;
    const name = `${service.metadata.name}.${service.metadata.namespace}.svc.${DOMAIN}`;
    if (spec.type === 'ExternalName') {
      into.names[name] = { alias: (spec.externalName ?? '').replace(/\.$/, '') };
      return;
    }
    const ports = (spec.ports ?? []).map((port) => ({
      name: port.name ?? '',
      protocol: port.protocol ?? 'TCP',
      port: port.port,
      target: name,
    }));
    if (spec.clusterIP !== undefined && spec.clusterIP !== 'None') {
      into.names[name] = { addresses: [spec.clusterIP], ports };
      if (spec.clusterIP === this.#options.api.address) return;
      for (const port of ports)
        into.routes.push({
          address: spec.clusterIP,
          port: port.port,
          protocol: port.protocol === 'UDP' ? 'UDP' : 'TCP',
          endpoints: this.#endpoints(slices, port.name),
          affinity: spec.sessionAffinity === 'ClientIP',
        });
      return;
    }
    this.#addHeadless(name, slices, into.names);
  }

  #addHeadless(name: string, slices: readonly Slice[], names: Record<string, NameEntry>): void {
    const entry: NameEntry = { addresses: [], ports: [] };
    for (const slice of slices) {
      for (const endpoint of slice.endpoints ?? []) {
        if (endpoint.conditions?.ready === false) continue;
        entry.addresses!.push(...endpoint.addresses);
        const own = `${endpoint.hostname ?? endpoint.addresses[0]?.replaceAll('.', '-')}.${name}`;
        names[own] = { addresses: endpoint.addresses };
        for (const port of slice.ports ?? [])
          entry.ports!.push({
            name: port.name ?? '',
            protocol: port.protocol ?? 'TCP',
            port: port.port ?? 0,
            target: own,
          });
      }
    }
    names[name] = entry;
  }

  #endpoints(slices: readonly Slice[], portName: string): Endpoint[] {
    return slices.flatMap((slice) => {
      const port = slice.ports?.find((item) => (item.name ?? '') === portName)?.port;
      if (port === undefined) return [];
      return (slice.endpoints ?? [])
        .filter((endpoint) => endpoint.conditions?.ready !== false)
        .flatMap((endpoint) => endpoint.addresses)
        .map((address) => ({ address, port, ...(address === this.#options.hostIp && { host: true }) }));
    });
  }
}
