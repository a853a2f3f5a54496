import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeClient, SILENT } from '../kube/index.ts';
import { ApiServer, type ApiServerOptions } from './api-server.ts';
import { ADMIN } from './auth/index.ts';
import { InProcessTransport } from './in-process.ts';
import type { User } from './registry/index.ts';

/** The real server on a temporary store, for tests of everything that talks to it. */
export class TestServer implements AsyncDisposable {
  readonly api: ApiServer;
  readonly client: KubeClient;
  readonly dataDir: string;

  private constructor(api: ApiServer, dataDir: string) {
    this.api = api;
    this.dataDir = dataDir;
    this.client = this.clientFor(ADMIN);
  }

  static async start(options: Partial<ApiServerOptions> = {}): Promise<TestServer> {
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'dispatch-test-')));
    const api = await ApiServer.start({
      host: '127.0.0.1',
      port: 0,
      log: SILENT,
      now: Date.now,
      ...options,
      dataDir,
    });
    return new TestServer(api, dataDir);
  }

  /** A client that acts as somebody. */
  clientFor(user: User): KubeClient {
    return new KubeClient(new InProcessTransport(this.api.core, user));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.api.close();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
