import type { KubeObject } from '../../kube/index.ts';
import type { PolicyRule } from './rbac.ts';

const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'];
const LABELS = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
const AGGREGATE = 'rbac.authorization.k8s.io/aggregate-to-';

function rule(group: string, resources: string, verbs: string[]): PolicyRule {
  return { apiGroups: [group], resources: resources.split(' '), verbs };
}

const CORE_OBJECTS =
  'configmaps endpoints persistentvolumeclaims pods replicationcontrollers replicationcontrollers/scale serviceaccounts services';
const APPS_OBJECTS =
  'daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale';

/** What everybody with a role in a namespace may look at: all but secrets and the roles themselves. */
const VIEW_RULES: PolicyRule[] = [
  rule(
    '',
    `${CORE_OBJECTS} persistentvolumeclaims/status services/status pods/log pods/status bindings events limitranges namespaces namespaces/status replicationcontrollers/status resourcequotas resourcequotas/status`,
    READ,
  ),
  rule(
    'apps',
    `controllerrevisions ${APPS_OBJECTS} daemonsets/status deployments/status replicasets/status statefulsets/status`,
    READ,
  ),
  rule('batch', 'cronjobs cronjobs/status jobs jobs/status', READ),
  rule('autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status', READ),
  rule('networking.k8s.io', 'ingresses ingresses/status networkpolicies', READ),
  rule('policy', 'poddisruptionbudgets poddisruptionbudgets/status', READ),
  rule('discovery.k8s.io', 'endpointslices', READ),
];

const EDIT_RULES: PolicyRule[] = [
  rule('', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy', READ),
  rule('', 'serviceaccounts', ['impersonate']),
  rule('', 'pods pods/attach pods/exec pods/portforward pods/proxy', WRITE),
  rule('', 'pods/eviction', ['create']),
  rule('', `${CORE_OBJECTS} secrets services/proxy events`, WRITE),
  rule('', 'serviceaccounts/token', ['create']),
  rule('apps', APPS_OBJECTS, [...WRITE]),
  rule('batch', 'cronjobs jobs', WRITE),
  rule('autoscaling', 'horizontalpodautoscalers', WRITE),
  rule('networking.k8s.io', 'ingresses networkpolicies', WRITE),
  rule('policy', 'poddisruptionbudgets', WRITE),
  rule('coordination.k8s.io', 'leases', [...READ, ...WRITE]),
];

const ADMIN_RULES: PolicyRule[] = [
  rule('authorization.k8s.io', 'localsubjectaccessreviews', ['create']),
  rule('rbac.authorization.k8s.io', 'rolebindings roles', [...READ, ...WRITE]),
];

const PUBLIC_PATHS = ['/healthz', '/livez', '/readyz', '/version', '/version/'];
const DISCOVERY_PATHS = ['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*', ...PUBLIC_PATHS];

interface RoleRow {
  name: string;
  rules: PolicyRule[];
  /** Collects the rules of roles that carry this label. */
  aggregates?: string;
  labels?: Record<string, string>;
}

const ROLES: RoleRow[] = [
  {
    name: 'cluster-admin',
    rules: [
      { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
      { nonResourceURLs: ['*'], verbs: ['*'] },
    ],
  },
  { name: 'admin', rules: [], aggregates: 'admin' },
  { name: 'edit', rules: [], aggregates: 'edit', labels: { [`${AGGREGATE}admin`]: 'true' } },
  { name: 'view', rules: [], aggregates: 'view', labels: { [`${AGGREGATE}edit`]: 'true' } },
  { name: 'system:aggregate-to-admin', rules: ADMIN_RULES, labels: { [`${AGGREGATE}admin`]: 'true' } },
  { name: 'system:aggregate-to-edit', rules: EDIT_RULES, labels: { [`${AGGREGATE}edit`]: 'true' } },
  { name: 'system:aggregate-to-view', rules: VIEW_RULES, labels: { [`${AGGREGATE}view`]: 'true' } },
  { name: 'system:discovery', rules: [{ nonResourceURLs: DISCOVERY_PATHS, verbs: ['get'] }] },
  { name: 'system:public-info-viewer', rules: [{ nonResourceURLs: PUBLIC_PATHS, verbs: ['get'] }] },
  {
    name: 'system:basic-user',
    rules: [
      rule('authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews', ['create']),
      rule('authentication.k8s.io', 'selfsubjectreviews', ['create']),
    ],
  },
  {
    name: 'system:service-account-issuer-discovery',
    rules: [
      {
        nonResourceURLs: [
          '/.well-known/openid-configuration',
          '/.well-known/openid-configuration/',
          '/openid/v1/jwks',
          '/openid/v1/jwks/',
        ],
        verbs: ['get'],
      },
    ],
  },
  {
    name: 'system:auth-delegator',
    rules: [
      rule('authentication.k8s.io', 'tokenreviews', ['create']),
      rule('authorization.k8s.io', 'subjectaccessreviews', ['create']),
    ],
  },
  {
    name: 'system:monitoring',
    rules: [
      {
        nonResourceURLs: ['/healthz', '/healthz/*', '/livez', '/livez/*', '/metrics', '/readyz', '/readyz/*'],
        verbs: ['get'],
      },
    ],
  },
];

const BINDINGS: [name: string, role: string, groups: string[]][] = [
  ['cluster-admin', 'cluster-admin', ['system:masters']],
  ['system:discovery', 'system:discovery', ['system:authenticated']],
  ['system:basic-user', 'system:basic-user', ['system:authenticated']],
  [
    'system:public-info-viewer',
    'system:public-info-viewer',
    ['system:authenticated', 'system:unauthenticated'],
  ],
  [
    'system:service-account-issuer-discovery',
    'system:service-account-issuer-discovery',
    ['system:serviceaccounts'],
  ],
];

/** The roles and bindings that every cluster has. */
export function defaultRoles(): KubeObject[] {
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'true' };
  const roles = ROLES.map(
    ({ name, rules, aggregates, labels }): KubeObject => ({
      apiVersion,
      kind: 'ClusterRole',
      metadata: { name, annotations, labels: { ...LABELS, ...labels } },
      rules,
      ...(aggregates && {
        aggregationRule: {
          clusterRoleSelectors: [{ matchLabels: { [`${AGGREGATE}${aggregates}`]: 'true' } }],
        },
      }),
    }),
  );
  const bindings = BINDINGS.map(
    ([name, role, groups]): KubeObject => ({
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata: { name, annotations, labels: LABELS },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: groups.map((group) => ({
        kind: 'Group',
        apiGroup: 'rbac.authorization.k8s.io',
        name: group,
      })),
    }),
  );
  return [...roles, ...bindings];
}
