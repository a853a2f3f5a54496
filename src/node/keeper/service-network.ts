import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Server, Socket } from 'node:net';
import { NameServer } from './name-server.ts';
import { listenOutward, OUTWARD_PORTS } from './outward-listener.ts';
import { openOutward } from './outward.ts';
import type { Endpoint, NetworkTable, ServiceRoute } from './protocol.ts';

const DNS_ADDRESS = '10.96.0.10';
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_TRIES = 3;
const DATAGRAM_SESSION_MS = 60_000;
const MAX_AFFINE_CLIENTS = 10_000;

interface Listening {
  route: ServiceRoute;
  close: () => void;
}

/** Makes the addresses and names of services work: every connection to one goes to an endpoint that is ready. */
export class ServiceNetwork {
  readonly #outwardPath: string;
  readonly #listening = new Map<string, Listening>();
  readonly #names: NameServer;

  constructor(outwardPath: string) {
    this.#outwardPath = outwardPath;
    this.#names = new NameServer({ address: DNS_ADDRESS, outwardPath });
    for (const port of OUTWARD_PORTS) listenOutward(port, outwardPath);
  }

  set(table: NetworkTable): void {
    this.#names.set(table.names);
    const wanted = new Map(table.routes.map((route) => [keyOf(route), route]));
    for (const [key, listening] of this.#listening) {
      const route = wanted.get(key);
      if (route !== undefined && route.endpoints.length > 0) listening.route = route;
      else {
        listening.close();
        this.#listening.delete(key);
      }
    }
    for (const [key, route] of wanted) {
      // Without a listener the kernel refuses the connection at once, which is what a client wants to know.
      if (route.endpoints.length === 0 || this.#listening.has(key)) continue;
      const listening: Listening = { route, close: () => {} };
      listening.close = route.protocol === 'UDP' ? this.#listenUdp(listening) : this.#listenTcp(listening);
      this.#listening.set(key, listening);
    }
  }

  #listenTcp(listening: Listening): () => void {
    const { address, port } = listening.route;
    const affine = new Map<string, string>();
    const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      client.on('error', () => client.destroy());
      const { endpoints, affinity } = listening.route;
      const order = shuffled(endpoints);
      const from = client.remoteAddress ?? '';
      if (affinity) {
        const before = order.findIndex((endpoint) => nameOf(endpoint) === affine.get(from));
        if (before > 0) order.unshift(...order.splice(before, 1));
        if (affine.size >= MAX_AFFINE_CLIENTS) affine.clear();
        if (order[0] !== undefined) affine.set(from, nameOf(order[0]));
      }
      void this.#join(client, order.slice(0, MAX_TRIES));
    });
    server.on('error', () => {});
    // Connections to other machines are taken on every address: the more exact listener comes first.
    server.listen({ port, host: address, reusePort: true });
    return () => server.close();
  }

  async #join(client: Socket, endpoints: Endpoint[]): Promise<void> {
    for (const endpoint of endpoints) {
      const upstream = await this.#connect(endpoint).catch(() => undefined);
      if (upstream === undefined) continue;
      if (client.destroyed) {
        upstream.destroy();
        return;
      }
      upstream.on('error', () => client.destroy());
      upstream.on('close', () => client.destroy());
      client.on('close', () => upstream.destroy());
      client.pipe(upstream);
      upstream.pipe(client);
      return;
    }
    client.resetAndDestroy();
  }

  #connect(endpoint: Endpoint): Promise<Socket> {
    if (endpoint.host)
      return openOutward(this.#outwardPath, { connect: { host: endpoint.address, port: endpoint.port } });
    return new Promise((resolve, reject) => {
      const socket = new Socket({ allowHalfOpen: true });
      socket.setNoDelay(true);
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy(new Error('timeout')));
      socket.once('error', reject);
      socket.connect(endpoint.port, endpoint.address, () => {
        socket.off('error', reject);
        socket.setTimeout(0);
        resolve(socket);
      });
    });
  }

  #listenUdp(listening: Listening): () => void {
    const { address, port } = listening.route;
    const front = createSocket('udp4');
    const sessions = new Map<string, { socket: DatagramSocket; timer: NodeJS.Timeout }>();
    front.on('error', () => {});
    front.on('message', (message, from) => {
      const key = `${from.address}:${from.port}`;
      const session = sessions.get(key);
      if (session === undefined) {
        const endpoint = shuffled(listening.route.endpoints)[0];
        if (endpoint === undefined) return;
        const socket = createSocket('udp4');
        const timer = setTimeout(() => {
          sessions.delete(key);
          socket.close();
        }, DATAGRAM_SESSION_MS);
        socket.on('error', () => {});
        socket.on('message', (answer) => front.send(answer, from.port, from.address));
        socket.connect(endpoint.port, endpoint.address, () => socket.send(message));
        sessions.set(key, { socket, timer });
        return;
      }
      session.timer.refresh();
      try {
        session.socket.send(message);
      } catch {
        // It is still being connected: the client sends again, as datagrams may be lost anyway.
      }
    });
    front.bind(port, address);
    return () => {
      front.close();
      for (const { socket, timer } of sessions.values()) {
        clearTimeout(timer);
        socket.close();
      }
    };
  }
}

function keyOf(route: ServiceRoute): string {
  return `${route.protocol} ${route.address}:${route.port}`;
}

function nameOf(endpoint: Endpoint): string {
  return `${endpoint.address}:${endpoint.port}`;
}

function shuffled<T>(items: readonly T[]): T[] {
  const copy = [...items];
  for (let at = copy.length - 1; at > 0; at -= 1) {
    const other = Math.floor(Math.random() * (at + 1));
    [copy[at], copy[other]] = [copy[other]!, copy[at]!];
  }
  return copy;
}
