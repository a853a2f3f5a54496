import { join } from 'node:path';
import { GatewayProcess } from '../gateway/index.ts';
import type { Logger } from '../kube/index.ts';
import { NoRuntime, type Runtime, SandboxRuntime, whyNoSandbox } from '../node/index.ts';
import type { DataDir } from './data-dir.ts';
import { instanceId, secretsDir } from './machine.ts';

export interface CompanionOptions {
  dirs: DataDir;
  host: string;
  hostIp: string;
  httpPort: number;
  httpsPort: number;
  compileCache: string | undefined;
  log: Logger;
}

export interface Containers {
  runtime: Runtime;
  sandbox: SandboxRuntime | undefined;
  /** Why no containers run here, where that is so. */
  problem: string | undefined;
}

/**
 * The processes beside this one: what holds containers, and the gateway's data plane. They take a while to come up
 * and need nothing of the rest to do so: they are started first, and come up while the API does.
 */
export class Companions implements AsyncDisposable {
  readonly containers: Promise<Containers>;
  readonly dataPlane: GatewayProcess;

  constructor(options: CompanionOptions) {
    const { dirs, host, httpPort, httpsPort, log } = options;
    const compileCache = options.compileCache ?? join(dirs.run, 'compile-cache');
    this.containers = startContainers({ ...options, compileCache });
    this.dataPlane = new GatewayProcess({
      host,
      httpPort,
      httpsPort,
      accessLog: join(dirs.logs, 'gateway.log'),
      compileCache,
      log,
      podNetwork: async () => {
        const { sandbox } = await this.containers;
        return { enter: (await sandbox?.enterPodNetwork()) ?? [], hostSocket: sandbox?.hostSocket };
      },
    });
    void this.dataPlane.open();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dataPlane[Symbol.asyncDispose]();
    await (await this.containers).runtime[Symbol.asyncDispose]();
  }
}

/** Sandboxes where this machine allows them. Without them everything but pods works. */
async function startContainers({
  dirs,
  log,
  hostIp,
  compileCache,
}: CompanionOptions & { compileCache: string }): Promise<Containers> {
  try {
    const sandbox = await SandboxRuntime.start({
      runDir: dirs.run,
      logDir: dirs.logs,
      id: instanceId(dirs.root),
      compileCache,
      scratch: [secretsDir(dirs)],
      hostIp,
      log,
    });
    return { runtime: sandbox, sandbox, problem: undefined };
  } catch (error) {
    const problem = whyNoSandbox() ?? `Containers cannot run here: ${(error as Error).message}.`;
    log.warn({ err: error }, problem);
    return { runtime: new NoRuntime(problem), sandbox: undefined, problem };
  }
}
