import type { KubeObject, ResourceRef } from '../kube/index.ts';

export const ARGO_GROUP = 'argoproj.io';

export const APPLICATIONS: ResourceRef = {
  group: ARGO_GROUP,
  version: 'v1alpha1',
  plural: 'applications',
  namespaced: true,
};
export const APP_PROJECTS: ResourceRef = { ...APPLICATIONS, plural: 'appprojects' };

export interface HelmSettings {
  releaseName?: string;
  values?: string;
  valuesObject?: object;
  valueFiles?: string[];
  parameters?: { name: string; value: string; forceString?: boolean }[];
  fileParameters?: { name: string; path: string }[];
  ignoreMissingValueFiles?: boolean;
  skipCrds?: boolean;
  skipTests?: boolean;
  skipSchemaValidation?: boolean;
  namespace?: string;
  kubeVersion?: string;
  apiVersions?: string[];
}

export interface KustomizeSettings {
  namePrefix?: string;
  nameSuffix?: string;
  namespace?: string;
  images?: string[];
  commonLabels?: Record<string, string>;
  commonAnnotations?: Record<string, string>;
  replicas?: { name: string; count: number | string }[];
  patches?: object[];
  components?: string[];
}

export interface ApplicationSource {
  repoURL: string;
  path?: string;
  targetRevision?: string;
  chart?: string;
  /** A name by which values files of other sources refer to this one. */
  ref?: string;
  helm?: HelmSettings;
  kustomize?: KustomizeSettings;
  directory?: { recurse?: boolean; include?: string; exclude?: string };
}

export interface Destination {
  server?: string;
  name?: string;
  namespace?: string;
}

export interface RetryPolicy {
  limit?: number;
  backoff?: { duration?: string; factor?: number; maxDuration?: string };
}

export interface IgnoreRule {
  group?: string;
  kind: string;
  name?: string;
  namespace?: string;
  jsonPointers?: string[];
  jqPathExpressions?: string[];
  managedFieldsManagers?: string[];
}

export interface SyncSelection {
  group?: string;
  kind: string;
  name: string;
  namespace?: string;
}

export interface SyncOrder {
  revision?: string;
  revisions?: string[];
  prune?: boolean;
  dryRun?: boolean;
  resources?: SyncSelection[];
  syncOptions?: string[];
  source?: ApplicationSource;
  sources?: ApplicationSource[];
  manifests?: string[];
  syncStrategy?: { apply?: { force?: boolean }; hook?: { force?: boolean } };
}

export interface Operation {
  sync?: SyncOrder;
  initiatedBy?: { username?: string; automated?: boolean };
  retry?: RetryPolicy;
  info?: { name: string; value: string }[];
}

export type OperationPhase = 'Running' | 'Terminating' | 'Succeeded' | 'Failed' | 'Error';
export type SyncPhase = 'PreSync' | 'Sync' | 'PostSync' | 'SyncFail' | DeletionPhase;
/** Around the end of an application itself. */
export type DeletionPhase = 'PreDelete' | 'PostDelete';
export type HealthCode = 'Healthy' | 'Suspended' | 'Progressing' | 'Missing' | 'Degraded' | 'Unknown';
export type SyncCode = 'Synced' | 'OutOfSync' | 'Unknown';

export interface Health {
  status: HealthCode;
  message?: string;
}

export interface ResourceResult {
  group: string;
  version: string;
  kind: string;
  namespace: string;
  name: string;
  status?: 'Synced' | 'SyncFailed' | 'Pruned' | 'PruneSkipped';
  message?: string;
  hookType?: SyncPhase | 'Skip';
  hookPhase?: 'Running' | 'Succeeded' | 'Failed';
  syncPhase: SyncPhase;
}

export interface OperationState {
  operation: Operation;
  phase: OperationPhase;
  message?: string;
  startedAt: string;
  finishedAt?: string;
  retryCount?: number;
  syncResult?: {
    revision: string;
    revisions?: string[];
    source: ApplicationSource;
    sources?: ApplicationSource[];
    resources?: ResourceResult[];
  };
}

export interface ResourceStatus {
  group: string;
  version: string;
  kind: string;
  namespace?: string;
  name: string;
  status: SyncCode;
  health?: Health;
  hook?: boolean;
  requiresPruning?: boolean;
  syncWave?: number;
}

export interface HistoryEntry {
  id: number;
  revision: string;
  revisions?: string[];
  deployedAt: string;
  deployStartedAt?: string;
  source: ApplicationSource;
  sources?: ApplicationSource[];
  initiatedBy?: { username?: string; automated?: boolean };
}

export interface ApplicationCondition {
  type: string;
  message: string;
  lastTransitionTime?: string;
}

export interface ApplicationStatus {
  sync?: { status: SyncCode; revision?: string; revisions?: string[]; comparedTo?: object };
  health?: Health & { lastTransitionTime?: string };
  resources?: ResourceStatus[];
  history?: HistoryEntry[];
  conditions?: ApplicationCondition[];
  operationState?: OperationState;
  reconciledAt?: string;
  observedAt?: string;
  sourceType?: string;
  summary?: { images?: string[]; externalURLs?: string[] };
}

export interface Application extends KubeObject {
  spec: {
    project?: string;
    source?: ApplicationSource;
    sources?: ApplicationSource[];
    destination: Destination;
    syncPolicy?: {
      automated?: { prune?: boolean; selfHeal?: boolean; allowEmpty?: boolean; enabled?: boolean };
      syncOptions?: string[];
      retry?: RetryPolicy;
      managedNamespaceMetadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
    };
    ignoreDifferences?: IgnoreRule[];
    revisionHistoryLimit?: number;
    info?: { name: string; value: string }[];
  };
  operation?: Operation;
  status?: ApplicationStatus;
}

export interface AppProject extends KubeObject {
  spec: {
    description?: string;
    sourceRepos?: string[];
    destinations?: Destination[];
    sourceNamespaces?: string[];
    clusterResourceWhitelist?: { group: string; kind: string }[];
    clusterResourceBlacklist?: { group: string; kind: string }[];
    namespaceResourceWhitelist?: { group: string; kind: string }[];
    namespaceResourceBlacklist?: { group: string; kind: string }[];
    syncWindows?: {
      kind: 'allow' | 'deny';
      schedule: string;
      duration: string;
      applications?: string[];
      namespaces?: string[];
      clusters?: string[];
      manualSync?: boolean;
      timeZone?: string;
    }[];
  };
}

/** Annotations and labels by which objects, people and other tools speak to this room. */
export const NOTES = {
  tracking: 'argocd.argoproj.io/tracking-id',
  hook: 'argocd.argoproj.io/hook',
  hookDeletePolicy: 'argocd.argoproj.io/hook-delete-policy',
  wave: 'argocd.argoproj.io/sync-wave',
  options: 'argocd.argoproj.io/sync-options',
  compare: 'argocd.argoproj.io/compare-options',
  refresh: 'argocd.argoproj.io/refresh',
  /** When somebody has said that what waits for a word may go. */
  approved: 'argocd.argoproj.io/deletion-approved',
  helmHook: 'helm.sh/hook',
  helmHookWeight: 'helm.sh/hook-weight',
  helmHookDeletePolicy: 'helm.sh/hook-delete-policy',
  /** Stands for what was applied: when Git says something else, or nothing about a field any more, it differs. */
  applied: 'dispatch.dev/applied',
  /** The file that an object came from. */
  source: 'dispatch.dev/source-file',
  /** The commit that an object came from. */
  revision: 'dispatch.dev/git-revision',
  account: 'dispatch.dev/service-account',
  /** A Secret with the login, where no account has it. */
  secret: 'dispatch.dev/scm-secret',
  suspended: 'dispatch.dev/suspended',
} as const;

export const FINALIZER = 'resources-finalizer.argocd.argoproj.io';
/** Keep an application until the hooks of its deletion have ended. */
export const DELETION_FINALIZERS: Readonly<Record<DeletionPhase, string>> = {
  PreDelete: 'pre-delete-finalizer.argocd.argoproj.io',
  PostDelete: 'post-delete-finalizer.argocd.argoproj.io',
};
export const FIELD_MANAGER = 'dispatch-gitops';
/** The server address by which the cluster that this runs on is meant. */
export const IN_CLUSTER = 'https://kubernetes.default.svc';

export function sourcesOf({ spec }: Application): ApplicationSource[] {
  return spec.sources ?? (spec.source === undefined ? [] : [spec.source]);
}
