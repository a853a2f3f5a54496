import {
  Controller,
  DONE,
  type EventRecorder,
  type Informer,
  isApiError,
  isControlledBy,
  type KubeObject,
  type Outcome,
  type Request,
  type ResourceRef,
  withCondition,
  unlessGone,
  timestamp,
  durationMs,
} from '../../kube/index.ts';
import type { PipelineContext } from '../context.ts';
import { formatDuration } from '../duration.ts';
import { bindParams, paramReplacements, RunProblem, withUndeclared } from '../params.ts';
import { pipelineRunToday } from '../older-fields.ts';
import type { References } from '../resolve/resolver.ts';
import { CUSTOM_RUNS, GROUP, LABELS, PIPELINE_RUNS, TASK_RUNS } from '../resources.ts';
import { commitStatus, outcomeOf, succeeded } from '../run-status.ts';
import type { Replacements } from '../substitution.ts';
import { makeClaims } from '../task-run/workspaces.ts';
import type { CustomRun, Pipeline, PipelineRun, PipelineRunStatus, PipelineSpec, TaskRun } from '../types.ts';
import { childrenOf } from './children.ts';
import { graphOf } from './graph.ts';
import { nextTasks, SKIPPED } from './next.ts';
import { type Child, Progress } from './state.ts';
import { conditionOf, pipelineResults, referencesOf } from './summary.ts';

const DEFAULT_TIMEOUT_MS = 3_600_000;
const BY_OWNER = 'pipeline-run';

/** What ends a run before its time, and what may still be started. */
interface Interruption {
  reason: string;
  message: string;
  cancel: 'all' | 'tasks' | 'none';
  skip: string;
  runFinally: boolean;
}

/** Runs the tasks of a pipeline in their order. All that it knows is in the API: it can be stopped at any line. */
export class PipelineRunController {
  readonly #context: PipelineContext;
  readonly #references: References;
  readonly #runs: Informer<PipelineRun>;
  readonly #taskRuns: Informer<TaskRun>;
  readonly #customRuns: Informer<CustomRun>;
  readonly #events: EventRecorder;
  readonly #controller: Controller;

  constructor(context: PipelineContext, references: References) {
    this.#context = context;
    this.#references = references;
    const { informers } = context;
    this.#runs = informers.for<PipelineRun>(PIPELINE_RUNS);
    const ownerOf = (object: KubeObject): string[] => [
      object.metadata.ownerReferences?.find((item) => item.controller)?.uid ?? '',
    ];
    this.#taskRuns = informers.for<TaskRun>(TASK_RUNS).addIndex(BY_OWNER, ownerOf);
    this.#customRuns = informers.for<CustomRun>(CUSTOM_RUNS).addIndex(BY_OWNER, ownerOf);
    this.#events = context.events('PipelineRun');
    const owner = { apiVersion: `${GROUP}/v1`, kind: 'PipelineRun' };
    this.#controller = new Controller({
      name: 'pipeline-run',
      log: context.log,
      concurrency: 8,
      reconcile: (request, signal) => this.#reconcile(request, signal),
    })
      .for(this.#runs)
      .owns(this.#taskRuns, owner)
      .owns(this.#customRuns, owner);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(request: Request, signal: AbortSignal): Promise<Outcome> {
    const found = this.#runs.get(request.namespace, request.name);
    if (
      found === undefined ||
      found.metadata.deletionTimestamp !== undefined ||
      outcomeOf(found) !== undefined
    )
      return DONE;
    const run = pipelineRunToday(found);
    if (run.spec.status === 'PipelineRunPending') {
      await this.#commit(
        run,
        { ...run.status },
        succeeded('Unknown', 'PipelineRunPending', `PipelineRun "${request.name}" is pending`),
      );
      return DONE;
    }
    const status: PipelineRunStatus = {
      ...run.status,
      startTime: run.status?.startTime ?? timestamp(this.#context.now()),
    };
    try {
      const spec = await this.#spec(run, status, signal);
      status.pipelineSpec = spec;
      return await this.#advance(run, status, spec);
    } catch (error) {
      if (!(error instanceof RunProblem)) throw error;
      this.#events.record(run, { type: 'Warning', reason: 'Failed', message: error.message });
      await this.#commit(
        run,
        { ...status, completionTime: timestamp(this.#context.now()) },
        succeeded('False', error.reason, error.message),
      );
      return DONE;
    }
  }

  async #spec(run: PipelineRun, status: PipelineRunStatus, signal: AbortSignal): Promise<PipelineSpec> {
    if (status.pipelineSpec !== undefined) return status.pipelineSpec;
    const own = run.spec.pipelineSpec ?? run.spec.PipelineSpec;
    if (own !== undefined) return own;
    if (run.spec.pipelineRef === undefined)
      throw new RunProblem('PipelineValidationFailed', 'expected exactly one of pipelineRef, pipelineSpec');
    const { object, provenance } = await this.#references.get<Pipeline>('Pipeline', run.spec.pipelineRef, {
      namespace: run.metadata.namespace ?? '',
      signal,
    });
    if (provenance !== undefined) status.provenance = provenance;
    return object.spec;
  }

  async #advance(run: PipelineRun, status: PipelineRunStatus, spec: PipelineSpec): Promise<Outcome> {
    const nodes = graphOf(spec);
    const bound = bindParams(spec.params, run.spec.params, 'ParameterMissing');
    const params = withUndeclared(bound, run.spec.params, run.spec.pipelineRef === undefined);
    checkWorkspaces(run, spec);
    const children = this.#children(run);
    const progress = new Progress(nodes, children, status.skippedTasks ?? []);
    const times = this.#times(run, status);
    const interruption = this.#interruption(run, times, progress);
    const base = (): Replacements => contextReplacements(run, spec, paramReplacements(params));
    const starts = nextTasks(progress, { base, stopped: interruption?.skip });
    if (interruption !== undefined && !interruption.runFinally) {
      starts.length = 0;
      for (const name of progress.names(true))
        if (progress.stateOf(name) === undefined)
          progress.skipped.set(name, { name, reason: interruption.skip });
    }
    if (interruption !== undefined) await this.#cancel(interruption, progress);
    const made = new Map(children);
    if (starts.length > 0) await makeClaims(this.#context.client, run);
    for (const start of starts) {
      const remainingMs = start.node.isFinally ? times.finallyLeft : times.tasksLeft;
      const wanted = childrenOf(start, { run, spec, pipelineName: pipelineNameOf(run), remainingMs });
      made.set(start.node.task.name, await Promise.all(wanted.map((child) => this.#create(child, run))));
    }
    return this.#report(run, status, {
      spec,
      progress: new Progress(nodes, made, [...progress.skipped.values()]),
      interruption,
      base,
      times,
    });
  }

  async #report(
    run: PipelineRun,
    status: PipelineRunStatus,
    state: {
      spec: PipelineSpec;
      progress: Progress;
      interruption: Interruption | undefined;
      base: () => Replacements;
      times: Times;
    },
  ): Promise<Outcome> {
    const { progress, interruption, times, spec } = state;
    const condition = conditionOf(progress, interruption);
    const ended = condition.status !== 'Unknown';
    const results = ended ? pipelineResults(spec, progress, state.base()) : undefined;
    const finallyStarted = progress.names(true).some((name) => progress.stateOf(name) !== undefined);
    if (ended)
      this.#events.record(run, {
        type: condition.status === 'True' ? 'Normal' : 'Warning',
        reason: condition.reason ?? '',
        message: condition.message ?? '',
      });
    await this.#commit(
      run,
      {
        ...status,
        childReferences: referencesOf(progress),
        ...(progress.skipped.size > 0 && { skippedTasks: [...progress.skipped.values()] }),
        ...(finallyStarted && {
          finallyStartTime: status.finallyStartTime ?? timestamp(this.#context.now()),
        }),
        ...(results !== undefined && results.length > 0 && { results }),
        ...(ended && { completionTime: timestamp(this.#context.now()) }),
      },
      condition,
    );
    return ended || !Number.isFinite(times.wake)
      ? DONE
      : { result: 'requeueAfter', ms: Math.max(10, times.wake) };
  }

  #children(run: PipelineRun): Map<string, Child[]> {
    const uid = run.metadata.uid ?? '';
    const found = new Map<string, Child[]>();
    const all = [...this.#taskRuns.byIndex(BY_OWNER, uid), ...this.#customRuns.byIndex(BY_OWNER, uid)];
    all.sort((a, b) => naturally(a.metadata.name ?? '', b.metadata.name ?? ''));
    for (const child of all) {
      const task = child.metadata.labels?.[LABELS.pipelineTask] ?? '';
      found.set(task, [...(found.get(task) ?? []), child]);
    }
    return found;
  }

  async #create(child: Child, run: PipelineRun): Promise<Child> {
    const resource = resourceOf(child);
    try {
      return await this.#context.client.create<Child>(resource, child);
    } catch (error) {
      if (isApiError(error, 'AlreadyExists')) {
        const known = await this.#context.client.get<Child>(
          resource,
          child.metadata.namespace ?? '',
          child.metadata.name ?? '',
        );
        if (isControlledBy(known, run)) return known;
        throw new RunProblem(
          'CreateRunFailed',
          `${child.kind} ${child.metadata.name} is there already and belongs to something else`,
        );
      }
      if (isApiError(error, 'Invalid') || isApiError(error, 'BadRequest'))
        throw new RunProblem('CreateRunFailed', error.message);
      throw error;
    }
  }

  async #cancel({ cancel, message }: Interruption, progress: Progress): Promise<void> {
    if (cancel === 'none') return;
    for (const child of progress.running(cancel === 'all' ? undefined : false)) {
      const status = child.kind === 'TaskRun' ? 'TaskRunCancelled' : 'RunCancelled';
      if (child.spec.status === status) continue;
      const { namespace = '', name = '' } = child.metadata;
      await unlessGone(
        this.#context.client.patch(resourceOf(child), { namespace, name }, 'merge', {
          spec: { status, statusMessage: message },
        }),
      );
    }
  }

  #times(run: PipelineRun, status: PipelineRunStatus): Times {
    const now = this.#context.now();
    const started = Date.parse(status.startTime ?? '');
    const limit = (text: string | undefined): number => {
      const ms = text === undefined ? undefined : durationMs(text);
      return ms === undefined || ms === 0 ? Number.POSITIVE_INFINITY : ms;
    };
    const { timeouts } = run.spec;
    const total = timeouts?.pipeline === undefined ? DEFAULT_TIMEOUT_MS : limit(timeouts.pipeline);
    const finallyTime = limit(timeouts?.finally);
    const tasksTime =
      timeouts?.tasks === undefined
        ? Number.isFinite(finallyTime)
          ? total - finallyTime
          : total
        : limit(timeouts.tasks);
    const left = started + total - now;
    const tasksLeft = Math.min(left, started + tasksTime - now);
    const finallyStart = Date.parse(status.finallyStartTime ?? '') || now;
    return {
      total,
      left,
      tasksLeft,
      finallyLeft: Math.min(left, finallyStart + finallyTime - now),
      wake: tasksLeft > 0 ? tasksLeft : left,
    };
  }

  #interruption(run: PipelineRun, times: Times, progress: Progress): Interruption | undefined {
    const { name } = run.metadata;
    const timeout = {
      reason: 'PipelineRunTimeout',
      skip: SKIPPED.tasksTimeout,
      message: `PipelineRun "${name}" failed to finish within "${formatDuration(times.total)}"`,
    };
    if (times.left <= 0) return { ...timeout, cancel: 'all', runFinally: false };
    const cancelled = { reason: 'Cancelled', message: `PipelineRun "${name}" was cancelled` };
    switch (run.spec.status) {
      case 'Cancelled':
      case 'PipelineRunCancelled':
        return { ...cancelled, cancel: 'all', skip: SKIPPED.stopping, runFinally: false };
      case 'CancelledRunFinally':
        return { ...cancelled, cancel: 'tasks', skip: SKIPPED.gracefullyCancelled, runFinally: true };
      case 'StoppedRunFinally':
        return { ...cancelled, cancel: 'none', skip: SKIPPED.gracefullyStopped, runFinally: true };
      default:
        break;
    }
    // Cancelled tasks of a run that nobody has cancelled were out of time: that is still so when they have ended.
    const wereLate = progress
      .names(false)
      .some((task) =>
        progress.children.get(task)?.some((child) => /Cancelled$/.test(child.spec.status ?? '')),
      );
    const areOpen = progress.names(false).some((task) => !progress.isDone(task));
    if (wereLate || (times.tasksLeft <= 0 && areOpen))
      return { ...timeout, cancel: 'tasks', runFinally: true };
    return undefined;
  }

  async #commit(
    run: PipelineRun,
    status: PipelineRunStatus,
    condition: ReturnType<typeof succeeded>,
  ): Promise<void> {
    await commitStatus(this.#context.client, PIPELINE_RUNS, run, {
      ...status,
      observedGeneration: run.metadata.generation ?? 1,
      conditions: withCondition(status.conditions, condition, this.#context.now()),
    });
  }
}

interface Times {
  total: number;
  left: number;
  tasksLeft: number;
  finallyLeft: number;
  /** When to look again, although nothing has happened. */
  wake: number;
}

function resourceOf(child: Child): ResourceRef {
  return child.kind === 'TaskRun' ? TASK_RUNS : CUSTOM_RUNS;
}

function pipelineNameOf(run: PipelineRun): string {
  return run.spec.pipelineRef?.name ?? run.metadata.name ?? '';
}

function checkWorkspaces(run: PipelineRun, spec: PipelineSpec): void {
  for (const { name, optional } of spec.workspaces ?? [])
    if (!optional && !run.spec.workspaces?.some((item) => item.name === name))
      throw new RunProblem(
        'InvalidWorkspaceBindings',
        `PipelineRun ${run.metadata.namespace}/${run.metadata.name} doesn't bind Pipeline's workspaces correctly: pipeline requires workspace with name "${name}" be provided by pipelinerun`,
      );
}

function contextReplacements(run: PipelineRun, spec: PipelineSpec, into: Replacements): Replacements {
  into.set('context.pipelineRun.name', run.metadata.name ?? '');
  into.set('context.pipelineRun.namespace', run.metadata.namespace ?? '');
  into.set('context.pipelineRun.uid', run.metadata.uid ?? '');
  into.set('context.pipeline.name', pipelineNameOf(run));
  for (const { name } of spec.workspaces ?? [])
    into.set(
      `workspaces.${name}.bound`,
      String(run.spec.workspaces?.some((item) => item.name === name) ?? false),
    );
  return into;
}

/** Numbers at the end of names count as numbers. */
function naturally(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
