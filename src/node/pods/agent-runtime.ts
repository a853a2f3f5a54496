import type { Duplex } from 'node:stream';
import { ApiError, containersOf, containerStatusOf, type KubeObject, type Pod } from '../../kube/index.ts';
import { type LogQuery, readLog } from '../logs/log-reader.ts';
import type { CommandEnd, Runtime, Streams } from '../runtime/runtime.ts';
import type { ContainerRunner } from './container-runner.ts';
import { environmentOf, type ValueSource } from './environment.ts';
import type { ImageSource } from './images.ts';
import { commandIn } from './lifecycle.ts';
import type { PodWorker } from './pod-worker.ts';

export interface AgentRuntimeDeps {
  runtime: Runtime;
  runner: ContainerRunner;
  values: ValueSource;
  images: ImageSource;
  worker: (uid: string) => PodWorker | undefined;
  /** Resolves at the next sign of life of the container. */
  nextLog: (id: string, signal: AbortSignal) => Promise<void>;
}

/** Logs, commands and connections of pods, as the API passes them on. */
export class AgentRuntime {
  readonly #deps: AgentRuntimeDeps;

  constructor(deps: AgentRuntimeDeps) {
    this.#deps = deps;
  }

  async logs(
    object: KubeObject,
    options: LogQuery & { container: string; previous: boolean },
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer>> {
    const pod = object as Pod;
    const { container, previous } = options;
    const worker = this.#deps.worker(pod.metadata.uid ?? '');
    const attempt = worker?.idOf(container, previous)?.attempt ?? attemptOf(pod, container, previous);
    if (attempt === undefined) {
      const what = previous ? 'previous terminated container' : 'container';
      throw new ApiError(
        'BadRequest',
        previous
          ? `${what} "${container}" in pod "${pod.metadata.name}" not found`
          : `container "${container}" in pod "${pod.metadata.name}" is waiting to start: ${waitingReason(pod, container)}`,
      );
    }
    const id = `${pod.metadata.uid}/${container}/${attempt}`;
    return readLog(
      {
        path: this.#deps.runner.logOf(pod, container, attempt),
        more: (stop) => this.#deps.nextLog(id, stop),
        ended: () => {
          const now = this.#deps.worker(pod.metadata.uid ?? '');
          return now === undefined || now.idOf(container)?.id !== id || !now.isRunning(container);
        },
      },
      options,
      signal,
    );
  }

  async run(
    object: KubeObject,
    options: { container: string; command: string[] | undefined; tty: boolean },
    streams: Streams,
  ): Promise<CommandEnd> {
    const pod = object as Pod;
    const { container: name, command, tty } = options;
    const id = this.#running(pod, name);
    if (command === undefined) return this.#deps.runtime.attach(id, streams);
    const container = containersOf(pod).find((item) => item.name === name)!;
    const image = await this.#deps.images.find(this.#deps.images.nameFor(container)).catch(() => undefined);
    const config = image?.config ?? {};
    const env = await environmentOf(pod, container, config.Env ?? [], this.#deps.values);
    if (tty) env['TERM'] ??= 'xterm';
    return this.#deps.runtime.run(id, { ...commandIn(pod, container, config, command, env), tty }, streams);
  }

  async dial(object: KubeObject, port: number, signal: AbortSignal): Promise<Duplex> {
    return this.#deps.runtime.dial(object.metadata.uid ?? '', { port }, signal);
  }

  #running(pod: Pod, container: string): string {
    const worker = this.#deps.worker(pod.metadata.uid ?? '');
    const found = worker?.idOf(container);
    if (worker === undefined || found === undefined || !worker.isRunning(container))
      throw new ApiError('BadRequest', `container not found ("${container}")`);
    return found.id;
  }
}

/** The attempt of a pod that ended before this agent was started: its logs are still there. */
function attemptOf(pod: Pod, container: string, previous: boolean): number | undefined {
  const status = containerStatusOf(pod, container);
  const known = status?.state?.terminated?.containerID ?? status?.containerID;
  if (known === undefined) return undefined;
  const attempt = Number(known.split('/').at(-1));
  if (!previous) return attempt;
  return attempt > 0 ? attempt - 1 : undefined;
}

function waitingReason(pod: Pod, container: string): string {
  return containerStatusOf(pod, container)?.state?.waiting?.reason ?? 'ContainerCreating';
}
