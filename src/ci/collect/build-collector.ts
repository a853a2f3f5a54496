import { type Informer, isApiError, pause } from '../../kube/index.ts';
import type { CiContext } from '../context.ts';
import { type Build, BUILDS, PIPELINE_RUNS, REPOSITORIES, type Repository, type Run } from '../resources.ts';

const EVERY_MS = 10 * 60_000;
const RUN_AGE_MS = 48 * 3_600_000;
const DEFAULT_AGE_MS = 30 * 24 * 3_600_000;
const DEFAULT_COUNT = 500;
const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Drops the runs of builds after two days, and their logs and artifacts by the rules of the repository. */
export class BuildCollector {
  readonly #context: CiContext;
  readonly #builds: Informer<Build>;
  readonly #runs: Informer<Run>;
  readonly #repositories: Informer<Repository>;

  constructor(context: CiContext) {
    this.#context = context;
    this.#builds = context.informers.for<Build>(BUILDS);
    this.#runs = context.informers.for<Run>(PIPELINE_RUNS);
    this.#repositories = context.informers.for<Repository>(REPOSITORIES);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.collect().catch((error: unknown) =>
        this.#context.log.warn({ err: error }, 'old builds could not be dropped'),
      );
      await pause(EVERY_MS, signal);
    }
  }

  async collect(): Promise<void> {
    const now = this.#context.now();
    for (const run of this.#runs.list()) {
      const ended = Date.parse(run.status?.completionTime ?? '');
      if (now - ended > RUN_AGE_MS)
        await this.#delete(() =>
          this.#context.client.delete(PIPELINE_RUNS, run.metadata.namespace ?? '', run.metadata.name ?? ''),
        );
    }
    const groups = Map.groupBy(
      this.#builds.list(),
      (build) => `${build.metadata.namespace}/${build.spec.repository}`,
    );
    for (const builds of groups.values()) await this.#collectBuilds(builds, now);
  }

  async #collectBuilds(builds: readonly Build[], now: number): Promise<void> {
    const [first] = builds;
    const repository = first && this.#repositories.get(first.metadata.namespace ?? '', first.spec.repository);
    const { maxAge, maxCount } = rulesOf(repository);
    const newest = builds.toSorted((a, b) =>
      (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? ''),
    );
    for (const [at, build] of newest.entries()) {
      const ended = Date.parse(build.status?.finishedAt ?? '');
      if (Number.isNaN(ended) || (at < maxCount && now - ended <= maxAge)) continue;
      const { namespace = '', name = '' } = build.metadata;
      if (build.status?.pipelineRun) await this.#context.forgetRun(namespace, build.status.pipelineRun);
      await this.#delete(() => this.#context.client.delete(BUILDS, namespace, name));
    }
  }

  async #delete(remove: () => Promise<void>): Promise<void> {
    try {
      await remove();
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
    }
  }
}

function rulesOf(repository: Repository | undefined): { maxAge: number; maxCount: number } {
  const rules = repository?.spec.logStorageRules ?? [];
  const ages = rules.flatMap(({ maxAge }) => parseAge(maxAge) ?? []);
  const counts = rules.flatMap((rule) => rule.maxCount ?? []);
  return {
    maxAge: Math.min(...ages, ages.length === 0 ? DEFAULT_AGE_MS : Number.POSITIVE_INFINITY),
    maxCount: Math.min(...counts, DEFAULT_COUNT),
  };
}

function parseAge(text: string | undefined): number | undefined {
  const found = /^(\d+)(s|m|h|d)$/.exec(text ?? '');
  return found === null ? undefined : Number(found[1]) * UNITS[found[2]!]!;
}
