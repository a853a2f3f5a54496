import { createHmac } from 'node:crypto';
import { sameText } from '../../kube/index.ts';
import { type BitbucketPullRequest, bitbucketPullRequest } from './bitbucket-cloud.ts';
import { type ServerPullRequest, serverPullRequest } from './bitbucket-server.ts';
import { type PullRequestBody, pullRequestOf } from './github.ts';
import type { ProviderName, ScmEvent } from './types.ts';

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

const SIGNATURES: Partial<Record<ProviderName, { header: string; prefix: string }>> = {
  github: { header: 'x-hub-signature-256', prefix: 'sha256=' },
  gitea: { header: 'x-gitea-signature', prefix: '' },
  'bitbucket-cloud': { header: 'x-hub-signature', prefix: 'sha256=' },
  'bitbucket-server': { header: 'x-hub-signature', prefix: 'sha256=' },
};
const NO_COMMIT = /^0*$/;

/** Whether a delivery comes from whom it says. Takes as long for a wrong secret as for a right one. */
export function isAuthentic(provider: ProviderName, secret: string, headers: Headers, body: Buffer): boolean {
  if (secret === '') return false;
  if (provider === 'gitlab') return sameText(textOf(headers, 'x-gitlab-token'), secret);
  const signature = SIGNATURES[provider];
  if (signature === undefined) return false;
  const given = textOf(headers, signature.header);
  const wanted = `${signature.prefix}${createHmac('sha256', secret).update(body).digest('hex')}`;
  return sameText(given, wanted);
}

/** What a delivery tells of. Empty for everything that starts no pipeline. */
export function eventsOf(provider: ProviderName, headers: Headers, body: unknown): ScmEvent[] {
  const read = READERS[provider];
  return read === undefined || typeof body !== 'object' || body === null ? [] : read(headers, body as never);
}

function textOf(headers: Headers, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value : '';
}

interface GitHubBody {
  action?: string;
  ref?: string;
  before?: string;
  after?: string;
  pusher?: { name?: string; login?: string };
  sender?: { login: string };
  pull_request?: PullRequestBody;
  issue?: { number: number; pull_request?: object | null };
  comment?: { body: string; user: { login: string } };
  release?: { tag_name: string };
  is_pull?: boolean;
}

const PULL_ACTIONS = new Set([
  'opened',
  'reopened',
  'synchronize',
  'synchronized',
  'labeled',
  'unlabeled',
  'label_updated',
  'ready_for_review',
  'edited',
]);

function github(headers: Headers, body: GitHubBody): ScmEvent[] {
  const author = body.sender?.login ?? body.pusher?.name ?? '';
  switch (textOf(headers, 'x-github-event') || textOf(headers, 'x-gitea-event')) {
    case 'push':
      return refEvents({ ref: body.ref ?? '', before: body.before ?? '', after: body.after ?? '', author });
    case 'pull_request':
      return body.pull_request !== undefined && PULL_ACTIONS.has(body.action ?? '')
        ? [{ type: 'pull_request', ...pullRequestOf(body.pull_request) }]
        : [];
    case 'issue_comment':
    case 'pull_request_comment':
      return body.action === 'created' &&
        body.comment &&
        body.issue &&
        (body.issue.pull_request || body.is_pull)
        ? [
            {
              type: 'comment',
              number: body.issue.number,
              body: body.comment.body,
              author: body.comment.user.login,
            },
          ]
        : [];
    case 'release':
      return body.action === 'published' && body.release
        ? [{ type: 'release', tag: body.release.tag_name, author }]
        : [];
    default:
      return [];
  }
}

interface GitLabBody {
  object_kind?: string;
  ref?: string;
  before?: string;
  after?: string;
  user_username?: string;
  user?: { username: string };
  action?: string;
  tag?: string;
  object_attributes?: {
    iid: number;
    action?: string;
    note?: string;
    noteable_type?: string;
    source_branch: string;
    target_branch: string;
    source_project_id: number;
    target_project_id: number;
    last_commit?: { id: string };
    oldrev?: string;
  };
  merge_request?: { iid: number };
  labels?: { title: string }[];
  changes?: { labels?: object };
}

function gitlab(_: Headers, body: GitLabBody): ScmEvent[] {
  const author = body.user?.username ?? body.user_username ?? '';
  const attributes = body.object_attributes;
  switch (body.object_kind) {
    case 'push':
    case 'tag_push':
      return refEvents({ ref: body.ref ?? '', before: body.before ?? '', after: body.after ?? '', author });
    case 'merge_request': {
      const changed =
        ['open', 'reopen'].includes(attributes?.action ?? '') ||
        (attributes?.action === 'update' &&
          (attributes.oldrev !== undefined || body.changes?.labels !== undefined));
      if (attributes === undefined || !changed) return [];
      return [
        {
          type: 'pull_request',
          number: attributes.iid,
          source: attributes.source_branch,
          target: attributes.target_branch,
          commit: attributes.last_commit?.id ?? '',
          labels: (body.labels ?? []).map((label) => label.title),
          isFork: attributes.source_project_id !== attributes.target_project_id,
          author,
        },
      ];
    }
    case 'note':
      return attributes?.noteable_type === 'MergeRequest' && body.merge_request
        ? [{ type: 'comment', number: body.merge_request.iid, body: attributes.note ?? '', author }]
        : [];
    case 'release':
      return body.action === 'create' && body.tag !== undefined
        ? [{ type: 'release', tag: body.tag, author }]
        : [];
    default:
      return [];
  }
}

interface CloudBody {
  actor?: { nickname?: string; account_id?: string };
  push?: {
    changes: {
      new: { type: string; name: string; target: { hash: string } } | null;
      old: { target: { hash: string } } | null;
    }[];
  };
  pullrequest?: BitbucketPullRequest;
  comment?: { content: { raw: string } };
}

function bitbucketCloud(headers: Headers, body: CloudBody): ScmEvent[] {
  const author = body.actor?.nickname ?? body.actor?.account_id ?? '';
  switch (textOf(headers, 'x-event-key')) {
    case 'repo:push':
      return (body.push?.changes ?? []).flatMap((change) =>
        change.new === null
          ? []
          : refEvents({
              ref: `refs/${change.new.type === 'tag' ? 'tags' : 'heads'}/${change.new.name}`,
              before: change.old?.target.hash ?? '',
              after: change.new.target.hash,
              author,
            }),
      );
    case 'pullrequest:created':
    case 'pullrequest:updated':
      return body.pullrequest ? [{ type: 'pull_request', ...bitbucketPullRequest(body.pullrequest) }] : [];
    case 'pullrequest:comment_created':
      return body.pullrequest && body.comment
        ? [
            {
              type: 'comment',
              number: body.pullrequest.id,
              body: body.comment.content.raw,
              author: body.actor?.account_id ?? author,
            },
          ]
        : [];
    default:
      return [];
  }
}

interface ServerBody {
  actor?: { name: string };
  changes?: { ref: { id: string }; fromHash: string; toHash: string; type: string }[];
  pullRequest?: ServerPullRequest;
  comment?: { text: string };
}

function bitbucketServer(headers: Headers, body: ServerBody): ScmEvent[] {
  const author = body.actor?.name ?? '';
  switch (textOf(headers, 'x-event-key')) {
    case 'repo:refs_changed':
      return (body.changes ?? []).flatMap((change) =>
        refEvents({ ref: change.ref.id, before: change.fromHash, after: change.toHash, author }),
      );
    case 'pr:opened':
    case 'pr:from_ref_updated':
      return body.pullRequest ? [{ type: 'pull_request', ...serverPullRequest(body.pullRequest) }] : [];
    case 'pr:comment:added':
      return body.pullRequest && body.comment
        ? [{ type: 'comment', number: body.pullRequest.id, body: body.comment.text, author }]
        : [];
    default:
      return [];
  }
}

/** What an update of a branch or tag means. A deletion starts nothing. */
export function refEvents({
  ref,
  before,
  after,
  author,
}: {
  ref: string;
  before: string;
  after: string;
  author: string;
}): ScmEvent[] {
  if (NO_COMMIT.test(after)) return [];
  // An edited release is none that is new.
  const released = NO_COMMIT.test(before) ? /^refs\/dispatch\/releases\/(.+)$/.exec(ref)?.[1] : undefined;
  if (released !== undefined) return [{ type: 'release', tag: released, author }];
  const tag = /^refs\/tags\/(.+)$/.exec(ref)?.[1];
  if (tag !== undefined) return [{ type: 'tag', tag, commit: after, author }];
  const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1];
  return branch === undefined
    ? []
    : [{ type: 'push', branch, commit: after, before: NO_COMMIT.test(before) ? '' : before, author }];
}

const READERS: Partial<Record<ProviderName, (headers: Headers, body: never) => ScmEvent[]>> = {
  github,
  gitea: github,
  gitlab,
  'bitbucket-cloud': bitbucketCloud,
  'bitbucket-server': bitbucketServer,
};
