import type { ApiClient } from './api-client.ts';
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

interface HookBody {
  id: number;
  url: string;
}

interface OpenMergeBody {
  iid: number;
  web_url: string;
}

interface ReleaseBody {
  tag_name: string;
  name: string | null;
  description: string | null;
  released_at?: string;
  commit?: { id: string };
  _links?: { self?: string };
}

function releaseOf(body: ReleaseBody): Release {
  return {
    tag: body.tag_name,
    title: body.name ?? body.tag_name,
    notes: body.description ?? '',
    commit: body.commit?.id ?? '',
    time: body.released_at ?? '',
    url: body._links?.self ?? '',
  };
}

export interface MergeRequestBody {
  iid: number;
  source_branch: string;
  target_branch: string;
  source_project_id: number;
  target_project_id: number;
  sha: string;
  labels?: string[];
  author: { username: string };
}

const STATES: Record<StatusState, string> = {
  pending: 'pending',
  running: 'running',
  success: 'success',
  failure: 'failed',
  cancelled: 'canceled',
};
const DEVELOPER = 30;

export class GitLab implements ScmProvider {
  readonly name = 'gitlab';
  readonly #api: ApiClient;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  whoAmI = async (): Promise<string> => (await this.#api.call<{ username: string }>('GET', '/user')).username;

  defaultBranch = async (repository: string): Promise<string> =>
    (await this.#api.call<{ default_branch: string }>('GET', project(repository))).default_branch;

  pullRequest = async (repository: string, number: number): Promise<PullRequest> => {
    const body = await this.#api.call<MergeRequestBody>(
      'GET',
      `${project(repository)}/merge_requests/${number}`,
    );
    return {
      number: body.iid,
      source: body.source_branch,
      target: body.target_branch,
      commit: body.sha,
      labels: body.labels ?? [],
      isFork: body.source_project_id !== body.target_project_id,
      author: body.author.username,
    };
  };

  findPullRequest = async (
    repository: string,
    { source, target }: { source: string; target: string },
  ): Promise<OpenPullRequest | undefined> => {
    const query = new URLSearchParams({ state: 'opened', source_branch: source, target_branch: target });
    const [found] = await this.#api.call<OpenMergeBody[]>(
      'GET',
      `${project(repository)}/merge_requests?${query}`,
    );
    return found && { number: found.iid, url: found.web_url };
  };

  openPullRequest = async (repository: string, proposal: Proposal): Promise<OpenPullRequest> => {
    const made = await this.#api.call<OpenMergeBody>('POST', `${project(repository)}/merge_requests`, {
      source_branch: proposal.source,
      target_branch: proposal.target,
      title: proposal.title,
      description: proposal.body,
      remove_source_branch: true,
    });
    return { number: made.iid, url: made.web_url };
  };

  updatePullRequest = async (
    repository: string,
    number: number,
    { title, body }: { title: string; body: string },
  ): Promise<void> => {
    await this.#api.call('PUT', `${project(repository)}/merge_requests/${number}`, {
      title,
      description: body,
    });
  };

  mergePullRequest = async (repository: string, number: number): Promise<void> => {
    await this.#api.call('PUT', `${project(repository)}/merge_requests/${number}/merge`, {});
  };

  comment = async (repository: string, number: number, text: string): Promise<void> => {
    await this.#api.call('POST', `${project(repository)}/merge_requests/${number}/notes`, { body: text });
  };

  releases = async (repository: string): Promise<Release[]> => {
    const found = await this.#api.all<ReleaseBody>(`${project(repository)}/releases`, (value) => ({
      items: value as ReleaseBody[],
    }));
    return found.map(releaseOf);
  };

  findRelease = async (repository: string, tag: string): Promise<Release | undefined> => {
    const found = await this.#api.find<ReleaseBody>(release(repository, tag));
    return found && releaseOf(found);
  };

  createRelease = async (repository: string, { tag, commit, title, notes }: NewRelease): Promise<Release> =>
    releaseOf(
      await this.#api.call<ReleaseBody>('POST', `${project(repository)}/releases`, {
        tag_name: tag,
        ref: commit,
        name: title,
        description: notes,
      }),
    );

  updateRelease = async (
    repository: string,
    tag: string,
    { title, notes }: { title: string; notes: string },
  ): Promise<Release> =>
    releaseOf(
      await this.#api.call<ReleaseBody>('PUT', release(repository, tag), {
        name: title,
        description: notes,
      }),
    );

  mayWrite = async (repository: string, user: string): Promise<boolean> => {
    const members = await this.#api.call<{ username: string; access_level: number }[]>(
      'GET',
      `${project(repository)}/members/all?query=${encodeURIComponent(user)}`,
    );
    return members.some((member) => member.username === user && member.access_level >= DEVELOPER);
  };

  setStatus = async (repository: string, commit: string, status: CommitStatus): Promise<void> => {
    await this.#api.call('POST', `${project(repository)}/statuses/${commit}`, {
      state: STATES[status.state],
      name: status.context,
      description: status.description.slice(0, 255),
      target_url: status.url,
    });
  };

  listHooks = async (repository: string): Promise<Hook[]> => {
    const hooks = await this.#api.all<HookBody>(`${project(repository)}/hooks`, (value) => ({
      items: value as HookBody[],
    }));
    return hooks.map((hook) => ({ id: String(hook.id), url: hook.url }));
  };

  createHook = async (
    repository: string,
    hook: { url: string; secret: string; verifyTls: boolean },
  ): Promise<Hook> => {
    const made = await this.#api.call<HookBody>('POST', `${project(repository)}/hooks`, {
      url: hook.url,
      token: hook.secret,
      enable_ssl_verification: hook.verifyTls,
      push_events: true,
      tag_push_events: true,
      merge_requests_events: true,
      note_events: true,
      releases_events: true,
    });
    return { id: String(made.id), url: made.url };
  };

  deleteHook = async (repository: string, id: string): Promise<void> => {
    await this.#api.call('DELETE', `${project(repository)}/hooks/${encodeURIComponent(id)}`);
  };
}

function release(repository: string, tag: string): string {
  return `${project(repository)}/releases/${encodeURIComponent(tag)}`;
}

function project(repository: string): string {
  return `/projects/${encodeURIComponent(repository)}`;
}
