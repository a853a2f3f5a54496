import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CONFIG_MAPS,
  EventRecorder,
  type Informers,
  isPodFinished,
  type KubeClient,
  type KubeObject,
  type Logger,
  NODES,
  type Pod,
  PODS,
  SECRETS,
  SERVICES,
  onAbort,
} from '../kube/index.ts';
import { AgentRuntime } from './pods/agent-runtime.ts';
import { ContainerRunner } from './pods/container-runner.ts';
import type { ImageSource } from './pods/images.ts';
import { keepsVolumes, PodWorker, type WorkerDeps } from './pods/pod-worker.ts';
import { ApiValues } from './pods/value-source.ts';
import type { Runtime } from './runtime/runtime.ts';
import { Volumes } from './volumes/volumes.ts';

export interface AgentOptions {
  client: KubeClient;
  informers: Informers;
  runtime: Runtime;
  images: ImageSource;
  /** Which nodes live on this machine. */
  isOurs: (node: string) => boolean;
  podsDir: string;
  logsDir: string;
  secretsDir: string;
  persistentDir: string;
  hostPathRoots: readonly string[];
  allowPrivileged: boolean;
  hostApi: { host: string; port: number };
  hostIp: string;
  now: () => number;
  log: Logger;
}

const PID_LIMIT = 4096;
const DNS = { server: '10.96.0.10', domain: 'cluster.local' };

/** Runs the pods that are bound to the nodes of this machine. */
export class NodeAgent {
  readonly runtime: AgentRuntime;
  readonly #options: AgentOptions;
  readonly #workers = new Map<string, PodWorker>();
  readonly #logWaiters = new Map<string, Set<() => void>>();
  readonly #deps: WorkerDeps;

  constructor(options: AgentOptions) {
    this.#options = options;
    const { client, informers, runtime, images, log, now, hostIp } = options;
    const services = informers
      .for(SERVICES)
      .addIndex('namespace', (object) => [object.metadata.namespace ?? '']);
    const values = new ApiValues({ client, services, nodes: informers.for(NODES), hostIp });
    const runner = new ContainerRunner({
      runtime,
      images,
      values,
      podsDir: options.podsDir,
      logsDir: options.logsDir,
      allowPrivileged: options.allowPrivileged,
      hostApi: options.hostApi,
      pidLimit: PID_LIMIT,
    });
    this.#deps = {
      client,
      runtime,
      images,
      runner,
      volumes: new Volumes({ ...options, source: values }),
      values,
      events: new EventRecorder(client, 'kubelet', log, now),
      dns: DNS,
      hostIp,
      now,
      log,
      onDone: (uid) => this.#workers.delete(uid),
      onObserved: (uid) => this.#wakeLogs(`${uid}/`),
    };
    this.runtime = new AgentRuntime({
      runtime,
      runner,
      values,
      images,
      worker: (uid) => this.#workers.get(uid),
      nextLog: (id, signal) => this.#nextLog(id, signal),
    });
  }

  /** Call before the informers start: it wants to see every pod. */
  async start(signal: AbortSignal): Promise<void> {
    const { informers, runtime, podsDir, logsDir, secretsDir } = this.#options;
    for (const dir of [podsDir, logsDir, secretsDir]) await mkdir(dir, { recursive: true, mode: 0o700 });
    runtime.listen({
      changed: (uid) => {
        this.#wakeLogs(`${uid}/`);
        void this.#workers.get(uid)?.changed();
      },
      logged: (id) => this.#wakeLogs(id),
      lost: () => {
        for (const worker of this.#workers.values()) worker.lost();
      },
    });
    const pods = informers.for<Pod>(PODS);
    pods.addHandler({
      added: (pod) => this.#seen(pod),
      updated: (pod, before) => {
        this.#seen(pod);
        // Of a pod that had ended before this agent was started, nobody else takes care.
        if (keepsVolumes(before) && !keepsVolumes(pod) && !this.#workers.has(pod.metadata.uid ?? ''))
          void this.#deps.volumes.remove(pod.metadata.uid ?? '').catch(() => {});
      },
      deleted: (pod) => void this.#deleted(pod),
    });
    // Pods may be known before the node beside this one that they are bound to.
    const nodes = informers.for(NODES);
    nodes.addHandler({
      added: ({ metadata }) => {
        for (const pod of pods.list()) if (pod.spec.nodeName === metadata.name) this.#seen(pod);
      },
    });
    this.#followObjects(informers);
    void Promise.all([pods.synced, nodes.synced]).then(() => this.#removeUnknown(signal));
    onAbort(signal, () => {
      for (const worker of this.#workers.values()) worker.abandon();
    });
  }

  #seen(pod: Pod): void {
    const { nodeName } = pod.spec;
    if (nodeName === undefined || !this.#options.isOurs(nodeName)) return;
    const uid = pod.metadata.uid ?? '';
    const known = this.#workers.get(uid);
    if (known !== undefined) {
      known.update(pod);
      return;
    }
    if (isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined) return;
    const worker = new PodWorker(pod, this.#deps);
    this.#workers.set(uid, worker);
    worker.poke();
  }

  async #deleted(pod: Pod): Promise<void> {
    const uid = pod.metadata.uid ?? '';
    await this.#workers
      .get(uid)
      ?.remove()
      .catch((error: Error) =>
        this.#options.log.warn({ err: error, pod: uid }, 'a deleted pod could not be ended'),
      );
    await this.#options.runtime.removeFiles(join(this.#options.logsDir, uid)).catch(() => {});
  }

  /** Ends what runs for pods that were deleted while nobody was here. */
  async #removeUnknown(signal: AbortSignal): Promise<void> {
    const { runtime, log } = this.#options;
    try {
      const { pods } = await runtime.list();
      for (const { uid } of pods) {
        // Those of functions are no pods: whoever started them ends them.
        if (signal.aborted || this.#workers.has(uid) || uid.startsWith('fn-')) continue;
        log.info({ pod: uid }, 'a sandbox of a pod that is gone is removed');
        await runtime.removePod(uid);
        await this.#deps.volumes.remove(uid);
      }
    } catch (error) {
      log.warn({ err: error }, 'sandboxes of pods that are gone could not be removed');
    }
  }

  /** A change of a ConfigMap or Secret reaches the volumes that show it. */
  #followObjects(informers: Informers): void {
    const refresh = (object: KubeObject): void => {
      for (const worker of this.#workers.values()) {
        if (worker.pod.metadata.namespace !== object.metadata.namespace) continue;
        if (showsObject(worker.pod, object.metadata.name ?? '')) void worker.refreshVolumes().catch(() => {});
      }
    };
    for (const resource of [CONFIG_MAPS, SECRETS]) informers.for(resource).addHandler({ updated: refresh });
  }

  #nextLog(id: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.#logWaiters.get(id) ?? new Set();
      this.#logWaiters.set(id, waiters);
      const done = (): void => {
        waiters.delete(done);
        if (waiters.size === 0 && this.#logWaiters.get(id) === waiters) this.#logWaiters.delete(id);
        signal.removeEventListener('abort', done);
        resolve();
      };
      waiters.add(done);
      onAbort(signal, done);
    });
  }

  #wakeLogs(prefix: string): void {
    for (const [id, waiters] of this.#logWaiters)
      if (id === prefix || (prefix.endsWith('/') && id.startsWith(prefix)))
        for (const wake of [...waiters]) wake();
  }
}

function showsObject(pod: Pod, name: string): boolean {
  return (pod.spec.volumes ?? []).some(
    (volume) =>
      volume.configMap?.name === name ||
      volume.secret?.secretName === name ||
      volume.projected?.sources?.some(
        (source) => source.configMap?.name === name || source.secret?.name === name,
      ),
  );
}
