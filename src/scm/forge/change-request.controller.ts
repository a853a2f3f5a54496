import {
  Controller,
  type ControllerContext,
  DONE,
  type Informer,
  isApiError,
  type Outcome,
  type Request,
  unlessGone,
} from '../../kube/index.ts';
import type { ScmEvent } from '../providers/types.ts';
import { CHANGE_REQUESTS, type ChangeRequest, isOpen, numberOf, pullRequestOf } from './changes.ts';
import { MergeConflict, mergeCommit, mergeState, moveBranch, tipOf } from './merge.ts';
import type { ForgeRepositories, ForgeRepository } from './repositories.ts';

export interface ChangeRequestOptions
  extends Pick<ControllerContext, 'client' | 'informers' | 'log' | 'now'> {
  forge: ForgeRepositories;
  /** Takes what happens to a request. The same event comes with the same id. */
  happened: (repository: ForgeRepository, event: ScmEvent, id: string) => Promise<void>;
  /** A branch was moved by a merge. */
  pushed: (repository: ForgeRepository) => void;
}

type Status = NonNullable<ChangeRequest['status']>;

/** Follows the branches of change requests, tells of them, and takes them over when somebody asks. */
export class ChangeRequestController {
  readonly #options: ChangeRequestOptions;
  readonly #changes: Informer<ChangeRequest>;
  readonly #controller: Controller;

  constructor(options: ChangeRequestOptions) {
    this.#options = options;
    this.#changes = options.informers.for<ChangeRequest>(CHANGE_REQUESTS);
    this.#controller = new Controller({
      name: 'change-request',
      log: options.log,
      reconcile: (request) => this.#reconcile(request),
    }).for(this.#changes);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  /** Branches of a repository have moved. */
  look(repository: ForgeRepository): void {
    for (const change of this.#changes.list())
      if (change.metadata.namespace === repository.owner && change.spec.repository === repository.name)
        this.#controller.queue.add(`${repository.owner}/${change.metadata.name}`);
  }

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    if (this.#changes.get(namespace, name) === undefined) return DONE;
    const change = await unlessGone(
      this.#options.client.get<ChangeRequest>(CHANGE_REQUESTS, namespace, name),
    );
    if (change === undefined || change.metadata.deletionTimestamp !== undefined || !isOpen(change))
      return DONE;
    const repository = { owner: namespace, name: change.spec.repository };
    if (change.spec.closed) return this.#report(change, { phase: 'Closed', message: '' });
    if (!(await this.#options.forge.exists(repository).catch(() => false)))
      return this.#report(change, { phase: 'Closed', message: `There is no repository ${repository.name}.` });
    const state = await this.#look(change, repository);
    if (state.phase === 'Open') {
      await this.#tell(change, repository, state);
      if (change.spec.merge !== undefined) return this.#merge(change, repository, state);
    }
    return this.#report(change, state);
  }

  async #look(change: ChangeRequest, repository: ForgeRepository): Promise<Status> {
    const { forge } = this.#options;
    const dir = forge.pathOf(repository);
    const { source, target } = change.spec;
    const [head, base] = await Promise.all([tipOf(forge.git, dir, source), tipOf(forge.git, dir, target)]);
    const number = numberOf(change);
    if (head === undefined || base === undefined)
      return {
        number,
        phase: 'Closed',
        message: `There is no branch ${head === undefined ? source : target} any more.`,
      };
    const state = await mergeState(forge.git, dir, { head, base });
    if (state === 'nothing' && (change.status?.head !== undefined || change.spec.merge !== undefined))
      return { number, head, base, phase: 'Merged', mergeCommit: base, message: '' };
    return {
      number,
      head,
      base,
      phase: 'Open',
      mergeable: state === 'clean',
      message: {
        clean: '',
        conflict: 'Both branches change the same lines.',
        nothing: 'There is nothing to take over yet.',
      }[state],
    };
  }

  /** Tells of a new commit, and of what was said. */
  async #tell(change: ChangeRequest, repository: ForgeRepository, state: Status): Promise<void> {
    const { happened } = this.#options;
    const { uid = '' } = change.metadata;
    const { head = '' } = state;
    const labels = (change.spec.labels ?? []).join(',');
    await happened(
      repository,
      { type: 'pull_request', ...pullRequestOf(change, head) },
      `${uid}/${head}/${labels}`,
    );
    const comments = change.spec.comments ?? [];
    for (const [at, { by, text }] of comments.entries()) {
      if (at < (change.status?.told ?? 0)) continue;
      await happened(
        repository,
        { type: 'comment', number: numberOf(change), body: text, author: by },
        `${uid}/comment/${at}`,
      );
    }
    state.told = comments.length;
  }

  async #merge(change: ChangeRequest, repository: ForgeRepository, state: Status): Promise<Outcome> {
    const { forge, pushed } = this.#options;
    const { source, target, title = '', body = '', author = '', merge } = change.spec;
    const refusal = refusalOf(change, state);
    if (refusal !== undefined) return this.#report(change, { ...state, ...refusal });
    const dir = forge.pathOf(repository);
    const [head, base] = [state.head!, state.base!];
    const strategy = merge?.strategy ?? 'merge';
    const first = title || `Merge ${source} into ${target}`;
    const message = `${first}\n\n${body}${body === '' ? '' : '\n\n'}Change-Request: ${change.metadata.name}\n`;
    try {
      const commit = await mergeCommit(
        forge.git,
        { dir, source, target, strategy, message, author },
        { head, base },
      );
      await moveBranch(forge.git, dir, { branch: target, from: base, to: commit });
      pushed(repository);
      return await this.#report(change, {
        ...state,
        phase: 'Merged',
        mergeCommit: commit,
        mergedBy: merge?.by ?? '',
        message: '',
      });
    } catch (error) {
      if (!(error instanceof MergeConflict)) throw error;
      return this.#report(change, { ...state, mergeable: false, message: `${error.message}.` });
    }
  }

  async #report(change: ChangeRequest, found: Status): Promise<Outcome> {
    const { namespace = '', name = '' } = change.metadata;
    const status = { waits: false, ...found };
    const isNew = Object.entries(status).some(
      ([key, value]) => change.status?.[key as keyof Status] !== value,
    );
    if (!isNew) return DONE;
    // A new commit has not been checked yet.
    const fresh = change.status?.head !== undefined && change.status.head !== status.head;
    const checks = fresh ? { checks: null } : {};
    try {
      await this.#options.client.patch(
        CHANGE_REQUESTS,
        { namespace, name },
        'merge',
        { status: { ...status, ...checks } },
        { subresource: 'status' },
      );
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
    }
    return DONE;
  }
}

/** Why a request cannot be taken over now, and whether that may pass by itself. */
function refusalOf(
  { spec, status }: ChangeRequest,
  state: Status,
): Pick<Status, 'message' | 'waits'> | undefined {
  if (!state.mergeable) return { message: state.message ?? '' };
  const rejected = spec.reviews?.find(
    ({ verdict, commit }) => verdict === 'reject' && (commit === undefined || commit === state.head),
  );
  if (rejected !== undefined) return { message: `${rejected.by} is against it.` };
  if (status?.head !== state.head) return undefined;
  const open = Object.entries(status?.checks ?? {}).find(([, { state: check }]) => check !== 'success');
  if (open === undefined) return undefined;
  const [check, { state: is }] = open;
  return is === 'pending' || is === 'running'
    ? { message: `It waits for ${check}.`, waits: true }
    : { message: `${check} has not gone well.` };
}
