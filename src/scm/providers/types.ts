export const PROVIDER_NAMES = [
  'github',
  'gitlab',
  'bitbucket-cloud',
  'bitbucket-server',
  'gitea',
  'dispatch',
] as const;
export type ProviderName = (typeof PROVIDER_NAMES)[number];

export type StatusState = 'pending' | 'running' | 'success' | 'failure' | 'cancelled';

export interface CommitStatus {
  context: string;
  state: StatusState;
  description: string;
  url: string;
}

export interface PullRequest {
  number: number;
  source: string;
  target: string;
  commit: string;
  labels: string[];
  /** It comes from another repository than the one that it is for. */
  isFork: boolean;
  author: string;
}

/** A proposal to take the commits of one branch into another. */
export interface Proposal {
  source: string;
  target: string;
  title: string;
  body: string;
}

export interface OpenPullRequest {
  number: number;
  /** Where people see it. */
  url: string;
}

/** What is given to others: a tag with a title and notes. */
export interface Release {
  tag: string;
  title: string;
  notes: string;
  /** Empty where the provider does not tell. */
  commit: string;
  /** When it was made, in ISO 8601; empty where the provider does not tell. */
  time: string;
  /** Where people see it. */
  url: string;
}

export interface NewRelease {
  tag: string;
  /** What is tagged, where there is no such tag yet. */
  commit: string;
  title: string;
  notes: string;
}

export interface Hook {
  id: string;
  url: string;
}

/** What every provider of repositories can do for a pipeline. `repository` is "owner/name". */
export interface ScmProvider {
  readonly name: ProviderName;
  /** Who the credentials belong to. Throws where they are wrong. */
  whoAmI: () => Promise<string>;
  defaultBranch: (repository: string) => Promise<string>;
  pullRequest: (repository: string, number: number) => Promise<PullRequest>;
  /** The open one from a branch to another. */
  findPullRequest: (
    repository: string,
    branches: { source: string; target: string },
  ) => Promise<OpenPullRequest | undefined>;
  openPullRequest: (repository: string, proposal: Proposal) => Promise<OpenPullRequest>;
  updatePullRequest: (
    repository: string,
    number: number,
    text: { title: string; body: string },
  ) => Promise<void>;
  mergePullRequest: (repository: string, number: number) => Promise<void>;
  comment: (repository: string, number: number, text: string) => Promise<void>;
  /** The newest first. Where a provider knows tags alone, those are its releases. */
  releases: (repository: string) => Promise<Release[]>;
  findRelease: (repository: string, tag: string) => Promise<Release | undefined>;
  createRelease: (repository: string, release: NewRelease) => Promise<Release>;
  updateRelease: (
    repository: string,
    tag: string,
    text: { title: string; notes: string },
  ) => Promise<Release>;
  /** Whether somebody may change the repository. */
  mayWrite: (repository: string, user: string) => Promise<boolean>;
  setStatus: (repository: string, commit: string, status: CommitStatus) => Promise<void>;
  listHooks: (repository: string) => Promise<Hook[]>;
  createHook: (
    repository: string,
    hook: { url: string; secret: string; verifyTls: boolean },
  ) => Promise<Hook>;
  deleteHook: (repository: string, id: string) => Promise<void>;
}

/** What a provider tells of, in one form. */
export type ScmEvent =
  | { type: 'push'; branch: string; commit: string; before: string; author: string }
  | { type: 'tag'; tag: string; commit: string; author: string }
  | { type: 'release'; tag: string; author: string }
  | ({ type: 'pull_request' } & PullRequest)
  | { type: 'comment'; number: number; body: string; author: string };

export interface Credentials {
  username: string;
  /** A token, app password or password. */
  secret: string;
}

export class ScmError extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.name = 'ScmError';
    this.status = status;
  }
}
