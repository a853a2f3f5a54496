import type { ApiClient } from './api-client.ts';
import { isPrerelease } from './prerelease.ts';
import type {
  CommitStatus,
  Hook,
  NewRelease,
  OpenPullRequest,
  Proposal,
  ProviderName,
  PullRequest,
  Release,
  ScmProvider,
  StatusState,
} from './types.ts';
import { ScmError } from './types.ts';

interface HookBody {
  id: number;
  config?: { url?: string };
}

const EVENTS = ['push', 'pull_request', 'issue_comment', 'release', 'create'];
const STATES: Record<StatusState, string> = {
  pending: 'pending',
  running: 'pending',
  success: 'success',
  failure: 'failure',
  cancelled: 'error',
};

/** GitHub, and Gitea, which speaks nearly the same. */
export class GitHubLike implements ScmProvider {
  readonly name: ProviderName;
  readonly #api: ApiClient;

  constructor(name: 'github' | 'gitea', api: ApiClient) {
    this.name = name;
    this.#api = api;
  }

  whoAmI = async (): Promise<string> => (await this.#api.call<{ login: string }>('GET', '/user')).login;

  defaultBranch = async (repository: string): Promise<string> =>
    (await this.#api.call<{ default_branch: string }>('GET', `/repos/${path(repository)}`)).default_branch;

  pullRequest = async (repository: string, number: number): Promise<PullRequest> =>
    pullRequestOf(await this.#api.call<PullRequestBody>('GET', `/repos/${path(repository)}/pulls/${number}`));

  findPullRequest = async (
    repository: string,
    { source, target }: { source: string; target: string },
  ): Promise<OpenPullRequest | undefined> => {
    const owner = repository.split('/')[0]!;
    const query = new URLSearchParams({ state: 'open', head: `${owner}:${source}`, base: target });
    const open = await this.#api.call<OpenPullBody[]>('GET', `/repos/${path(repository)}/pulls?${query}`);
    // Gitea takes no notice of the branches in the question.
    const found = open.find(({ head, base }) => head.ref === source && base.ref === target);
    return found && { number: found.number, url: found.html_url };
  };

  openPullRequest = async (repository: string, proposal: Proposal): Promise<OpenPullRequest> => {
    const { source, target, title, body } = proposal;
    const made = await this.#api.call<OpenPullBody>('POST', `/repos/${path(repository)}/pulls`, {
      head: source,
      base: target,
      title,
      body,
    });
    return { number: made.number, url: made.html_url };
  };

  updatePullRequest = async (
    repository: string,
    number: number,
    text: { title: string; body: string },
  ): Promise<void> => {
    await this.#api.call('PATCH', `/repos/${path(repository)}/pulls/${number}`, text);
  };

  mergePullRequest = async (repository: string, number: number): Promise<void> => {
    const at = `/repos/${path(repository)}/pulls/${number}/merge`;
    if (this.name === 'gitea') await this.#api.call('POST', at, { Do: 'merge' });
    else await this.#api.call('PUT', at, {});
  };

  comment = async (repository: string, number: number, text: string): Promise<void> => {
    await this.#api.call('POST', `/repos/${path(repository)}/issues/${number}/comments`, { body: text });
  };

  releases = async (repository: string): Promise<Release[]> => {
    const found = await this.#api.all<ReleaseBody>(`/repos/${path(repository)}/releases`, (value) => ({
      items: value as ReleaseBody[],
    }));
    return found.filter((item) => item.draft !== true).map(releaseOf);
  };

  findRelease = async (repository: string, tag: string): Promise<Release | undefined> => {
    const found = await this.#releaseBody(repository, tag);
    return found && releaseOf(found);
  };

  createRelease = async (repository: string, release: NewRelease): Promise<Release> =>
    releaseOf(
      await this.#api.call<ReleaseBody>('POST', `/repos/${path(repository)}/releases`, {
        tag_name: release.tag,
        target_commitish: release.commit,
        name: release.title,
        body: release.notes,
        prerelease: isPrerelease(release.tag),
      }),
    );

  updateRelease = async (
    repository: string,
    tag: string,
    { title, notes }: { title: string; notes: string },
  ): Promise<Release> => {
    const id = (await this.#releaseBody(repository, tag))?.id;
    if (id === undefined) throw new ScmError(`${repository} has no release ${tag}`, 404);
    return releaseOf(
      await this.#api.call<ReleaseBody>('PATCH', `/repos/${path(repository)}/releases/${id}`, {
        name: title,
        body: notes,
      }),
    );
  };

  #releaseBody(repository: string, tag: string): Promise<ReleaseBody | undefined> {
    return this.#api.find(`/repos/${path(repository)}/releases/tags/${encodeURIComponent(tag)}`);
  }

  mayWrite = async (repository: string, user: string): Promise<boolean> => {
    const { permission } = await this.#api.call<{ permission: string }>(
      'GET',
      `/repos/${path(repository)}/collaborators/${encodeURIComponent(user)}/permission`,
    );
    return ['admin', 'maintain', 'write', 'owner'].includes(permission);
  };

  setStatus = async (repository: string, commit: string, status: CommitStatus): Promise<void> => {
    await this.#api.call('POST', `/repos/${path(repository)}/statuses/${commit}`, {
      state: STATES[status.state],
      context: status.context,
      description: status.description.slice(0, 140),
      target_url: status.url,
    });
  };

  listHooks = async (repository: string): Promise<Hook[]> => {
    const hooks = await this.#api.all<HookBody>(`/repos/${path(repository)}/hooks`, (value) => ({
      items: value as HookBody[],
    }));
    return hooks.map((hook) => ({ id: String(hook.id), url: hook.config?.url ?? '' }));
  };

  createHook = async (
    repository: string,
    hook: { url: string; secret: string; verifyTls: boolean },
  ): Promise<Hook> => {
    const made = await this.#api.call<HookBody>('POST', `/repos/${path(repository)}/hooks`, {
      ...(this.name === 'gitea' ? { type: 'gitea' } : { name: 'web' }),
      active: true,
      events: EVENTS,
      config: {
        url: hook.url,
        content_type: 'json',
        secret: hook.secret,
        insecure_ssl: hook.verifyTls ? '0' : '1',
      },
    });
    return { id: String(made.id), url: hook.url };
  };

  deleteHook = async (repository: string, id: string): Promise<void> => {
    await this.#api.call('DELETE', `/repos/${path(repository)}/hooks/${encodeURIComponent(id)}`);
  };
}

interface OpenPullBody {
  number: number;
  html_url: string;
  head: { ref: string };
  base: { ref: string };
}

interface ReleaseBody {
  id: number;
  tag_name: string;
  /** What was asked for: a branch or a commit. */
  target_commitish?: string;
  name: string | null;
  body: string | null;
  draft?: boolean;
  published_at?: string | null;
  html_url: string;
}

function releaseOf(body: ReleaseBody): Release {
  const target = body.target_commitish ?? '';
  return {
    tag: body.tag_name,
    title: body.name ?? body.tag_name,
    notes: body.body ?? '',
    commit: /^[0-9a-f]{40}$/.test(target) ? target : '',
    time: body.published_at ?? '',
    url: body.html_url,
  };
}

export interface PullRequestBody {
  number: number;
  user: { login: string };
  labels?: { name: string }[];
  head: { ref: string; sha: string; repo: { full_name: string } | null };
  base: { ref: string; repo: { full_name: string } };
}

export function pullRequestOf(body: PullRequestBody): PullRequest {
  return {
    number: body.number,
    source: body.head.ref,
    target: body.base.ref,
    commit: body.head.sha,
    labels: (body.labels ?? []).map((label) => label.name),
    isFork: body.head.repo?.full_name !== body.base.repo.full_name,
    author: body.user.login,
  };
}

function path(repository: string): string {
  return repository.split('/').map(encodeURIComponent).join('/');
}
