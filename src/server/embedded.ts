import { mkdir } from 'node:fs/promises';
import { ApiServer, DamagedLogError, NewerFormatError } from '../apiserver/index.ts';
import type { Logger } from '../kube/index.ts';
import { type DataDir, dataDir } from './data-dir.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { DataDirLock } from './lock.ts';
import { ownIdentity } from './process-identity.ts';
import { removeServerFile, type ServerFile, writeServerFile } from './server-file.ts';
import { UserError } from './user-error.ts';

export interface EmbeddedOptions {
  root: string;
  host: string;
  apiPort: number;
  version: string;
  log: Logger;
  now: () => number;
}

/** The whole platform in one process, on one data directory. */
export class EmbeddedServer implements AsyncDisposable {
  readonly file: ServerFile;
  readonly #dirs: DataDir;
  readonly #api: ApiServer;
  readonly #lock: DataDirLock;

  private constructor(file: ServerFile, dirs: DataDir, api: ApiServer, lock: DataDirLock) {
    this.file = file;
    this.#dirs = dirs;
    this.#api = api;
    this.#lock = lock;
  }

  static async start(options: EmbeddedOptions): Promise<EmbeddedServer> {
    const dirs = dataDir(options.root);
    await makeRoot(dirs.root);
    const lock = await DataDirLock.acquire(dirs.lockFile, dirs.root);
    try {
      const api = await startApi(options, dirs);
      await writeKubeconfig(dirs.kubeconfig, {
        server: api.url,
        caCertificate: api.pki.caCertificate,
        token: api.pki.adminToken,
      });
      const file: ServerFile = {
        ...ownIdentity(),
        version: options.version,
        startedAt: new Date(options.now()).toISOString(),
        api: api.url,
        kubeconfig: dirs.kubeconfig,
      };
      await writeServerFile(dirs.serverFile, file);
      return new EmbeddedServer(file, dirs, api, lock);
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The API, for everything that runs in this process. */
  get api(): ApiServer {
    return this.#api;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api.close();
    await removeServerFile(this.#dirs.serverFile);
    await this.#lock[Symbol.asyncDispose]();
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

async function startApi(options: EmbeddedOptions, dirs: DataDir): Promise<ApiServer> {
  try {
    return await ApiServer.start({
      dataDir: dirs.root,
      host: options.host,
      port: options.apiPort,
      log: options.log,
      now: options.now,
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
