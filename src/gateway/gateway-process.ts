import { type ChildProcess, spawn } from 'node:child_process';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Logger } from '../kube/index.ts';
import type { FunctionsFromDataPlane, FunctionsToDataPlane } from './functions/protocol.ts';
import type { FromDataPlane, GatewayConfig, RouteMetrics, ToDataPlane } from './config.ts';

/** Who looks after functions, on the server's side. */
export interface FunctionsLink {
  /** Everything that a data plane has to know that has just begun. */
  greeting: () => FunctionsToDataPlane[];
  heard: (message: FunctionsFromDataPlane) => void;
  /** It is gone, and the calls that were under way in it with it. */
  lost: () => void;
}

/** How the data plane gets to where pods are. */
export interface PodNetwork {
  /** A command that runs what follows it in the pods' network; empty where pods share the host's. */
  enter: string[];
  hostSocket: string | undefined;
}

export interface GatewayProcessOptions {
  host: string;
  httpPort: number;
  httpsPort: number;
  podNetwork: () => Promise<PodNetwork>;
  accessLog: string;
  compileCache: string | undefined;
  log: Logger;
}

const MAIN = fileURLToPath(import.meta.url).replace(/[^/]+(\.[jt]s)$/, 'data-plane/main$1');
const PROTOCOLS = ['http', 'https'] as const;
const PORT_TRIES = 5;
const PORT_WAIT_MS = 100;
const RESTART_MS = 200;
const MAX_RESTART_MS = 10_000;

type Protocol = (typeof PROTOCOLS)[number];

/** The data plane in a process of its own: what it does cannot slow down or bring down the rest. */
export class GatewayProcess implements AsyncDisposable {
  readonly #options: GatewayProcessOptions;
  readonly #ports: Record<Protocol, number>;
  readonly #metricsWaiting = new Map<number, (metrics: RouteMetrics[]) => void>();
  #child: ChildProcess | undefined;
  #config: GatewayConfig | undefined;
  #functions: FunctionsLink | undefined;
  #opening: Promise<void> | undefined;
  #version = 0;
  #applied = new Map<number, () => void>();
  #next = 1;
  #closing = false;
  #failures = 0;
  #listening = Promise.withResolvers<void>();

  constructor(options: GatewayProcessOptions) {
    this.#options = options;
    this.#ports = { http: options.httpPort, https: options.httpsPort };
  }

  /** Starts the process and opens its ports; what comes waits there until it is said what to serve. */
  open(): Promise<void> {
    this.#opening ??= this.#spawn();
    // Whoever serves is told.
    this.#opening.catch(() => {});
    return this.#opening;
  }

  /** Resolves when requests are answered. */
  async serve(config: GatewayConfig, functions?: FunctionsLink): Promise<void> {
    this.#functions = functions;
    await this.open();
    this.#config = config;
    this.#greet();
    await this.#listening.promise;
  }

  get httpPort(): number {
    return this.#ports.http;
  }

  get httpsPort(): number {
    return this.#ports.https;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when requests are answered by this configuration. */
  configure(config: GatewayConfig): Promise<void> {
    this.#config = config;
    const version = ++this.#version;
    return new Promise((resolve) => {
      this.#applied.set(version, resolve);
      this.#send({ type: 'config', version, config });
    });
  }

  /** Moves to the pods' network as it is now: the one before is gone. */
  restart(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Says something that concerns functions. */
  tell(message: FunctionsToDataPlane): void {
    this.#send(message);
  }

  metrics(): Promise<RouteMetrics[]> {
    if (this.#child?.connected !== true) return Promise.resolve([]);
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#metricsWaiting.set(id, resolve);
      this.#send({ type: 'metrics', id });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    await this.#opening?.catch(() => {});
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      if (child.connected) child.disconnect();
      await gone;
    }
  }

  async #spawn(): Promise<void> {
    const { podNetwork, accessLog, compileCache, log } = this.#options;
    const { enter, hostSocket } = await podNetwork();
    if (this.#closing) return;
    const [program = process.execPath, ...args] = [...enter, process.execPath, '--no-warnings', MAIN];
    const child = spawn(program, args, {
      env: compileCache === undefined ? {} : { NODE_COMPILE_CACHE: compileCache },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    child.on('message', (message: FromDataPlane) => this.#heard(message));
    child.on('error', (error) => log.error({ err: error }, 'the gateway could not be started'));
    child.on('exit', (code, signal) => {
      if (this.#closing) return;
      log.error({ code, signal }, 'the gateway has ended and is started again');
      this.#settleAll();
      this.#functions?.lost();
      const pause = Math.min(RESTART_MS * 2 ** this.#failures++, MAX_RESTART_MS);
      setTimeout(
        () =>
          void this.#spawn().catch((error: Error) =>
            log.error({ err: error }, 'the gateway could not be started'),
          ),
        pause,
      );
    });
    this.#send({ type: 'start', accessLog, hostSocket });
    for (const protocol of PROTOCOLS) await this.#giveSocket(child, protocol);
    this.#greet();
  }

  /** What a process that has just begun has to know, as far as it is known here. */
  #greet(): void {
    if (this.#config === undefined) return;
    for (const message of this.#functions?.greeting() ?? []) this.#send(message);
    this.#send({ type: 'config', version: this.#version, config: this.#config });
  }

  /** Only the child may accept: once it has the socket, ours is closed. */
  async #giveSocket(child: ChildProcess, protocol: Protocol): Promise<void> {
    const server = await openPatiently(this.#options.host, this.#ports[protocol]);
    this.#ports[protocol] = (server.address() as AddressInfo).port;
    await new Promise<void>((resolve, reject) => {
      const message: ToDataPlane = { type: 'listen', protocol };
      child.send(message, server, (error) => (error === null ? resolve() : reject(error)));
    });
    server.close();
  }

  #heard(message: FromDataPlane): void {
    switch (message.type) {
      case 'ready':
        break;
      case 'applied':
        for (const [version, resolve] of this.#applied) {
          if (version > message.version) continue;
          this.#applied.delete(version);
          resolve();
        }
        break;
      case 'listening':
        if (message.protocol !== 'https') break;
        this.#failures = 0;
        this.#listening.resolve();
        break;
      case 'metrics':
        this.#metricsWaiting.get(message.id)?.(message.metrics);
        this.#metricsWaiting.delete(message.id);
        break;
      default:
        this.#functions?.heard(message);
    }
  }

  #settleAll(): void {
    for (const resolve of this.#metricsWaiting.values()) resolve([]);
    this.#metricsWaiting.clear();
  }

  #send(message: ToDataPlane): void {
    if (this.#child?.connected) this.#child.send(message);
  }
}

/** The data plane of a server that was killed may hold the port for as long as it takes to notice. */
async function openPatiently(host: string, port: number): Promise<Server> {
  for (let tries = 0; ; tries += 1)
    try {
      return await open(host, port);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || tries === PORT_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, PORT_WAIT_MS));
    }
}

/** Opened here, because the process lives in another network than its clients. */
function open(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ pauseOnConnect: true });
    // Who comes before the child has the socket would wait here for ever: they come again.
    server.on('connection', (socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ host, port, backlog: 1024 }, () => resolve(server));
  });
}
