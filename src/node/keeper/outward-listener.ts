import { createServer, type Socket } from 'node:net';
import { openOutward } from './outward.ts';

/**
 * Ports of other machines that pods reach: those that builds and services commonly speak to. Every address that is
 * none of the pods' network is local here, so that a connection to one arrives at these listeners, and is joined by
 * the agent outside to the machine that was meant.
 */
export const OUTWARD_PORTS: readonly number[] = [
  21, 22, 25, 80, 443, 465, 587, 993, 1433, 1883, 2181, 3000, 3306, 4222, 4873, 5000, 5001, 5044, 5432, 5671,
  5672, 5984, 6379, 6443, 7050, 8000, 8080, 8081, 8083, 8086, 8088, 8200, 8443, 8500, 8883, 8888, 9000, 9042,
  9090, 9092, 9093, 9200, 9418, 11211, 11371, 15672, 27017, 50051,
];

const OWN = /^10\.(?:244|96)\.|^127\./;

export function listenOutward(port: number, path: string): void {
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
    client.on('error', () => client.destroy());
    const host = client.localAddress ?? '';
    // Addresses of pods and services have listeners of their own, or nobody listens.
    if (OWN.test(host)) client.resetAndDestroy();
    else void join(client, { host, port, path });
  });
  server.on('error', () => {});
  server.listen({ port, host: '0.0.0.0', reusePort: true });
}

async function join(
  client: Socket,
  { host, port, path }: { host: string; port: number; path: string },
): Promise<void> {
  const upstream = await openOutward(path, { connect: { host, port } }).catch(() => undefined);
  if (upstream === undefined || client.destroyed) {
    upstream?.destroy();
    client.resetAndDestroy();
    return;
  }
  upstream.on('error', () => client.destroy());
  upstream.on('close', () => client.destroy());
  client.on('close', () => upstream.destroy());
  client.pipe(upstream);
  upstream.pipe(client);
}
