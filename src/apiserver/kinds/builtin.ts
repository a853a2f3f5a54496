import type { Schema } from '../schema/index.ts';
import * as cluster from './cluster-columns.ts';
import { AUTOSCALING_V1_CONVERSION, EVENTS_V1_CONVERSION } from './conversions.ts';
import { builtinModules } from './modules.ts';
import { type Resource, STANDARD_VERBS } from './resource.ts';
import * as core from './strategies/core.ts';
import { POD_STRATEGY } from './strategies/pod.ts';
import * as workload from './strategies/workload.ts';
import * as columns from './workload-columns.ts';

export type Options = Partial<
  Pick<
    Resource,
    | 'categories'
    | 'collection'
    | 'columns'
    | 'conversion'
    | 'hasStatus'
    | 'scale'
    | 'selectable'
    | 'strategy'
    | 'subresources'
    | 'verbs'
  >
> & { short?: string; cluster?: boolean };

export type Row = [groupVersion: string, kind: string, plural: string, options?: Options];

const ALL = { categories: ['all'] };
const SCALE = {
  specReplicas: '.spec.replicas',
  statusReplicas: '.status.replicas',
  selector: '.spec.selector',
};
const REVIEW = { verbs: ['create'], columns: [] };

/** Every built-in kind. */
const ROWS: Row[] = [
  [
    'v1',
    'Namespace',
    'namespaces',
    {
      short: 'ns',
      cluster: true,
      hasStatus: true,
      subresources: ['finalize'],
      columns: cluster.NAMESPACE_COLUMNS,
      strategy: core.NAMESPACE_STRATEGY,
      selectable: ['status.phase'],
    },
  ],
  [
    'v1',
    'ConfigMap',
    'configmaps',
    { short: 'cm', columns: cluster.CONFIG_MAP_COLUMNS, strategy: core.CONFIG_MAP_STRATEGY },
  ],
  [
    'v1',
    'Secret',
    'secrets',
    { columns: cluster.SECRET_COLUMNS, strategy: core.SECRET_STRATEGY, selectable: ['type'] },
  ],
  [
    'v1',
    'ServiceAccount',
    'serviceaccounts',
    { short: 'sa', subresources: ['token'], columns: cluster.SERVICE_ACCOUNT_COLUMNS },
  ],
  [
    'v1',
    'Pod',
    'pods',
    {
      short: 'po',
      ...ALL,
      hasStatus: true,
      subresources: [
        'log',
        'exec',
        'attach',
        'portforward',
        'proxy',
        'eviction',
        'binding',
        'ephemeralcontainers',
        'resize',
      ],
      columns: columns.POD_COLUMNS,
      strategy: POD_STRATEGY,
      selectable: [
        'spec.nodeName',
        'spec.restartPolicy',
        'spec.schedulerName',
        'spec.serviceAccountName',
        'spec.hostNetwork',
        'status.phase',
        'status.podIP',
        'status.nominatedNodeName',
      ],
    },
  ],
  ['v1', 'PodTemplate', 'podtemplates', { strategy: workload.TEMPLATE_STRATEGY }],
  [
    'v1',
    'Service',
    'services',
    {
      short: 'svc',
      ...ALL,
      hasStatus: true,
      subresources: ['proxy'],
      columns: cluster.SERVICE_COLUMNS,
      strategy: core.SERVICE_STRATEGY,
      selectable: ['spec.clusterIP', 'spec.type'],
    },
  ],
  ['v1', 'Endpoints', 'endpoints', { short: 'ep', columns: cluster.ENDPOINTS_COLUMNS }],
  [
    'v1',
    'Event',
    'events',
    {
      short: 'ev',
      columns: cluster.EVENT_COLUMNS,
      selectable: [
        'involvedObject.kind',
        'involvedObject.namespace',
        'involvedObject.name',
        'involvedObject.uid',
        'involvedObject.apiVersion',
        'involvedObject.resourceVersion',
        'involvedObject.fieldPath',
        'reason',
        'reportingComponent',
        'source',
        'type',
      ],
    },
  ],
  [
    'v1',
    'Node',
    'nodes',
    {
      short: 'no',
      cluster: true,
      hasStatus: true,
      subresources: ['proxy'],
      columns: cluster.NODE_COLUMNS,
      selectable: ['spec.unschedulable'],
    },
  ],
  [
    'v1',
    'PersistentVolume',
    'persistentvolumes',
    {
      short: 'pv',
      cluster: true,
      hasStatus: true,
      columns: cluster.VOLUME_COLUMNS,
      strategy: core.VOLUME_STRATEGY,
    },
  ],
  [
    'v1',
    'PersistentVolumeClaim',
    'persistentvolumeclaims',
    { short: 'pvc', hasStatus: true, columns: cluster.CLAIM_COLUMNS, strategy: core.CLAIM_STRATEGY },
  ],
  [
    'v1',
    'ReplicationController',
    'replicationcontrollers',
    {
      short: 'rc',
      ...ALL,
      hasStatus: true,
      scale: SCALE,
      columns: cluster.REPLICATION_CONTROLLER_COLUMNS,
      strategy: workload.REPLICATION_CONTROLLER_STRATEGY,
      selectable: ['status.replicas'],
    },
  ],
  ['v1', 'LimitRange', 'limitranges', { short: 'limits', columns: cluster.ROLE_COLUMNS }],
  [
    'v1',
    'ResourceQuota',
    'resourcequotas',
    { short: 'quota', hasStatus: true, columns: cluster.QUOTA_COLUMNS },
  ],
  ['v1', 'Binding', 'bindings', { ...REVIEW }],
  [
    'apps/v1',
    'Deployment',
    'deployments',
    {
      short: 'deploy',
      ...ALL,
      hasStatus: true,
      scale: SCALE,
      columns: columns.DEPLOYMENT_COLUMNS,
      strategy: workload.DEPLOYMENT_STRATEGY,
    },
  ],
  [
    'apps/v1',
    'ReplicaSet',
    'replicasets',
    {
      short: 'rs',
      ...ALL,
      hasStatus: true,
      scale: SCALE,
      columns: columns.REPLICA_SET_COLUMNS,
      strategy: workload.REPLICA_SET_STRATEGY,
      selectable: ['status.replicas'],
    },
  ],
  [
    'apps/v1',
    'StatefulSet',
    'statefulsets',
    {
      short: 'sts',
      ...ALL,
      hasStatus: true,
      scale: SCALE,
      columns: columns.STATEFUL_SET_COLUMNS,
      strategy: workload.STATEFUL_SET_STRATEGY,
    },
  ],
  [
    'apps/v1',
    'DaemonSet',
    'daemonsets',
    {
      short: 'ds',
      ...ALL,
      hasStatus: true,
      columns: columns.DAEMON_SET_COLUMNS,
      strategy: workload.DAEMON_SET_STRATEGY,
    },
  ],
  ['apps/v1', 'ControllerRevision', 'controllerrevisions', { columns: cluster.REVISION_COLUMNS }],
  [
    'batch/v1',
    'Job',
    'jobs',
    {
      ...ALL,
      hasStatus: true,
      columns: columns.JOB_COLUMNS,
      strategy: workload.JOB_STRATEGY,
      selectable: ['status.successful'],
    },
  ],
  [
    'batch/v1',
    'CronJob',
    'cronjobs',
    {
      short: 'cj',
      ...ALL,
      hasStatus: true,
      columns: columns.CRON_JOB_COLUMNS,
      strategy: workload.CRON_JOB_STRATEGY,
    },
  ],
  [
    'autoscaling/v2',
    'HorizontalPodAutoscaler',
    'horizontalpodautoscalers',
    {
      short: 'hpa',
      ...ALL,
      hasStatus: true,
      columns: columns.AUTOSCALER_COLUMNS,
      strategy: workload.AUTOSCALER_STRATEGY,
    },
  ],
  [
    'autoscaling/v1',
    'HorizontalPodAutoscaler',
    'horizontalpodautoscalers',
    {
      short: 'hpa',
      ...ALL,
      hasStatus: true,
      columns: columns.AUTOSCALER_COLUMNS,
      conversion: AUTOSCALING_V1_CONVERSION,
    },
  ],
  [
    'networking.k8s.io/v1',
    'Ingress',
    'ingresses',
    { short: 'ing', hasStatus: true, columns: cluster.INGRESS_COLUMNS, strategy: core.INGRESS_STRATEGY },
  ],
  [
    'networking.k8s.io/v1',
    'IngressClass',
    'ingressclasses',
    { cluster: true, columns: cluster.INGRESS_CLASS_COLUMNS },
  ],
  [
    'networking.k8s.io/v1',
    'NetworkPolicy',
    'networkpolicies',
    { short: 'netpol', columns: cluster.NETWORK_POLICY_COLUMNS, strategy: core.NETWORK_POLICY_STRATEGY },
  ],
  [
    'policy/v1',
    'PodDisruptionBudget',
    'poddisruptionbudgets',
    { short: 'pdb', hasStatus: true, columns: cluster.BUDGET_COLUMNS, strategy: core.BUDGET_STRATEGY },
  ],
  ['discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices', { columns: cluster.ENDPOINT_SLICE_COLUMNS }],
  ['coordination.k8s.io/v1', 'Lease', 'leases', { columns: cluster.LEASE_COLUMNS }],
  [
    'events.k8s.io/v1',
    'Event',
    'events',
    {
      short: 'ev',
      collection: '/events',
      columns: cluster.EVENT_COLUMNS,
      conversion: EVENTS_V1_CONVERSION,
      selectable: ['reason', 'type'],
    },
  ],
  [
    'storage.k8s.io/v1',
    'StorageClass',
    'storageclasses',
    { short: 'sc', cluster: true, columns: cluster.STORAGE_CLASS_COLUMNS },
  ],
  [
    'scheduling.k8s.io/v1',
    'PriorityClass',
    'priorityclasses',
    { short: 'pc', cluster: true, columns: cluster.PRIORITY_CLASS_COLUMNS },
  ],
  ['rbac.authorization.k8s.io/v1', 'Role', 'roles', { columns: cluster.ROLE_COLUMNS }],
  [
    'rbac.authorization.k8s.io/v1',
    'RoleBinding',
    'rolebindings',
    { columns: cluster.BINDING_COLUMNS, strategy: core.BINDING_STRATEGY },
  ],
  [
    'rbac.authorization.k8s.io/v1',
    'ClusterRole',
    'clusterroles',
    { cluster: true, columns: cluster.ROLE_COLUMNS },
  ],
  [
    'rbac.authorization.k8s.io/v1',
    'ClusterRoleBinding',
    'clusterrolebindings',
    { cluster: true, columns: cluster.BINDING_COLUMNS, strategy: core.BINDING_STRATEGY },
  ],
  ['authentication.k8s.io/v1', 'TokenReview', 'tokenreviews', { cluster: true, ...REVIEW }],
  ['authentication.k8s.io/v1', 'SelfSubjectReview', 'selfsubjectreviews', { cluster: true, ...REVIEW }],
  ['authorization.k8s.io/v1', 'SubjectAccessReview', 'subjectaccessreviews', { cluster: true, ...REVIEW }],
  ['authorization.k8s.io/v1', 'LocalSubjectAccessReview', 'localsubjectaccessreviews', { ...REVIEW }],
  [
    'authorization.k8s.io/v1',
    'SelfSubjectAccessReview',
    'selfsubjectaccessreviews',
    { cluster: true, ...REVIEW },
  ],
  [
    'authorization.k8s.io/v1',
    'SelfSubjectRulesReview',
    'selfsubjectrulesreviews',
    { cluster: true, ...REVIEW },
  ],
  [
    'apiextensions.k8s.io/v1',
    'CustomResourceDefinition',
    'customresourcedefinitions',
    {
      short: 'crd,crds',
      cluster: true,
      categories: ['api-extensions'],
      hasStatus: true,
      columns: cluster.DEFINITION_COLUMNS,
    },
  ],
  [
    'apiregistration.k8s.io/v1',
    'APIService',
    'apiservices',
    { cluster: true, categories: ['api-extensions'], hasStatus: true, columns: cluster.API_SERVICE_COLUMNS },
  ],
  [
    'admissionregistration.k8s.io/v1',
    'ValidatingWebhookConfiguration',
    'validatingwebhookconfigurations',
    { cluster: true, categories: ['api-extensions'], columns: cluster.WEBHOOK_COLUMNS },
  ],
  [
    'admissionregistration.k8s.io/v1',
    'MutatingWebhookConfiguration',
    'mutatingwebhookconfigurations',
    { cluster: true, categories: ['api-extensions'], columns: cluster.WEBHOOK_COLUMNS },
  ],
];

/** Collections that are encrypted at rest. */
export const ENCRYPTED_COLLECTIONS: ReadonlySet<string> = new Set(['/secrets']);

export interface Builtins {
  resources: Resource[];
  /** Types that are no resources but appear in requests and subresources, by `group/version Kind`. */
  find: (groupVersion: string, name: string) => Schema | undefined;
  /** The same for types that must be there. */
  type: (groupVersion: string, name: string) => Schema;
}

export function builtinKinds(): Builtins {
  const modules = builtinModules();
  const find = (groupVersion: string, name: string): Schema | undefined =>
    modules.get(groupVersion)?.types.get(name);
  const type = (groupVersion: string, name: string): Schema => {
    const schema = find(groupVersion, name);
    if (schema === undefined) throw new Error(`no type ${name} in ${groupVersion}`);
    return schema;
  };
  return { resources: ROWS.map((row) => fromRow(row, type(row[0], row[1]))), find, type };
}

export function fromRow([groupVersion, kind, plural, options = {}]: Row, schema: Schema): Resource {
  const [group, version] = groupVersion.includes('/') ? groupVersion.split('/') : ['', groupVersion];
  withObjectFields(schema);
  return {
    group: group ?? '',
    version: version ?? '',
    kind,
    listKind: `${kind}List`,
    plural,
    singular: kind.toLowerCase(),
    shortNames: options.short?.split(',') ?? [],
    categories: options.categories ?? [],
    namespaced: options.cluster !== true,
    verbs: options.verbs ?? STANDARD_VERBS,
    collection: options.collection ?? `${group}/${plural}`,
    schema,
    hasStatus: options.hasStatus ?? false,
    subresources: options.subresources ?? [],
    columns: options.columns ?? cluster.PLAIN_COLUMNS,
    selectable: options.selectable ?? [],
    strategy: options.strategy ?? {},
    ...(options.scale && { scale: options.scale }),
    ...(options.conversion && { conversion: options.conversion }),
  };
}

/** Objects carry their kind; the types are written without it. */
export function withObjectFields(schema: Schema): void {
  const text: Schema = { type: 'string' };
  schema.properties?.set('apiVersion', { schema: text, description: 'Group and version of the kind.' });
  schema.properties?.set('kind', { schema: text, description: 'Name of the kind.' });
}
