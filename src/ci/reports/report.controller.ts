import { Controller, DONE, type Informer, type Outcome, type Request, timestamp } from '../../kube/index.ts';
import type { CiContext } from '../context.ts';
import { sourceOf } from '../../scm/index.ts';
import {
  type Build,
  BUILDS,
  LABELS,
  PIPELINE_RUNS,
  REPOSITORIES,
  type Repository,
  type Run,
  TASK_RUNS,
} from '../resources.ts';
import { missingStates, outcomeOf, wantedReports } from './report-states.ts';

const BY_RUN = 'run-of-report';
const PHASE = { success: 'Succeeded', failure: 'Failed', cancelled: 'Cancelled' } as const;

/** Follows the run of every build, and tells the provider of each step, in order, until it has heard. */
export class ReportController {
  readonly #context: CiContext;
  readonly #builds: Informer<Build>;
  readonly #runs: Informer<Run>;
  readonly #taskRuns: Informer<Run>;
  readonly #repositories: Informer<Repository>;
  readonly #controller: Controller;

  constructor(context: CiContext) {
    this.#context = context;
    const { informers } = context;
    this.#builds = informers.for<Build>(BUILDS);
    this.#runs = informers.for<Run>(PIPELINE_RUNS);
    this.#repositories = informers.for<Repository>(REPOSITORIES);
    this.#taskRuns = informers
      .for<Run>(TASK_RUNS)
      .addIndex(BY_RUN, (run) => [
        `${run.metadata.namespace}/${run.metadata.labels?.['tekton.dev/pipelineRun'] ?? ''}`,
      ]);
    const ofBuild = (run: Run): Request[] => {
      const name = run.metadata.labels?.[LABELS.buildObject];
      return name === undefined ? [] : [{ namespace: run.metadata.namespace ?? '', name }];
    };
    this.#controller = new Controller({
      name: 'report',
      log: context.log,
      concurrency: 16,
      reconcile: (request) => this.#reconcile(request),
    })
      .for(this.#builds)
      .watches(this.#runs, ofBuild)
      .watches(this.#taskRuns, ofBuild);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    const known = this.#builds.get(namespace, name);
    if (known === undefined || known.metadata.deletionTimestamp !== undefined) return DONE;
    // What was told a moment ago may not have come back yet.
    const build = await this.#context.client.get<Build>(BUILDS, namespace, name);
    const run = this.#runs.get(namespace, build.status?.pipelineRun ?? '');
    const outcome = outcomeOf(run);
    if (outcome !== undefined && build.status?.phase === 'Running') {
      const message = run?.status?.conditions?.find((item) => item.type === 'Succeeded')?.message ?? '';
      await this.#patch(build, {
        phase: PHASE[outcome],
        message,
        finishedAt: run?.status?.completionTime ?? timestamp(this.#context.now()),
      });
      return DONE;
    }
    await this.#tell(build, run);
    return DONE;
  }

  async #tell(build: Build, run: Run | undefined): Promise<void> {
    const { namespace = '' } = build.metadata;
    const commit = build.status?.commit;
    const repository = this.#repositories.get(namespace, build.spec.repository);
    if (commit === undefined || repository === undefined) return;
    const taskRuns = this.#taskRuns.byIndex(BY_RUN, `${namespace}/${run?.metadata.name ?? '-'}`);
    const open = [...wantedReports(build, run, taskRuns)].flatMap(([context, report]) =>
      missingStates(build.status?.reports?.[context], report.state).map((state) => ({
        context,
        state,
        description: state === report.state ? report.description : '',
      })),
    );
    if (open.length === 0) return;
    const { api, fullName } = await sourceOf(this.#context, repository);
    for (const { context, state, description } of open) {
      await api?.setStatus(fullName, commit, { context, state, description, url: this.#linkTo(build) });
      await this.#patch(build, { reports: { [context]: state } });
    }
  }

  #linkTo(build: Build): string {
    return `${this.#context.publicUrl()}/dispatch/runs/${build.metadata.namespace}/${build.status?.pipelineRun ?? build.metadata.name}`;
  }

  /** On the version that was read: a pass that worked on an older one does not tell the same twice. */
  async #patch(build: Build, status: NonNullable<Build['status']>): Promise<void> {
    const { namespace = '', name = '', resourceVersion } = build.metadata;
    const updated = await this.#context.client.patch<Build>(
      BUILDS,
      { namespace, name },
      'merge',
      { metadata: { resourceVersion }, status },
      { subresource: 'status' },
    );
    build.metadata = { ...build.metadata, resourceVersion: updated.metadata.resourceVersion ?? '' };
  }
}
