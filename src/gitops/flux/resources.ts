import type { Condition, KubeObject, ResourceRef } from '../../kube/index.ts';
import type { HealthRule } from '../engine/health-rules.ts';
import { FLUX_GROUP, FLUX_HELM_GROUP } from '../engine/owner.ts';
import type { Handled } from './requests.ts';

export const SOURCE_GROUP = 'source.toolkit.fluxcd.io';

function kind(group: string, version: string, plural: string): ResourceRef {
  return { group, version, plural, namespaced: true };
}

export const GIT_REPOSITORIES = kind(SOURCE_GROUP, 'v1', 'gitrepositories');
export const HELM_REPOSITORIES = kind(SOURCE_GROUP, 'v1', 'helmrepositories');
export const HELM_CHARTS = kind(SOURCE_GROUP, 'v1', 'helmcharts');
export const OCI_REPOSITORIES = kind(SOURCE_GROUP, 'v1', 'ocirepositories');
export const BUCKETS = kind(SOURCE_GROUP, 'v1', 'buckets');
export const KUSTOMIZATIONS = kind(FLUX_GROUP, 'v1', 'kustomizations');
export const HELM_RELEASES = kind(FLUX_HELM_GROUP, 'v2', 'helmreleases');

export interface SourceReference {
  kind: string;
  name: string;
  namespace?: string;
}

export interface SourceObject extends KubeObject {
  spec: {
    url?: string;
    interval?: string;
    suspend?: boolean;
    secretRef?: { name: string };
    /** Of an OCIRepository: which of its layers counts. */
    layerSelector?: { mediaType?: string };
    ref?: { branch?: string; tag?: string; semver?: string; name?: string; commit?: string; digest?: string };
    /** Of a Bucket. */
    provider?: string;
    bucketName?: string;
    endpoint?: string;
    region?: string;
    prefix?: string;
    insecure?: boolean;
    certSecretRef?: { name: string };
    /** Patterns of files that do not count, as git has them. */
    ignore?: string;
    /** Of a HelmChart. */
    chart?: string;
    version?: string;
    sourceRef?: SourceReference;
  };
  status?: Handled & {
    observedGeneration?: number;
    conditions?: Condition[];
    artifact?: { revision: string; lastUpdateTime: string };
  };
}

export interface InventoryEntry {
  /** namespace_name_group_kind */
  id: string;
  v: string;
}

/** A release, the newest first. */
export interface ReleaseSnapshot {
  name: string;
  namespace: string;
  version: number;
  chartName: string;
  chartVersion: string;
  appVersion?: string;
  status: 'deployed' | 'failed' | 'superseded' | 'uninstalled';
  /** Stands for the chart, the values and everything else that it was made of. */
  digest: string;
  /** Nothing was left of those before it. */
  isAnew?: boolean;
  /** What it was put back in place of. */
  replaces?: string;
  firstDeployed: string;
  lastDeployed: string;
}

/** How a version is put in place. */
export interface ReleaseAction {
  crds?: string;
  disableHooks?: boolean;
  /** It is in place when the cluster has taken its objects, whether they are well or not. */
  disableWait?: boolean;
  remediation?: Remediation;
}

export interface DriftTarget {
  group?: string;
  kind?: string;
  name?: string;
  namespace?: string;
}

/** What is done about a version that could not be put in place. */
export interface Remediation {
  /** How often it is tried again; without it, until it works. */
  retries?: number;
  strategy?: string;
  /** Whether something is done about the last try too. */
  remediateLastFailure?: boolean;
}

/** What Kustomizations and HelmReleases have in common. */
export interface Kept extends KubeObject {
  spec: {
    interval?: string;
    retryInterval?: string;
    timeout?: string;
    suspend?: boolean;
    dependsOn?: { name: string; namespace?: string }[];
    targetNamespace?: string;
    kubeConfig?: { secretRef?: { name: string; key?: string } };
    serviceAccountName?: string;
    // Of a Kustomization.
    sourceRef?: SourceReference;
    path?: string;
    prune?: boolean;
    wait?: boolean;
    force?: boolean;
    healthChecks?: { apiVersion?: string; kind: string; name: string; namespace?: string }[];
    healthCheckExprs?: HealthRule[];
    namePrefix?: string;
    nameSuffix?: string;
    patches?: object[];
    images?: { name: string; newName?: string; newTag?: string; digest?: string }[];
    components?: string[];
    commonMetadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
    postBuild?: {
      substitute?: Record<string, string>;
      substituteFrom?: { kind: 'ConfigMap' | 'Secret'; name: string; optional?: boolean }[];
    };
    decryption?: { provider?: string; secretRef?: { name: string } };
    // Of a HelmRelease.
    chart?: { spec: { chart: string; version?: string; sourceRef: SourceReference; valuesFiles?: string[] } };
    chartRef?: SourceReference;
    releaseName?: string;
    values?: object;
    valuesFrom?: {
      kind: 'ConfigMap' | 'Secret';
      name: string;
      valuesKey?: string;
      targetPath?: string;
      optional?: boolean;
    }[];
    install?: ReleaseAction & { createNamespace?: boolean };
    upgrade?: ReleaseAction;
    uninstall?: { disableHooks?: boolean; keepHistory?: boolean };
    /** What is done about objects that others have changed. */
    driftDetection?: { mode?: string; ignore?: { paths: string[]; target?: DriftTarget }[] };
    /** What the chart has to see whether it works. */
    test?: { enable?: boolean; ignoreFailures?: boolean };
    storageNamespace?: string;
    maxHistory?: number;
    postRenderers?: { kustomize?: { patches?: object[]; images?: object[] } }[];
  };
  status?: Handled & {
    observedGeneration?: number;
    conditions?: Condition[];
    lastAppliedRevision?: string;
    lastAttemptedRevision?: string;
    inventory?: { entries: InventoryEntry[] };
    history?: ReleaseSnapshot[];
    /** How often the last attempt has failed. */
    failures?: number;
    storageNamespace?: string;
  };
}
