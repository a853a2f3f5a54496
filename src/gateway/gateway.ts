import { GROUP, VERSION } from '../api/index.ts';
import {
  type Condition,
  type Informer,
  type Informers,
  INGRESS_CLASSES,
  INGRESSES,
  isApiError,
  type KubeClient,
  type KubeObject,
  type Logger,
  type ResourceRef,
  type Secret,
  SECRETS,
  secretText,
  withCondition,
  writeStatus,
} from '../kube/index.ts';
import { Backends } from './compile/backends.ts';
import { compileEndpoints, type CompiledEndpoints, type EndpointObject } from './compile/endpoint.ts';
import { httpRoutes } from './compile/http-route.ts';
import { ingressRoutes } from './compile/ingress.ts';
import type { HttpRoute, Ingress } from './compile/objects.ts';
import type { Certificate, GatewayConfig, Route, RouteMetrics } from './config.ts';
import type { FunctionsToDataPlane } from './functions/protocol.ts';
import type { FunctionsLink, GatewayProcess } from './gateway-process.ts';

export interface GatewayOptions {
  /** Answers the requests. */
  process: GatewayProcess;
  functions?: FunctionsLink;
  /** The address that it answers at. */
  host: string;
  log: Logger;
  client: KubeClient;
  informers: Informers;
  defaultCertificate: { cert: string; key: string };
  hostIp: string;
  now: () => number;
}

export const HTTP_ROUTES: ResourceRef = {
  group: 'gateway.networking.k8s.io',
  version: 'v1',
  plural: 'httproutes',
  namespaced: true,
};
/** Ours, not those of Services. */
const ENDPOINT_OBJECTS: ResourceRef = {
  group: GROUP,
  version: VERSION,
  plural: 'endpoints',
  namespaced: true,
};
const CLASS = 'dispatch';
const CONTROLLER = 'dispatch.dev/gateway';
const COALESCE_MS = 5;
const LIMITS = { bodyBytes: 1024 ** 3, requestTimeoutMs: 60_000 };

/** Serves what Ingress and HTTPRoute objects ask for, and tells the data plane of every change. */
export class Gateway implements AsyncDisposable {
  readonly #options: GatewayOptions;
  readonly #ingresses: Informer<Ingress>;
  readonly #classes: Informer;
  readonly #routes: Informer<HttpRoute>;
  readonly #secrets: Informer<Secret>;
  readonly #endpoints: Informer<EndpointObject>;
  readonly #backends: Backends;
  readonly #process: GatewayProcess;
  #serving = false;
  #timer: NodeJS.Timeout | undefined;
  #sent = '';

  /** Before the informers start. */
  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#process = options.process;
    const { informers } = options;
    this.#ingresses = informers.for<Ingress>(INGRESSES);
    this.#classes = informers.for(INGRESS_CLASSES);
    this.#routes = informers.for<HttpRoute>(HTTP_ROUTES);
    this.#secrets = informers.for<Secret>(SECRETS);
    this.#endpoints = informers.for<EndpointObject>(ENDPOINT_OBJECTS);
    this.#backends = new Backends(informers, options.hostIp);
    const changed = (): void => {
      if (this.#timer === undefined) this.#timer = setTimeout(() => this.#update(), COALESCE_MS);
    };
    const watched = [
      ...this.#backends.informers,
      this.#ingresses,
      this.#classes,
      this.#routes,
      this.#secrets,
      this.#endpoints,
    ];
    for (const informer of watched)
      informer.addHandler({ added: changed, updated: changed, deleted: changed });
  }

  /** After the informers have seen what is there. */
  async start(): Promise<void> {
    const config = this.#compile(this.endpoints());
    this.#sent = JSON.stringify(config);
    await this.#process.serve(config, this.#options.functions);
    this.#serving = true;
    // What the ports are is known only now.
    this.#update();
  }

  get httpPort(): number {
    return this.#process.httpPort;
  }

  get httpsPort(): number {
    return this.#process.httpsPort;
  }

  /** The network of the pods has been made anew. */
  networkReplaced(): void {
    this.#process.restart();
  }

  metrics(): Promise<RouteMetrics[]> {
    return this.#process.metrics();
  }

  config(): GatewayConfig {
    return this.#compile(this.endpoints());
  }

  #compile(endpoints: CompiledEndpoints): GatewayConfig {
    const routes: Route[] = [];
    const certificates: Certificate[] = [];
    for (const ingress of this.#served()) {
      routes.push(...ingressRoutes(ingress, this.#backends));
      for (const { hosts = [], secretName } of ingress.spec.tls ?? []) {
        const pair = this.#certificate(ingress.metadata.namespace ?? '', secretName ?? '');
        if (pair !== undefined) certificates.push({ hosts, ...pair });
      }
    }
    for (const route of this.#routes.list()) routes.push(...httpRoutes(route, this.#backends));
    routes.push(...endpoints.routes);
    return { routes, certificates, defaultCertificate: this.#options.defaultCertificate, limits: LIMITS };
  }

  /** Where functions answer. */
  endpoints(): CompiledEndpoints {
    const { host } = this.#options;
    return compileEndpoints(this.#endpoints.list(), {
      secret: (namespace, name) => this.#secrets.get(namespace, name),
      httpsPort: this.httpsPort,
      origins: { http: `http://${host}:${this.httpPort}`, https: `https://${host}:${this.httpsPort}` },
    });
  }

  /** Says to the data plane what concerns functions. */
  tell(message: FunctionsToDataPlane): void {
    this.#process.tell(message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#serving = false;
    await this.#process[Symbol.asyncDispose]();
  }

  /** Those without a class, with ours, and with any that no other controller on this machine could serve. */
  #served(): Ingress[] {
    const foreign = new Set(
      this.#classes
        .list()
        .filter((item) => (item['spec'] as { controller?: string } | undefined)?.controller !== CONTROLLER)
        .map((item) => item.metadata.name),
    );
    return this.#ingresses
      .list()
      .filter((ingress) => {
        const name =
          ingress.spec.ingressClassName ?? ingress.metadata.annotations?.['kubernetes.io/ingress.class'];
        return name === undefined || name === CLASS || !foreign.has(name);
      })
      .sort((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''));
  }

  #certificate(namespace: string, name: string): { cert: string; key: string } | undefined {
    const secret = this.#secrets.get(namespace, name);
    const [cert, key] = [secretText(secret, 'tls.crt'), secretText(secret, 'tls.key')];
    return cert === '' || key === '' ? undefined : { cert, key };
  }

  #update(): void {
    this.#timer = undefined;
    if (!this.#serving) return;
    const endpoints = this.endpoints();
    const config = this.#compile(endpoints);
    const text = JSON.stringify(config);
    if (text !== this.#sent) {
      this.#sent = text;
      void this.#process.configure(config);
    }
    this.#writeStatus(endpoints).catch((error: unknown) =>
      this.#options.log.warn({ err: error }, 'the status of a route could not be written'),
    );
  }

  async #writeStatus(endpoints: CompiledEndpoints): Promise<void> {
    for (const ingress of this.#served()) {
      if (ingress.status?.loadBalancer?.ingress?.[0]?.ip === this.#options.host) continue;
      const status = { loadBalancer: { ingress: [{ ip: this.#options.host }] } };
      await this.#patch(INGRESSES, ingress, status);
    }
    for (const route of this.#routes.list()) {
      const parents = this.#parents(route);
      if (JSON.stringify(parents) === JSON.stringify(route.status?.parents ?? [])) continue;
      await this.#patch(HTTP_ROUTES, route, { parents });
    }
    for (const [endpoint, status] of endpoints.statuses)
      await writeStatus(this.#options.client, ENDPOINT_OBJECTS, endpoint, status);
  }

  #parents(route: HttpRoute): NonNullable<NonNullable<HttpRoute['status']>['parents']> {
    const unknown = httpRoutes(route, this.#backends).some(
      ({ action }) =>
        action.type === 'forward' &&
        action.backends.some(
          (backend) => backend.endpoints.length === 0 && !this.#backends.exists(backend.name),
        ),
    );
    return (route.spec.parentRefs ?? []).map((parentRef) => {
      const before = route.status?.parents?.find(
        (item) => JSON.stringify(item.parentRef) === JSON.stringify(parentRef),
      );
      const facts: Omit<Condition, 'lastTransitionTime'>[] = [
        {
          type: 'Accepted',
          status: 'True',
          reason: 'Accepted',
          message: 'Route is accepted',
          observedGeneration: route.metadata.generation ?? 0,
        },
        unknown
          ? {
              type: 'ResolvedRefs',
              status: 'False',
              reason: 'BackendNotFound',
              message: 'A backend does not exist',
              observedGeneration: route.metadata.generation ?? 0,
            }
          : {
              type: 'ResolvedRefs',
              status: 'True',
              reason: 'ResolvedRefs',
              message: 'All references are resolved',
              observedGeneration: route.metadata.generation ?? 0,
            },
      ];
      let conditions = before?.conditions;
      for (const fact of facts) conditions = withCondition(conditions, fact, this.#options.now());
      return { parentRef, controllerName: CONTROLLER, conditions: conditions! };
    });
  }

  async #patch(resource: ResourceRef, object: KubeObject, status: object): Promise<void> {
    const { namespace = '', name = '' } = object.metadata;
    try {
      await this.#options.client.patch(
        resource,
        { namespace, name },
        'merge',
        { status },
        { subresource: 'status' },
      );
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
    }
  }
}
