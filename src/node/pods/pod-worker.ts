import {
  type Container,
  type EventRecorder,
  isApiError,
  type KubeClient,
  type Logger,
  type Pod,
  PODS,
  type PodStatus,
} from '../../kube/index.ts';
import { type Runtime, StartError } from '../runtime/runtime.ts';
import type { ReadyVolumes, Volumes } from '../volumes/volumes.ts';
import type { ContainerRunner, PodFiles } from './container-runner.ts';
import { type ContainerTrack, restoreTrack, type Terminated, tracksOf } from './container-track.ts';
import { environmentOf, hostnameOf, type ValueSource } from './environment.ts';
import { ImageProblem, type ImageSource, type ReadyImage } from './images.ts';
import { commandIn, runHook, runQuietly } from './lifecycle.ts';
import { type DnsSettings, hostsFile, resolvFile } from './pod-files.ts';
import { PodProblem } from './problem.ts';
import { Prober } from './prober.ts';
import type { ProbeTarget } from './probes.ts';
import { nextStep } from './schedule.ts';
import { containerId, podStatus, timeText } from './status.ts';

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
}

const BACKOFF_FIRST_MS = 10_000;
const BACKOFF_MAX_MS = 300_000;
const BACKOFF_RESET_MS = 600_000;
const RETRY_MS = 2_000;
const SIGKILL = 9;
const SIGTERM = 15;

/**
 * Looks after one pod on this node. All work for it happens in one loop, one pass at a time; whatever happens to
 * the pod just asks for another pass.
 */
export class PodWorker {
  readonly #deps: WorkerDeps;
  readonly #init: ContainerTrack[];
  readonly #main: ContainerTrack[];
  readonly #probers = new Map<string, Prober>();
  readonly #imageOf = new Map<string, ReadyImage>();
  readonly #stopping = new AbortController();
  #pod: Pod;
  #asked = false;
  #running = false;
  #timer: NodeJS.Timeout | undefined;
  #ip: string | undefined;
  #files: PodFiles | undefined;
  #volumes: ReadyVolumes | undefined;
  #startTime: string;
  #published = '';
  #verdict: { phase: 'Failed' | 'Succeeded'; reason?: string; message?: string } | undefined;
  #stopped = false;
  #terminating: Promise<void> | undefined;

  constructor(pod: Pod, deps: WorkerDeps) {
    this.#pod = pod;
    this.#deps = deps;
    const { init, main } = tracksOf(pod);
    this.#init = init;
    this.#main = main;
    this.#startTime = pod.status?.startTime ?? timeText(deps.now());
    if (pod.status?.reason !== undefined && pod.status.phase === 'Failed')
      this.#verdict = {
        phase: 'Failed',
        reason: pod.status.reason,
        ...(pod.status.message && { message: pod.status.message }),
      };
  }

  get uid(): string {
    return this.#pod.metadata.uid ?? '';
  }

  get pod(): Pod {
    return this.#pod;
  }

  /** The container's id in the runtime, of the attempt that runs or of the one before. */
  idOf(name: string, previous = false): { id: string; attempt: number } | undefined {
    const track = this.#track(name);
    const attempt = track?.current?.attempt;
    if (attempt === undefined || (previous && attempt === 0)) return undefined;
    const wanted = previous ? attempt - 1 : attempt;
    return { id: `${this.uid}/${name}/${wanted}`, attempt: wanted };
  }

  isRunning(name: string): boolean {
    return this.#track(name)?.current?.state === 'running';
  }

  update(pod: Pod): void {
    this.#pod = pod;
    this.poke();
  }

  /** Asks for a pass. */
  poke(): void {
    this.#asked = true;
    if (!this.#running) void this.#loop();
  }

  /** The agent stops; the pod goes on. */
  abandon(): void {
    this.#stopped = true;
    this.#stopping.abort();
    clearTimeout(this.#timer);
    for (const prober of this.#probers.values()) prober[Symbol.dispose]();
  }

  async #loop(): Promise<void> {
    this.#running = true;
    try {
      while (this.#asked && !this.#stopped) {
        this.#asked = false;
        try {
          await this.#pass();
        } catch (error) {
          if (this.#stopped) return;
          this.#deps.log.warn({ err: error, pod: this.#name }, 'a pass over a pod failed and is tried again');
          this.#again(RETRY_MS);
        }
      }
    } finally {
      this.#running = false;
    }
  }

  get #name(): string {
    return `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`;
  }

  #again(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.poke(), Math.max(0, ms));
  }

  async #pass(): Promise<void> {
    await this.#observe();
    if (this.#pod.metadata.deletionTimestamp !== undefined) return this.#terminate();
    if (this.#verdict === undefined && this.#isOverdue()) await this.#expire();
    if (this.#verdict === undefined && !this.#isFinished()) {
      await this.#prepare();
      await this.#advance();
    }
    await this.#publish();
    if (this.#isFinished()) await this.#afterEnd();
  }

  /** Takes over what the runtime knows: starts and ends that happened without us. */
  async #observe(): Promise<void> {
    const { containers, pods } = await this.#deps.runtime.list();
    const mine = containers.filter((item) => item.podUid === this.uid);
    this.#ip =
      pods.find((item) => item.uid === this.uid)?.ip ?? (this.#files === undefined ? undefined : this.#ip);
    const first = this.#published === '';
    if (first) this.#published = JSON.stringify(this.#pod.status ?? {});
    for (const track of [...this.#init, ...this.#main]) {
      const known = mine.filter((item) => item.name === track.spec.name);
      if (first) restoreTrack(track, this.#statusOf(track.spec.name), known, timeText(this.#deps.now()));
      const current = known.find((item) => item.attempt === track.current?.attempt);
      if (current === undefined) {
        if (!first && track.current?.state === 'running') this.#lost(track);
        continue;
      }
      track.current = current;
      if (current.state === 'running') this.#watch(track);
      else if (track.terminated === undefined) await this.#ended(track);
    }
  }

  #statusOf(name: string) {
    const { containerStatuses = [], initContainerStatuses = [] } = this.#pod.status ?? {};
    return [...containerStatuses, ...initContainerStatuses].find((item) => item.name === name);
  }

  #track(name: string): ContainerTrack | undefined {
    return [...this.#main, ...this.#init].find((track) => track.spec.name === name);
  }

  #lost(track: ContainerTrack): void {
    const { startedAt } = track.current!;
    this.#unwatch(track);
    track.current = undefined;
    track.terminated = {
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
      message: 'The container could not be located when the pod was restarted.',
      startedAt: timeText(startedAt),
      finishedAt: timeText(this.#deps.now()),
    };
  }

  async #ended(track: ContainerTrack): Promise<void> {
    const state = track.current!;
    this.#unwatch(track);
    const exitCode = state.exitCode ?? 0;
    const message = await this.#deps.runner.terminationMessage(this.#pod, track, exitCode !== 0);
    const terminated: Terminated = {
      exitCode,
      ...(state.signal !== undefined && { signal: state.signal }),
      reason: state.oomKilled ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error',
      ...(message !== undefined && { message }),
      startedAt: timeText(state.startedAt),
      finishedAt: timeText(state.finishedAt ?? this.#deps.now()),
      containerID: containerId(state.id),
    };
    if (state.oomKilled) terminated.exitCode = 137;
    track.terminated = terminated;
    track.ready = false;
    track.started = false;
    if ((state.finishedAt ?? 0) - state.startedAt > BACKOFF_RESET_MS) track.backoffMs = 0;
  }

  #isOverdue(): boolean {
    const seconds = this.#pod.spec.activeDeadlineSeconds;
    if (seconds === undefined || this.#isFinished()) return false;
    const left = Date.parse(this.#startTime) + seconds * 1000 - this.#deps.now();
    if (left > 0) this.#again(left);
    return left <= 0;
  }

  async #expire(): Promise<void> {
    await this.#killAll(this.#pod.spec.terminationGracePeriodSeconds ?? 30);
    const message = 'Pod was active on the node longer than the specified deadline';
    this.#event('Normal', 'DeadlineExceeded', message);
    this.#verdict = { phase: 'Failed', reason: 'DeadlineExceeded', message };
    await this.#observe();
  }

  #isFinished(): boolean {
    const { phase } = this.#status();
    return phase === 'Succeeded' || phase === 'Failed';
  }

  async #prepare(): Promise<void> {
    const { runtime, volumes, runner, dns } = this.#deps;
    try {
      if (this.#volumes === undefined || this.#isStale()) this.#volumes = await volumes.prepare(this.#pod);
      if (this.#ip === undefined) {
        const { uid, namespace = '', name = '' } = this.#pod.metadata;
        const made = await runtime.createPod({
          uid: uid ?? '',
          namespace,
          name,
          hostname: hostnameOf(this.#pod),
          hostNetwork: this.#pod.spec.hostNetwork === true,
          dns: { servers: [], searches: [], options: [] },
        });
        this.#ip = made.ip;
        // Fields like status.podIP are read before the status is written.
        this.#pod = { ...this.#pod, status: { ...this.#pod.status, podIP: made.ip } };
      }
      if (this.#files === undefined)
        this.#files = await runner.podFiles(this.#pod, {
          hosts: hostsFile(this.#pod, this.#ip),
          resolv: await resolvFile(this.#pod, dns),
        });
    } catch (error) {
      if (!(error instanceof PodProblem)) throw error;
      this.#event('Warning', error.reason, error.message);
      this.#again(RETRY_MS);
    }
  }

  #isStale(): boolean {
    return this.#volumes?.refreshAt !== undefined && this.#volumes.refreshAt <= this.#deps.now();
  }

  /** Makes volumes that come from objects follow their objects. */
  async refreshVolumes(): Promise<void> {
    if (this.#volumes === undefined || this.#isFinished()) return;
    this.#volumes = await this.#deps.volumes.prepare(this.#pod);
  }

  /** Starts what may start now, and says when to look again. */
  async #advance(): Promise<void> {
    if (this.#ip === undefined || this.#files === undefined || this.#volumes === undefined) return;
    if (this.#volumes.refreshAt !== undefined) this.#again(this.#volumes.refreshAt - this.#deps.now());
    const { start, skip } = nextStep(this.#pod, this.#init, this.#main);
    for (const track of skip) {
      const at = timeText(this.#deps.now());
      track.terminated = { exitCode: 1, reason: 'Skipped', startedAt: at, finishedAt: at };
    }
    await Promise.all(start.map((track) => this.#tryStart(track)));
  }

  async #tryStart(track: ContainerTrack): Promise<void> {
    const { now } = this.#deps;
    if (track.terminated !== undefined && !this.#mayRestart(track)) return;
    if (track.notBefore > now()) {
      this.#again(track.notBefore - now());
      return;
    }
    try {
      const image = await this.#image(track);
      await this.#start(track, image);
    } catch (error) {
      if (this.#stopped) return;
      this.#startFailed(track, error);
    }
  }

  /** The first restart is at once; each one after it waits twice as long. */
  #mayRestart(track: ContainerTrack): boolean {
    const ended = Date.parse(track.terminated?.finishedAt ?? '') || 0;
    if (track.waiting === undefined) {
      const wait = track.backoffMs;
      track.backoffMs = wait === 0 ? BACKOFF_FIRST_MS : Math.min(wait * 2, BACKOFF_MAX_MS);
      if (wait === 0) return true;
      track.notBefore = Math.max(ended, this.#deps.now()) + wait;
      const { metadata } = this.#pod;
      const message = `back-off ${wait / 1000 >= 60 ? `${Math.floor(wait / 60_000)}m${(wait / 1000) % 60}s` : `${wait / 1000}s`} restarting failed container=${track.spec.name} pod=${metadata.name}_${metadata.namespace}(${metadata.uid})`;
      track.waiting = { reason: 'CrashLoopBackOff', message };
      track.last = track.terminated;
      this.#event(
        'Warning',
        'BackOff',
        `Back-off restarting failed container ${track.spec.name} in pod ${metadata.name}_${metadata.namespace}(${metadata.uid})`,
      );
      this.#again(wait);
      return false;
    }
    return track.notBefore <= this.#deps.now();
  }

  async #image(track: ContainerTrack): Promise<ReadyImage> {
    const { spec: container } = track;
    const policy = pullPolicy(container);
    const known = policy === 'Always' ? undefined : await this.#deps.images.find(container.image);
    if (known !== undefined) {
      this.#event('Normal', 'Pulled', `Container image "${container.image}" already present on machine`);
      this.#imageOf.set(container.name, known);
      return known;
    }
    const before = this.#deps.now();
    if (policy !== 'Never') this.#event('Normal', 'Pulling', `Pulling image "${container.image}"`);
    const image = await this.#deps.images.ensure(container.image, policy, this.#pod, this.#stopping.signal);
    this.#event(
      'Normal',
      'Pulled',
      `Successfully pulled image "${container.image}" in ${this.#deps.now() - before}ms`,
    );
    this.#imageOf.set(container.name, image);
    return image;
  }

  async #start(track: ContainerTrack, image: ReadyImage): Promise<void> {
    const { runner } = this.#deps;
    const { spec: container } = track;
    track.imageId = `${image.reference.split(/[@]|:[^/]*$/)[0]}@${image.digest}`;
    if (track.terminated !== undefined) track.last = track.terminated;
    const surroundings = { volumes: this.#volumes!.byName, files: this.#files! };
    let state: Awaited<ReturnType<ContainerRunner['start']>>;
    try {
      state = await runner.start(this.#pod, track, image, surroundings);
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      this.#neverRan(track, error);
      return;
    }
    track.restarts = track.attempts;
    track.attempts += 1;
    track.current = state;
    track.terminated = undefined;
    track.waiting = undefined;
    this.#event('Normal', 'Created', `Created container: ${container.name}`);
    this.#event('Normal', 'Started', `Started container ${container.name}`);
    await this.#forgetOld(track);
    if (container.lifecycle?.postStart !== undefined) await this.#postStart(track);
    this.#watch(track);
  }

  async #postStart(track: ContainerTrack): Promise<void> {
    const problem = await runHook(
      track.spec.lifecycle!.postStart!,
      this.#target(track),
      this.#stopping.signal,
    );
    if (problem === undefined) return;
    this.#event('Warning', 'FailedPostStartHook', `PostStartHook failed: ${problem}`);
    await this.#deps.runtime.kill(track.current!.id, SIGKILL);
  }

  /** The last attempt but one is kept for `logs --previous`; older ones go. */
  async #forgetOld(track: ContainerTrack): Promise<void> {
    const old = track.attempts - 2;
    if (old < 0) return;
    const id = `${this.uid}/${track.spec.name}/${old}`;
    await this.#deps.runtime
      .removeContainer(id, this.#deps.runner.dirOf(this.#pod, track.spec.name, old))
      .catch((error: Error) =>
        this.#deps.log.debug({ err: error, id }, 'an old container could not be forgotten'),
      );
  }

  #neverRan(track: ContainerTrack, error: StartError): void {
    const at = timeText(this.#deps.now());
    const code = error.exitCode === 126 || error.exitCode === 127 ? error.exitCode : 128;
    track.restarts = track.attempts;
    track.attempts += 1;
    track.current = undefined;
    track.waiting = undefined;
    track.terminated = {
      exitCode: code,
      reason: 'StartError',
      message: error.message,
      startedAt: '1970-01-01T00:00:00Z',
      finishedAt: at,
    };
    this.#event(
      'Warning',
      'Failed',
      `Error: failed to start container "${track.spec.name}": ${error.message}`,
    );
    this.poke();
  }

  #startFailed(track: ContainerTrack, error: unknown): void {
    const { image, name } = track.spec;
    if (error instanceof ImageProblem) {
      const again = track.waiting?.reason === 'ErrImagePull' || track.waiting?.reason === 'ImagePullBackOff';
      track.backoffMs = Math.min(
        track.backoffMs === 0 ? BACKOFF_FIRST_MS : track.backoffMs * 2,
        BACKOFF_MAX_MS,
      );
      this.#event('Warning', 'Failed', `Failed to pull image "${image}": ${error.message}`);
      this.#event('Warning', 'Failed', `Error: ${error.reason}`);
      track.waiting =
        again && error.reason === 'ErrImagePull'
          ? { reason: 'ImagePullBackOff', message: `Back-off pulling image "${image}": ${error.message}` }
          : { reason: error.reason, message: error.message };
    } else if (error instanceof PodProblem) {
      track.waiting = { reason: error.reason, message: error.message };
      this.#event('Warning', 'Failed', `Error: ${error.message}`);
      track.backoffMs = RETRY_MS;
    } else {
      const message = error instanceof Error ? error.message : String(error);
      this.#deps.log.warn({ err: error, pod: this.#name, container: name }, 'a container could not be made');
      track.waiting = { reason: 'CreateContainerError', message };
      track.backoffMs = RETRY_MS;
    }
    track.notBefore = this.#deps.now() + track.backoffMs;
    this.#again(track.backoffMs);
  }

  #watch(track: ContainerTrack): void {
    const name = track.spec.name;
    const id = track.current?.id ?? '';
    if (this.#probers.has(id)) return;
    if (track.kind === 'init') {
      track.started = true;
      return;
    }
    const prober = new Prober(
      this.#target(track),
      {
        changed: (what) => {
          Object.assign(track, what);
          this.poke();
        },
        unhealthy: (kind, message) => {
          const title = `${kind[0]!.toUpperCase()}${kind.slice(1)}`;
          this.#event('Warning', 'Unhealthy', `${title} probe failed: ${message}`);
        },
        failed: (kind, probe) => {
          this.#event('Normal', 'Killing', `Container ${name} failed ${kind} probe, will be restarted`);
          const grace =
            probe.terminationGracePeriodSeconds ?? this.#pod.spec.terminationGracePeriodSeconds ?? 30;
          void this.#stopContainer(track, grace).catch(() => {});
        },
      },
      track.started,
    );
    this.#probers.set(id, prober);
  }

  #unwatch(track: ContainerTrack): void {
    const id = track.current?.id ?? '';
    this.#probers.get(id)?.[Symbol.dispose]();
    this.#probers.delete(id);
  }

  #target(track: ContainerTrack): ProbeTarget {
    const { runtime, values } = this.#deps;
    const { spec: container } = track;
    const id = track.current!.id;
    return {
      container,
      podIp: this.#ip ?? '',
      dial: (host, port, signal) => runtime.dial(this.uid, { port, host: host ?? this.#ip ?? '' }, signal),
      exec: async (command, signal) => {
        const config = this.#imageOf.get(container.name)?.config ?? {};
        const env = await environmentOf(this.#pod, container, config.Env ?? [], values);
        return runQuietly(runtime, id, commandIn(this.#pod, container, config, command, env), signal);
      },
    };
  }

  /** Ends a container as its pod asks: the hook, the signal, the time, and then the end. */
  async #stopContainer(track: ContainerTrack, graceSeconds: number): Promise<void> {
    const { runtime } = this.#deps;
    const id = track.current?.id;
    if (id === undefined || track.current?.state !== 'running') return;
    const deadline = AbortSignal.timeout(Math.max(0, graceSeconds) * 1000);
    const gone = this.#goneOf(id);
    const hook = track.spec.lifecycle?.preStop;
    if (hook !== undefined && graceSeconds > 0) {
      const problem = await Promise.race([runHook(hook, this.#target(track), deadline), gone]);
      if (typeof problem === 'string')
        this.#event('Warning', 'FailedPreStopHook', `PreStopHook failed: ${problem}`);
    }
    if (graceSeconds > 0) {
      const stopSignal = signalNumber(this.#imageOf.get(track.spec.name)?.config.StopSignal);
      await runtime.kill(id, stopSignal);
      const late = new Promise((resolve) => deadline.addEventListener('abort', resolve, { once: true }));
      await Promise.race([gone, deadline.aborted ? undefined : late]);
    }
    await runtime.kill(id, SIGKILL);
    await gone;
  }

  readonly #goneWaiters = new Map<string, PromiseWithResolvers<void>>();

  #goneOf(id: string): Promise<void> {
    let waiter = this.#goneWaiters.get(id);
    if (waiter === undefined) {
      waiter = Promise.withResolvers<void>();
      this.#goneWaiters.set(id, waiter);
    }
    return waiter.promise;
  }

  /** The runtime says that something of this pod has ended. */
  async changed(): Promise<void> {
    if (this.#goneWaiters.size > 0) {
      const { containers } = await this.#deps.runtime.list();
      for (const [id, waiter] of this.#goneWaiters) {
        if (containers.some((item) => item.id === id && item.state === 'running')) continue;
        waiter.resolve();
        this.#goneWaiters.delete(id);
      }
    }
    this.poke();
  }

  /** Everything that ran is gone with the runtime that held it. */
  lost(): void {
    for (const waiter of this.#goneWaiters.values()) waiter.resolve();
    this.#goneWaiters.clear();
    this.#files = undefined;
    this.#ip = undefined;
    this.#volumes = undefined;
    this.poke();
  }

  /** Main containers first, then sidecars, the last one first. */
  async #killAll(graceSeconds: number): Promise<void> {
    const before = this.#deps.now();
    await Promise.all(
      [...this.#main, ...this.#init.filter((track) => track.kind === 'init')].map((track) =>
        this.#stopContainer(track, graceSeconds),
      ),
    );
    for (const track of this.#init.filter((item) => item.kind === 'sidecar').toReversed()) {
      const left = Math.max(0, graceSeconds - (this.#deps.now() - before) / 1000);
      await this.#stopContainer(track, left);
    }
  }

  /** Runs beside the loop, so that a shorter grace period that comes later is heard of. */
  async #terminate(): Promise<void> {
    if (this.#terminating === undefined) {
      const grace = this.#pod.metadata.deletionGracePeriodSeconds ?? 30;
      for (const track of this.#main)
        if (track.current?.state === 'running')
          this.#event('Normal', 'Killing', `Stopping container ${track.spec.name}`);
      this.#terminating = this.#finishTermination(grace).catch((error: unknown) => {
        this.#terminating = undefined;
        this.#deps.log.warn(
          { err: error, pod: this.#name },
          'a pod could not be ended and it is tried again',
        );
        this.#again(RETRY_MS);
      });
    }
    await this.#publish();
  }

  async #finishTermination(grace: number): Promise<void> {
    await this.#killAll(grace);
    await this.#observe();
    await this.#publish();
    await this.#cleanUp();
    const { namespace = '', name = '', uid } = this.#pod.metadata;
    await this.#deps.client
      .delete(PODS, namespace, name, { gracePeriodSeconds: 0, ...(uid && { uid }) })
      .catch((error: unknown) => {
        if (!isApiError(error, 'NotFound') && !isApiError(error, 'Conflict')) throw error;
      });
    this.abandon();
    this.#deps.onDone(this.uid);
  }

  /** The object is gone already: nothing of the pod may stay. */
  async remove(): Promise<void> {
    if (this.#terminating !== undefined || this.#stopped) return;
    this.abandon();
    await this.#cleanUp();
    this.#deps.onDone(this.uid);
  }

  async #cleanUp(): Promise<void> {
    await this.#deps.runtime.removePod(this.uid);
    await this.#deps.volumes.remove(this.uid);
  }

  #ended_ = false;

  /** A pod that has ended keeps its logs and its status, and nothing else. */
  async #afterEnd(): Promise<void> {
    if (this.#ended_) return;
    this.#ended_ = true;
    for (const track of this.#init) if (track.kind === 'sidecar') await this.#stopContainer(track, 30);
    await this.#observe();
    await this.#publish();
    await this.#cleanUp();
  }

  #status(): PodStatus {
    return podStatus({
      pod: this.#pod,
      init: this.#init,
      main: this.#main,
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

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#deps.events.record(this.#pod, { type, reason, message });
  }
}

function pullPolicy(container: Container): 'Always' | 'IfNotPresent' | 'Never' {
  return (container.imagePullPolicy ?? 'IfNotPresent') as 'Always' | 'IfNotPresent' | 'Never';
}

function signalNumber(name: string | undefined): number {
  const known: Record<string, number> = {
    SIGHUP: 1,
    SIGINT: 2,
    SIGQUIT: 3,
    SIGKILL: 9,
    SIGUSR1: 10,
    SIGUSR2: 12,
    SIGTERM: 15,
    SIGWINCH: 28,
  };
  if (name === undefined) return SIGTERM;
  return /^\d+$/.test(name) ? Number(name) : (known[name.startsWith('SIG') ? name : `SIG${name}`] ?? SIGTERM);
}
