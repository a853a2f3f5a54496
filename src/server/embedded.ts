import { mkdir, stat } from 'node:fs/promises';
import {
  ADMIN,
  ApiServer,
  DamagedLogError,
  InProcessTransport,
  NewerFormatError,
  type PodRuntime,
  podConnector,
} from '../apiserver/index.ts';
import { ApiError, KubeClient, type Logger } from '../kube/index.ts';
import { type DataDir, dataDir } from './data-dir.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { Companions } from './companions.ts';
import type { Delivery } from './delivery.ts';
import { installDemo } from './demo.ts';
import { DataDirLock } from './lock.ts';
import { hostAddress } from './machine.ts';
import { Platform, type PlatformOptions } from './platform.ts';
import { ownIdentity } from './process-identity.ts';
import { removeServerFile, type ServerFile, writeServerFile } from './server-file.ts';
import { readSettings, type SettingsFlags } from './settings.ts';
import { UserError } from './user-error.ts';

export interface EmbeddedOptions {
  root: string;
  host: string;
  apiPort: number;
  httpPort: number;
  httpsPort: number;
  registryPort: number;
  version: string;
  log: Logger;
  now: () => number;
  /** Where programs of this machine are looked for. */
  path: string;
  compileCache: string | undefined;
  flags: SettingsFlags;
  /** Lay out the sample project where the data directory is new. */
  demo: boolean;
  /** Without sandboxes it does not start. */
  needsSandbox?: boolean;
}

/** The whole platform in one process, on one data directory. */
export class EmbeddedServer implements AsyncDisposable {
  readonly file: ServerFile;
  readonly #api: ApiServer;
  readonly #platform: Platform;
  readonly #opened: AsyncDisposableStack;
  #closing = false;

  private constructor(parts: {
    file: ServerFile;
    api: ApiServer;
    platform: Platform;
    opened: AsyncDisposableStack;
  }) {
    this.file = parts.file;
    this.#api = parts.api;
    this.#platform = parts.platform;
    this.#opened = parts.opened;
  }

  static async start(options: EmbeddedOptions): Promise<EmbeddedServer> {
    const dirs = dataDir(options.root);
    await makeRoot(dirs.root);
    await using opened = new AsyncDisposableStack();
    opened.use(await DataDirLock.acquire(dirs.lockFile, dirs.root));
    opened.defer(() => removeServerFile(dirs.serverFile));
    const isNew = (await stat(dirs.store).catch(() => undefined)) === undefined;
    const settings = await readSettings(dirs.root, options.flags);
    const hostIp = hostAddress();
    const companions = opened.use(new Companions({ ...options, dirs, hostIp }));
    if (options.needsSandbox === true) {
      const { problem } = await companions.containers;
      if (problem !== undefined) throw new UserError(problem);
    }
    const pods = new LatePods();
    const api = opened.use(await startApi(options, dirs, pods));
    await writeKubeconfig(dirs.kubeconfig, {
      server: api.url,
      caCertificate: api.pki.caCertificate,
      token: api.pki.adminToken,
    });
    const platform = opened.use(await startPlatform(api, { ...options, dirs, settings, hostIp, companions }));
    pods.target = platform.pods;
    const file: ServerFile = {
      ...ownIdentity(),
      version: options.version,
      startedAt: new Date(options.now()).toISOString(),
      api: api.url,
      http: `http://${options.host}:${platform.gateway.httpPort}`,
      https: `https://${options.host}:${platform.gateway.httpsPort}`,
      registry: `${options.host}:${platform.registryPort}`,
      kubeconfig: dirs.kubeconfig,
    };
    await writeServerFile(dirs.serverFile, file);
    const server = new EmbeddedServer({ file, api, platform, opened: opened.move() });
    if (isNew && options.demo) server.#layOutDemo(options);
    return server;
  }

  #layOutDemo({ log, host }: EmbeddedOptions): void {
    const publicUrl = `http://${host}:${this.#platform.gateway.httpPort}`;
    installDemo({ client: this.client(), delivery: this.delivery, publicUrl }).catch((error: unknown) => {
      if (!this.#closing) log.warn({ err: error }, 'the sample project could not be laid out');
    });
  }

  /** What does not work on this machine, in a sentence. */
  get problem(): string | undefined {
    return this.#platform.problem;
  }

  /** Repositories, artifacts and what else is no object. */
  get delivery(): Delivery {
    return this.#platform.delivery;
  }

  /** A client with all rights, for whoever has started the server in its own process. */
  client(): KubeClient {
    return new KubeClient(new InProcessTransport(this.#api.core, ADMIN), 'dispatch-cli');
  }

  /** The API, for everything that runs in this process. */
  get api(): ApiServer {
    return this.#api;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    await this.#opened.disposeAsync();
  }
}

async function makeRoot(root: string): Promise<void> {
  try {
    await mkdir(root, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UserError(
      `The data directory ${root} cannot be made (${(error as NodeJS.ErrnoException).code}): choose another with --data-dir.`,
      { cause: error },
    );
  }
}

async function startApi(options: EmbeddedOptions, dirs: DataDir, pods: PodRuntime): Promise<ApiServer> {
  try {
    return await ApiServer.start({
      dataDir: dirs.root,
      host: options.host,
      port: options.apiPort,
      log: options.log,
      now: options.now,
      pods: podConnector(pods, options.now),
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      throw new UserError(
        `Port ${options.apiPort} is already in use: stop what uses it, or choose another with --api-port (0 picks a free one).`,
        { cause: error },
      );
    }
    if (code === 'EACCES' || code === 'EROFS') {
      throw new UserError(
        `The data directory ${dirs.root} cannot be written (${code}): choose another with --data-dir.`,
        { cause: error },
      );
    }
    if (error instanceof DamagedLogError || error instanceof NewerFormatError)
      throw new UserError(error.message, { cause: error });
    throw error;
  }
}

async function startPlatform(api: ApiServer, options: PlatformOptions): Promise<Platform> {
  try {
    return await Platform.start(api, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const { port } = error as { port?: number };
    throw new UserError(
      `Port ${port} is already in use: stop what uses it, or choose another with --http-port, --https-port or --registry-port (0 picks a free one).`,
      { cause: error },
    );
  }
}

/** The API is there before the node agent that serves logs and commands of pods. */
class LatePods implements PodRuntime {
  target: PodRuntime | undefined;

  logs: PodRuntime['logs'] = (...args) => this.#now().logs(...args);
  run: PodRuntime['run'] = (...args) => this.#now().run(...args);
  dial: PodRuntime['dial'] = (...args) => this.#now().dial(...args);

  #now(): PodRuntime {
    if (this.target === undefined)
      throw new ApiError('ServiceUnavailable', 'The node agent is being started: try again.');
    return this.target;
  }
}
