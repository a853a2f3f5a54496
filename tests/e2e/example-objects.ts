import type { KubeObject } from '../../src/kube/index.ts';

const labels = { app: 'example' };
const selector = { matchLabels: labels };
const pod = { containers: [{ name: 'app', image: 'example:1' }] };
const template = { metadata: { labels }, spec: pod };
const jobTemplate = { spec: { ...pod, restartPolicy: 'Never' } };

function object(
  apiVersion: string,
  kind: string,
  fields: Record<string, unknown>,
  name = 'example',
): KubeObject {
  return { apiVersion, kind, metadata: { name, labels }, ...fields };
}

/** One object of every built-in kind that people apply. */
export const EXAMPLES: KubeObject[] = [
  object('v1', 'Namespace', {}),
  object('v1', 'ConfigMap', { data: { key: 'value' } }),
  object('v1', 'Secret', { stringData: { key: 'value' } }),
  object('v1', 'ServiceAccount', {}),
  object('v1', 'Pod', { spec: pod }),
  object('v1', 'PodTemplate', { template }),
  object('v1', 'Service', { spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] } }),
  object(
    'v1',
    'Endpoints',
    { subsets: [{ addresses: [{ ip: '10.1.2.3' }], ports: [{ port: 80 }] }] },
    'example-endpoints',
  ),
  object('v1', 'Node', {}),
  object('v1', 'PersistentVolume', {
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/data' } },
  }),
  object('v1', 'PersistentVolumeClaim', {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  }),
  object('v1', 'ReplicationController', { spec: { replicas: 0, selector: labels, template } }),
  object('v1', 'LimitRange', { spec: { limits: [{ type: 'Container', default: { cpu: '500m' } }] } }),
  object('v1', 'ResourceQuota', { spec: { hard: { pods: '100', 'requests.cpu': '50' } } }),
  object('apps/v1', 'Deployment', { spec: { selector, template } }),
  object('apps/v1', 'ReplicaSet', { spec: { selector, template } }),
  object('apps/v1', 'StatefulSet', { spec: { selector, template, serviceName: 'example' } }),
  object('apps/v1', 'DaemonSet', { spec: { selector, template } }),
  object('apps/v1', 'ControllerRevision', { revision: 1, data: { some: 'state' } }),
  object('batch/v1', 'Job', { spec: { template: jobTemplate } }),
  object('batch/v1', 'CronJob', {
    spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template: jobTemplate } } },
  }),
  object('autoscaling/v1', 'HorizontalPodAutoscaler', {
    spec: {
      maxReplicas: 3,
      targetCPUUtilizationPercentage: 70,
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'example' },
    },
  }),
  object('networking.k8s.io/v1', 'Ingress', {
    spec: {
      rules: [
        {
          host: 'example.dev',
          http: {
            paths: [
              {
                path: '/',
                pathType: 'Prefix',
                backend: { service: { name: 'example', port: { number: 80 } } },
              },
            ],
          },
        },
      ],
    },
  }),
  object('networking.k8s.io/v1', 'IngressClass', { spec: { controller: 'example.dev/gateway' } }),
  object('networking.k8s.io/v1', 'NetworkPolicy', { spec: { podSelector: {} } }),
  object('policy/v1', 'PodDisruptionBudget', { spec: { minAvailable: 1, selector } }),
  object('discovery.k8s.io/v1', 'EndpointSlice', {
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.1.2.3'] }],
    ports: [{ port: 80 }],
  }),
  object('coordination.k8s.io/v1', 'Lease', { spec: { holderIdentity: 'me' } }),
  object('storage.k8s.io/v1', 'StorageClass', { provisioner: 'example.dev/disk' }),
  object('scheduling.k8s.io/v1', 'PriorityClass', { value: 1000 }),
  object('rbac.authorization.k8s.io/v1', 'Role', {
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  }),
  object('rbac.authorization.k8s.io/v1', 'ClusterRole', {
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  }),
  object('rbac.authorization.k8s.io/v1', 'RoleBinding', {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'example' },
    subjects: [{ kind: 'User', name: 'eve' }],
  }),
  object('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'example' },
    subjects: [{ kind: 'User', name: 'eve' }],
  }),
];
