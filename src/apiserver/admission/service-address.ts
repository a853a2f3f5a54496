import { ApiError, isRecord, type KubeObject } from '../../kube/index.ts';
import { at, listAt, textAt } from '../kinds/index.ts';
import { type Attributes, invalid, objectKey, parseEntry } from '../registry/index.ts';
import type { FieldError } from '../schema/index.ts';
import type { Store } from '../store/index.ts';
import type { Plugin } from './chain.ts';

/** 10.96.0.0/16, as most clusters have it; the first address is the API itself. */
const NETWORK = [10, 96] as const;
const FIRST = 2;
const LAST = 65_534;
const NODE_PORTS = { first: 30_000, last: 32_767 };

/** Hands out virtual addresses and node ports, each once. */
export function serviceAddress(store: Store): Plugin {
  const allocator = new Allocator(store);
  return {
    collections: ['/services'],
    mutate: (attributes) => {
      const { operation, object, before } = attributes;
      const spec = object?.['spec'];
      if (operation === 'DELETE' || operation === 'CONNECT' || !isRecord(spec)) return;
      const type = String(spec['type']);
      if (type !== 'ExternalName') assignAddress(attributes, spec, allocator, before);
      if (type === 'NodePort' || type === 'LoadBalancer') assignNodePorts(attributes, spec, allocator);
    },
  };
}

function assignAddress(
  attributes: Attributes,
  spec: Record<string, unknown>,
  allocator: Allocator,
  before: KubeObject | undefined,
): void {
  const wanted = spec['clusterIP'];
  if (wanted === 'None') {
    spec['clusterIPs'] = ['None'];
    return;
  }
  if (typeof wanted === 'string' && wanted !== '') {
    if (wanted !== textAt(before, 'spec.clusterIP') && allocator.addresses().has(wanted)) {
      throw invalid(attributes.resource, attributes.name, [
        {
          kind: 'invalid',
          field: 'spec.clusterIPs',
          value: [wanted],
          detail: `failed to allocate IP ${wanted}: provided IP is already allocated`,
        },
      ]);
    }
  } else {
    spec['clusterIP'] = allocator.nextAddress();
  }
  spec['clusterIPs'] = [spec['clusterIP']];
}

function assignNodePorts(
  { resource, namespace, name, before }: Attributes,
  spec: Record<string, unknown>,
  allocator: Allocator,
): void {
  const own = new Set(listAt(before, 'spec.ports').map((port) => at(port, 'nodePort')));
  const errors: FieldError[] = [];
  for (const [index, port] of listAt(spec, 'ports').entries()) {
    if (!isRecord(port)) continue;
    const value = port['nodePort'];
    if (value === undefined || value === 0) {
      port['nodePort'] = allocator.nextPort();
      continue;
    }
    const field = `spec.ports[${index}].nodePort`;
    const isOutside = Number(value) < NODE_PORTS.first || Number(value) > NODE_PORTS.last;
    if (isOutside)
      errors.push({
        kind: 'invalid',
        field,
        value,
        detail: `provided port is not in the valid range. The range of valid ports is ${NODE_PORTS.first}-${NODE_PORTS.last}`,
      });
    else if (!own.has(value) && allocator.isTaken(Number(value), `${namespace}/${name}`))
      errors.push({ kind: 'invalid', field, value, detail: 'provided port is already allocated' });
  }
  if (errors.length > 0) throw invalid(resource, name, errors);
}

function portsOf(service: KubeObject): number[] {
  return listAt(service, 'spec.ports').map((port) => Number(at(port, 'nodePort') ?? 0));
}

class Allocator {
  readonly #store: Store;
  #cursor = FIRST;
  #portCursor = NODE_PORTS.first;
  /** Given out but perhaps not yet stored. */
  readonly #recent: string[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  addresses(): Set<string> {
    const used = this.#services().map((service) => textAt(service, 'spec.clusterIP') ?? '');
    return new Set([...used, ...this.#recent]);
  }

  nextAddress(): string {
    const used = this.addresses();
    for (let tries = FIRST; tries <= LAST; tries++) {
      const address = `${NETWORK[0]}.${NETWORK[1]}.${this.#cursor >> 8}.${this.#cursor & 255}`;
      this.#cursor = this.#cursor >= LAST ? FIRST : this.#cursor + 1;
      if (used.has(address)) continue;
      this.#remember(address);
      return address;
    }
    throw new ApiError('InternalError', 'All service addresses are taken: delete some services.');
  }

  /** Whether a node port belongs to another service. */
  isTaken(port: number, service: string): boolean {
    return this.#services().some(
      (other) =>
        objectKey(other.metadata.namespace ?? '', other.metadata.name ?? '') !== service &&
        portsOf(other).includes(port),
    );
  }

  nextPort(): number {
    const used = new Set(this.#services().flatMap(portsOf));
    for (let tries = NODE_PORTS.first; tries <= NODE_PORTS.last; tries++) {
      const port = this.#portCursor;
      this.#portCursor = port >= NODE_PORTS.last ? NODE_PORTS.first : port + 1;
      if (!used.has(port)) return port;
    }
    throw new ApiError('InternalError', 'All node ports are taken: delete some services.');
  }

  #remember(address: string): void {
    this.#recent.push(address);
    if (this.#recent.length > 256) this.#recent.shift();
  }

  #services(): KubeObject[] {
    return [...this.#store.shelf('/services').live.range('')].map(parseEntry);
  }
}
