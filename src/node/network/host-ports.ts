import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  ENDPOINT_SLICES,
  type EventRecorder,
  type Informer,
  type Informers,
  isPodFinished,
  type KubeClient,
  type KubeObject,
  type Logger,
  NODES,
  onAbort,
  type Pod,
  PODS,
  SERVICES,
  unlessGone,
} from '../../kube/index.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface HostPortsOptions {
  client: KubeClient;
  informers: Informers;
  runtime: Pick<Runtime, 'dial'>;
  events: EventRecorder;
  /** Which nodes live on this machine. */
  isOurs: (node: string) => boolean;
  /** The address that ports are opened at. */
  host: string;
  log: Logger;
}

interface Service extends KubeObject {
  spec: {
    type?: string;
    ports?: { name?: string; port: number; nodePort?: number; protocol?: string }[];
  };
  status?: { loadBalancer?: { ingress?: { ip?: string }[] } };
}

interface Slice extends KubeObject {
  endpoints?: {
    addresses: string[];
    conditions?: { ready?: boolean };
    targetRef?: { kind?: string; name?: string };
  }[];
  ports?: { name?: string; port?: number }[];
}

/** Where a connection may be led to. */
interface Place {
  address: string;
  port: number;
  /** The pod that answers there; none on the machine's own network. */
  podUid: string | undefined;
}

/** A port of this machine that somebody asks for. */
interface Wanted {
  owner: KubeObject;
  places: () => Place[];
}

interface Open {
  server: Server;
  sockets: Set<Socket>;
  wanted: Wanted;
  /** False once it is known that it cannot be opened. */
  listening: Promise<boolean>;
}

const SERVICE_NAME = 'kubernetes.io/service-name';
const BY_SERVICE = 'service';
const COALESCE_MS = 20;
const DIAL_TIMEOUT_MS = 5_000;
const RETRY_MS = 5_000;

/**
 * Opens the ports of this machine that objects ask for: node ports, those of load balancers, and host ports of
 * pods. What comes there is led to where it would be led on a cluster.
 */
export class HostPorts {
  readonly #options: HostPortsOptions;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<Slice>;
  readonly #pods: Informer<Pod>;
  readonly #open = new Map<number, Open>();
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;

  /** Before the informers start. */
  constructor(options: HostPortsOptions) {
    this.#options = options;
    const { informers } = options;
    this.#services = informers.for<Service>(SERVICES);
    this.#slices = informers
      .for<Slice>(ENDPOINT_SLICES)
      .addIndex(BY_SERVICE, ({ metadata }) => [`${metadata.namespace}/${metadata.labels?.[SERVICE_NAME]}`]);
    this.#pods = informers.for<Pod>(PODS);
  }

  start(signal: AbortSignal): void {
    const changed = (): void => {
      this.#timer ??= setTimeout(() => this.#update(), COALESCE_MS);
    };
    this.#services.addHandler({ added: changed, updated: changed, deleted: changed });
    // Pods may be known before the node beside this one that they are bound to.
    this.#options.informers.for(NODES).addHandler({ added: changed });
    this.#pods.addHandler({
      added: (pod) => hostPortsOf(pod).length > 0 && changed(),
      updated: (pod) => hostPortsOf(pod).length > 0 && changed(),
      deleted: (pod) => hostPortsOf(pod).length > 0 && changed(),
    });
    onAbort(signal, () => {
      clearTimeout(this.#timer);
      clearTimeout(this.#retry);
      for (const port of this.#open.keys()) this.#close(port);
    });
  }

  #update(): void {
    this.#timer = undefined;
    const wanted = this.#wanted();
    for (const [port, open] of this.#open) {
      const still = wanted.get(port);
      if (still === undefined) this.#close(port);
      else open.wanted = still;
    }
    for (const [port, item] of wanted) if (!this.#open.has(port)) this.#listen(port, item);
    for (const service of this.#services.list())
      this.#announce(service).catch((error: unknown) =>
        this.#options.log.warn({ err: error }, 'the address of a load balancer could not be written'),
      );
  }

  #wanted(): Map<number, Wanted> {
    const wanted = new Map<number, Wanted>();
    // Who asks first keeps it: the oldest object.
    const add = (port: number | undefined, item: Wanted): void => {
      if (port !== undefined && port > 0 && !wanted.has(port)) wanted.set(port, item);
    };
    for (const service of byAge(this.#services.list()))
      for (const { name = '', port, nodePort, protocol = 'TCP' } of service.spec.ports ?? []) {
        if (protocol !== 'TCP') continue;
        const item = { owner: service, places: () => this.#placesOf(service, name) };
        if (service.spec.type === 'NodePort' || service.spec.type === 'LoadBalancer') add(nodePort, item);
        if (service.spec.type === 'LoadBalancer') add(port, item);
      }
    for (const pod of byAge(this.#pods.list())) {
      if (isPodFinished(pod) || !this.#options.isOurs(pod.spec.nodeName ?? '')) continue;
      for (const { hostPort, containerPort } of hostPortsOf(pod))
        add(hostPort, {
          owner: pod,
          places: () =>
            this.#placesOfPod(pod.metadata.namespace ?? '', pod.metadata.name ?? '', containerPort),
        });
    }
    return wanted;
  }

  #placesOf({ metadata }: Service, portName: string): Place[] {
    const { namespace = '', name } = metadata;
    return this.#slices.byIndex(BY_SERVICE, `${namespace}/${name}`).flatMap((slice) => {
      const port = slice.ports?.find((item) => (item.name ?? '') === portName)?.port;
      if (port === undefined) return [];
      return (slice.endpoints ?? [])
        .filter(({ conditions, targetRef }) => conditions?.ready !== false && targetRef?.kind === 'Pod')
        .flatMap(({ addresses, targetRef }) =>
          this.#placesOfPod(namespace, targetRef?.name ?? '', port).filter(({ address }) =>
            // Whoever writes slices names a pod and an address: they have to belong together.
            addresses.includes(address),
          ),
        );
    });
  }

  #placesOfPod(namespace: string, name: string, port: number): Place[] {
    const pod = this.#pods.get(namespace, name);
    const address = pod?.status?.podIP;
    if (pod === undefined || address === undefined) return [];
    return [{ address, port, podUid: pod.spec.hostNetwork === true ? undefined : pod.metadata.uid }];
  }

  #listen(port: number, wanted: Wanted): void {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      socket.on('error', () => socket.destroy());
      void this.#lead(socket, this.#open.get(port)?.wanted.places() ?? []);
    });
    const listening = new Promise<boolean>((resolve) => {
      server.once('listening', () => resolve(true));
      server.once('error', (error: NodeJS.ErrnoException) => {
        const why = error.code === 'EADDRINUSE' ? 'it is in use' : String(error.code);
        const message = `Port ${port} of this machine cannot be opened: ${why}.`;
        this.#options.events.record(wanted.owner, { type: 'Warning', reason: 'PortNotOpened', message });
        resolve(false);
        // Whoever has it now may let go of it.
        clearTimeout(this.#retry);
        this.#retry = setTimeout(() => this.#tryAgain(), RETRY_MS);
      });
    });
    this.#open.set(port, { server, sockets, wanted, listening });
    server.listen(port, this.#options.host);
  }

  #tryAgain(): void {
    for (const [port, { server }] of this.#open) if (!server.listening) this.#close(port);
    this.#update();
  }

  #close(port: number): void {
    const open = this.#open.get(port);
    this.#open.delete(port);
    open?.server.close();
    for (const socket of open?.sockets ?? []) socket.destroy();
  }

  /** To one place after another, from a random one on, until somebody answers. */
  async #lead(socket: Socket, places: readonly Place[]): Promise<void> {
    const first = Math.floor(Math.random() * places.length);
    for (let count = 0; count < places.length; count++) {
      const there = await this.#dial(places[(first + count) % places.length]!).catch(() => undefined);
      if (there === undefined) continue;
      there.on('error', () => socket.destroy());
      there.once('close', () => socket.destroy());
      socket.once('close', () => there.destroy());
      if (socket.destroyed) there.destroy();
      socket.pipe(there);
      there.pipe(socket);
      return;
    }
    socket.destroy();
  }

  #dial({ address, port, podUid }: Place): Promise<Duplex> {
    if (podUid !== undefined) {
      const signal = new AbortController();
      const timer = setTimeout(() => signal.abort(), DIAL_TIMEOUT_MS);
      return this.#options.runtime
        .dial(podUid, { port, host: address }, signal.signal)
        .finally(() => clearTimeout(timer));
    }
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true }, () => resolve(socket));
      socket.once('error', reject);
    });
  }

  /** A load balancer is there when all of its ports are. */
  async #announce(service: Service): Promise<void> {
    const { namespace = '', name = '' } = service.metadata;
    if (service.spec.type !== 'LoadBalancer') return;
    const ports = (service.spec.ports ?? []).map(({ port }) => this.#open.get(port));
    const ours = ports.map((open) =>
      open?.wanted.owner.metadata.uid === service.metadata.uid ? open?.listening : false,
    );
    const isThere = ports.length > 0 && (await Promise.all(ours)).every((item) => item === true);
    const ingress = isThere ? [{ ip: this.#options.host }] : [];
    if (JSON.stringify(service.status?.loadBalancer?.ingress ?? []) === JSON.stringify(ingress)) return;
    const status = { loadBalancer: { ingress } };
    await unlessGone(
      this.#options.client.patch(
        SERVICES,
        { namespace, name },
        'merge',
        { status },
        { subresource: 'status' },
      ),
    );
  }
}

function hostPortsOf({ spec }: Pod): { hostPort: number; containerPort: number }[] {
  if (spec.hostNetwork === true) return [];
  return spec.containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, containerPort, protocol = 'TCP' }) =>
      hostPort === undefined || hostPort === 0 || protocol !== 'TCP' ? [] : [{ hostPort, containerPort }],
    ),
  );
}

function byAge<T extends KubeObject>(objects: readonly T[]): T[] {
  return objects.toSorted((a, b) =>
    (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''),
  );
}
