/** What a Dispatchfile describes, in one form whatever language and spelling it was written in. */
export interface Pipeline {
  resource: Record<string, Resource>;
  task: Record<string, Task>;
  actions: Action[];
}

export const RESOURCE_TYPES = ['git', 'image', 'storage', 'pullRequest', 'cluster'] as const;
export type ResourceType = (typeof RESOURCE_TYPES)[number];

export interface SecretKey {
  name: string;
  key: string;
  optional?: boolean;
}

export interface Resource {
  type: ResourceType;
  params: Record<string, string>;
  secrets?: Record<string, SecretKey>;
}

export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: Record<string, unknown>;
}

/** A container as Kubernetes knows it, and what steps add to it. */
export interface Step {
  name: string;
  image?: string;
  command?: string[];
  args?: string[];
  workingDir?: string;
  env?: EnvVar[];
  script?: string;
  onError?: string;
  timeout?: string;
  volumeMounts?: { name: string; mountPath: string; [field: string]: unknown }[];
  [field: string]: unknown;
}

export interface WhenExpression {
  input?: string;
  operator?: string;
  values?: string[];
  cel?: string;
}

export interface Task {
  inputs: string[];
  outputs: string[];
  /** Tasks that only have to have ended before: the older spelling of a task among the inputs. */
  deps: string[];
  steps: Step[];
  sidecars?: Step[];
  volumes?: { name: string; [source: string]: unknown }[];
  timeout?: string;
  retries?: number;
  when?: WhenExpression[];
  matrix?: Record<string, string[]>;
  cache?: { key?: string[]; paths?: string[] };
  metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
}

export interface PushCondition {
  branches?: string[];
  paths?: string[];
}

export interface PullRequestCondition {
  paths?: string[];
  chatops?: string[];
  sources?: string[];
  targets?: string[];
  labels?: string[];
}

export interface GitCondition {
  push?: PushCondition;
  tag?: { names?: string[] };
  pull_request?: PullRequestCondition;
  release?: { tags?: string[] };
}

export type Condition =
  | { git: GitCondition }
  | { cron: { schedule: string; git: { revision?: string } } }
  | { image: { push: { tags?: string[] } } };

export interface Action {
  name?: string;
  tasks: string[];
  on: Condition;
}
