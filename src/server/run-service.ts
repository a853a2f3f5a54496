import type { ApiRequest, Reply, RequestInfo } from '../apiserver/index.ts';
import type { ArtifactStore } from '../ci/index.ts';
import {
  ApiError,
  type Informer,
  type Informers,
  type KubeClient,
  type KubeObject,
  type Logger,
  type Pod,
  PODS,
} from '../kube/index.ts';
import {
  LABELS,
  type LogRecorder,
  outcomeOf,
  PIPELINE_RUNS,
  type PipelineRun,
  TASK_RUNS,
  type TaskRun,
} from '../pipelines/index.ts';
import type { ServicePart } from './local-services.ts';

export interface RunServiceOptions {
  client: KubeClient;
  informers: Informers;
  logs: LogRecorder;
  artifacts: ArtifactStore;
  log: Logger;
}

interface Asked {
  namespace: string;
  run: string;
  task: string | undefined;
  step: string | undefined;
  follow: boolean;
}

type Say = (line: { task: string; step: string; text: string }) => void;

const BY_RUN = 'run-of-task';

/** Logs and artifacts of runs: they stay when the pods are gone. */
export class RunService implements ServicePart {
  readonly resources = [
    { name: 'pipelineruns/log', namespaced: true, verbs: ['get'], kind: 'PipelineRun' },
    { name: 'pipelineruns/artifacts', namespaced: true, verbs: ['get'], kind: 'PipelineRun' },
  ];
  readonly #options: RunServiceOptions;
  readonly #runs: Informer<PipelineRun>;
  readonly #taskRuns: Informer<TaskRun>;
  readonly #pods: Informer<Pod>;

  constructor(options: RunServiceOptions) {
    this.#options = options;
    const { informers } = options;
    this.#runs = informers.for<PipelineRun>(PIPELINE_RUNS);
    this.#taskRuns = informers
      .for<TaskRun>(TASK_RUNS)
      .addIndex(BY_RUN, (run) => [
        `${run.metadata.namespace}/${run.metadata.labels?.[LABELS.pipelineRun] ?? ''}`,
      ]);
    this.#pods = informers.for<Pod>(PODS);
  }

  handle = async (request: ApiRequest, info: RequestInfo): Promise<Reply | undefined> => {
    const { query, signal } = request;
    const at = { namespace: info.namespace, run: info.name };
    if (info.subresource === 'artifacts') return this.#artifacts(at, query.get('path'));
    if (info.subresource !== 'log') return undefined;
    // The cache may not show yet what was made a moment ago.
    await this.#options.client.get(PIPELINE_RUNS, at.namespace, at.run);
    const asked: Asked = {
      ...at,
      task: query.get('task') ?? undefined,
      step: query.get('step') ?? undefined,
      follow: query.get('follow') === 'true',
    };
    return {
      status: 200,
      headers: { 'content-type': 'application/x-ndjson' },
      start: async (sink) => {
        await this.#tell(
          asked,
          (line) => void sink.write(`${JSON.stringify(line)}\n`),
          AbortSignal.any([signal, sink.signal]),
        );
        sink.end();
      },
    };
  };

  async #artifacts(
    { namespace, run }: { namespace: string; run: string },
    path: string | null,
  ): Promise<Reply> {
    const { artifacts } = this.#options;
    if (path === null)
      return {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ items: await artifacts.list(namespace, run) }),
      };
    const file = await artifacts.open(namespace, run, path).catch(() => undefined);
    if (file === undefined) throw new ApiError('NotFound', `The run ${run} has no artifact ${path}.`);
    return {
      status: 200,
      headers: { 'content-type': 'application/octet-stream' },
      start: async (sink) => {
        for await (const chunk of file.createReadStream()) if (!(await sink.write(chunk as Buffer))) break;
        sink.end();
      },
    };
  }

  /** Everything that the steps print, each line with the step it comes from. */
  async #tell(asked: Asked, say: Say, signal: AbortSignal): Promise<void> {
    const started = new Map<string, Promise<void>>();
    const begin = (): void => {
      for (const { task, run, pod, containers } of this.#steps(asked))
        for (const container of containers) {
          const key = `${pod}/${container}`;
          if (!started.has(key))
            started.set(key, this.#tellStep({ ...asked, run, task, pod, container }, say, signal));
        }
    };
    if (!asked.follow) {
      // In their order, one after another.
      for (const { task, run, pod, containers } of this.#steps(asked))
        for (const container of containers)
          await this.#tellStep({ ...asked, run, task, pod, container }, say, signal);
      return;
    }
    await this.#until(asked, begin, signal);
    begin();
    await Promise.all(started.values());
  }

  async #tellStep(
    at: Asked & { task: string; pod: string; container: string },
    say: Say,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, run, pod, container, follow, task } = at;
    const decoder = new TextDecoder();
    let open = '';
    const step = container.replace(/^step-/, '');
    for await (const chunk of this.#options.logs.read(
      { namespace, run, pod, container },
      { follow, signal },
    )) {
      const lines = (open + decoder.decode(chunk, { stream: true })).split('\n');
      open = lines.pop() ?? '';
      for (const text of lines) say({ task, step, text });
    }
    if (open !== '') say({ task, step, text: open });
  }

  /** The containers that have begun, by task. */
  #steps({
    namespace,
    run,
    task,
    step,
  }: Asked): { task: string; run: string; pod: string; containers: string[] }[] {
    const runs = this.#taskRuns.byIndex(BY_RUN, `${namespace}/${run}`);
    runs.sort((a, b) => (a.status?.startTime ?? '').localeCompare(b.status?.startTime ?? ''));
    return runs.flatMap((taskRun) => {
      const name = taskRun.metadata.labels?.[LABELS.pipelineTask] ?? '';
      if (task !== undefined && name !== task) return [];
      const attempts = [...(taskRun.status?.retriesStatus ?? []), taskRun.status];
      return attempts.flatMap((attempt) => {
        const pod = attempt?.podName;
        if (pod === undefined) return [];
        const live = this.#pods.get(namespace, pod);
        const containers =
          live === undefined ? (attempt?.steps ?? []).map((item) => item.container) : begun(live);
        return [
          {
            task: name,
            run: attempt?.reusedFrom?.run ?? run,
            pod,
            containers: containers.filter((item) => step === undefined || item === `step-${step}`),
          },
        ];
      });
    });
  }

  /** Calls back with all news until the run has ended. */
  #until({ namespace, run }: Asked, changed: () => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const handlers: Disposable[] = [];
      const done = (): void => {
        for (const handler of handlers) handler[Symbol.dispose]();
        signal.removeEventListener('abort', done);
        resolve();
      };
      let seen = this.#runs.get(namespace, run) !== undefined;
      const look = (object: KubeObject): void => {
        if (object.metadata.namespace !== namespace) return;
        const found = this.#runs.get(namespace, run);
        changed();
        seen ||= found !== undefined;
        if (found === undefined ? seen : outcomeOf(found) !== undefined) done();
      };
      signal.addEventListener('abort', done, { once: true });
      for (const informer of [this.#runs, this.#taskRuns, this.#pods])
        handlers.push(
          (informer as unknown as Informer).addHandler({ added: look, updated: look, deleted: look }),
        );
      if (signal.aborted) done();
    });
  }
}

function begun(pod: Pod): string[] {
  const statuses = new Map((pod.status?.containerStatuses ?? []).map((item) => [item.name, item]));
  return pod.spec.containers
    .map(({ name }) => name)
    .filter((name) => {
      const status = statuses.get(name);
      return (
        status?.containerID !== undefined &&
        (status.state?.running !== undefined || status.state?.terminated !== undefined)
      );
    });
}
