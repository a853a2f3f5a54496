import type { ResourceRef } from './client.ts';

function core(plural: string, namespaced = true): ResourceRef {
  return { group: '', version: 'v1', plural, namespaced };
}

function grouped(group: string, version: string, plural: string, namespaced = true): ResourceRef {
  return { group, version, plural, namespaced };
}

/** Where the built-in kinds are found that controllers work with. */
export const PODS = core('pods');
export const SERVICES = core('services');
export const ENDPOINTS = core('endpoints');
export const CONFIG_MAPS = core('configmaps');
export const SECRETS = core('secrets');
export const NODES = core('nodes', false);
export const NAMESPACES = core('namespaces', false);
export const SERVICE_ACCOUNTS = core('serviceaccounts');
export const PERSISTENT_VOLUMES = core('persistentvolumes', false);
export const PERSISTENT_VOLUME_CLAIMS = core('persistentvolumeclaims');
export const REPLICATION_CONTROLLERS = core('replicationcontrollers');
export const DEPLOYMENTS = grouped('apps', 'v1', 'deployments');
export const REPLICA_SETS = grouped('apps', 'v1', 'replicasets');
export const STATEFUL_SETS = grouped('apps', 'v1', 'statefulsets');
export const DAEMON_SETS = grouped('apps', 'v1', 'daemonsets');
export const CONTROLLER_REVISIONS = grouped('apps', 'v1', 'controllerrevisions');
export const JOBS = grouped('batch', 'v1', 'jobs');
export const CRON_JOBS = grouped('batch', 'v1', 'cronjobs');
export const ENDPOINT_SLICES = grouped('discovery.k8s.io', 'v1', 'endpointslices');
export const AUTOSCALERS = grouped('autoscaling', 'v2', 'horizontalpodautoscalers');
export const DISRUPTION_BUDGETS = grouped('policy', 'v1', 'poddisruptionbudgets');
export const INGRESSES = grouped('networking.k8s.io', 'v1', 'ingresses');
export const INGRESS_CLASSES = grouped('networking.k8s.io', 'v1', 'ingressclasses', false);
export const STORAGE_CLASSES = grouped('storage.k8s.io', 'v1', 'storageclasses', false);
export const PRIORITY_CLASSES = grouped('scheduling.k8s.io', 'v1', 'priorityclasses', false);
