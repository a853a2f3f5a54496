import { createHash } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ADMIN, type ApiServer, InProcessTransport, type PodRuntime } from '../apiserver/index.ts';
import { BuiltinImages, ContentStore, ImageStore, OWN_HOST, Registry } from '../images/index.ts';
import { Gateway, gatewayDefinitions } from '../gateway/index.ts';
import {
  EventRecorder,
  Informers,
  isApiError,
  KubeClient,
  type KubeObject,
  type Logger,
  type Pod,
  PODS,
  type ResourceRef,
  STORAGE_CLASSES,
} from '../kube/index.ts';
import {
  NodeAgent,
  NodeImages,
  NodeStatus,
  NoRuntime,
  type Runtime,
  SandboxRuntime,
  SandboxStepRunner,
  ServedRuntime,
  Scheduler,
  ServiceTable,
  TaintEviction,
  whyNoSandbox,
} from '../node/index.ts';
import { DEFAULT_CLASS, workloadControllers } from '../workloads/index.ts';
import type { DataDir } from './data-dir.ts';
import { Delivery, deliveryDefinitions } from './delivery.ts';
import { ImageService } from './image-service.ts';
import { metricsService } from './metrics-service.ts';
import { RunServices } from './local-services.ts';
import { podPuller } from './pull-secrets.ts';
import { registryAccess } from './registry-access.ts';
import type { Settings } from './settings.ts';
import { TokenAccess } from './token-access.ts';
import { UsageMeter } from './usage-meter.ts';
import { installWebService, WebServer } from './web-server.ts';

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
  registryPort: number;
  httpPort: number;
  httpsPort: number;
}

const DEFINITIONS: ResourceRef = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  namespaced: false,
};
const API_ADDRESS = '10.96.0.1';
const MEMORY_DIR = '/dev/shm';
const PRODUCT = fileURLToPath(new URL('../../', import.meta.url));

/** Everything that runs workloads on this machine, around an API that is already there. */
export class Platform implements AsyncDisposable {
  readonly images: ImageStore;
  readonly delivery: Delivery;
  readonly gateway: Gateway;
  readonly registryPort: number;
  readonly #registry: Registry;
  /** Why no containers run here, where that is so. */
  readonly problem: string | undefined;
  readonly #runtime: Runtime;
  readonly #stopping: AbortController;
  readonly #agent: NodeAgent;
  readonly #work: Promise<unknown>;
  readonly #web: WebServer;

  private constructor(parts: {
    images: ImageStore;
    delivery: Delivery;
    gateway: Gateway;
    registry: Registry;
    registryPort: number;
    runtime: Runtime;
    problem: string | undefined;
    stopping: AbortController;
    agent: NodeAgent;
    work: Promise<unknown>;
    web: WebServer;
  }) {
    this.images = parts.images;
    this.delivery = parts.delivery;
    this.gateway = parts.gateway;
    this.#registry = parts.registry;
    this.registryPort = parts.registryPort;
    this.#runtime = parts.runtime;
    this.problem = parts.problem;
    this.#stopping = parts.stopping;
    this.#agent = parts.agent;
    this.#work = parts.work;
    this.#web = parts.web;
  }

  static async start(api: ApiServer, options: PlatformOptions): Promise<Platform> {
    const { dirs, log, now } = options;
    const stopping = new AbortController();
    const { signal } = stopping;
    const client = new KubeClient(new InProcessTransport(api.core, ADMIN), 'dispatch');
    const informers = new Informers(client, log);
    const apiPort = Number(new URL(api.url).port);
    const hostIp = hostAddress();
    await installDefinitions(client, [...gatewayDefinitions(), ...deliveryDefinitions()]);
    const images = await openImages(options);
    const access = new TokenAccess(client, now);
    const context = {
      client,
      informers,
      log,
      now,
      events: (component: string) => new EventRecorder(client, component, log, now),
    };
    const delivery = new Delivery({
      ...context,
      dirs,
      access,
      path: options.path,
      images: () => service,
      publicUrl: () => `http://${options.host}:${gateway.httpPort}`,
    });
    const web = new WebServer((error) => log.error({ err: error }, 'a request could not be answered'));
    delivery.serveOn(web);
    const webPort = await web.listen();
    const registry = new Registry({
      images,
      host: OWN_HOST,
      root: dirs.content,
      authorize: registryAccess(access),
      now,
      onError: (error) => log.error({ err: error }, 'the registry has failed'),
    });
    const registryPort = await registry.listen(options.host, options.registryPort);
    images.ownHosts = ['127.0.0.1', 'localhost', '[::1]', hostIp].map((name) => `${name}:${registryPort}`);
    const { runtime: below, sandbox, problem } = await startRuntime(options, { apiPort, webPort, hostIp });
    const runtime = new ServedRuntime(below, delivery.program, now);
    const nodeStatus = new NodeStatus({
      client,
      informers,
      nodeName: nodeNameOf(hostname()),
      hostIp,
      version: options.version,
      runtime: runtime.name,
      problem,
      now,
      log,
    });
    const builtin = new BuiltinImages({
      images,
      host: { path: options.path, node: process.execPath, product: PRODUCT },
      arch: process.arch,
    });
    const agent = new NodeAgent({
      client,
      informers,
      runtime,
      images: new NodeImages({
        store: images,
        builtin,
        pull: podPuller(client, images, options.settings.registry),
        isServed: (name) => delivery.program(name) !== undefined,
      }),
      isOurs: (name) => nodeStatus.isOurs(name),
      podsDir: dirs.pods,
      logsDir: join(dirs.logs, 'pods'),
      secretsDir: secretsDir(dirs),
      persistentDir: dirs.volumes,
      hostPathRoots: options.settings.hostPathRoots,
      allowPrivileged: options.settings.allowPrivileged,
      hostApi: { host: '127.0.0.1', port: apiPort },
      hostIp,
      now,
      log,
    });
    new ServiceTable({
      informers,
      api: { address: API_ADDRESS, port: apiPort },
      hostIp,
      publish: async (table) => sandbox?.setNetwork(table),
      log,
    });
    const service: ImageService = new ImageService({
      images,
      builtin,
      repositories: registry.repositories,
      runner: new SandboxStepRunner(runtime),
      settings: options.settings.registry,
      root: dirs.content,
      inUse: () => imagesInUse(informers),
      registry: () => `${options.host}:${registryPort}`,
      now,
    });
    const usage = new UsageMeter({ runtime, informers, requests: () => gateway.metrics(), now });
    api.core.deps.aggregation.mount(metricsService(usage, informers, now));
    const gateway: Gateway = new Gateway({
      client,
      informers,
      host: options.host,
      httpPort: options.httpPort,
      httpsPort: options.httpsPort,
      enterPodNetwork: async () => (sandbox === undefined ? [] : sandbox.enterPodNetwork()),
      hostSocket: sandbox?.hostSocket,
      accessLog: join(dirs.logs, 'gateway.log'),
      compileCache: options.compileCache ?? join(dirs.run, 'compile-cache'),
      defaultCertificate: { cert: api.pki.serverCertificate, key: api.pki.serverKey },
      hostIp,
      now,
      log,
    });
    api.core.deps.aggregation.mount(new RunServices([service, ...delivery.services]));
    const controllers = [
      delivery,
      new Scheduler({ client, informers, now, log }),
      new TaintEviction({ client, informers, now, log }),
      ...workloadControllers(context, {
        volumes: { dir: dirs.volumes, removeFiles: (path) => runtime.removeFiles(path) },
        metrics: usage,
      }),
    ];
    usage.start(signal);
    delivery.start(signal);
    images.onTagged((name, digest) => {
      const own = name.startsWith(`${OWN_HOST}/`)
        ? [`${options.host}:${registryPort}${name.slice(OWN_HOST.length)}`]
        : [];
      delivery.imageTagged([name, ...own], digest);
    });
    runtime.listen({ changed: () => {}, logged: () => {}, lost: () => gateway.networkReplaced() });
    await installStorageClass(client);
    await installWebService(client, { hostIp, port: webPort });
    await nodeStatus.start(signal);
    await agent.start(signal);
    await informers.start(signal);
    try {
      await gateway.start();
    } catch (error) {
      stopping.abort();
      await gateway[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      await web[Symbol.asyncDispose]();
      await runtime[Symbol.asyncDispose]();
      throw error;
    }
    const work = Promise.all(controllers.map((controller) => controller.run(signal)));
    return new Platform({
      images,
      delivery,
      gateway,
      registry,
      registryPort,
      runtime,
      problem,
      stopping,
      agent,
      work,
      web,
    });
  }

  get pods(): PodRuntime {
    return this.#agent.runtime;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#work;
    await this.gateway[Symbol.asyncDispose]();
    await this.#web[Symbol.asyncDispose]();
    await this.delivery[Symbol.asyncDispose]();
    await this.#registry[Symbol.asyncDispose]();
    await this.#runtime[Symbol.asyncDispose]();
  }
}

/** Kinds that controllers here watch have to be there before they do. */
async function installDefinitions(client: KubeClient, definitions: readonly KubeObject[]): Promise<void> {
  await Promise.all(definitions.map((definition) => client.apply(DEFINITIONS, definition, { force: true })));
}

/** Sandboxes where this machine allows them. Without them everything but pods works. */
async function startRuntime(
  { dirs, log, compileCache }: PlatformOptions,
  address: { apiPort: number; webPort: number; hostIp: string },
): Promise<{ runtime: Runtime; sandbox: SandboxRuntime | undefined; problem: string | undefined }> {
  try {
    const sandbox = await SandboxRuntime.start({
      runDir: dirs.run,
      logDir: dirs.logs,
      id: instanceId(dirs.root),
      compileCache: compileCache ?? join(dirs.run, 'compile-cache'),
      scratch: [secretsDir(dirs)],
      log,
      ...address,
    });
    return { runtime: sandbox, sandbox, problem: undefined };
  } catch (error) {
    const problem = whyNoSandbox() ?? `Containers cannot run here: ${(error as Error).message}.`;
    log.warn({ err: error }, problem);
    return { runtime: new NoRuntime(problem), sandbox: undefined, problem };
  }
}

async function installStorageClass(client: KubeClient): Promise<void> {
  try {
    await client.create(STORAGE_CLASSES, DEFAULT_CLASS);
  } catch (error) {
    if (!isApiError(error, 'AlreadyExists')) throw error;
  }
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
    for (const { imageID } of [
      ...(pod.status?.containerStatuses ?? []),
      ...(pod.status?.initContainerStatuses ?? []),
    ]) {
      const digest = /sha256:[0-9a-f]{64}/.exec(imageID)?.[0];
      if (digest !== undefined) found.add(digest);
    }
  return found;
}

function secretsDir(dirs: DataDir): string {
  return join(memoryDir(dirs), `dispatch-${instanceId(dirs.root)}`);
}

/** Secrets of pods lie in memory where the machine has a place for it. */
function memoryDir(dirs: DataDir): string {
  try {
    accessSync(MEMORY_DIR, constants.W_OK);
    return MEMORY_DIR;
  } catch {
    return dirs.run;
  }
}

function instanceId(root: string): string {
  return createHash('sha256').update(root).digest('hex').slice(0, 12);
}

export function nodeNameOf(host: string): string {
  const name = host
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '')
    .slice(0, 63);
  return name === '' ? 'localhost' : name;
}

function hostAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find((item) => item.family === 'IPv4' && !item.internal)?.address ?? '127.0.0.1';
}
