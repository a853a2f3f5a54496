import type { ApiClient } from './api-client.ts';
import { tagMessage } from './prerelease.ts';
import type {
  CommitStatus,
  Hook,
  NewRelease,
  OpenPullRequest,
  Proposal,
  PullRequest,
  Release,
  ScmProvider,
  StatusState,
} from './types.ts';
import { ScmError } from './types.ts';

interface HookBody {
  id: number;
  url: string;
}

interface Ref {
  displayId: string;
  latestCommit: string;
  repository: { slug: string; project: { key: string } };
}

interface OpenPullBody {
  id: number;
  fromRef: { displayId: string };
  links: { self: { href: string }[] };
}

function opened({ id, links }: OpenPullBody): OpenPullRequest {
  return { number: id, url: links.self[0]?.href ?? '' };
}

interface TagBody {
  displayId: string;
  latestCommit: string;
}

/** Reads the pages of a list that is asked for by a query. */
function pagesOf<T>(query = ''): (value: unknown) => { items: T[]; next: string | undefined } {
  return (value) => {
    const { values, isLastPage, nextPageStart } = value as {
      values: T[];
      isLastPage?: boolean;
      nextPageStart?: number;
    };
    return { items: values, next: isLastPage === false ? `?${query}start=${nextPageStart}` : undefined };
  };
}

export interface ServerPullRequest {
  id: number;
  author: { user: { name: string } };
  fromRef: Ref;
  toRef: Ref;
}

const EVENTS = ['repo:refs_changed', 'pr:opened', 'pr:from_ref_updated', 'pr:comment:added'];
const STATES: Record<StatusState, string> = {
  pending: 'INPROGRESS',
  running: 'INPROGRESS',
  success: 'SUCCESSFUL',
  failure: 'FAILED',
  cancelled: 'FAILED',
};
const API = '/rest/api/1.0';

export class BitbucketServer implements ScmProvider {
  readonly name = 'bitbucket-server';
  readonly #api: ApiClient;
  readonly #username: string;
  readonly #home: string;

  constructor(api: ApiClient, { username, home }: { username: string; home: string }) {
    this.#api = api;
    this.#username = username;
    this.#home = home;
  }

  /** The server has no page that tells who asks: one that only they can read has to do. */
  whoAmI = async (): Promise<string> => {
    const user = await this.#api.call<{ name: string }>(
      'GET',
      `${API}/users/${encodeURIComponent(this.#username)}`,
    );
    return user.name;
  };

  defaultBranch = async (repository: string): Promise<string> =>
    (await this.#api.call<{ displayId: string }>('GET', `${at(repository)}/branches/default`)).displayId;

  pullRequest = async (repository: string, number: number): Promise<PullRequest> =>
    serverPullRequest(
      await this.#api.call<ServerPullRequest>('GET', `${at(repository)}/pull-requests/${number}`),
    );

  findPullRequest = async (
    repository: string,
    { source, target }: { source: string; target: string },
  ): Promise<OpenPullRequest | undefined> => {
    const query = new URLSearchParams({ state: 'OPEN', at: `refs/heads/${target}`, direction: 'INCOMING' });
    const { values } = await this.#api.call<{ values: OpenPullBody[] }>(
      'GET',
      `${at(repository)}/pull-requests?${query}`,
    );
    const found = values.find((item) => item.fromRef.displayId === source);
    return found && opened(found);
  };

  openPullRequest = async (repository: string, proposal: Proposal): Promise<OpenPullRequest> =>
    opened(
      await this.#api.call<OpenPullBody>('POST', `${at(repository)}/pull-requests`, {
        title: proposal.title,
        description: proposal.body,
        fromRef: { id: `refs/heads/${proposal.source}` },
        toRef: { id: `refs/heads/${proposal.target}` },
      }),
    );

  updatePullRequest = async (
    repository: string,
    number: number,
    { title, body }: { title: string; body: string },
  ): Promise<void> => {
    const version = await this.#version(repository, number);
    const path = `${at(repository)}/pull-requests/${number}`;
    await this.#api.call('PUT', path, { version, title, description: body });
  };

  mergePullRequest = async (repository: string, number: number): Promise<void> => {
    const version = await this.#version(repository, number);
    await this.#api.call('POST', `${at(repository)}/pull-requests/${number}/merge?version=${version}`, {});
  };

  comment = async (repository: string, number: number, text: string): Promise<void> => {
    await this.#api.call('POST', `${at(repository)}/pull-requests/${number}/comments`, { text });
  };

  /** A change has to say which state it is made on. */
  async #version(repository: string, number: number): Promise<number> {
    const path = `${at(repository)}/pull-requests/${number}`;
    return (await this.#api.call<{ version: number }>('GET', path)).version;
  }

  /** Bitbucket knows no releases: its tags are. What is written in them is not told. */
  releases = async (repository: string): Promise<Release[]> => {
    const query = 'orderBy=MODIFICATION';
    const found = await this.#api.all(`${at(repository)}/tags?${query}`, pagesOf<TagBody>(`${query}&`));
    return found.map((tag) => this.#releaseOf(repository, tag));
  };

  findRelease = async (repository: string, tag: string): Promise<Release | undefined> => {
    const found = await this.#api.find<TagBody>(`${at(repository)}/tags/${encodeURIComponent(tag)}`);
    return found && this.#releaseOf(repository, found);
  };

  createRelease = async (repository: string, release: NewRelease): Promise<Release> =>
    this.#releaseOf(
      repository,
      await this.#api.call<TagBody>('POST', `${at(repository)}/tags`, {
        name: release.tag,
        startPoint: release.commit,
        message: tagMessage(release),
      }),
    );

  updateRelease = async (repository: string, tag: string): Promise<Release> => {
    throw new ScmError(`${repository} has a tag ${tag}, and tags of Bitbucket cannot be changed`, 409);
  };

  #releaseOf(repository: string, { displayId, latestCommit }: TagBody): Release {
    const [project = '', slug = ''] = repository.split('/').map(encodeURIComponent);
    const query = new URLSearchParams({ until: `refs/tags/${displayId}` });
    return {
      tag: displayId,
      title: displayId,
      notes: '',
      commit: latestCommit,
      time: '',
      url: `${this.#home}/projects/${project}/repos/${slug}/commits?${query}`,
    };
  }

  mayWrite = async (repository: string, user: string): Promise<boolean> => {
    const found = await this.#api.call<{ values: { user: { name: string }; permission: string }[] }>(
      'GET',
      `${at(repository)}/permissions/users?filter=${encodeURIComponent(user)}`,
    );
    return found.values.some(
      (item) => item.user.name === user && ['REPO_WRITE', 'REPO_ADMIN'].includes(item.permission),
    );
  };

  setStatus = async (_: string, commit: string, status: CommitStatus): Promise<void> => {
    await this.#api.call('POST', `/rest/build-status/1.0/commits/${commit}`, {
      key: status.context,
      name: status.context,
      state: STATES[status.state],
      description: status.description.slice(0, 255),
      url: status.url,
    });
  };

  listHooks = async (repository: string): Promise<Hook[]> => {
    const hooks = await this.#api.all(`${at(repository)}/webhooks`, pagesOf<HookBody>());
    return hooks.map((hook) => ({ id: String(hook.id), url: hook.url }));
  };

  createHook = async (
    repository: string,
    hook: { url: string; secret: string; verifyTls: boolean },
  ): Promise<Hook> => {
    const made = await this.#api.call<HookBody>('POST', `${at(repository)}/webhooks`, {
      name: 'Dispatch',
      url: hook.url,
      active: true,
      events: EVENTS,
      configuration: { secret: hook.secret },
      sslVerificationRequired: hook.verifyTls,
    });
    return { id: String(made.id), url: made.url };
  };

  deleteHook = async (repository: string, id: string): Promise<void> => {
    await this.#api.call('DELETE', `${at(repository)}/webhooks/${encodeURIComponent(id)}`);
  };
}

export function serverPullRequest(body: ServerPullRequest): PullRequest {
  const name = ({ repository }: Ref): string => `${repository.project.key}/${repository.slug}`;
  return {
    number: body.id,
    source: body.fromRef.displayId,
    target: body.toRef.displayId,
    commit: body.fromRef.latestCommit,
    labels: [],
    isFork: name(body.fromRef) !== name(body.toRef),
    author: body.author.user.name,
  };
}

function at(repository: string): string {
  const [project = '', slug = ''] = repository.split('/');
  return `${API}/projects/${encodeURIComponent(project)}/repos/${encodeURIComponent(slug)}`;
}
