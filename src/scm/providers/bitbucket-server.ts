import type { ApiClient } from './api-client.ts';
import type { CommitStatus, Hook, PullRequest, ScmProvider, StatusState } from './types.ts';

interface HookBody {
  id: number;
  url: string;
}

interface Ref {
  displayId: string;
  latestCommit: string;
  repository: { slug: string; project: { key: string } };
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

  constructor(api: ApiClient, username: string) {
    this.#api = api;
    this.#username = username;
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
    const hooks = await this.#api.all<HookBody>(`${at(repository)}/webhooks`, (value) => {
      const { values, isLastPage, nextPageStart } = value as {
        values: HookBody[];
        isLastPage?: boolean;
        nextPageStart?: number;
      };
      return { items: values, next: isLastPage === false ? `?start=${nextPageStart}` : undefined };
    });
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
