import type { ApiClient } from './api-client.ts';
import { tagMessage, tagText } from './prerelease.ts';
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
  uuid: string;
  url: string;
}

interface OpenPullBody {
  id: number;
  links: { html: { href: string } };
}

interface TagBody {
  name: string;
  message?: string | null;
  date?: string | null;
  target: { hash: string; date?: string };
  links: { html: { href: string } };
}

function releaseOf(body: TagBody): Release {
  return {
    tag: body.name,
    ...tagText(body.message ?? '', body.name),
    commit: body.target.hash,
    time: body.date ?? body.target.date ?? '',
    url: body.links.html.href,
  };
}

function pageOf<T>(value: unknown): { items: T[]; next: string | undefined } {
  const { values, next } = value as { values: T[]; next?: string };
  return { items: values, next };
}

export interface BitbucketPullRequest {
  id: number;
  author: { nickname?: string; account_id?: string };
  source: { branch: { name: string }; commit: { hash: string }; repository: { full_name: string } | null };
  destination: { branch: { name: string }; repository: { full_name: string } };
}

const EVENTS = ['repo:push', 'pullrequest:created', 'pullrequest:updated', 'pullrequest:comment_created'];
const STATES: Record<StatusState, string> = {
  pending: 'INPROGRESS',
  running: 'INPROGRESS',
  success: 'SUCCESSFUL',
  failure: 'FAILED',
  cancelled: 'STOPPED',
};

export class BitbucketCloud implements ScmProvider {
  readonly name = 'bitbucket-cloud';
  readonly #api: ApiClient;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  whoAmI = async (): Promise<string> => {
    const user = await this.#api.call<{ nickname?: string; username?: string; display_name?: string }>(
      'GET',
      '/user',
    );
    return user.username ?? user.nickname ?? user.display_name ?? '';
  };

  defaultBranch = async (repository: string): Promise<string> =>
    (await this.#api.call<{ mainbranch: { name: string } }>('GET', at(repository))).mainbranch.name;

  pullRequest = async (repository: string, number: number): Promise<PullRequest> =>
    bitbucketPullRequest(
      await this.#api.call<BitbucketPullRequest>('GET', `${at(repository)}/pullrequests/${number}`),
    );

  findPullRequest = async (
    repository: string,
    { source, target }: { source: string; target: string },
  ): Promise<OpenPullRequest | undefined> => {
    const quoted = (name: string): string => JSON.stringify(name);
    const q = `source.branch.name=${quoted(source)} AND destination.branch.name=${quoted(target)} AND state="OPEN"`;
    const { values } = await this.#api.call<{ values: OpenPullBody[] }>(
      'GET',
      `${at(repository)}/pullrequests?${new URLSearchParams({ q })}`,
    );
    return values[0] && { number: values[0].id, url: values[0].links.html.href };
  };

  openPullRequest = async (repository: string, proposal: Proposal): Promise<OpenPullRequest> => {
    const made = await this.#api.call<OpenPullBody>('POST', `${at(repository)}/pullrequests`, {
      title: proposal.title,
      description: proposal.body,
      source: { branch: { name: proposal.source } },
      destination: { branch: { name: proposal.target } },
      close_source_branch: true,
    });
    return { number: made.id, url: made.links.html.href };
  };

  updatePullRequest = async (
    repository: string,
    number: number,
    { title, body }: { title: string; body: string },
  ): Promise<void> => {
    await this.#api.call('PUT', `${at(repository)}/pullrequests/${number}`, { title, description: body });
  };

  mergePullRequest = async (repository: string, number: number): Promise<void> => {
    await this.#api.call('POST', `${at(repository)}/pullrequests/${number}/merge`, {});
  };

  comment = async (repository: string, number: number, text: string): Promise<void> => {
    await this.#api.call('POST', `${at(repository)}/pullrequests/${number}/comments`, {
      content: { raw: text },
    });
  };

  /** Bitbucket knows no releases: its tags are, with what is written in them. */
  releases = async (repository: string): Promise<Release[]> => {
    const found = await this.#api.all(`${at(repository)}/refs/tags?sort=-target.date`, pageOf<TagBody>);
    return found.map(releaseOf);
  };

  findRelease = async (repository: string, tag: string): Promise<Release | undefined> => {
    const found = await this.#api.find<TagBody>(`${at(repository)}/refs/tags/${encodeURIComponent(tag)}`);
    return found && releaseOf(found);
  };

  createRelease = async (repository: string, release: NewRelease): Promise<Release> =>
    releaseOf(
      await this.#api.call<TagBody>('POST', `${at(repository)}/refs/tags`, {
        name: release.tag,
        target: { hash: release.commit },
        message: tagMessage(release),
      }),
    );

  updateRelease = async (repository: string, tag: string): Promise<Release> => {
    throw new ScmError(`${repository} has a tag ${tag}, and tags of Bitbucket cannot be changed`, 409);
  };

  mayWrite = async (repository: string, user: string): Promise<boolean> => {
    const { permission } = await this.#api.call<{ permission: string }>(
      'GET',
      `${at(repository)}/permissions-config/users/${encodeURIComponent(user)}`,
    );
    return permission === 'write' || permission === 'admin';
  };

  setStatus = async (repository: string, commit: string, status: CommitStatus): Promise<void> => {
    await this.#api.call('POST', `${at(repository)}/commit/${commit}/statuses/build`, {
      key: status.context.slice(0, 40),
      name: status.context,
      state: STATES[status.state],
      description: status.description.slice(0, 255),
      url: status.url,
    });
  };

  listHooks = async (repository: string): Promise<Hook[]> => {
    const hooks = await this.#api.all(`${at(repository)}/hooks`, pageOf<HookBody>);
    return hooks.map((hook) => ({ id: hook.uuid, url: hook.url }));
  };

  createHook = async (
    repository: string,
    hook: { url: string; secret: string; verifyTls: boolean },
  ): Promise<Hook> => {
    const made = await this.#api.call<HookBody>('POST', `${at(repository)}/hooks`, {
      description: 'Dispatch',
      url: hook.url,
      active: true,
      secret: hook.secret,
      skip_cert_verification: !hook.verifyTls,
      events: EVENTS,
    });
    return { id: made.uuid, url: made.url };
  };

  deleteHook = async (repository: string, id: string): Promise<void> => {
    await this.#api.call('DELETE', `${at(repository)}/hooks/${encodeURIComponent(id)}`);
  };
}

export function bitbucketPullRequest(body: BitbucketPullRequest): PullRequest {
  return {
    number: body.id,
    source: body.source.branch.name,
    target: body.destination.branch.name,
    commit: body.source.commit.hash,
    labels: [],
    isFork: body.source.repository?.full_name !== body.destination.repository.full_name,
    author: body.author.nickname ?? body.author.account_id ?? '',
  };
}

function at(repository: string): string {
  return `/repositories/${repository.split('/').map(encodeURIComponent).join('/')}`;
}
