import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ADMIN, type ApiServer, InProcessTransport, type PodRuntime } from '../apiserver/index.ts';
import { BuiltinImages, ContentStore, ImageStore, OWN_HOST, Registry } from '../images/index.ts';
import { Gateway, gatewayDefinitions } from '../gateway/index.ts';
import { APP_PROJECTS, DEFAULT_PROJECT } from '../gitops/index.ts';
import {
  containersOf,
  containerStatusOf,
  EventRecorder,
  Informers,
  KubeClient,
  type KubeObject,
  type Logger,
  type Pod,
  PODS,
  type ResourceRef,
  STORAGE_CLASSES,
  unlessThere,
} from '../kube/index.ts';
import {
  HostPorts,
  NodeAgent,
  NodeImages,
  NodeStatus,
  type Runtime,
  type SandboxRuntime,
  SandboxStepRunner,
  ServedRuntime,
  Scheduler,
  ServiceTable,
  TaintEviction,
} from '../node/index.ts';
import { DEFAULT_CLASS, type WorkloadContext, workloadControllers } from '../workloads/index.ts';
import type { DataDir } from './data-dir.ts';
import { ChartRepositories } from './chart-repositories.ts';
import { Delivery, deliveryDefinitions } from './delivery.ts';
import { endpointOpenApi } from './endpoint-openapi.ts';
import { FunctionHost } from './function-host.ts';
import { FunctionImages } from './function-images.ts';
import { Happenings } from './happenings.ts';
import { ImageService } from './image-service.ts';
import { ImageSpool } from './image-spool.ts';
import { outwardFetch } from './outward-fetch.ts';
import type { Companions } from './companions.ts';
import { nodeNameOf, secretsDir } from './machine.ts';
import { metricsService } from './metrics-service.ts';
import { RunServices } from './local-services.ts';
import { podPuller } from './pull-secrets.ts';
import { registryAccess } from './registry-access.ts';
import { installRoles } from './roles.ts';
import type { Settings } from './settings.ts';
import { Serverless } from './serverless.ts';
import { TokenAccess } from './token-access.ts';
import { UsageMeter } from './usage-meter.ts';
import { installWebService, WEB_URL, WebServer } from './web-server.ts';

export interface PlatformOptions {
  dirs: DataDir;
  version: string;
  log: Logger;
  now: () => number;
  /** Where programs of this machine are looked for. */
  path: string;
  /** Where programs of ours that are started often keep what they have compiled. */
  compileCache: string | undefined;
  settings: Settings;
  host: string;
  /** This machine's address, under which pods know it. */
  hostIp: string;
  registryPort: number;
  companions: Companions;
}

const DEFINITIONS: ResourceRef = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  namespaced: false,
};
const API_ADDRESS = '10.96.0.1';
const PRODUCT = fileURLToPath(new URL('../../', import.meta.url));
const RUNS = import.meta.url.endsWith('.js') ? 'dist' : 'src';
const RUNTIMES = fileURLToPath(new URL('../functions/runtimes/', import.meta.url));

/** What every part of the platform stands on. */
interface Base {
  api: ApiServer;
  options: PlatformOptions;
  client: KubeClient;
  informers: Informers;
  access: TokenAccess;
  images: ImageStore;
  apiPort: number;
  hostIp: string;
  happenings: Happenings;
  /** Parts that others reach only once everything is there. */
  late: { images?: ImageService; gateway?: Gateway };
}

/** Everything that runs workloads on this machine, around an API that is already there. */
export class Platform implements AsyncDisposable {
  readonly delivery: Delivery;
  readonly gateway: Gateway;
  readonly registryPort: number;
  /** Why no containers run here, where that is so. */
  readonly problem: string | undefined;
  readonly #agent: NodeAgent;
  readonly #opened: AsyncDisposableStack;

  private constructor(parts: {
    delivery: Delivery;
    gateway: Gateway;
    registryPort: number;
    problem: string | undefined;
    agent: NodeAgent;
    opened: AsyncDisposableStack;
  }) {
    this.delivery = parts.delivery;
    this.gateway = parts.gateway;
    this.registryPort = parts.registryPort;
    this.problem = parts.problem;
    this.#agent = parts.agent;
    this.#opened = parts.opened;
  }

  /** What was opened before something failed is closed again. */
  static async start(api: ApiServer, options: PlatformOptions): Promise<Platform> {
    await using opened = new AsyncDisposableStack();
    const stopping = new AbortController();
    const { signal } = stopping;
    const base = await baseOf(api, options);
    const front = await openFront(base, opened);
    const node = await openNode(base, front, opened);
    const serving = await openServing(base, front, node, opened);
    // Nothing is started any more before the first part is closed.
    opened.defer(() => stopping.abort());
    const controllers = controllersOf(base, front, node, serving);
    serving.usage.start(signal);
    await front.delivery.start(signal);
    await installStorageClass(base.client);
    await installRoles(base.client);
    await installWebService(base.client, { hostIp: base.hostIp, port: front.webPort });
    await installProject(base.client);
    await node.status.start(signal);
    await node.agent.start(signal);
    node.hostPorts.start(signal);
    await base.informers.start(signal);
    await serving.gateway.start();
    const work = Promise.all(controllers.map((controller) => controller.run(signal)));
    opened.defer(async () => {
      stopping.abort();
      await work;
    });
    return new Platform({
      ...front,
      ...serving,
      agent: node.agent,
      problem: node.problem,
      opened: opened.move(),
    });
  }

  get pods(): PodRuntime {
    return this.#agent.runtime;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }
}

async function baseOf(api: ApiServer, options: PlatformOptions): Promise<Base> {
  const client = new KubeClient(new InProcessTransport(api.core, ADMIN), 'dispatch');
  await installDefinitions(client, [...gatewayDefinitions(), ...deliveryDefinitions()]);
  return {
    api,
    options,
    client,
    informers: new Informers(client, options.log),
    access: new TokenAccess(client, options.now),
    images: await openImages(options),
    apiPort: Number(new URL(api.url).port),
    hostIp: options.hostIp,
    happenings: new Happenings(),
    late: {},
  };
}

interface Front {
  delivery: Delivery;
  tagged: ImageSpool;
  registry: Registry;
  registryPort: number;
  web: WebServer;
  webPort: number;
}

/** What answers from outside of the pods: repositories, webhooks, the registry. */
async function openFront(base: Base, opened: AsyncDisposableStack): Promise<Front> {
  const { options, images, hostIp, late, access } = base;
  const { log, now, dirs, host } = options;
  const charts = opened.use(
    new ChartRepositories({ fetch: outwardFetch(), settings: options.settings.registry, now }),
  );
  const delivery = opened.use(
    new Delivery({
      charts,
      happenings: base.happenings,
      ...contextOf(base),
      dirs,
      access,
      path: options.path,
      images: () => late.images!,
      bundles: { images, pull: podPuller(base.client, images, options.settings.registry) },
      publicUrl: () => `http://${host}:${late.gateway!.httpPort}`,
    }),
  );
  const web = opened.use(
    new WebServer((error) => log.error({ err: error }, 'a request could not be answered')),
  );
  delivery.serveOn(web);
  const webPort = await web.listen();
  const tagged = opened.use(await ImageSpool.open(join(dirs.content, 'tagged'), delivery.imageTagged, log));
  const registry = opened.use(
    new Registry({
      images,
      host: OWN_HOST,
      root: dirs.content,
      authorize: registryAccess(access),
      now,
      onError: (error) => log.error({ err: error }, 'the registry has failed'),
    }),
  );
  const registryPort = await registry.listen(host, options.registryPort);
  images.ownHosts = ['127.0.0.1', 'localhost', '[::1]', hostIp].map((name) => `${name}:${registryPort}`);
  images.onTagged((name, digest) => {
    const own = name.startsWith(`${OWN_HOST}/`)
      ? [`${host}:${registryPort}${name.slice(OWN_HOST.length)}`]
      : [];
    return tagged.put({ names: [name, ...own], digest });
  });
  return { delivery, tagged, registry, registryPort, web, webPort };
}

function contextOf({ client, informers, options }: Base): WorkloadContext {
  const { log, now } = options;
  return {
    client,
    informers,
    log,
    now,
    events: (component) => new EventRecorder(client, component, log, now),
  };
}

interface OwnNode {
  runtime: Runtime;
  sandbox: SandboxRuntime | undefined;
  problem: string | undefined;
  status: NodeStatus;
  agent: NodeAgent;
  hostPorts: HostPorts;
  builtin: BuiltinImages;
  images: NodeImages;
}

/** The node of this machine, with the runtime that it allows. */
async function openNode(
  base: Base,
  { delivery, webPort }: Front,
  opened: AsyncDisposableStack,
): Promise<OwnNode> {
  const { client, informers, options, images, apiPort, hostIp } = base;
  const { dirs, log, now, settings } = options;
  const { runtime: below, sandbox, problem } = await options.companions.containers;
  sandbox?.lend({ api: apiPort, web: webPort });
  const runtime = opened.use(new ServedRuntime(below, delivery.program, now));
  const shared = { client, informers, hostIp, now, log };
  const status = new NodeStatus({
    ...shared,
    nodeName: nodeNameOf(hostname()),
    version: options.version,
    runtime: runtime.name,
    problem,
  });
  const builtin = new BuiltinImages({
    images,
    host: { path: options.path, node: process.execPath, product: PRODUCT, runs: RUNS },
    arch: process.arch,
  });
  const nodeImages = new NodeImages({
    store: images,
    builtin,
    pull: podPuller(client, images, settings.registry),
    isServed: (name) => delivery.program(name) !== undefined,
    nameFor: delivery.imageName,
  });
  const agent = new NodeAgent({
    ...shared,
    runtime,
    images: nodeImages,
    isOurs: (name) => status.isOurs(name),
    podsDir: dirs.pods,
    logsDir: join(dirs.logs, 'pods'),
    secretsDir: secretsDir(dirs),
    persistentDir: dirs.volumes,
    hostPathRoots: settings.hostPathRoots,
    allowPrivileged: settings.allowPrivileged,
    hostApi: { host: '127.0.0.1', port: apiPort },
  });
  new ServiceTable({
    informers,
    api: { address: API_ADDRESS, port: apiPort },
    hostIp,
    publish: async (table) => sandbox?.setNetwork(table),
    log,
  });
  const hostPorts = new HostPorts({
    client,
    informers,
    runtime,
    events: contextOf(base).events('node'),
    isOurs: (name) => status.isOurs(name),
    host: options.host,
    log,
  });
  return { runtime, sandbox, problem, status, agent, hostPorts, builtin, images: nodeImages };
}

interface Serving {
  gateway: Gateway;
  serverless: Serverless;
  usage: UsageMeter;
}

/** The gateway, and what the API serves that is no object. */
async function openServing(
  base: Base,
  front: Front,
  node: OwnNode,
  opened: AsyncDisposableStack,
): Promise<Serving> {
  const { api, client, informers, options, images, hostIp, late } = base;
  const { dirs, log, now, host } = options;
  const { runtime } = node;
  const registry = (): string => `${host}:${front.registryPort}`;
  const functionHost = new FunctionHost({
    runtime,
    images: node.images,
    dir: join(dirs.run, 'functions'),
    logsDir: join(dirs.logs, 'functions'),
    runtimes: RUNTIMES,
    log,
  });
  late.images = new ImageService({
    images,
    builtin: node.builtin,
    repositories: front.registry.repositories,
    runner: new SandboxStepRunner(runtime),
    settings: options.settings.registry,
    root: dirs.content,
    inUse: () => new Set([...imagesInUse(informers), ...functionHost.imagesInUse()]),
    registry,
    now,
  });
  const serverless = opened.use(
    await Serverless.open({
      ...contextOf(base),
      dirs,
      host: functionHost,
      maker: new FunctionImages({
        dir: join(dirs.root, 'functions', 'builds'),
        images: () => late.images!,
        registry,
        runtimes: RUNTIMES,
        find: (name, namespace, signal) => functionHost.image(name, namespace, signal),
      }),
      tell: (message) => late.gateway?.tell(message),
      access: base.access,
      nats: options.settings.nats,
      sources: {
        client,
        fetch: outwardFetch(),
        uncheckedFetch: outwardFetch({ anyCertificate: true }),
        onGit: base.happenings.onGit,
        onImage: base.happenings.onImage,
        eventsUrl: (namespace) => `${WEB_URL}/dispatch/events/${namespace}`,
        publicUrl: () => `http://${host}:${late.gateway!.httpPort}`,
      },
    }),
  );
  serverless.serveOn(front.web);
  const gateway = opened.use(
    new Gateway({
      process: options.companions.dataPlane,
      functions: serverless.functions.link,
      client,
      informers,
      host,
      defaultCertificate: { cert: api.pki.serverCertificate, key: api.pki.serverKey },
      hostIp,
      now,
      log,
    }),
  );
  late.gateway = gateway;
  front.web.route(
    '/dispatch/openapi.json',
    endpointOpenApi(() => gateway, informers, options.version),
  );
  runtime.listen({ changed: () => {}, logged: () => {}, lost: () => gateway.networkReplaced() });
  const usage = new UsageMeter({ runtime, informers, requests: () => gateway.metrics(), now });
  api.core.deps.aggregation.mount(metricsService(usage, informers, now));
  api.core.deps.aggregation.mount(
    new RunServices([late.images, ...front.delivery.services, ...serverless.services]),
  );
  return { gateway, usage, serverless };
}

/** Everything that works on objects. They share informers, so all are made before those start. */
function controllersOf(
  base: Base,
  front: Front,
  { runtime }: OwnNode,
  { usage, serverless }: Serving,
): Runnable[] {
  const { client, informers, options } = base;
  const { log, now, dirs } = options;
  return [
    front.delivery,
    front.tagged,
    serverless,
    new Scheduler({ client, informers, now, log }),
    new TaintEviction({ client, informers, now, log }),
    base.late.images!.collector(options.settings.imageCollection, log),
    ...workloadControllers(contextOf(base), {
      volumes: { dir: dirs.volumes, removeFiles: (path) => runtime.removeFiles(path) },
      metrics: usage,
    }),
  ];
}

interface Runnable {
  run: (signal: AbortSignal) => Promise<unknown>;
}

/** Kinds that controllers here watch have to be there before they do. */
async function installDefinitions(client: KubeClient, definitions: readonly KubeObject[]): Promise<void> {
  await Promise.all(definitions.map((definition) => client.apply(DEFINITIONS, definition, { force: true })));
}

async function installStorageClass(client: KubeClient): Promise<void> {
  await unlessThere(client.create(STORAGE_CLASSES, DEFAULT_CLASS));
}

/** What applications of the namespace of this machine's owner may do: whoever lends it to others narrows it down. */
async function installProject(client: KubeClient): Promise<void> {
  await unlessThere(client.create(APP_PROJECTS, DEFAULT_PROJECT));
}

async function openImages({ dirs, now }: PlatformOptions): Promise<ImageStore> {
  const images = new ImageStore({
    root: dirs.content,
    content: new ContentStore(dirs.content),
    arch: process.arch,
    owners: process.getuid?.() === 0,
    now,
  });
  await images.open();
  return images;
}

/** The digests that statuses of pods name. */
function imagesInUse(informers: Informers): Set<string> {
  const found = new Set<string>();
  for (const pod of informers.for<Pod>(PODS).list())
    for (const { name } of containersOf(pod)) {
      const imageID = containerStatusOf(pod, name)?.imageID ?? '';
      const digest = /sha256:[0-9a-f]{64}/.exec(imageID)?.[0];
      if (digest !== undefined) found.add(digest);
    }
  return found;
}
