import type { ProviderName } from '../../src/scm/index.ts';

export type Double = Exclude<ProviderName, 'dispatch'>;

export interface Delivery {
  commit: string;
  before: string;
  isFork?: boolean;
  author?: string;
  text?: string;
}

/** Payloads as the providers document them, cut to what they always have. */
export function deliveryOf(
  name: Double,
  event: 'push' | 'pull' | 'comment',
  data: Delivery,
): { headers: Record<string, string>; body: object } {
  const author = data.author ?? 'ada';
  const zero = '0'.repeat(40);
  const before = data.before || zero;
  switch (name) {
    case 'github':
    case 'gitea': {
      const key = name === 'github' ? 'x-github-event' : 'x-gitea-event';
      const repository = { full_name: 'team/app' };
      if (event === 'push')
        return {
          headers: { [key]: 'push' },
          body: {
            ref: 'refs/heads/main',
            before,
            after: data.commit,
            repository,
            pusher: { name: author },
            sender: { login: author },
          },
        };
      if (event === 'pull')
        return {
          headers: { [key]: 'pull_request' },
          body: {
            action: 'opened',
            number: 7,
            pull_request: pullOf(name, data),
            repository,
            sender: { login: author },
          },
        };
      return {
        headers: { [key]: 'issue_comment' },
        body: {
          action: 'created',
          issue: { number: 7, pull_request: {} },
          comment: { body: data.text, user: { login: author } },
          repository,
          sender: { login: author },
        },
      };
    }
    case 'gitlab': {
      if (event === 'push')
        return {
          headers: { 'x-gitlab-event': 'Push Hook' },
          body: {
            object_kind: 'push',
            ref: 'refs/heads/main',
            before,
            after: data.commit,
            user_username: author,
          },
        };
      if (event === 'pull')
        return {
          headers: { 'x-gitlab-event': 'Merge Request Hook' },
          body: {
            object_kind: 'merge_request',
            user: { username: author },
            labels: [],
            object_attributes: {
              iid: 7,
              action: 'open',
              source_branch: 'feature',
              target_branch: 'main',
              source_project_id: data.isFork ? 2 : 1,
              target_project_id: 1,
              last_commit: { id: data.commit },
            },
          },
        };
      return {
        headers: { 'x-gitlab-event': 'Note Hook' },
        body: {
          object_kind: 'note',
          user: { username: author },
          object_attributes: { note: data.text, noteable_type: 'MergeRequest' },
          merge_request: { iid: 7 },
        },
      };
    }
    case 'bitbucket-cloud': {
      const actor = { nickname: author, account_id: author };
      if (event === 'push')
        return {
          headers: { 'x-event-key': 'repo:push' },
          body: {
            actor,
            push: {
              changes: [
                {
                  new: { type: 'branch', name: 'main', target: { hash: data.commit } },
                  old: data.before ? { target: { hash: data.before } } : null,
                },
              ],
            },
          },
        };
      if (event === 'pull')
        return {
          headers: { 'x-event-key': 'pullrequest:created' },
          body: { actor, pullrequest: pullOf(name, data) },
        };
      return {
        headers: { 'x-event-key': 'pullrequest:comment_created' },
        body: { actor, pullrequest: pullOf(name, data), comment: { content: { raw: data.text } } },
      };
    }
    case 'bitbucket-server': {
      const actor = { name: author };
      if (event === 'push')
        return {
          headers: { 'x-event-key': 'repo:refs_changed' },
          body: {
            actor,
            changes: [
              {
                ref: { id: 'refs/heads/main', displayId: 'main', type: 'BRANCH' },
                fromHash: before,
                toHash: data.commit,
                type: 'UPDATE',
              },
            ],
          },
        };
      if (event === 'pull')
        return { headers: { 'x-event-key': 'pr:opened' }, body: { actor, pullRequest: pullOf(name, data) } };
      return {
        headers: { 'x-event-key': 'pr:comment:added' },
        body: { actor, pullRequest: pullOf(name, data), comment: { text: data.text } },
      };
    }
  }
}

export function pullOf(name: Double, { commit, isFork, author = 'mallory' }: Delivery): object {
  const from = isFork ? 'mallory/app' : 'team/app';
  switch (name) {
    case 'github':
    case 'gitea':
      return {
        number: 7,
        user: { login: author },
        labels: [],
        head: { ref: 'feature', sha: commit, repo: { full_name: from } },
        base: { ref: 'main', repo: { full_name: 'team/app' } },
      };
    case 'gitlab':
      return {
        iid: 7,
        source_branch: 'feature',
        target_branch: 'main',
        source_project_id: isFork ? 2 : 1,
        target_project_id: 1,
        sha: commit,
        labels: [],
        author: { username: author },
      };
    case 'bitbucket-cloud':
      return {
        id: 7,
        author: { nickname: author },
        source: { branch: { name: 'feature' }, commit: { hash: commit }, repository: { full_name: from } },
        destination: { branch: { name: 'main' }, repository: { full_name: 'team/app' } },
      };
    case 'bitbucket-server': {
      const ref = (full: string, displayId: string): object => ({
        displayId,
        latestCommit: commit,
        repository: { slug: full.split('/')[1], project: { key: full.split('/')[0] } },
      });
      return {
        id: 7,
        author: { user: { name: author } },
        fromRef: ref(from, 'feature'),
        toRef: ref('team/app', 'main'),
      };
    }
  }
}
