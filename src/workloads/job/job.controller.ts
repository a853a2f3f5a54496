import {
  type Condition,
  Controller,
  DONE,
  type EventRecorder,
  type Informer,
  isPodFinished,
  isPodReady,
  JOBS,
  type Outcome,
  type Pod,
  PODS,
  type Request,
  timestamp,
} from '../../kube/index.ts';
import type { Runnable, WorkloadContext } from '../context.ts';
import { PodControl } from '../pod-control.ts';
import { deleteIfThere, writeStatus } from '../status-writer.ts';
import { judge } from './failure-policy.ts';
import { formatIndexes, INDEX, isJobFinished, type Job, parseIndexes } from './job.ts';

const BACKOFF_FIRST_MS = 10_000;
const BACKOFF_MAX_MS = 600_000;

/** What the pods of a job add up to. */
interface Count {
  active: Pod[];
  succeeded: number;
  failed: number;
  doneIndexes: Set<number>;
  failedIndexes: Set<number>;
  /** Counted failures of each index. */
  failuresOf: Map<number, number>;
  /** The policy wants the job to fail, for this reason. */
  verdict: string | undefined;
  lastFailure: number;
}

/** Runs pods until enough of them have ended well, or too many have not. */
export class JobController implements Runnable {
  readonly #context: WorkloadContext;
  readonly #jobs: Informer<Job>;
  readonly #pods: PodControl;
  readonly #events: EventRecorder;
  readonly #controller: Controller;

  constructor(context: WorkloadContext) {
    this.#context = context;
    const { informers, client, log, now } = context;
    this.#jobs = informers.for<Job>(JOBS);
    const pods = informers.for<Pod>(PODS);
    this.#events = context.events('job-controller');
    this.#pods = new PodControl({ client, pods, events: this.#events, now });
    this.#controller = new Controller({ name: 'job', log, reconcile: (request) => this.#reconcile(request) })
      .for(this.#jobs)
      .owns(pods, { apiVersion: 'batch/v1', kind: 'Job' });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(request: Request): Promise<Outcome> {
    const job = this.#jobs.get(request.namespace, request.name);
    if (job === undefined || job.metadata.deletionTimestamp !== undefined) return DONE;
    if (isJobFinished(job)) return this.#expire(job);
    const isCurrent = this.#pods.isCurrent(job);
    const pods = await this.#pods.claim(job, job.spec.selector);
    const count = countOf(job, pods);
    const end = this.#endOf(job, count);
    if (end !== undefined) return this.#finish(job, count, end);
    if (job.spec.suspend) return this.#suspend(job, count);
    const outcome = isCurrent ? await this.#manage(job, count) : DONE;
    await this.#report(job, count, resumed(job, this.#context.now()));
    return outcome;
  }

  /** How the job ends now, if it does. */
  #endOf(
    job: Job,
    count: Count,
  ): { type: 'Complete' | 'Failed'; reason: string; message: string } | undefined {
    const {
      completions,
      backoffLimit = 6,
      activeDeadlineSeconds,
      backoffLimitPerIndex,
      maxFailedIndexes,
    } = job.spec;
    if (count.verdict !== undefined)
      return { type: 'Failed', reason: 'PodFailurePolicy', message: count.verdict };
    if (maxFailedIndexes !== undefined && count.failedIndexes.size > maxFailedIndexes)
      return {
        type: 'Failed',
        reason: 'MaxFailedIndexesExceeded',
        message: 'Job has exceeded the specified maximal number of failed indexes',
      };
    if (backoffLimitPerIndex === undefined && count.failed > backoffLimit)
      return {
        type: 'Failed',
        reason: 'BackoffLimitExceeded',
        message: 'Job has reached the specified backoff limit',
      };
    const started = Date.parse(job.status?.startTime ?? '');
    if (activeDeadlineSeconds !== undefined && this.#context.now() - started >= activeDeadlineSeconds * 1000)
      return {
        type: 'Failed',
        reason: 'DeadlineExceeded',
        message: 'Job was active longer than specified deadline',
      };
    if (isIndexed(job)) {
      const total = completions ?? 1;
      if (succeededByPolicy(job, count))
        return { type: 'Complete', reason: 'SuccessPolicy', message: 'Matched rules at index 0' };
      if (count.doneIndexes.size + count.failedIndexes.size < total) return undefined;
      return count.failedIndexes.size > 0
        ? { type: 'Failed', reason: 'FailedIndexes', message: 'Job has failed indexes' }
        : {
            type: 'Complete',
            reason: 'CompletionsReached',
            message: 'Reached expected number of succeeded pods',
          };
    }
    const enough =
      completions === undefined
        ? count.succeeded > 0 && count.active.length === 0
        : count.succeeded >= completions;
    return enough
      ? {
          type: 'Complete',
          reason: 'CompletionsReached',
          message: 'Reached expected number of succeeded pods',
        }
      : undefined;
  }

  async #finish(
    job: Job,
    count: Count,
    end: { type: 'Complete' | 'Failed'; reason: string; message: string },
  ): Promise<Outcome> {
    const now = timestamp(this.#context.now());
    await Promise.all(count.active.map((pod) => this.#pods.delete(job, pod)));
    const condition: Condition & { lastProbeTime: string } = {
      type: end.type,
      status: 'True',
      reason: end.reason,
      message: end.message,
      lastProbeTime: now,
      lastTransitionTime: now,
    };
    // The pods that were ended with the job count as failed, as on a cluster.
    const failed = count.failed + (end.type === 'Failed' ? count.active.length : 0);
    await this.#report(
      job,
      { ...count, active: [], failed },
      {
        conditions: [...(job.status?.conditions ?? []), condition],
        ...(end.type === 'Complete' && { completionTime: now }),
      },
    );
    const event =
      end.type === 'Complete'
        ? { type: 'Normal' as const, reason: 'Completed', message: 'Job completed' }
        : { type: 'Warning' as const, reason: end.reason, message: end.message };
    this.#events.record(job, event);
    return DONE;
  }

  async #suspend(job: Job, count: Count): Promise<Outcome> {
    await Promise.all(count.active.map((pod) => this.#pods.delete(job, pod)));
    const known = job.status?.conditions?.find((item) => item.type === 'Suspended');
    if (known?.status !== 'True')
      this.#events.record(job, { type: 'Normal', reason: 'Suspended', message: 'Job suspended' });
    await this.#report(
      job,
      { ...count, active: [] },
      {
        startTime: null,
        conditions: withSuspended(job, 'True', this.#context.now()),
      },
    );
    return DONE;
  }

  async #manage(job: Job, count: Count): Promise<Outcome> {
    const { parallelism = 1, completions } = job.spec;
    const active = count.active.filter((pod) => pod.metadata.deletionTimestamp === undefined);
    const open =
      completions === undefined
        ? count.succeeded > 0
          ? active.length
          : parallelism
        : completions - count.succeeded - count.failedIndexes.size;
    const wanted = Math.max(0, Math.min(parallelism, open));
    if (active.length > wanted) {
      await Promise.all(active.slice(wanted).map((pod) => this.#pods.delete(job, pod)));
      return DONE;
    }
    if (active.length === wanted) return this.#untilDeadline(job);
    const failures = isIndexed(job) ? 0 : count.failed;
    const pause = failures === 0 ? 0 : Math.min(BACKOFF_FIRST_MS * 2 ** (failures - 1), BACKOFF_MAX_MS);
    const wait = count.lastFailure + pause - this.#context.now();
    if (wait > 0) return { result: 'requeueAfter', ms: wait };
    if (isIndexed(job)) {
      for (const index of openIndexes(job, count, active).slice(0, wanted - active.length))
        await this.#create(job, index);
    } else {
      await Promise.all(Array.from({ length: wanted - active.length }, () => this.#create(job, undefined)));
    }
    return this.#untilDeadline(job);
  }

  #untilDeadline(job: Job): Outcome {
    const { activeDeadlineSeconds } = job.spec;
    if (activeDeadlineSeconds === undefined) return DONE;
    const started = Date.parse(job.status?.startTime ?? '') || this.#context.now();
    return {
      result: 'requeueAfter',
      ms: Math.max(50, started + activeDeadlineSeconds * 1000 - this.#context.now()),
    };
  }

  async #create(job: Job, index: number | undefined): Promise<void> {
    await this.#pods.create(job, job.spec.template, {
      edit: (pod) => {
        pod.spec.restartPolicy ??= 'Never';
        if (index === undefined) return;
        pod.metadata.name = `${job.metadata.name}-${index}-${pod.metadata.name!.slice(-5)}`;
        pod.metadata.annotations = { ...pod.metadata.annotations, [INDEX]: String(index) };
        pod.metadata.labels = { ...pod.metadata.labels, [INDEX]: String(index) };
        pod.spec.hostname = `${job.metadata.name}-${index}`;
        const variable = {
          name: 'JOB_COMPLETION_INDEX',
          valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${INDEX}']` } },
        };
        for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])])
          container.env = [...(container.env ?? []), variable];
      },
    });
  }

  async #report(job: Job, count: Count, extra: object): Promise<void> {
    await writeStatus(this.#context.client, JOBS, job, {
      active: count.active.length,
      ready: count.active.filter(isPodReady).length,
      succeeded: count.succeeded,
      failed: count.failed,
      terminating: count.active.filter((pod) => pod.metadata.deletionTimestamp !== undefined).length,
      ...(isIndexed(job) && { completedIndexes: formatIndexes(count.doneIndexes) }),
      ...(job.spec.backoffLimitPerIndex !== undefined && {
        failedIndexes: formatIndexes(count.failedIndexes),
      }),
      ...extra,
    });
  }

  /** Finished jobs go when their time is over. */
  async #expire(job: Job): Promise<Outcome> {
    const { ttlSecondsAfterFinished: seconds } = job.spec;
    if (seconds === undefined) return DONE;
    const ended = job.status?.conditions?.find((item) => item.type === 'Complete' || item.type === 'Failed');
    const left = Date.parse(ended?.lastTransitionTime ?? '') + seconds * 1000 - this.#context.now();
    if (left > 0) return { result: 'requeueAfter', ms: left };
    const { namespace = '', name = '' } = job.metadata;
    if (this.#jobs.get(namespace, name) !== undefined)
      await this.#context.client
        .delete(JOBS, namespace, name, { propagationPolicy: 'Background' })
        .catch(() => deleteIfThere(this.#context.client, JOBS, job));
    return DONE;
  }
}

function isIndexed(job: Job): boolean {
  return job.spec.completionMode === 'Indexed';
}

/** Counts stay when their pods are deleted: what the status says was so. */
function countOf(job: Job, pods: readonly Pod[]): Count {
  const count: Count = {
    active: [],
    succeeded: 0,
    failed: 0,
    doneIndexes: parseIndexes(job.status?.completedIndexes),
    failedIndexes: parseIndexes(job.status?.failedIndexes),
    failuresOf: new Map(),
    verdict: undefined,
    lastFailure: 0,
  };
  for (const pod of pods) {
    if (!isPodFinished(pod)) {
      count.active.push(pod);
      continue;
    }
    const index = Number(pod.metadata.annotations?.[INDEX] ?? Number.NaN);
    if (pod.status?.phase === 'Succeeded') {
      count.succeeded += 1;
      if (!Number.isNaN(index)) count.doneIndexes.add(index);
    } else countFailure(job, pod, index, count);
  }
  if (isIndexed(job)) count.succeeded = count.doneIndexes.size;
  else count.succeeded = Math.max(count.succeeded, job.status?.succeeded ?? 0);
  count.failed = Math.max(count.failed, job.status?.failed ?? 0);
  return count;
}

function countFailure(job: Job, pod: Pod, index: number, count: Count): void {
  const { action, message } = judge(job, pod);
  if (action === 'Ignore') return;
  count.failed += 1;
  if (action === 'FailJob') count.verdict ??= message;
  const ended = Math.max(
    0,
    ...(pod.status?.containerStatuses ?? []).map(
      (item) => Date.parse(item.state?.terminated?.finishedAt ?? '') || 0,
    ),
  );
  count.lastFailure = Math.max(count.lastFailure, ended);
  if (Number.isNaN(index)) return;
  const failures = (count.failuresOf.get(index) ?? 0) + 1;
  count.failuresOf.set(index, failures);
  const limit = job.spec.backoffLimitPerIndex;
  if (action === 'FailIndex' || (limit !== undefined && failures > limit)) count.failedIndexes.add(index);
}

function openIndexes(job: Job, count: Count, active: readonly Pod[]): number[] {
  const busy = new Set(active.map((pod) => Number(pod.metadata.annotations?.[INDEX])));
  return Array.from({ length: job.spec.completions ?? 1 }, (_, index) => index).filter(
    (index) => !busy.has(index) && !count.doneIndexes.has(index) && !count.failedIndexes.has(index),
  );
}

function succeededByPolicy(job: Job, count: Count): boolean {
  return (job.spec.successPolicy?.rules ?? []).some(({ succeededIndexes, succeededCount }) => {
    const wanted = succeededIndexes === undefined ? undefined : parseIndexes(succeededIndexes);
    const done = [...count.doneIndexes].filter((index) => wanted === undefined || wanted.has(index)).length;
    return done >= (succeededCount ?? wanted?.size ?? Number.POSITIVE_INFINITY);
  });
}

function resumed(job: Job, now: number): object {
  const suspended = job.status?.conditions?.find((item) => item.type === 'Suspended');
  return {
    ...(job.status?.startTime === undefined && { startTime: timestamp(now) }),
    ...(suspended?.status === 'True' && { conditions: withSuspended(job, 'False', now) }),
  };
}

function withSuspended(job: Job, status: 'True' | 'False', now: number): Condition[] {
  const others = (job.status?.conditions ?? []).filter((item) => item.type !== 'Suspended');
  const known = job.status?.conditions?.find((item) => item.type === 'Suspended');
  if (known?.status === status) return job.status?.conditions ?? [];
  const [reason, message] =
    status === 'True' ? ['JobSuspended', 'Job suspended'] : ['JobResumed', 'Job resumed'];
  return [...others, { type: 'Suspended', status, reason, message, lastTransitionTime: timestamp(now) }];
}
