import { mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type Container,
  type Informer,
  isApiError,
  type Pod,
  PODS,
  type Secret,
  SECRETS,
  secretTexts,
} from '../../kube/index.ts';
import type { PipelineContext } from '../context.ts';
import { LABELS } from '../resources.ts';
import { secretsOfAccount } from '../task-run/credentials.ts';
import { Masker } from './masker.ts';

const PARTIAL = '.part';
const MAX_ATTEMPTS = 8;
const RETRY_MS = 25;
const NAME = /^[a-z0-9][a-z0-9.-]*$/;

export interface LogPlace {
  namespace: string;
  /** The pipeline run, or the task run that belongs to none. */
  run: string;
  pod: string;
  container: string;
}

/**
 * Writes down what the steps of runs print while they print it, without their secrets. What it has written stays
 * when the pods are gone.
 */
export class LogRecorder {
  readonly #context: PipelineContext;
  readonly #pods: Informer<Pod>;
  /** Containers that are recorded, or have been: each once. */
  readonly #begun = new Set<string>();
  readonly #waiters = new Map<string, Set<() => void>>();

  constructor(context: PipelineContext) {
    this.#context = context;
    this.#pods = context.informers.for<Pod>(PODS);
  }

  /** Call before the informers start. */
  start(signal: AbortSignal): void {
    const seen = (pod: Pod): void => {
      if (pod.metadata.labels?.[LABELS.taskRun] !== undefined) this.#seen(pod, signal);
    };
    this.#pods.addHandler({
      added: seen,
      updated: seen,
      deleted: ({ metadata, spec }) => {
        for (const { name } of [...spec.containers, ...(spec.initContainers ?? [])])
          this.#begun.delete(`${metadata.uid}/${name}`);
      },
    });
  }

  pathOf({ namespace, run, pod, container }: LogPlace): string {
    for (const part of [namespace, run, pod, container])
      if (!NAME.test(part)) throw new Error(`${part} is no name`);
    return join(this.#context.logsDir, namespace, run, pod, `${container}.log`);
  }

  /** What a container has printed, and with `follow` what it prints until it ends. */
  async *read(at: LogPlace, options: { follow: boolean; signal: AbortSignal }): AsyncGenerator<Buffer> {
    const path = this.pathOf(at);
    using news = this.#subscribe(path, options.signal);
    for (let offset = 0; ; ) {
      // Asked for before the files are looked at: what comes in between is not slept through.
      const more = news.next();
      const whole = await open(path).catch(() => undefined);
      await using file = whole ?? (await open(`${path}${PARTIAL}`).catch(() => undefined));
      if (file !== undefined)
        for await (const chunk of file.createReadStream({ start: offset, autoClose: false })) {
          offset += (chunk as Buffer).length;
          yield chunk as Buffer;
        }
      if (whole !== undefined || options.signal.aborted || !options.follow) return;
      await more;
    }
  }

  #seen(pod: Pod, signal: AbortSignal): void {
    const running = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
    for (const { name, state, containerID } of running) {
      if (state?.running === undefined && state?.terminated === undefined) continue;
      const key = `${pod.metadata.uid}/${name}`;
      if (this.#begun.has(key) || (state.terminated !== undefined && containerID === undefined)) continue;
      this.#begun.add(key);
      void this.#recordWhole(pod, name, signal);
    }
  }

  /** Whoever follows a log waits for its end: there is one in any case. */
  async #recordWhole(pod: Pod, container: string, signal: AbortSignal): Promise<void> {
    const { name = '' } = pod.metadata;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await this.#record(pod, container, signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const isGone = isApiError(error, 'NotFound');
        if (!isGone && attempt < MAX_ATTEMPTS) {
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS * attempt));
          continue;
        }
        this.#context.log.warn(
          { err: error, pod: name, container },
          'the log of a step could not be kept whole',
        );
        const path = this.pathOf(placeOf(pod, container));
        await writeFile(`${path}${PARTIAL}`, '', { flag: 'a', mode: 0o600 }).catch(() => {});
        await rename(`${path}${PARTIAL}`, path).catch(() => {});
        this.#wake(path);
        return;
      }
    }
  }

  async #record(pod: Pod, container: string, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '' } = pod.metadata;
    const path = this.pathOf(placeOf(pod, container));
    if ((await stat(path).catch(() => undefined)) !== undefined) return;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const masker = new Masker(await this.#secretsOf(pod));
    const stream = await this.#context.client.stream({
      method: 'GET',
      path: `/api/v1/namespaces/${namespace}/pods/${name}/log`,
      query: new URLSearchParams({ container, follow: 'true' }),
      signal,
    });
    await using file = await open(`${path}${PARTIAL}`, 'w', 0o600);
    const decoder = new TextDecoder();
    const write = async (text: string): Promise<void> => {
      if (text === '') return;
      await file.write(text);
      this.#wake(path);
    };
    for await (const chunk of stream) await write(masker.push(decoder.decode(chunk, { stream: true })));
    if (signal.aborted) return;
    await write(masker.push(decoder.decode()) + masker.end());
    await file.sync();
    await rename(`${path}${PARTIAL}`, path);
    this.#wake(path);
  }

  /** Everything secret that the pod can see: what it mounts, what is in its environment, what its account holds. */
  async #secretsOf(pod: Pod): Promise<string[]> {
    const { namespace = '' } = pod.metadata;
    const names = new Set<string>();
    for (const { env = [], envFrom = [] } of [
      ...pod.spec.containers,
      ...(pod.spec.initContainers ?? []),
    ] as Container[]) {
      for (const { valueFrom } of env) if (valueFrom?.secretKeyRef) names.add(valueFrom.secretKeyRef.name);
      for (const { secretRef } of envFrom) if (secretRef) names.add(secretRef.name);
    }
    for (const volume of pod.spec.volumes ?? []) {
      if (volume.secret) names.add(volume.secret.secretName);
      for (const source of volume.projected?.sources ?? []) if (source.secret) names.add(source.secret.name);
    }
    const { client } = this.#context;
    const mounted = await Promise.all(
      [...names].map((name) => client.get<Secret>(SECRETS, namespace, name).catch(() => undefined)),
    );
    const own = await secretsOfAccount(client, namespace, pod.spec.serviceAccountName ?? 'default');
    return [...mounted, ...own].flatMap(secretTexts);
  }

  /** Forgets a run. */
  async remove(namespace: string, run: string): Promise<void> {
    const { logsDir } = this.#context;
    if (NAME.test(namespace) && NAME.test(run))
      await rm(join(logsDir, namespace, run), { recursive: true, force: true });
  }

  /** `next` resolves with the next news of a log, or when the signal aborts. */
  #subscribe(path: string, signal: AbortSignal): Disposable & { next: () => Promise<void> } {
    let pending = Promise.withResolvers<void>();
    const wake = (): void => pending.resolve();
    const waiters = this.#waiters.get(path) ?? new Set();
    this.#waiters.set(path, waiters.add(wake));
    signal.addEventListener('abort', wake, { once: true });
    return {
      next: () => {
        pending = Promise.withResolvers();
        if (signal.aborted) pending.resolve();
        return pending.promise;
      },
      [Symbol.dispose]: () => {
        waiters.delete(wake);
        if (waiters.size === 0 && this.#waiters.get(path) === waiters) this.#waiters.delete(path);
        signal.removeEventListener('abort', wake);
      },
    };
  }

  #wake(path: string): void {
    for (const wake of this.#waiters.get(path) ?? []) wake();
  }
}

function placeOf(pod: Pod, container: string): LogPlace {
  const { namespace = '', name = '', labels = {} } = pod.metadata;
  return { namespace, run: labels[LABELS.pipelineRun] ?? labels[LABELS.taskRun] ?? '', pod: name, container };
}
