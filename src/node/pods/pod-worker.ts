import {
  type EventRecorder,
  isApiError,
  type KubeClient,
  type Logger,
  type Pod,
  PODS,
  type PodStatus,
} from '../../kube/index.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ReadyVolumes, Volumes } from '../volumes/volumes.ts';
import type { ContainerRunner, PodFiles } from './container-runner.ts';
import { hostnameOf, type ValueSource } from './environment.ts';
import type { ImageSource } from './images.ts';
import { PodContainers, type PodContext } from './pod-containers.ts';
import { type DnsSettings, hostsFile, resolvFile } from './pod-files.ts';
import { PodProblem } from './problem.ts';
import { podStatus, timeText } from './status.ts';

export interface WorkerDeps {
  client: KubeClient;
  runtime: Runtime;
  images: ImageSource;
  runner: ContainerRunner;
  volumes: Volumes;
  values: ValueSource;
  events: EventRecorder;
  dns: DnsSettings;
  hostIp: string;
  now: () => number;
  log: Logger;
  /** The worker has nothing left to do, now or ever. */
  onDone: (uid: string) => void;
  onObserved: (uid: string) => void;
}

const RETRY_MS = 2_000;
/** The pod's files stay when it has ended, until this annotation goes or the pod does. */
const KEEP_VOLUMES = 'dispatch.dev/keep-volumes';
const FIRST_MOUNT_RETRY_MS = 50;
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
const DEFAULT_GRACE_SECONDS = 30;

/**
 * Looks after one pod on this node. All work for it happens in one loop, one pass at a time; whatever happens to
 * the pod just asks for another pass.
 */
export class PodWorker implements PodContext {
  readonly #deps: WorkerDeps;
  readonly #containers: PodContainers;
  readonly #stopping = new AbortController();
  readonly #startTime: string;
  #pod: Pod;
  #asked = false;
  #running = false;
  #wake: { timer: NodeJS.Timeout; at: number } | undefined;
  #ip: string | undefined;
  #files: PodFiles | undefined;
  #volumes: ReadyVolumes | undefined;
  #published: string;
  #verdict: { phase: 'Failed' | 'Succeeded'; reason?: string; message?: string } | undefined;
  #terminating: Promise<void> | undefined;
  #endSeen = false;
  #mountFailures = 0;

  constructor(pod: Pod, deps: WorkerDeps) {
    this.#pod = pod;
    this.#deps = deps;
    this.#containers = new PodContainers(this, deps);
    this.#published = JSON.stringify(pod.status ?? {});
    this.#startTime = pod.status?.startTime ?? timeText(deps.now());
    const { reason, message, phase } = pod.status ?? {};
    if (reason !== undefined && phase === 'Failed')
      this.#verdict = { phase, reason, ...(message && { message }) };
  }

  get uid(): string {
    return this.#pod.metadata.uid ?? '';
  }

  get pod(): Pod {
    return this.#pod;
  }

  get ip(): string | undefined {
    return this.#ip;
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** The container's id in the runtime, of the attempt that runs or of the one before. */
  idOf(name: string, previous = false): { id: string; attempt: number } | undefined {
    const attempt = this.#containers.find(name)?.current?.attempt;
    if (attempt === undefined || (previous && attempt === 0)) return undefined;
    const wanted = previous ? attempt - 1 : attempt;
    return { id: `${this.uid}/${name}/${wanted}`, attempt: wanted };
  }

  isRunning(name: string): boolean {
    return this.#containers.find(name)?.current?.state === 'running';
  }

  update(pod: Pod): void {
    this.#pod = pod;
    this.poke();
  }

  readonly poke = (): void => {
    this.#asked = true;
    if (!this.#running) void this.#loop();
  };

  /** The soonest of all times that were asked for counts. */
  readonly again = (ms: number): void => {
    // A pass that was under way when the agent stopped must not keep the process alive for an hour.
    if (this.signal.aborted) return;
    const at = performance.now() + Math.max(0, ms);
    if (this.#wake !== undefined && this.#wake.at <= at) return;
    clearTimeout(this.#wake?.timer);
    const timer = setTimeout(
      () => {
        this.#wake = undefined;
        this.poke();
      },
      Math.min(ms, MAX_TIMEOUT_MS),
    );
    this.#wake = { timer, at };
  };

  readonly event = (type: 'Normal' | 'Warning', reason: string, message: string): void => {
    this.#deps.events.record(this.#pod, { type, reason, message });
  };

  /** The agent stops; the pod goes on. */
  abandon(): void {
    this.#stopping.abort();
    clearTimeout(this.#wake?.timer);
    this.#containers[Symbol.dispose]();
  }

  /** Makes volumes that come from objects follow their objects. */
  async refreshVolumes(): Promise<void> {
    if (this.#volumes === undefined || this.#isFinished()) return;
    this.#volumes = await this.#deps.volumes.prepare(this.#pod);
  }

  /** The runtime says that something of this pod has ended. */
  async changed(): Promise<void> {
    if (this.#containers.isWaitingForEnds)
      this.#containers.noticeEnds((await this.#deps.runtime.list(this.uid)).containers);
    this.poke();
  }

  /** Everything that ran is gone with the runtime that held it. */
  lost(): void {
    this.#containers.noticeEnds([]);
    this.#files = undefined;
    this.#ip = undefined;
    this.#volumes = undefined;
    this.poke();
  }

  /** The object is gone already: nothing of the pod may stay. */
  async remove(): Promise<void> {
    if (this.#terminating !== undefined || this.signal.aborted) return;
    this.abandon();
    await this.#cleanUp();
    this.#deps.onDone(this.uid);
  }

  get #name(): string {
    return `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`;
  }

  async #loop(): Promise<void> {
    this.#running = true;
    try {
      while (this.#asked && !this.signal.aborted) {
        this.#asked = false;
        try {
          await this.#pass();
        } catch (error) {
          if (this.signal.aborted) return;
          this.#deps.log.warn({ err: error, pod: this.#name }, 'a pass over a pod failed and is tried again');
          this.again(RETRY_MS);
        }
      }
    } finally {
      this.#running = false;
    }
  }

  async #pass(): Promise<void> {
    await this.#observe();
    if (this.#pod.metadata.deletionTimestamp !== undefined) return this.#terminate();
    if (this.#verdict === undefined && this.#isOverdue()) await this.#expire();
    if (!this.#isFinished()) {
      await this.#prepare();
      await this.#publish();
      await this.#advance();
    }
    await this.#publish();
    if (this.#isFinished()) await this.#afterEnd();
  }

  async #observe(): Promise<void> {
    const { containers, pods } = await this.#deps.runtime.list(this.uid);
    this.#ip = pods[0]?.ip;
    await this.#containers.observe(containers);
    this.#evictFull();
    // Whoever reads a log asks here whether its container still runs.
    this.#deps.onObserved(this.uid);
  }

  /** A pod that fills the disk of its node has to go, as a whole. */
  #evictFull(): void {
    if (this.#verdict !== undefined) return;
    const full = this.#containers.main.find((track) => track.current?.storageExceeded);
    if (full === undefined) return;
    const limit = full.spec.resources?.limits?.['ephemeral-storage'];
    const message = `Container ${full.spec.name} exceeded its local ephemeral storage limit "${limit}". `;
    this.event('Warning', 'Evicted', message);
    this.#verdict = { phase: 'Failed', reason: 'Evicted', message };
  }

  #isOverdue(): boolean {
    const seconds = this.#pod.spec.activeDeadlineSeconds;
    if (seconds === undefined || this.#isFinished()) return false;
    const left = Date.parse(this.#startTime) + seconds * 1000 - this.#deps.now();
    if (left > 0) this.again(left);
    return left <= 0;
  }

  async #expire(): Promise<void> {
    await this.#containers.stopAll(this.#pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS);
    const message = 'Pod was active on the node longer than the specified deadline';
    this.event('Normal', 'DeadlineExceeded', message);
    this.#verdict = { phase: 'Failed', reason: 'DeadlineExceeded', message };
    await this.#observe();
  }

  #isFinished(): boolean {
    const { phase } = this.#status();
    return phase === 'Succeeded' || phase === 'Failed';
  }

  async #prepare(): Promise<void> {
    try {
      if (this.#volumes === undefined || this.#isStale())
        this.#volumes = await this.#deps.volumes.prepare(this.#pod);
      if (this.#ip === undefined) await this.#makeSandbox();
      this.#files ??= await this.#deps.runner.podFiles(this.#pod, {
        hosts: hostsFile(this.#pod, this.#ip ?? ''),
        resolv: await resolvFile(this.#pod, this.#deps.dns),
      });
    } catch (error) {
      if (!(error instanceof PodProblem)) throw error;
      this.event('Warning', error.reason, error.message);
      this.again(Math.min(RETRY_MS, FIRST_MOUNT_RETRY_MS * 2 ** this.#mountFailures++));
    }
  }

  async #makeSandbox(): Promise<void> {
    const { namespace = '', name = '' } = this.#pod.metadata;
    const { ip } = await this.#deps.runtime.createPod({
      uid: this.uid,
      namespace,
      name,
      hostname: hostnameOf(this.#pod),
      hostNetwork: this.#pod.spec.hostNetwork === true,
      sharedProcesses: this.#pod.spec.shareProcessNamespace === true,
    });
    this.#ip = ip;
    // Containers that ask for the pod's address are told it before the status is written.
    this.#pod = { ...this.#pod, status: { ...this.#pod.status, podIP: ip } };
  }

  #isStale(): boolean {
    return this.#volumes?.refreshAt !== undefined && this.#volumes.refreshAt <= this.#deps.now();
  }

  async #advance(): Promise<void> {
    if (this.#ip === undefined || this.#files === undefined || this.#volumes === undefined) return;
    const { refreshAt, byName, below } = this.#volumes;
    if (refreshAt !== undefined) this.again(refreshAt - this.#deps.now());
    await this.#containers.advance({ volumes: byName, files: this.#files, below });
  }

  /** Runs beside the loop, so that a shorter grace period that comes later is heard of. */
  async #terminate(): Promise<void> {
    if (this.#terminating === undefined) {
      const grace = this.#pod.metadata.deletionGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
      for (const track of this.#containers.main)
        if (track.current?.state === 'running')
          this.event('Normal', 'Killing', `Stopping container ${track.spec.name}`);
      this.#terminating = this.#finishTermination(grace).catch((error: unknown) => {
        this.#terminating = undefined;
        this.#deps.log.warn(
          { err: error, pod: this.#name },
          'a pod could not be ended and it is tried again',
        );
        this.again(RETRY_MS);
      });
    }
    await this.#publish();
  }

  async #finishTermination(grace: number): Promise<void> {
    await this.#containers.stopAll(grace);
    await this.#observe();
    await this.#publish();
    await this.#cleanUp();
    const { namespace = '', name = '' } = this.#pod.metadata;
    await this.#deps.client
      .delete(PODS, namespace, name, { gracePeriodSeconds: 0, ...(this.uid && { uid: this.uid }) })
      .catch((error: unknown) => {
        if (!isApiError(error, 'NotFound') && !isApiError(error, 'Conflict')) throw error;
      });
    this.abandon();
    this.#deps.onDone(this.uid);
  }

  async #cleanUp(): Promise<void> {
    await this.#deps.runtime.removePod(this.uid);
    await this.#deps.volumes.remove(this.uid);
  }

  /** A pod that has ended keeps its logs and its status, and nothing else. */
  async #afterEnd(): Promise<void> {
    if (this.#endSeen) {
      await this.#dropVolumes();
      return;
    }
    this.#endSeen = true;
    // After an eviction others may still run; otherwise only sidecars do.
    await this.#containers.stopAll(DEFAULT_GRACE_SECONDS);
    await this.#observe();
    await this.#publish();
    await this.#deps.runtime.removePod(this.uid);
    await this.#dropVolumes();
  }

  /** Whoever made the pod may want to look at what it has left. */
  async #dropVolumes(): Promise<void> {
    if (keepsVolumes(this.#pod)) await this.#deps.volumes.removeSecrets(this.uid);
    else await this.#deps.volumes.remove(this.uid);
  }

  #status(): PodStatus {
    return podStatus({
      pod: this.#pod,
      init: this.#containers.init,
      main: this.#containers.main,
      ephemeral: this.#containers.ephemeral,
      podIp: this.#ip ?? this.#pod.status?.podIP,
      hostIp: this.#deps.hostIp,
      startTime: this.#startTime,
      sandboxReady: this.#ip !== undefined,
      verdict: this.#verdict,
      now: this.#deps.now(),
    });
  }

  async #publish(): Promise<void> {
    const status = this.#status();
    const text = JSON.stringify(status);
    if (text === this.#published) return;
    const { namespace = '', name = '', uid } = this.#pod.metadata;
    try {
      const pod = await this.#deps.client.patch<Pod>(
        PODS,
        { namespace, name },
        'strategic',
        { metadata: { uid }, status },
        { subresource: 'status' },
      );
      this.#published = text;
      // The answer is newer than what the watch has brought so far.
      if (this.#pod.metadata.deletionTimestamp === undefined) this.#pod = { ...pod, spec: this.#pod.spec };
    } catch (error) {
      if (isApiError(error, 'NotFound') || isApiError(error, 'Conflict')) return;
      throw error;
    }
  }
}

export function keepsVolumes(pod: Pod): boolean {
  return pod.metadata.annotations?.[KEEP_VOLUMES] === 'true';
}
