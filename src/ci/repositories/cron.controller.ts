import { Cron } from 'croner';
import type { Pipeline } from '../../dispatchfile/index.ts';
import { Controller, DONE, type Informer, isApiError, type Outcome, type Request } from '../../kube/index.ts';
import type { CiContext } from '../context.ts';
import { recordBuild } from '../hooks/event-sink.ts';
import { REPOSITORIES, type Repository } from '../resources.ts';
import { placeOfDispatchfile, renderDispatchfile } from './dispatchfile-of.ts';
import { type Source, sourceOf } from '../../scm/index.ts';

const LOCAL_POLL_MS = 30_000;
const REMOTE_POLL_MS = 5 * 60_000;
/** What should have run while nobody was here runs once, if it is not older than this. */
const CATCH_UP_MS = 60 * 60_000;

interface Due {
  name: string;
  schedule: string;
  revision: string | undefined;
}

/** Starts what the default branch of a repository wants to have started by the clock. */
export class CronController {
  readonly #context: CiContext;
  readonly #repositories: Informer<Repository>;
  readonly #controller: Controller;
  /** The clocks of each Dispatchfile that was read, by its commit. */
  readonly #known = new Map<string, { commit: string; due: Due[] }>();

  constructor(context: CiContext) {
    this.#context = context;
    this.#repositories = context.informers.for<Repository>(REPOSITORIES);
    this.#controller = new Controller({
      name: 'repository-cron',
      log: context.log,
      reconcile: (request) => this.#reconcile(request),
    }).for(this.#repositories);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    const repository = this.#repositories.get(namespace, name);
    if (repository === undefined || repository.metadata.deletionTimestamp !== undefined) {
      this.#known.delete(`${namespace}/${name}`);
      return DONE;
    }
    let pollMs = LOCAL_POLL_MS;
    try {
      const source = await sourceOf(this.#context, repository);
      if (source.provider !== 'dispatch') pollMs = REMOTE_POLL_MS;
      const due = await this.#clocks(repository, source);
      const waits = await Promise.all(due.map((item) => this.#check(repository, item)));
      return { result: 'requeueAfter', ms: Math.max(1000, Math.min(pollMs, ...waits)) };
    } catch (error) {
      if (isApiError(error, 'Conflict')) throw error;
      // Why a repository cannot be read is told where it is read for its builds.
      this.#context.log.debug(
        { err: error, repository: name },
        'the clocks of a repository could not be read',
      );
      return { result: 'requeueAfter', ms: pollMs };
    }
  }

  async #clocks(repository: Repository, source: Source): Promise<Due[]> {
    const { mirrors } = this.#context;
    const { namespace, name } = repository.metadata;
    const tip = await mirrors.resolve(source.remote, await mirrors.defaultBranch(source.remote));
    const place = await placeOfDispatchfile(this.#context, repository, source, tip);
    const known = this.#known.get(`${namespace}/${name}`);
    if (known?.commit === place.commit) return known.due;
    const rendered = await renderDispatchfile(this.#context, place);
    const due = rendered === undefined ? [] : clocksOf(rendered.pipeline);
    this.#known.set(`${namespace}/${name}`, { commit: place.commit, due });
    return due;
  }

  /** Starts what is due. Gives the time until it is due again. */
  async #check(repository: Repository, { name, schedule, revision }: Due): Promise<number> {
    const { client, now } = this.#context;
    const { namespace = '', name: repositoryName = '', creationTimestamp } = repository.metadata;
    const clock = new Cron(schedule, { paused: true, timezone: 'UTC' });
    const last = repository.status?.cron?.[name] ?? creationTimestamp ?? '';
    const from = new Date(Math.max(Date.parse(last), now() - CATCH_UP_MS));
    let time = clock.nextRun(from);
    for (let next = time; next !== null && next.getTime() <= now(); next = clock.nextRun(next)) time = next;
    if (time === null) return Number.POSITIVE_INFINITY;
    if (time.getTime() > now()) return time.getTime() - now();
    const at = time.toISOString();
    await recordBuild(
      client,
      repository,
      { type: 'cron', name, ...(revision !== undefined && { branch: revision }) },
      `cron/${name}/${at}`,
    );
    await client.patch(
      REPOSITORIES,
      { namespace, name: repositoryName },
      'merge',
      { status: { cron: { [name]: at } } },
      { subresource: 'status' },
    );
    return (clock.nextRun(time)?.getTime() ?? Number.POSITIVE_INFINITY) - now();
  }
}

function clocksOf(pipeline: Pipeline): Due[] {
  return pipeline.actions.flatMap(({ name, on }) =>
    name !== undefined && 'cron' in on
      ? [{ name, schedule: on.cron.schedule, revision: on.cron.git.revision }]
      : [],
  );
}
