import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type {
  CommandEnd,
  ContainerSpec,
  ContainerState,
  PodSandbox,
  Runtime,
  RuntimeListener,
} from '../runtime.ts';
import { ContainerPaths } from './container-paths.ts';

export interface ServedCall {
  /** The pod that asks, as the API knows it: what a program says about itself is not believed. */
  pod: { uid: string; namespace: string; name: string };
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  paths: ContainerPaths;
  print: (text: string) => void;
  signal: AbortSignal;
}

/** Work of this process that takes the place of a container. Gives the exit code. */
export type ServedProgram = (call: ServedCall) => Promise<number>;

interface Running {
  state: ContainerState;
  stopping: AbortController;
}

const SIGKILL_EXIT = 137;

/**
 * Some images stand for work that this platform does itself: building images, keeping artifacts. Their containers
 * are functions of this process. All others are left to the runtime below.
 */
export class ServedRuntime implements Runtime {
  readonly name;
  readonly #below: Runtime;
  readonly #find: (reference: string) => ServedProgram | undefined;
  readonly #now: () => number;
  readonly #running = new Map<string, Running>();
  readonly #pods = new Map<string, PodSandbox>();
  readonly #listeners: RuntimeListener[] = [];

  constructor(below: Runtime, find: (reference: string) => ServedProgram | undefined, now: () => number) {
    this.#below = below;
    this.#find = find;
    this.#now = now;
    this.name = below.name;
  }

  createPod: Runtime['createPod'] = (pod) => {
    this.#pods.set(pod.uid, pod);
    return this.#below.createPod(pod);
  };

  removePod: Runtime['removePod'] = async (uid) => {
    for (const [id, { state, stopping }] of this.#running)
      if (state.podUid === uid) {
        stopping.abort();
        this.#running.delete(id);
      }
    this.#pods.delete(uid);
    await this.#below.removePod(uid);
  };

  startContainer: Runtime['startContainer'] = async (spec) => {
    const program = this.#find(spec.image.reference);
    if (program === undefined) return this.#below.startContainer(spec);
    const known = this.#running.get(spec.id);
    if (known !== undefined) return known.state;
    const state: ContainerState = {
      id: spec.id,
      podUid: spec.podUid,
      name: spec.name,
      attempt: spec.attempt,
      state: 'running',
      startedAt: this.#now(),
    };
    const running = { state, stopping: new AbortController() };
    this.#running.set(spec.id, running);
    await mkdir(dirname(spec.log), { recursive: true });
    void this.#serve(spec, program, running);
    return state;
  };

  kill: Runtime['kill'] = async (id, signal) => {
    const running = this.#running.get(id);
    if (running === undefined) return this.#below.kill(id, signal);
    running.stopping.abort();
  };

  removeContainer: Runtime['removeContainer'] = async (id, dir) => {
    if (!this.#running.delete(id)) return this.#below.removeContainer(id, dir);
    await rm(dir, { recursive: true, force: true });
  };

  list: Runtime['list'] = async (podUid) => {
    const { pods, containers } = await this.#below.list(podUid);
    const own = [...this.#running.values()]
      .map(({ state }) => state)
      .filter((state) => podUid === undefined || state.podUid === podUid);
    return { pods, containers: [...containers, ...own] };
  };

  run: Runtime['run'] = (id, command, streams) =>
    this.#running.has(id) ? this.#refuse() : this.#below.run(id, command, streams);
  attach: Runtime['attach'] = (id, streams) =>
    this.#running.has(id) ? this.#refuse() : this.#below.attach(id, streams);
  dial: Runtime['dial'] = (podUid, to, signal) => this.#below.dial(podUid, to, signal);
  stats: Runtime['stats'] = () => this.#below.stats();
  mountMemory: Runtime['mountMemory'] = (podUid, path, size) => this.#below.mountMemory(podUid, path, size);
  own: Runtime['own'] = (path, group) => this.#below.own(path, group);
  removeFiles: Runtime['removeFiles'] = (path) => this.#below.removeFiles(path);
  readLayer: Runtime['readLayer'] = (dir, handle) => this.#below.readLayer(dir, handle);

  listen: Runtime['listen'] = (listener) => {
    this.#listeners.push(listener);
    this.#below.listen(listener);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { stopping } of this.#running.values()) stopping.abort();
    await this.#below[Symbol.asyncDispose]();
  }

  async #serve(spec: ContainerSpec, program: ServedProgram, { state, stopping }: Running): Promise<void> {
    const { signal } = stopping;
    let exitCode = 1;
    try {
      await using log = new LogFile(await open(spec.log, 'a', 0o600), this.#now, () =>
        this.#tell((listener) => listener.logged(spec.id)),
      );
      try {
        const pod = this.#pods.get(spec.podUid) ?? { namespace: '', name: '' };
        const call = {
          pod: { uid: spec.podUid, namespace: pod.namespace, name: pod.name },
          argv: spec.argv,
          env: spec.env,
          paths: new ContainerPaths(spec.mounts, join(spec.dir, 'files'), spec.cwd),
          print: (text: string) => log.print(text),
          signal,
        };
        exitCode = await program(call);
      } catch (error) {
        log.print(`error: ${(error as Error).message}\n`);
      }
    } catch {
      // Without its log it has failed: that is all that can be told.
    }
    state.state = 'exited';
    state.exitCode = signal.aborted ? SIGKILL_EXIT : exitCode;
    state.finishedAt = this.#now();
    this.#tell((listener) => listener.changed(spec.podUid));
  }

  #tell(event: (listener: RuntimeListener) => void): void {
    for (const listener of this.#listeners) event(listener);
  }

  #refuse(): Promise<CommandEnd> {
    return Promise.resolve({
      error: 'this step is done by the platform itself: there is no container to enter',
    });
  }
}

/** A log as containers have it: time, stream, and whether the line is whole. */
class LogFile implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #now: () => number;
  readonly #changed: () => void;
  #open = '';
  #work: Promise<unknown> = Promise.resolve();

  constructor(file: FileHandle, now: () => number, changed: () => void) {
    this.#file = file;
    this.#now = now;
    this.#changed = changed;
  }

  print(text: string): void {
    const lines = (this.#open + text).split('\n');
    this.#open = lines.pop() ?? '';
    this.#append(lines.map((line) => this.#line('F', line)).join(''));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#open !== '') this.#append(this.#line('P', this.#open));
    await this.#work;
    await this.#file.close();
  }

  #line(tag: 'F' | 'P', text: string): string {
    return `${new Date(this.#now()).toISOString().slice(0, -1)}000000Z stdout ${tag} ${text}\n`;
  }

  #append(text: string): void {
    if (text === '') return;
    this.#work = this.#work.then(() => this.#file.write(text)).then(this.#changed);
  }
}
