import { Cron } from 'croner';
import {
  Controller,
  CRON_JOBS,
  controllerReference,
  DONE,
  type EventRecorder,
  type Informer,
  isApiError,
  JOBS,
  type Outcome,
  type Request,
  unlessGone,
  timestamp,
} from '../../kube/index.ts';
import type { Runnable, WorkloadContext } from '../context.ts';
import { deleteIfThere, writeStatus } from '../status-writer.ts';
import { type CronJob, finishedAs, isJobFinished, type Job } from './job.ts';

const MAX_MISSED = 100;
const BY_OWNER = 'owner';

/** Makes a job whenever a clock says so. */
export class CronJobController implements Runnable {
  readonly #context: WorkloadContext;
  readonly #crons: Informer<CronJob>;
  readonly #jobs: Informer<Job>;
  readonly #events: EventRecorder;
  readonly #controller: Controller;

  constructor(context: WorkloadContext) {
    this.#context = context;
    const { informers, log } = context;
    this.#crons = informers.for<CronJob>(CRON_JOBS);
    this.#jobs = informers
      .for<Job>(JOBS)
      .addIndex(BY_OWNER, (job) => [
        job.metadata.ownerReferences?.find((item) => item.controller)?.uid ?? '',
      ]);
    this.#events = context.events('cronjob-controller');
    this.#controller = new Controller({
      name: 'cronjob',
      log,
      reconcile: (request) => this.#reconcile(request),
    })
      .for(this.#crons)
      .owns(this.#jobs, { apiVersion: 'batch/v1', kind: 'CronJob' });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(request: Request): Promise<Outcome> {
    const cron = this.#crons.get(request.namespace, request.name);
    if (cron === undefined || cron.metadata.deletionTimestamp !== undefined) return DONE;
    const jobs = this.#jobs.byIndex(BY_OWNER, cron.metadata.uid ?? '');
    await this.#trim(cron, jobs);
    await this.#report(cron, jobs, {});
    if (cron.spec.suspend) return DONE;
    let clock: Cron;
    try {
      clock = clockOf(cron);
    } catch (error) {
      const message = `unparseable schedule: ${cron.spec.schedule}: ${(error as Error).message}`;
      this.#events.record(cron, { type: 'Warning', reason: 'UnparseableSchedule', message });
      return { result: 'terminal', reason: message };
    }
    const due = this.#due(cron, clock);
    if (due !== undefined) await this.#fire(cron, jobs, due);
    const next = clock.nextRun(new Date(this.#context.now()));
    if (next === null) return DONE;
    return { result: 'requeueAfter', ms: Math.max(10, next.getTime() - this.#context.now()) };
  }

  /** The last time that was missed since the last run, unless it is too late for it. */
  #due(cron: CronJob, clock: Cron): number | undefined {
    const now = this.#context.now();
    const { startingDeadlineSeconds } = cron.spec;
    let from = Date.parse(cron.status?.lastScheduleTime ?? cron.metadata.creationTimestamp ?? '');
    if (startingDeadlineSeconds !== undefined) from = Math.max(from, now - startingDeadlineSeconds * 1000);
    let last: number | undefined;
    let missed = 0;
    for (
      let next = clock.nextRun(new Date(from));
      next !== null && next.getTime() <= now;
      next = clock.nextRun(next)
    ) {
      last = next.getTime();
      if (++missed <= MAX_MISSED) continue;
      const message =
        'too many missed start times; set or decrease .spec.startingDeadlineSeconds or check clock skew';
      this.#events.record(cron, { type: 'Warning', reason: 'TooManyMissedTimes', message });
      // Only the newest of them counts: it is found by going on from shortly before now.
      const since = clock.previousRuns(1, new Date(now))[0];
      return since?.getTime() ?? last;
    }
    return last;
  }

  async #fire(cron: CronJob, jobs: readonly Job[], due: number): Promise<void> {
    const active = jobs.filter((job) => !isJobFinished(job));
    const policy = cron.spec.concurrencyPolicy ?? 'Allow';
    if (policy === 'Forbid' && active.length > 0) {
      this.#events.record(cron, {
        type: 'Normal',
        reason: 'JobAlreadyActive',
        message: 'Not starting job because prior execution is running and concurrency policy is Forbid',
      });
      return;
    }
    if (policy === 'Replace')
      for (const job of active) {
        await deleteIfThere(this.#context.client, JOBS, job);
        this.#events.record(cron, {
          type: 'Normal',
          reason: 'SuccessfulDelete',
          message: `Deleted job ${job.metadata.name}`,
        });
      }
    const { namespace = '' } = cron.metadata;
    // The name tells the time, so that one time makes one job however often this runs.
    const name = `${cron.metadata.name?.slice(0, 52)}-${due % 60_000 === 0 ? due / 60_000 : Math.floor(due / 1000)}`;
    const { metadata, spec } = cron.spec.jobTemplate;
    try {
      await this.#context.client.create(JOBS, {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: {
          namespace,
          name,
          labels: { ...metadata?.labels },
          annotations: {
            ...metadata?.annotations,
            'batch.kubernetes.io/cronjob-scheduled-timestamp': timestamp(due),
          },
          ownerReferences: [controllerReference(cron)],
        },
        spec,
      });
      this.#events.record(cron, {
        type: 'Normal',
        reason: 'SuccessfulCreate',
        message: `Created job ${name}`,
      });
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists')) throw error;
    }
    await this.#report(cron, this.#jobs.byIndex(BY_OWNER, cron.metadata.uid ?? ''), {
      lastScheduleTime: timestamp(due),
    });
  }

  async #report(cron: CronJob, jobs: readonly Job[], extra: object): Promise<void> {
    const active = jobs
      .filter((job) => !isJobFinished(job))
      .map(({ apiVersion, kind, metadata: { name, namespace, uid, resourceVersion } }) => ({
        apiVersion,
        kind,
        name,
        namespace,
        uid,
        resourceVersion,
      }));
    const succeeded = jobs
      .map((job) => job.status?.completionTime ?? '')
      .sort()
      .at(-1);
    await writeStatus(this.#context.client, CRON_JOBS, cron, {
      active,
      ...(succeeded && { lastSuccessfulTime: succeeded }),
      ...extra,
    });
  }

  async #trim(cron: CronJob, jobs: readonly Job[]): Promise<void> {
    const limits = [
      ['Complete', cron.spec.successfulJobsHistoryLimit ?? 3],
      ['Failed', cron.spec.failedJobsHistoryLimit ?? 1],
    ] as const;
    for (const [kind, limit] of limits) {
      const finished = jobs
        .filter((job) => finishedAs(job) === kind && job.metadata.deletionTimestamp === undefined)
        .sort(
          (a, b) =>
            Date.parse(a.metadata.creationTimestamp ?? '') - Date.parse(b.metadata.creationTimestamp ?? ''),
        );
      for (const job of finished.slice(0, Math.max(0, finished.length - limit)))
        await unlessGone(
          this.#context.client.delete(JOBS, job.metadata.namespace ?? '', job.metadata.name ?? '', {
            propagationPolicy: 'Background',
          }),
        );
    }
  }
}

function clockOf(cron: CronJob): Cron {
  const { schedule, timeZone } = cron.spec;
  const inline = /^(?:CRON_)?TZ=(\S+)\s+(.+)$/.exec(schedule);
  const every = /^@every\s+(\d+)([smh])$/.exec(schedule);
  if (every !== null) {
    const seconds = Number(every[1]) * { s: 1, m: 60, h: 3600 }[every[2] as 's' | 'm' | 'h'];
    return new Cron('* * * * * *', { interval: seconds });
  }
  const timezone = timeZone ?? inline?.[1] ?? 'UTC';
  return new Cron(inline?.[2] ?? schedule, { timezone, mode: '5-part' });
}
