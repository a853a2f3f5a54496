import { containerStatusOf, type Pod } from '../../kube/index.ts';
import { type ContainerState, StartError } from '../runtime/runtime.ts';
import type { ReadyVolume } from '../volumes/volumes.ts';
import type { PodFiles } from './container-runner.ts';
import { type ContainerTrack, newTrack, restoreTrack, type Terminated, tracksOf } from './container-track.ts';
import { environmentOf } from './environment.ts';
import { ImageProblem, type ReadyImage } from './images.ts';
import { commandIn, runHook, runQuietly } from './lifecycle.ts';
import type { WorkerDeps } from './pod-worker.ts';
import { PodProblem } from './problem.ts';
import { Prober } from './prober.ts';
import type { ProbeTarget } from './probes.ts';
import { nextStep } from './schedule.ts';
import { containerId, timeText } from './status.ts';
import { isStepWanted, leaveExitCodes } from './step-results.ts';

const BACKOFF_FIRST_MS = 10_000;
const BACKOFF_MAX_MS = 300_000;
const BACKOFF_RESET_MS = 600_000;
const RETRY_MS = 2_000;
const SIGKILL = 9;
const SIGTERM = 15;

/** What the containers of a pod need of whoever looks after the pod. */
export interface PodContext {
  readonly pod: Pod;
  readonly ip: string | undefined;
  readonly signal: AbortSignal;
  /** Asks for another pass, now or in a while. */
  poke: () => void;
  again: (ms: number) => void;
  event: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
}

export interface Surroundings {
  volumes: ReadonlyMap<string, ReadyVolume>;
  files: PodFiles;
  /** What an ended container has written, where this pod is to look at it. */
  below?: string | undefined;
}

/** The containers of one pod: starts, ends, restarts and checks. */
export class PodContainers implements Disposable {
  readonly init: readonly ContainerTrack[];
  readonly main: readonly ContainerTrack[];
  /** Those that were added to look into the pod while it runs. */
  readonly ephemeral: ContainerTrack[] = [];
  readonly #context: PodContext;
  readonly #deps: WorkerDeps;
  readonly #probers = new Map<string, Prober>();
  readonly #imageOf = new Map<string, ReadyImage>();
  readonly #goneWaiters = new Map<string, PromiseWithResolvers<void>>();
  #restored = false;

  constructor(context: PodContext, deps: WorkerDeps) {
    this.#context = context;
    this.#deps = deps;
    const { init, main } = tracksOf(context.pod);
    this.init = init;
    this.main = main;
  }

  [Symbol.dispose](): void {
    for (const prober of this.#probers.values()) prober[Symbol.dispose]();
    this.#probers.clear();
  }

  find(name: string): ContainerTrack | undefined {
    return this.#all.find((track) => track.spec.name === name);
  }

  get #all(): ContainerTrack[] {
    return [...this.main, ...this.init, ...this.ephemeral];
  }

  #addEphemeral(): void {
    for (const spec of this.#context.pod.spec.ephemeralContainers ?? [])
      if (this.find(spec.name) === undefined) this.ephemeral.push(newTrack(spec, 'ephemeral'));
  }

  /** Takes over what the runtime knows: starts and ends that happened without us. */
  async observe(containers: readonly ContainerState[]): Promise<void> {
    const at = timeText(this.#deps.now());
    this.#addEphemeral();
    for (const track of this.#all) {
      const known = containers.filter((item) => item.name === track.spec.name);
      if (!this.#restored)
        restoreTrack(track, containerStatusOf(this.#context.pod, track.spec.name), known, at);
      const current = known.find((item) => item.attempt === track.current?.attempt);
      if (current === undefined) {
        if (this.#restored && track.current?.state === 'running') this.#lost(track, at);
        continue;
      }
      track.current = current;
      if (current.state === 'running') this.#watch(track);
      else if (track.terminated === undefined) await this.#ended(track, current);
    }
    this.#restored = true;
  }

  /** Starts what may start now. */
  async advance(surroundings: Surroundings): Promise<void> {
    const { start, skip } = nextStep(this.#context.pod, this.init, this.main);
    const at = timeText(this.#deps.now());
    for (const track of skip)
      track.terminated = { exitCode: 1, reason: 'Skipped', startedAt: at, finishedAt: at };
    if (skip.length > 0) this.#context.poke();
    const added = this.ephemeral.filter(
      ({ current, terminated }) => current === undefined && terminated === undefined,
    );
    await Promise.all([...start, ...added].map((track) => this.#tryStart(track, surroundings)));
  }

  /** Main containers first, then sidecars, the last one first. */
  async stopAll(graceSeconds: number): Promise<void> {
    const before = this.#deps.now();
    const others = this.init.filter((track) => track.kind === 'init');
    const first = [...this.ephemeral, ...this.main, ...others];
    await Promise.all(first.map((track) => this.#stop(track, graceSeconds)));
    for (const track of this.init.filter((item) => item.kind === 'sidecar').toReversed())
      await this.#stop(track, Math.max(0, graceSeconds - (this.#deps.now() - before) / 1000));
  }

  /** The runtime says that something of this pod has ended: who waits for an end is told. */
  noticeEnds(containers: readonly ContainerState[]): void {
    for (const [id, waiter] of this.#goneWaiters) {
      if (containers.some((item) => item.id === id && item.state === 'running')) continue;
      waiter.resolve();
      this.#goneWaiters.delete(id);
    }
  }

  get isWaitingForEnds(): boolean {
    return this.#goneWaiters.size > 0;
  }

  #lost(track: ContainerTrack, at: string): void {
    const startedAt = timeText(track.current!.startedAt);
    this.#unwatch(track);
    track.current = undefined;
    track.terminated = {
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
      message: 'The container could not be located when the pod was restarted.',
      startedAt,
      finishedAt: at,
    };
  }

  async #ended(track: ContainerTrack, state: ContainerState): Promise<void> {
    this.#unwatch(track);
    const exitCode = state.oomKilled ? 137 : (state.exitCode ?? 0);
    const message = await this.#deps.runner.terminationMessage(this.#context.pod, track, exitCode !== 0);
    const terminated: Terminated = {
      exitCode,
      ...(state.signal !== undefined && { signal: state.signal }),
      reason: state.oomKilled ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error',
      ...(message !== undefined && { message }),
      startedAt: timeText(state.startedAt),
      finishedAt: timeText(state.finishedAt ?? this.#deps.now()),
      containerID: containerId(state.id),
    };
    track.terminated = terminated;
    track.ready = false;
    track.started = false;
    if ((state.finishedAt ?? 0) - state.startedAt > BACKOFF_RESET_MS) track.backoffMs = 0;
  }

  async #tryStart(track: ContainerTrack, surroundings: Surroundings): Promise<void> {
    if (track.terminated !== undefined && !this.#mayRestart(track)) return;
    const wait = track.notBefore - this.#deps.now();
    if (wait > 0) {
      this.#context.again(wait);
      return;
    }
    try {
      const ended = this.main.flatMap(({ spec, terminated }) =>
        terminated === undefined ? [] : [{ name: spec.name, exitCode: terminated.exitCode }],
      );
      await leaveExitCodes(this.#context.pod, ended, surroundings.volumes);
      if (!(await this.#isWanted(track, surroundings))) return;
      await this.#start(track, await this.#image(track), surroundings);
    } catch (error) {
      if (!this.#context.signal.aborted) this.#startFailed(track, error);
    }
  }

  /** A step whose conditions do not hold has ended well before it began. */
  async #isWanted(track: ContainerTrack, { volumes }: Surroundings): Promise<boolean> {
    try {
      if (await isStepWanted(this.#context.pod, track.spec, volumes)) return true;
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      this.#neverRan(track, error);
      return false;
    }
    const at = timeText(this.#deps.now());
    track.terminated = { exitCode: 0, reason: 'Skipped', startedAt: at, finishedAt: at };
    this.#context.poke();
    return false;
  }

  /** The first restart is at once; each one after it waits twice as long. */
  #mayRestart(track: ContainerTrack): boolean {
    if (track.waiting !== undefined) return true;
    const wait = track.backoffMs;
    track.backoffMs = wait === 0 ? BACKOFF_FIRST_MS : Math.min(wait * 2, BACKOFF_MAX_MS);
    if (wait === 0) return true;
    const { metadata } = this.#context.pod;
    const pod = `${metadata.name}_${metadata.namespace}(${metadata.uid})`;
    track.notBefore = this.#deps.now() + wait;
    track.waiting = {
      reason: 'CrashLoopBackOff',
      message: `back-off ${goDuration(wait)} restarting failed container=${track.spec.name} pod=${pod}`,
    };
    track.last = track.terminated;
    this.#context.event(
      'Warning',
      'BackOff',
      `Back-off restarting failed container ${track.spec.name} in pod ${pod}`,
    );
    this.#context.again(wait);
    return false;
  }

  async #image(track: ContainerTrack): Promise<ReadyImage> {
    const { event, pod, signal } = this.#context;
    const { name, imagePullPolicy = 'IfNotPresent' } = track.spec;
    const image = this.#deps.images.nameFor(track.spec);
    const policy = imagePullPolicy as 'Always' | 'IfNotPresent' | 'Never';
    let ready = policy === 'Always' ? undefined : await this.#deps.images.find(image);
    if (ready !== undefined)
      event('Normal', 'Pulled', `Container image "${image}" already present on machine`);
    else {
      const before = this.#deps.now();
      if (policy !== 'Never') event('Normal', 'Pulling', `Pulling image "${image}"`);
      ready = await this.#deps.images.ensure(image, policy, pod, signal);
      event('Normal', 'Pulled', `Successfully pulled image "${image}" in ${this.#deps.now() - before}ms`);
    }
    this.#imageOf.set(name, ready);
    return ready;
  }

  async #start(track: ContainerTrack, image: ReadyImage, surroundings: Surroundings): Promise<void> {
    const { spec: container } = track;
    const { event, pod } = this.#context;
    track.imageId = `${image.reference.split(/@|:[^/]*$/)[0]}@${image.digest}`;
    if (track.terminated !== undefined) track.last = track.terminated;
    let state: ContainerState;
    try {
      state = await this.#deps.runner.start(pod, track, image, {
        ...surroundings,
        joins: this.#targetOf(track),
      });
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
    event('Normal', 'Created', `Created container: ${container.name}`);
    event('Normal', 'Started', `Started container ${container.name}`);
    await this.#forgetOld(track);
    if (container.lifecycle?.postStart !== undefined) await this.#postStart(track);
    this.#watch(track);
    this.#context.poke();
  }

  /** The running container that somebody wants to look into. */
  #targetOf(track: ContainerTrack): string | undefined {
    const { ephemeralContainers = [] } = this.#context.pod.spec;
    const name = ephemeralContainers.find((item) => item.name === track.spec.name)?.targetContainerName;
    if (track.kind !== 'ephemeral' || !name) return undefined;
    const target = this.find(name)?.current;
    if (target?.state !== 'running')
      throw new PodProblem(
        'CreateContainerError',
        `the target container ${JSON.stringify(name)} does not run`,
      );
    return target.id;
  }

  async #postStart(track: ContainerTrack): Promise<void> {
    const problem = await runHook(
      track.spec.lifecycle!.postStart!,
      this.#target(track),
      this.#context.signal,
    );
    if (problem === undefined) return;
    this.#context.event('Warning', 'FailedPostStartHook', `PostStartHook failed: ${problem}`);
    await this.#deps.runtime.kill(track.current!.id, SIGKILL);
  }

  /** The last attempt but one is kept for `logs --previous`; older ones go. */
  async #forgetOld(track: ContainerTrack): Promise<void> {
    const old = track.attempts - 3;
    if (old < 0) return;
    const { uid } = this.#context.pod.metadata;
    const id = `${uid}/${track.spec.name}/${old}`;
    await this.#deps.runtime
      .removeContainer(id, this.#deps.runner.dirOf(this.#context.pod, track.spec.name, old))
      .catch((error: Error) =>
        this.#deps.log.debug({ err: error, id }, 'an old container could not be forgotten'),
      );
  }

  #neverRan(track: ContainerTrack, error: StartError): void {
    track.restarts = track.attempts;
    track.attempts += 1;
    track.current = undefined;
    track.waiting = undefined;
    track.terminated = {
      exitCode: error.exitCode === 126 || error.exitCode === 127 ? error.exitCode : 128,
      reason: 'StartError',
      message: error.message,
      startedAt: '1970-01-01T00:00:00Z',
      finishedAt: timeText(this.#deps.now()),
    };
    const message = `Error: failed to start container "${track.spec.name}": ${error.message}`;
    this.#context.event('Warning', 'Failed', message);
    this.#context.poke();
  }

  #startFailed(track: ContainerTrack, error: unknown): void {
    const { event, again } = this.#context;
    const { image, name } = track.spec;
    if (error instanceof ImageProblem) {
      const repeated =
        track.waiting?.reason === 'ErrImagePull' || track.waiting?.reason === 'ImagePullBackOff';
      track.backoffMs = Math.min(
        track.backoffMs === 0 ? BACKOFF_FIRST_MS : track.backoffMs * 2,
        BACKOFF_MAX_MS,
      );
      event('Warning', 'Failed', `Failed to pull image "${image}": ${error.message}`);
      event('Warning', 'Failed', `Error: ${error.reason}`);
      track.waiting =
        repeated && error.reason === 'ErrImagePull'
          ? { reason: 'ImagePullBackOff', message: `Back-off pulling image "${image}": ${error.message}` }
          : { reason: error.reason, message: error.message };
    } else if (error instanceof PodProblem) {
      track.waiting = { reason: error.reason, message: error.message };
      event('Warning', 'Failed', `Error: ${error.message}`);
      track.backoffMs = RETRY_MS;
    } else {
      const message = error instanceof Error ? error.message : String(error);
      this.#deps.log.warn({ err: error, container: name }, 'a container could not be made');
      track.waiting = { reason: 'CreateContainerError', message };
      track.backoffMs = RETRY_MS;
    }
    track.notBefore = this.#deps.now() + track.backoffMs;
    again(track.backoffMs);
  }

  #watch(track: ContainerTrack): void {
    const id = track.current?.id ?? '';
    if (this.#probers.has(id) || this.#context.signal.aborted) return;
    if (track.kind === 'init' || track.kind === 'ephemeral') {
      track.started = true;
      return;
    }
    const { event, poke, pod } = this.#context;
    const changed = (what: { started?: boolean; ready?: boolean }): void => {
      if (what.started === track.started && (what.ready ?? track.ready) === track.ready) return;
      Object.assign(track, what);
      poke();
    };
    const prober = new Prober(
      this.#target(track),
      {
        changed,
        unhealthy: (kind, message) =>
          event('Warning', 'Unhealthy', `${kind[0]!.toUpperCase()}${kind.slice(1)} probe failed: ${message}`),
        failed: (kind, probe) => {
          event('Normal', 'Killing', `Container ${track.spec.name} failed ${kind} probe, will be restarted`);
          const grace = probe.terminationGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
          void this.#stop(track, grace).catch(() => {});
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
    const uid = this.#context.pod.metadata.uid ?? '';
    return {
      container,
      podIp: this.#context.ip ?? '',
      dial: (host, port, signal) => runtime.dial(uid, { port, host: host ?? this.#context.ip ?? '' }, signal),
      exec: async (command, signal) => {
        const config = this.#imageOf.get(container.name)?.config ?? {};
        const { pod } = this.#context;
        const env = await environmentOf(pod, container, config.Env ?? [], values);
        return runQuietly(runtime, id, commandIn(pod, container, config, command, env), signal);
      },
    };
  }

  /** Ends a container as its pod asks: the hook, the signal, the time, and then the end. */
  async #stop(track: ContainerTrack, graceSeconds: number): Promise<void> {
    const { runtime } = this.#deps;
    const id = track.current?.id;
    if (id === undefined || track.current?.state !== 'running') return;
    const deadline = AbortSignal.timeout(Math.max(0, graceSeconds) * 1000);
    const gone = this.#goneOf(id);
    const hook = track.spec.lifecycle?.preStop;
    if (hook !== undefined && graceSeconds > 0) {
      const problem = await Promise.race([runHook(hook, this.#target(track), deadline), gone]);
      if (typeof problem === 'string')
        this.#context.event('Warning', 'FailedPreStopHook', `PreStopHook failed: ${problem}`);
    }
    if (graceSeconds > 0) {
      await runtime.kill(id, signalNumber(this.#imageOf.get(track.spec.name)?.config.StopSignal));
      const late = new Promise((resolve) => deadline.addEventListener('abort', resolve, { once: true }));
      await Promise.race([gone, deadline.aborted ? undefined : late]);
    }
    await runtime.kill(id, SIGKILL);
    await gone;
  }

  #goneOf(id: string): Promise<void> {
    let waiter = this.#goneWaiters.get(id);
    if (waiter === undefined) {
      waiter = Promise.withResolvers<void>();
      this.#goneWaiters.set(id, waiter);
    }
    return waiter.promise;
  }
}

/** "10s", "1m20s", "5m0s", as such messages have it. */
function goDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

const SIGNALS: Record<string, number> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
  SIGWINCH: 28,
};

function signalNumber(name: string | undefined): number {
  if (name === undefined) return SIGTERM;
  return /^\d+$/.test(name)
    ? Number(name)
    : (SIGNALS[name.startsWith('SIG') ? name : `SIG${name}`] ?? SIGTERM);
}
