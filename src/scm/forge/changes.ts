import type { Static } from 'typebox';
import { CHANGE_REQUEST, GROUP, VERSION } from '../../api/index.ts';
import {
  editObject,
  isApiError,
  type KubeClient,
  type KubeObject,
  type ResourceRef,
  unlessGone,
} from '../../kube/index.ts';
import type {
  CommitStatus,
  Hook,
  OpenPullRequest,
  Proposal,
  PullRequest,
  ScmProvider,
} from '../providers/types.ts';
import { ScmError } from '../providers/types.ts';
import { tipOf } from './merge.ts';
import { ForgeReleases } from './releases.ts';
import { type ForgeRepositories, type ForgeRepository, forgeRepository } from './repositories.ts';

export const CHANGE_REQUESTS: ResourceRef = {
  group: GROUP,
  version: VERSION,
  plural: CHANGE_REQUEST.plural,
  namespaced: true,
};

export type ChangeRequest = KubeObject & {
  spec: Static<typeof CHANGE_REQUEST.spec>;
  status?: Static<typeof CHANGE_REQUEST.status>;
};

const MAX_TRIES = 20;

/** What providers do, for the repositories of this server: change requests are objects in the owner's namespace. */
export class LocalForge implements ScmProvider {
  readonly name = 'dispatch';
  readonly #client: KubeClient;
  readonly #forge: ForgeRepositories;
  readonly #publicUrl: () => string;
  readonly releases: ScmProvider['releases'];
  readonly findRelease: ScmProvider['findRelease'];
  readonly createRelease: ScmProvider['createRelease'];
  readonly updateRelease: ScmProvider['updateRelease'];

  constructor(
    client: KubeClient,
    forge: ForgeRepositories,
    options: { publicUrl: () => string; pushed: (repository: ForgeRepository) => void },
  ) {
    this.#client = client;
    this.#forge = forge;
    this.#publicUrl = options.publicUrl;
    const releases = new ForgeReleases(forge, options);
    this.releases = releases.list;
    this.findRelease = releases.find;
    this.createRelease = releases.create;
    this.updateRelease = releases.update;
  }

  whoAmI = async (): Promise<string> => 'dispatch';

  defaultBranch = async (repository: string): Promise<string> => {
    const dir = this.#forge.pathOf(forgeRepository(repository));
    const ref = await this.#forge.git.run(['--git-dir', dir, 'symbolic-ref', 'HEAD']);
    return ref.trim().replace(/^refs\/heads\//, '');
  };

  pullRequest = async (repository: string, number: number): Promise<PullRequest> => {
    const change = await this.#byNumber(repository, number);
    return pullRequestOf(change, await this.#head(repository, change));
  };

  findPullRequest = async (
    repository: string,
    { source, target }: { source: string; target: string },
  ): Promise<OpenPullRequest | undefined> => {
    const found = (await this.list(repository)).find(
      (change) => isOpen(change) && change.spec.source === source && change.spec.target === target,
    );
    return found && this.#opened(found);
  };

  openPullRequest = async (repository: string, proposal: Proposal): Promise<OpenPullRequest> =>
    this.#opened(await this.open(repository, { ...proposal, author: 'dispatch' }));

  /** The number of a request is part of its name, so that no two can have the same. */
  async open(
    repository: string,
    { author, ...proposal }: Proposal & { author: string },
  ): Promise<ChangeRequest> {
    const { owner, name } = forgeRepository(repository);
    const dir = this.#forge.pathOf({ owner, name });
    for (const branch of [proposal.source, proposal.target])
      if ((await tipOf(this.#forge.git, dir, branch)) === undefined)
        throw new ScmError(`${repository} has no branch ${branch}`, 422);
    let number = Math.max(0, ...(await this.list(repository)).map(numberOf)) + 1;
    for (let tries = 0; tries < MAX_TRIES; tries += 1, number += 1) {
      const change: ChangeRequest = {
        apiVersion: `${GROUP}/${VERSION}`,
        kind: 'ChangeRequest',
        metadata: { name: `${name}-${number}`, namespace: owner, labels: { repository: name.slice(0, 63) } },
        spec: { repository: name, ...proposal, author },
      };
      try {
        return await this.#client.create<ChangeRequest>(CHANGE_REQUESTS, change);
      } catch (error) {
        if (!isApiError(error, 'AlreadyExists')) throw error;
      }
    }
    throw new ScmError(`no number could be found for a change request of ${repository}`, 503);
  }

  updatePullRequest = async (
    repository: string,
    number: number,
    text: { title: string; body: string },
  ): Promise<void> => this.#patch(await this.#byNumber(repository, number), { spec: text });

  mergePullRequest = async (repository: string, number: number): Promise<void> =>
    this.#patch(await this.#byNumber(repository, number), { spec: { merge: { by: 'dispatch' } } });

  comment = async (repository: string, number: number, text: string): Promise<void> => {
    const { metadata } = await this.#byNumber(repository, number);
    const place = { namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
    await editObject<ChangeRequest>(this.#client, CHANGE_REQUESTS, place, ({ spec }) => ({
      spec: { comments: [...(spec.comments ?? []), { by: 'dispatch', text }] },
    }));
  };

  /** Whoever may change the objects of requests may write the repository: the rights are those of the namespace. */
  mayWrite = async (): Promise<boolean> => true;

  setStatus = async (repository: string, commit: string, status: CommitStatus): Promise<void> => {
    const { context, state, description, url } = status;
    for (const change of await this.list(repository)) {
      if (!isOpen(change) || (await this.#head(repository, change)) !== commit) continue;
      await this.#patch(change, { status: { checks: { [context]: { state, description, url } } } }, 'status');
    }
  };

  /** This server hears of pushes by itself. */
  listHooks = async (): Promise<Hook[]> => [];
  createHook = async (): Promise<Hook> => ({ id: '', url: '' });
  deleteHook = async (): Promise<void> => {};

  async list(repository: string): Promise<ChangeRequest[]> {
    const { owner, name } = forgeRepository(repository);
    const { items } = await this.#client.list<ChangeRequest>(CHANGE_REQUESTS, { namespace: owner });
    return items.filter((change) => change.spec.repository === name);
  }

  #opened(change: ChangeRequest): OpenPullRequest {
    const { namespace, name } = change.metadata;
    return { number: numberOf(change), url: `${this.#publicUrl()}/dispatch/changes/${namespace}/${name}` };
  }

  async #byNumber(repository: string, number: number): Promise<ChangeRequest> {
    const { owner, name } = forgeRepository(repository);
    const found = await unlessGone(
      this.#client.get<ChangeRequest>(CHANGE_REQUESTS, owner, `${name}-${number}`),
    );
    if (found === undefined) throw new ScmError(`${repository} has no change request ${number}`, 404);
    return found;
  }

  async #head(repository: string, { spec, status }: ChangeRequest): Promise<string> {
    const dir = this.#forge.pathOf(forgeRepository(repository));
    return (await tipOf(this.#forge.git, dir, spec.source)) ?? status?.head ?? '';
  }

  async #patch({ metadata }: ChangeRequest, patch: object, subresource?: string): Promise<void> {
    const { namespace = '', name = '' } = metadata;
    await this.#client.patch(
      CHANGE_REQUESTS,
      { namespace, name },
      'merge',
      patch,
      subresource === undefined ? {} : { subresource },
    );
  }
}

export function isOpen({ status }: ChangeRequest): boolean {
  return status?.phase !== 'Merged' && status?.phase !== 'Closed';
}

/** The number that its name ends with. */
export function numberOf({ metadata }: ChangeRequest): number {
  return Number(/-(\d+)$/.exec(metadata.name ?? '')?.[1] ?? 0);
}

export function pullRequestOf(change: ChangeRequest, commit: string): PullRequest {
  const { source, target, labels = [], author = '' } = change.spec;
  return { number: numberOf(change), source, target, commit, labels, isFork: false, author };
}
