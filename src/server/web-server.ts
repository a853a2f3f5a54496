import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  ENDPOINT_SLICES,
  INGRESSES,
  type KubeClient,
  type KubeObject,
  NAMESPACES,
  type ResourceRef,
  SERVICES,
  unlessThere,
} from '../kube/index.ts';

/** Answers what lies below a place. `path` is what follows it. */
export type WebHandler = (request: IncomingMessage, response: ServerResponse, path: string) => Promise<void>;

export const SYSTEM_NAMESPACE = 'dispatch-system';
export const WEB_SERVICE = 'dispatch';
const WEB_ADDRESS = '10.96.0.11';
const HEADERS_TIMEOUT_MS = 30_000;
/** How pods reach it. */
export const WEB_URL = `http://${WEB_SERVICE}.${SYSTEM_NAMESPACE}.svc`;

/** What this process itself answers over HTTP. It listens on loopback: gateway and pods come to it as to a service. */
export class WebServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #routes = new Map<string, WebHandler>();
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
    this.#server = createServer(
      { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 0 },
      (request, response) => {
        void this.#answer(request, response);
      },
    );
  }

  /** "/dispatch/git/" */
  route(prefix: string, handler: WebHandler): void {
    this.#routes.set(prefix, handler);
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0]!;
    const found = [...this.#routes].find(([prefix]) => path.startsWith(prefix));
    try {
      if (found === undefined) {
        response
          .writeHead(404, { 'content-type': 'text/plain; charset=utf-8' })
          .end('There is nothing here.\n');
        return;
      }
      await found[1](request, response, path.slice(found[0].length));
    } catch (error) {
      this.#onError(error);
      if (response.headersSent) response.destroy();
      else
        response
          .writeHead(500, { 'content-type': 'text/plain; charset=utf-8' })
          .end('The server could not answer: see its log.\n');
    }
  }
}

/** The objects by which the gateway and pods find the web server. */
export async function installWebService(
  client: KubeClient,
  at: { hostIp: string; port: number },
): Promise<void> {
  const metadata = { name: WEB_SERVICE, namespace: SYSTEM_NAMESPACE };
  const objects: [ResourceRef, KubeObject][] = [
    [
      SERVICES,
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata,
        spec: { clusterIP: WEB_ADDRESS, ports: [{ name: 'http', port: 80 }] },
      },
    ],
    [
      ENDPOINT_SLICES,
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { ...metadata, labels: { 'kubernetes.io/service-name': WEB_SERVICE } },
        addressType: 'IPv4',
        endpoints: [{ addresses: [at.hostIp], conditions: { ready: true } }],
        ports: [{ name: 'http', port: at.port, protocol: 'TCP' }],
      },
    ],
    [
      INGRESSES,
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata,
        spec: {
          rules: [
            {
              http: {
                paths: [
                  {
                    path: '/dispatch',
                    pathType: 'Prefix',
                    backend: { service: { name: WEB_SERVICE, port: { number: 80 } } },
                  },
                ],
              },
            },
          ],
        },
      },
    ],
  ];
  await unlessThere(
    client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: SYSTEM_NAMESPACE } }),
  );
  await Promise.all(objects.map(([resource, object]) => client.apply(resource, object, { force: true })));
}
