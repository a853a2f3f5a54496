import { createHash } from 'node:crypto';
import {
  Controller,
  DONE,
  type EventRecorder,
  type Informer,
  isApiError,
  type Outcome,
  type Pod,
  PODS,
  type Request,
  withCondition,
  unlessGone,
  timestamp,
  durationMs,
} from '../../kube/index.ts';
import type { PipelineContext } from '../context.ts';
import { formatDuration } from '../duration.ts';
import { RunProblem } from '../params.ts';
import { taskRunToday } from '../older-fields.ts';
import type { References } from '../resolve/resolver.ts';
import { POD_ANNOTATIONS, TASK_RUNS } from '../resources.ts';
import { commitStatus, outcomeOf, succeeded } from '../run-status.ts';
import type { StepState, TaskRun, TaskRunStatus, TaskSpec } from '../types.ts';
import { makeCredentials } from './credentials.ts';
import { podNameOf, podOf, stepNames } from './pod.ts';
import { stepStates, verdictOf } from './pod-status.ts';
import { prepareTask } from './prepare.ts';
import { collectResults } from './results.ts';
import { taskSpecOf } from './task-spec.ts';
import { makeClaims, withClaims } from './workspaces.ts';

const DEFAULT_TIMEOUT_MS = 3_600_000;
/** How often work that this platform has lost is run again. */
const MAX_LOST = 3;
const BY_REUSE = 'reuse';
const NEVER = Number.POSITIVE_INFINITY;

type Status = TaskRunStatus & { lostPods?: number };
/** Says what would have to be the same for the outcome of an earlier run to be taken. */
const REUSE = 'dispatch.dev/reuse';

export interface TaskRunDeps {
  references: References;
  /** What a step has printed, as it is kept. */
  output: (pod: Pod, container: string) => Promise<string>;
}

/** Runs a task: one pod, whose containers are the steps. */
export class TaskRunController {
  readonly #context: PipelineContext;
  readonly #deps: TaskRunDeps;
  readonly #runs: Informer<TaskRun>;
  readonly #pods: Informer<Pod>;
  readonly #events: EventRecorder;
  readonly #controller: Controller;

  constructor(context: PipelineContext, deps: TaskRunDeps) {
    this.#context = context;
    this.#deps = deps;
    this.#runs = context.informers.for<TaskRun>(TASK_RUNS).addIndex(BY_REUSE, (run) => {
      const key = reuseKey(run);
      return key === undefined ? [] : [`${run.metadata.namespace}/${key}`];
    });
    this.#pods = context.informers.for<Pod>(PODS);
    this.#events = context.events('TaskRun');
    this.#controller = new Controller({
      name: 'task-run',
      log: context.log,
      concurrency: 16,
      reconcile: (request, signal) => this.#reconcile(request, signal),
    })
      .for(this.#runs)
      .owns(this.#pods, { apiVersion: 'tekton.dev/v1', kind: 'TaskRun' });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(request: Request, signal: AbortSignal): Promise<Outcome> {
    const found = this.#runs.get(request.namespace, request.name);
    if (found === undefined || found.metadata.deletionTimestamp !== undefined) return DONE;
    const run = taskRunToday(found);
    if (outcomeOf(run) !== undefined) return this.#afterEnd(run);
    const status: Status = {
      ...run.status,
      startTime: run.status?.startTime ?? timestamp(this.#context.now()),
    };
    try {
      const cancelled = this.#cancelled(run);
      if (cancelled !== undefined) return await this.#fail(run, status, cancelled, { retry: false });
      const wait = this.#timeLeft(run, status);
      if (wait <= 0)
        return await this.#fail(
          run,
          status,
          new RunProblem(
            'TaskRunTimeout',
            `TaskRun "${request.name}" failed to finish within "${formatDuration(timeoutOf(run))}"`,
          ),
          { retry: true },
        );
      const spec = await taskSpecOf(run, status, this.#deps.references, signal);
      if (await this.#reuse(run, { ...status, taskSpec: spec })) return DONE;
      const stepWait = await this.#advance(run, { ...status, taskSpec: spec });
      const next = Math.min(wait, stepWait);
      return Number.isFinite(next) ? { result: 'requeueAfter', ms: Math.max(10, next) } : DONE;
    } catch (error) {
      if (error instanceof RunProblem) return this.#fail(run, status, error, { retry: false });
      throw error;
    }
  }

  /** Takes the outcome of an earlier run, where nothing that it depends on has changed since. */
  async #reuse(run: TaskRun, status: Status): Promise<boolean> {
    const key = reuseKey(run);
    if (key === undefined || status.podName !== undefined || status.retriesStatus !== undefined) return false;
    const { namespace } = run.metadata;
    const earlier = this.#runs
      .byIndex(BY_REUSE, `${namespace}/${key}`)
      .filter((item) => item.metadata.uid !== run.metadata.uid && outcomeOf(item) === 'succeeded')
      .sort((a, b) => (b.status?.completionTime ?? '').localeCompare(a.status?.completionTime ?? ''))[0];
    if (earlier === undefined) return false;
    const { results, steps, podName } = earlier.status ?? {};
    const origin = earlier.status?.reusedFrom ?? {
      taskRun: earlier.metadata.name ?? '',
      run: earlier.metadata.labels?.['tekton.dev/pipelineRun'] ?? earlier.metadata.name ?? '',
    };
    const message = `Taken from ${origin.taskRun}: nothing that it depends on has changed`;
    this.#events.record(run, { type: 'Normal', reason: 'Reused', message });
    await this.#commit(
      run,
      {
        ...status,
        ...(results && { results }),
        ...(steps && { steps }),
        ...(podName && { podName }),
        reusedFrom: origin,
        completionTime: timestamp(this.#context.now()),
      },
      succeeded('True', 'Succeeded', message),
    );
    return true;
  }

  /** Gives the time until a step has to have ended. */
  async #advance(run: TaskRun, status: Status): Promise<number> {
    const { client } = this.#context;
    const prepared = prepareTask(withClaims(run), status.taskSpec as TaskSpec);
    const podName = podNameOf(run, status.retriesStatus?.length ?? 0, status.lostPods ?? 0);
    let pod = this.#pods.get(run.metadata.namespace ?? '', podName);
    if (pod === undefined) {
      if (status.podName === podName && !(await this.#isThere(run, podName))) {
        await this.#again(run, status);
        return NEVER;
      }
      await makeClaims(client, run);
      const credentials = await makeCredentials(client, run);
      pod = await this.#create(podOf(run, { ...prepared, podName, credentials }), run);
      if (pod === undefined) return NEVER;
    }
    const verdict = verdictOf(pod, prepared.spec, run.metadata.name ?? '');
    const next: Status = { ...status, podName, ...stepStates(pod, prepared.spec) };
    switch (verdict.state) {
      case 'pending':
      case 'running': {
        const late = stepDeadline(next.steps ?? [], prepared.spec, this.#context.now());
        if (late !== undefined && late.left <= 0) {
          const why = `"step-${late.step}" exited because it has exceeded its timeout of ${late.timeout}`;
          await this.#fail(run, next, new RunProblem('Failed', why), { retry: true });
          return NEVER;
        }
        await this.#commit(run, next, succeeded('Unknown', verdict.reason, verdict.message));
        return late?.left ?? NEVER;
      }
      case 'lost':
        await this.#again(run, next);
        return NEVER;
      case 'failed':
        await this.#fail(run, next, new RunProblem(verdict.reason, verdict.message), { retry: true });
        return NEVER;
      case 'succeeded':
        await this.#succeed(run, next, pod, prepared.spec);
        return NEVER;
    }
  }

  /** The cache may not show yet what was made a moment ago. */
  async #isThere(run: TaskRun, podName: string): Promise<boolean> {
    try {
      await this.#context.client.get(PODS, run.metadata.namespace ?? '', podName);
      return true;
    } catch (error) {
      if (isApiError(error, 'NotFound')) return false;
      throw error;
    }
  }

  async #create(pod: Pod, run: TaskRun): Promise<Pod | undefined> {
    try {
      return await this.#context.client.create<Pod>(PODS, pod);
    } catch (error) {
      if (isApiError(error, 'AlreadyExists'))
        return this.#context.client.get<Pod>(PODS, pod.metadata.namespace ?? '', pod.metadata.name ?? '');
      if (isApiError(error, 'Invalid') || isApiError(error, 'BadRequest') || isApiError(error, 'Forbidden'))
        throw new RunProblem(
          'PodCreationFailed',
          `failed to create task run pod "${run.metadata.name}": ${error.message}. Maybe invalid TaskSpec`,
        );
      throw error;
    }
  }

  async #succeed(run: TaskRun, status: Status, pod: Pod, spec: TaskSpec): Promise<void> {
    const { results, steps, problem } = await this.#results(pod, spec);
    const withSteps = {
      ...status,
      steps: (status.steps ?? []).map((step) => ({
        ...step,
        ...(steps.has(step.name) && { results: steps.get(step.name)! }),
      })),
    };
    if (problem !== undefined) {
      await this.#fail(run, withSteps, new RunProblem('TaskRunValidationFailed', problem), { retry: false });
      return;
    }
    this.#events.record(run, {
      type: 'Normal',
      reason: 'Succeeded',
      message: 'All Steps have completed executing',
    });
    await this.#commit(
      run,
      {
        ...withSteps,
        ...(results.length > 0 && { results }),
        completionTime: timestamp(this.#context.now()),
      },
      succeeded('True', 'Succeeded', 'All Steps have completed executing'),
    );
  }

  #results(pod: Pod, spec: TaskSpec): ReturnType<typeof collectResults> {
    return collectResults(spec, {
      files: this.#context.files,
      podUid: pod.metadata.uid ?? '',
      output: (step) => this.#deps.output(pod, `step-${step}`),
    });
  }

  /** The platform has lost the pod: that is no failure of what ran in it. */
  async #again(run: TaskRun, status: Status): Promise<void> {
    const lostPods = (status.lostPods ?? 0) + 1;
    if (lostPods > MAX_LOST) {
      await this.#fail(run, status, new RunProblem('PodLost', `the pod was lost ${lostPods} times`), {
        retry: false,
      });
      return;
    }
    const { podName: _pod, steps: _steps, ...rest } = status;
    this.#events.record(run, {
      type: 'Warning',
      reason: 'PodLost',
      message: 'The pod is gone without an end: the task is run again',
    });
    await this.#commit(
      run,
      { ...rest, lostPods },
      succeeded('Unknown', 'Pending', 'The pod was lost and is made again'),
    );
    this.#controller.queue.add(`${run.metadata.namespace}/${run.metadata.name}`);
  }

  async #fail(
    run: TaskRun,
    status: Status,
    problem: RunProblem,
    { retry }: { retry: boolean },
  ): Promise<Outcome> {
    const now = timestamp(this.#context.now());
    const { retriesStatus = [], lostPods: _lost, ...attempt } = status;
    const failed: Status = { ...attempt, completionTime: now };
    const condition = succeeded('False', problem.reason, problem.message);
    if (retry && retriesStatus.length < (run.spec.retries ?? 0)) {
      const { steps: _steps, podName: _pod, completionTime: _end, results: _results, ...fresh } = attempt;
      const ended = {
        ...failed,
        conditions: withCondition(failed.conditions, condition, this.#context.now()),
      };
      await this.#endPod(run, status);
      await this.#commit(
        run,
        { ...fresh, startTime: now, retriesStatus: [...retriesStatus, ended] },
        succeeded('Unknown', 'ToBeRetried', problem.message),
      );
      return DONE;
    }
    this.#events.record(run, { type: 'Warning', reason: problem.reason, message: problem.message });
    await this.#endPod(run, status);
    await this.#commit(run, { ...failed, ...(retriesStatus.length > 0 && { retriesStatus }) }, condition);
    return DONE;
  }

  /** Ends what still runs of an attempt. A pod that has ended is kept: its logs and files are still of use. */
  async #endPod(run: TaskRun, status: Status): Promise<void> {
    const pod =
      status.podName === undefined ? undefined : this.#pods.get(run.metadata.namespace ?? '', status.podName);
    if (pod === undefined || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return;
    await unlessGone(
      this.#context.client.delete(PODS, run.metadata.namespace ?? '', pod.metadata.name ?? ''),
    );
  }

  /** The files of a task that went well are of no more use; those of one that failed can be looked at. */
  async #afterEnd(run: TaskRun): Promise<Outcome> {
    if (outcomeOf(run) !== 'succeeded') return DONE;
    const pod = this.#pods.get(run.metadata.namespace ?? '', run.status?.podName ?? '');
    if (pod?.metadata.annotations?.[POD_ANNOTATIONS.keepVolumes] === undefined) return DONE;
    await unlessGone(
      this.#context.client.patch(
        PODS,
        { namespace: run.metadata.namespace ?? '', name: pod.metadata.name ?? '' },
        'merge',
        {
          metadata: { annotations: { [POD_ANNOTATIONS.keepVolumes]: null } },
        },
      ),
    );
    return DONE;
  }

  #cancelled(run: TaskRun): RunProblem | undefined {
    if (run.spec.status !== 'TaskRunCancelled') return undefined;
    const why = run.spec.statusMessage ? `. ${run.spec.statusMessage}` : '';
    return new RunProblem('TaskRunCancelled', `TaskRun "${run.metadata.name}" was cancelled${why}`);
  }

  #timeLeft(run: TaskRun, status: Status): number {
    const timeout = timeoutOf(run);
    if (timeout === 0) return Number.POSITIVE_INFINITY;
    return Date.parse(status.startTime ?? '') + timeout - this.#context.now();
  }

  async #commit(run: TaskRun, status: Status, condition: ReturnType<typeof succeeded>): Promise<void> {
    await commitStatus(this.#context.client, TASK_RUNS, run, {
      ...status,
      observedGeneration: run.metadata.generation ?? 1,
      conditions: withCondition(status.conditions, condition, this.#context.now()),
    });
  }
}

function timeoutOf(run: TaskRun): number {
  return run.spec.timeout === undefined
    ? DEFAULT_TIMEOUT_MS
    : (durationMs(run.spec.timeout) ?? DEFAULT_TIMEOUT_MS);
}

/** The step that runs now, with the time that it has left, where it has a limit. */
function stepDeadline(
  states: readonly StepState[],
  spec: TaskSpec,
  now: number,
): { step: string; timeout: string; left: number } | undefined {
  const names = stepNames(spec);
  for (const [at, { timeout }] of (spec.steps ?? []).entries()) {
    const startedAt = states.find((item) => item.name === names[at])?.running?.startedAt;
    const limit = timeout === undefined ? undefined : durationMs(timeout);
    if (timeout === undefined || startedAt === undefined || !limit) continue;
    return { step: names[at]!, timeout, left: Date.parse(startedAt) + limit - now };
  }
  return undefined;
}

/** What it was given counts as much as what it is. */
function reuseKey({ metadata, spec }: TaskRun): string | undefined {
  const hash = metadata.annotations?.[REUSE];
  if (hash === undefined) return undefined;
  const given = JSON.stringify([
    hash,
    spec.params ?? [],
    spec.serviceAccountName ?? '',
    spec.workspaces ?? [],
  ]);
  return createHash('sha256').update(given).digest('hex');
}
