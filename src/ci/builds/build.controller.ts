import { parse } from 'yaml';
import {
  type Action,
  DispatchfileError,
  type Event,
  formatProblem,
  type Normalized,
  parseChatop,
  type Pipeline,
  selectActions,
  tasksOf,
} from '../../dispatchfile/index.ts';
import {
  CONFIG_MAPS,
  Controller,
  controllerReference,
  DONE,
  type Informer,
  type KubeObject,
  type Outcome,
  type Request,
  SERVICE_ACCOUNTS,
  unlessGone,
  unlessThere,
  timestamp,
} from '../../kube/index.ts';
import { GitError, MissingRevisionError } from '../../scm/index.ts';
import { contentsOf } from '../compile/contents.ts';
import { compileRun } from '../compile/pipeline-run.ts';
import type { CiContext } from '../context.ts';
import { placeOfDispatchfile, renderDispatchfile } from '../repositories/dispatchfile-of.ts';
import { forgeCloneUrl, forgeName, type Source, SourceProblem, sourceOf } from '../../scm/index.ts';
import {
  type Build,
  type BuildEvent,
  BUILDS,
  LABELS,
  labelValue,
  PIPELINE_RUNS,
  REPOSITORIES,
  type Repository,
  type Run,
} from '../resources.ts';
import { runName } from './names.ts';
import { forbiddenIn, UNTRUSTED } from './untrusted.ts';

const BY_LINE = 'line';
const APPROVAL = 'ok-to-test';
const MAX_MESSAGE = 16 * 1024;

type Status = NonNullable<Build['status']>;

/** An end that comes before a run: nothing to do, or something that its author has to mend. */
class Verdict extends Error {
  readonly phase: 'Failed' | 'Ignored' | 'Waiting';

  constructor(phase: Verdict['phase'], message: string) {
    super(message);
    this.phase = phase;
  }
}

/** Turns what happened into the run that it asks for. */
export class BuildController {
  readonly #context: CiContext;
  readonly #builds: Informer<Build>;
  readonly #repositories: Informer<Repository>;
  readonly #runs: Informer<Run>;
  readonly #controller: Controller;

  constructor(context: CiContext) {
    this.#context = context;
    const { informers } = context;
    this.#builds = informers.for<Build>(BUILDS);
    this.#repositories = informers.for<Repository>(REPOSITORIES);
    this.#runs = informers
      .for<Run>(PIPELINE_RUNS)
      .addIndex(BY_LINE, (run) => [`${run.metadata.namespace}/${run.metadata.labels?.[LABELS.line] ?? ''}`]);
    this.#controller = new Controller({
      name: 'build',
      log: context.log,
      concurrency: 8,
      reconcile: (request) => this.#reconcile(request),
    }).for(this.#builds);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(request: Request): Promise<Outcome> {
    if (this.#builds.get(request.namespace, request.name) === undefined) return DONE;
    // As it is now: a pass on an older version would number the build, and run it, a second time.
    const build = await unlessGone(this.#context.client.get<Build>(BUILDS, request.namespace, request.name));
    if (build === undefined || build.metadata.deletionTimestamp !== undefined) return DONE;
    const { phase } = build.status ?? {};
    if (phase !== undefined && phase !== 'Pending' && !(phase === 'Waiting' && build.spec.approved))
      return DONE;
    const repository = this.#repositories.get(request.namespace, build.spec.repository);
    if (repository === undefined) {
      await this.#finish(build, {
        phase: 'Ignored',
        message: `There is no Repository ${build.spec.repository} any more.`,
      });
      return DONE;
    }
    try {
      await this.#start(build, repository);
    } catch (error) {
      if (error instanceof Verdict)
        await this.#finish(build, { phase: error.phase, message: error.message.slice(0, MAX_MESSAGE) });
      else if (error instanceof SourceProblem)
        await this.#finish(build, { phase: 'Failed', message: error.message });
      else {
        // It is tried again, and meanwhile everybody can see why it waits.
        if (error instanceof GitError)
          await this.#remember(build, { phase: 'Pending', message: error.message });
        throw error;
      }
    }
    return DONE;
  }

  async #start(build: Build, repository: Repository): Promise<void> {
    const source = await sourceOf(this.#context, repository);
    const event = await this.#completed(build, source);
    const commit = await this.#commitOf(event, source);
    await this.#remember(build, {
      commit,
      startedAt: build.status?.startedAt ?? timestamp(this.#context.now()),
    });
    if (event.isFork && !build.spec.approved) this.#refuseFork(repository);
    const { pipeline } = await this.#render(repository, source, commit);
    const { tasks, actions } = await this.#select(pipeline, event, source, commit);
    if (tasks.length === 0) throw new Verdict('Ignored', 'No action of the Dispatchfile is for this event.');
    await this.#run(build, { repository, source, event, commit, pipeline, tasks, actions });
  }

  /** What an event is about: its commit, its tag or branch, or the default branch. */
  async #commitOf(event: BuildEvent, { remote }: Source): Promise<string> {
    const { mirrors } = this.#context;
    if (event.commit !== undefined)
      return event.type === 'tag' ? mirrors.commitOf(remote, event.commit) : event.commit;
    const tag = event.type === 'image' || event.tag === undefined ? undefined : `refs/tags/${event.tag}`;
    try {
      return await mirrors.resolve(remote, tag ?? event.branch ?? (await mirrors.defaultBranch(remote)));
    } catch (error) {
      if (error instanceof MissingRevisionError)
        throw new Verdict('Failed', `The repository cannot be built: ${error.message}.`);
      throw error;
    }
  }

  #refuseFork({ spec }: Repository): never {
    if (spec.forks === 'never')
      throw new Verdict('Ignored', 'Pull requests from other repositories do not run here.');
    throw new Verdict(
      'Waiting',
      `It comes from another repository: somebody who may write has to comment /${APPROVAL}.`,
    );
  }

  /** A comment tells only of itself: the pull request that it is about has to be asked for. */
  async #completed(build: Build, { api, fullName }: Source): Promise<BuildEvent> {
    const { event } = build.spec;
    if (event.type !== 'comment') return event;
    const chatop = parseChatop(event.body ?? '');
    if (chatop === undefined || api === undefined || event.number === undefined)
      throw new Verdict('Ignored', 'The comment is no command.');
    if (!(await api.mayWrite(fullName, event.author ?? '')))
      throw new Verdict('Ignored', `${event.author} may not start tasks here.`);
    const request = await api.pullRequest(fullName, event.number);
    if (chatop.command === APPROVAL) {
      await this.#approve(build, request.commit);
      throw new Verdict('Ignored', `${event.author} lets it run.`);
    }
    return { ...event, ...request, type: 'comment', body: event.body ?? '', author: event.author ?? '' };
  }

  /** Only what was looked at is approved: a newer commit waits again. */
  async #approve(comment: Build, commit: string): Promise<void> {
    const { namespace = '' } = comment.metadata;
    for (const build of this.#builds.list()) {
      const { event, repository } = build.spec;
      if (
        build.metadata.namespace !== namespace ||
        repository !== comment.spec.repository ||
        build.status?.phase !== 'Waiting'
      )
        continue;
      if (event.number !== comment.spec.event.number || build.status.commit !== commit) continue;
      await this.#context.client.patch(BUILDS, { namespace, name: build.metadata.name ?? '' }, 'merge', {
        spec: { approved: true },
      });
    }
  }

  async #render(repository: Repository, source: Source, commit: string): Promise<Normalized> {
    const place = await placeOfDispatchfile(this.#context, repository, source, commit);
    try {
      const rendered = await renderDispatchfile(this.#context, place);
      if (rendered !== undefined) return rendered;
    } catch (error) {
      if (!(error instanceof DispatchfileError)) throw error;
      throw new Verdict('Failed', error.problems.map(formatProblem).join('\n'));
    }
    throw new Verdict('Failed', `There is no ${place.path} at ${place.commit.slice(0, 12)}.`);
  }

  async #select(
    pipeline: Pipeline,
    event: BuildEvent,
    source: Source,
    commit: string,
  ): Promise<{ tasks: string[]; actions: Action[] }> {
    if (event.type === 'manual') return { tasks: event.tasks ?? Object.keys(pipeline.task), actions: [] };
    const actions = selectActions(pipeline, await this.#eventFor(event, source, commit));
    return { tasks: tasksOf(pipeline, actions), actions };
  }

  async #eventFor(event: BuildEvent, source: Source, commit: string): Promise<Event> {
    const { mirrors } = this.#context;
    const request = { source: event.source ?? '', target: event.target ?? '', labels: event.labels ?? [] };
    const paths = async (from: string, mergeBase: boolean): Promise<{ paths?: string[] }> => {
      const found = await mirrors.changedPaths(source.remote, { from, to: commit, mergeBase });
      return found === undefined ? {} : { paths: found };
    };
    switch (event.type) {
      case 'push':
        return { type: 'push', branch: event.branch ?? '', ...(await paths(event.before ?? '', false)) };
      case 'tag':
        return { type: 'tag', name: event.tag ?? '' };
      case 'release':
        return { type: 'release', tag: event.tag ?? '' };
      case 'image':
        return { type: 'image', tag: event.tag ?? '' };
      case 'cron':
        return { type: 'cron', name: event.name ?? '' };
      case 'comment':
        return {
          type: 'comment',
          command: parseChatop(event.body ?? '')?.command ?? '',
          ...request,
          ...(await paths(await this.#tip(source, request.target), true)),
        };
      default:
        return {
          type: 'pull_request',
          ...request,
          ...(await paths(await this.#tip(source, request.target), true)),
        };
    }
  }

  #tip(source: Source, branch: string): Promise<string> {
    return this.#context.mirrors.resolve(source.remote, branch).catch(() => '');
  }

  async #run(build: Build, work: Work): Promise<void> {
    const { repository, event, commit, actions } = work;
    const { client } = this.#context;
    const { namespace = '' } = build.metadata;
    const number = build.status?.number ?? (await this.#nextNumber(repository));
    const buildName = actions.find((action) => action.name)?.name ?? buildNameOf(event);
    const run =
      build.status?.pipelineRun ??
      runName({ repository: repository.metadata.name ?? '', number, build: buildName, commit });
    // Remembered before it is made: whoever goes on after a crash makes the same one.
    await this.#remember(build, { number, pipelineRun: run });
    if (event.isFork) await this.#untrusted(namespace);
    const object = await this.#compile({ ...work, build, run, buildName });
    object.metadata.ownerReferences = [controllerReference(build)];
    await unlessThere(client.create(PIPELINE_RUNS, object));
    if (!repository.spec.disableAutoCancel) await this.#cancelOlder(repository, event, run);
    await this.#remember(build, { phase: 'Running' });
  }

  /** The run as it is made. Throws where code of strangers asks for what it may not have. */
  async #compile(work: Work & { build: Build; run: string; buildName: string }): Promise<KubeObject> {
    const { repository, source, event, commit, pipeline, tasks, build, run, buildName } = work;
    const { namespace = '', name = '' } = build.metadata;
    const trusted = !event.isFork;
    const known = {
      buildName,
      git: {
        url: source.cloneUrl.url,
        commit,
        branch: event.branch ?? event.source ?? '',
        tag: event.tag ?? '',
      },
      chatopCommand: event.type === 'comment' ? (event.body ?? '').trim() : '',
    };
    const contents = await contentsOf({
      pipeline,
      context: known,
      reuse: false,
      hashOf: (paths) => this.#context.mirrors.contentHash(source.remote, commit, paths),
    });
    const object = compileRun({
      pipeline,
      context: known,
      contents,
      images: this.#context.images,
      cloneUrl: (url) => this.#cloneUrl(url),
      name: run,
      namespace,
      tasks,
      labels: {
        [LABELS.build]: labelValue(buildName),
        [LABELS.commit]: commit.slice(0, 40),
        [LABELS.owner]: labelValue(source.fullName.split('/')[0] ?? ''),
        [LABELS.repository]: labelValue(repository.metadata.name ?? ''),
        [LABELS.buildObject]: name,
        [LABELS.line]: lineOf(repository, event),
      },
      serviceAccount: trusted ? (repository.spec.serviceAccount ?? 'default') : UNTRUSTED,
      timeout: repository.spec.timeout ?? '1h',
      podTemplate: await this.#podTemplate(repository),
    });
    const asked = trusted ? undefined : forbiddenIn(object);
    if (asked !== undefined)
      throw new Verdict(
        'Failed',
        `It asks for ${asked}, which pull requests from other repositories never get.`,
      );
    return object;
  }

  /** Repositories of this server have another address for pods than for people. */
  #cloneUrl(url: string): { url: string; token: boolean } {
    const local = forgeName(this.#context, url);
    return local === undefined ? { url, token: false } : forgeCloneUrl(this.#context, local);
  }

  /** One more, and nobody else has the same: the version that was read is the one that is written on. */
  async #nextNumber(repository: Repository): Promise<number> {
    const { namespace = '', name = '' } = repository.metadata;
    const current = await this.#context.client.get<Repository>(REPOSITORIES, namespace, name);
    const number = (current.status?.buildCounter ?? 0) + 1;
    await this.#context.client.update(
      REPOSITORIES,
      { ...current, status: { ...current.status, buildCounter: number } },
      { subresource: 'status' },
    );
    return number;
  }

  async #podTemplate({ spec, metadata }: Repository): Promise<object | undefined> {
    const from = spec.podTemplateFrom?.configMap;
    if (from === undefined) return undefined;
    const map = await unlessGone(
      this.#context.client.get<KubeObject & { data?: Record<string, string> }>(
        CONFIG_MAPS,
        metadata.namespace ?? '',
        from.name,
      ),
    );
    const text = map?.data?.[from.key ?? 'template'];
    if (text !== undefined) return parse(text, { maxAliasCount: 100 }) as object;
    if (from.optional) return undefined;
    throw new Verdict(
      'Failed',
      `There is no pod template ${from.key ?? 'template'} in ConfigMap ${from.name}.`,
    );
  }

  /** Code of strangers runs as an account that holds nothing. */
  async #untrusted(namespace: string): Promise<void> {
    await unlessThere(
      this.#context.client.create(SERVICE_ACCOUNTS, {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: UNTRUSTED, namespace },
      }),
    );
  }

  async #cancelOlder(repository: Repository, event: BuildEvent, newest: string): Promise<void> {
    if (event.type !== 'push' && event.type !== 'pull_request') return;
    const { namespace = '' } = repository.metadata;
    for (const run of this.#runs.byIndex(BY_LINE, `${namespace}/${lineOf(repository, event)}`)) {
      const ended = run.status?.conditions?.some(
        (item) => item.type === 'Succeeded' && item.status !== 'Unknown',
      );
      if (ended || run.metadata.name === newest || run.spec.status === 'Cancelled') continue;
      await this.#context.client
        .patch(PIPELINE_RUNS, { namespace, name: run.metadata.name ?? '' }, 'merge', {
          spec: { status: 'Cancelled' },
        })
        .catch(() => {});
    }
  }

  async #remember(build: Build, status: Partial<Status>): Promise<void> {
    const { namespace = '', name = '' } = build.metadata;
    const updated = await this.#context.client.patch<Build>(
      BUILDS,
      { namespace, name },
      'merge',
      { status },
      { subresource: 'status' },
    );
    build.status = { ...build.status, ...updated.status };
  }

  async #finish(build: Build, status: Partial<Status>): Promise<void> {
    const ended = status.phase === 'Waiting' ? {} : { finishedAt: timestamp(this.#context.now()) };
    await this.#remember({ ...build }, { ...status, ...ended });
  }
}

interface Work {
  repository: Repository;
  source: Source;
  event: BuildEvent;
  commit: string;
  pipeline: Pipeline;
  tasks: string[];
  actions: Action[];
}

function buildNameOf(event: BuildEvent): string {
  switch (event.type) {
    case 'push':
      return event.branch ?? 'push';
    case 'tag':
    case 'release':
    case 'image':
      return event.tag ?? event.type;
    case 'pull_request':
      return `pr-${event.number}`;
    case 'comment':
      return `${parseChatop(event.body ?? '')?.command ?? 'comment'}-${event.number}`;
    default:
      return event.name ?? event.type;
  }
}

/** A branch or a pull request: newer work on it takes the place of older. */
function lineOf({ metadata }: Repository, event: BuildEvent): string {
  const line =
    event.type === 'push'
      ? `branch-${event.branch}`
      : event.number !== undefined && event.type === 'pull_request'
        ? `pr-${event.number}`
        : `${event.type}-${event.tag ?? event.name ?? ''}`;
  return labelValue(`${metadata.name?.slice(0, 25)}.${line}`);
}
