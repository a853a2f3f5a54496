import { ApiError, type KubeObject } from '../kube/index.ts';
import { defaultRoles } from './auth/index.ts';
import { create, modify, objectKey, type RegistryDeps, systemCall } from './registry/index.ts';

const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** Puts in place what every cluster has. Writes only what is missing. */
export async function bootstrap(deps: RegistryDeps, apiPort: number): Promise<void> {
  await Promise.all(
    NAMESPACES.map((name) => ensure(deps, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
  );
  const objects = [...defaultRoles(), ...priorityClasses(), ...localApiServices(deps), kubernetesService()];
  await Promise.all(objects.map((object) => ensure(deps, object)));
  await Promise.all(kubernetesEndpoints(apiPort).map((object) => ensureCurrent(deps, object)));
}

async function ensure(deps: RegistryDeps, object: KubeObject): Promise<void> {
  const resource = deps.catalog.findKind(object.apiVersion, object.kind);
  if (resource === undefined) throw new Error(`no resource for ${object.kind}`);
  const { namespace = '', name = '' } = object.metadata;
  if (deps.store.latest(resource.collection, objectKey(namespace, name)) !== undefined) return;
  await create(deps, resource, namespace, object, systemCall('apiserver')).catch((error: unknown) => {
    if (!(error instanceof ApiError) || error.reason !== 'AlreadyExists') throw error;
  });
}

/** Like `ensure`, for objects whose content follows this process. */
async function ensureCurrent(deps: RegistryDeps, object: KubeObject): Promise<void> {
  await ensure(deps, object);
  const resource = deps.catalog.findKind(object.apiVersion, object.kind);
  if (resource === undefined) return;
  const { namespace = '', name = '' } = object.metadata;
  const target = { resource, namespace, name, subresource: '' };
  await modify(deps, target, systemCall('apiserver'), (current) => ({
    object: { ...current, ...object, metadata: current.metadata },
  }));
}

function priorityClasses(): KubeObject[] {
  const row = (name: string, value: number, description: string): KubeObject => ({
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name },
    value,
    description,
    globalDefault: false,
  });
  return [
    row(
      'system-cluster-critical',
      2_000_000_000,
      'For pods that the cluster cannot do without, which may move to another node.',
    ),
    row('system-node-critical', 2_000_001_000, 'For pods that their node cannot do without.'),
  ];
}

function localApiServices(deps: RegistryDeps): KubeObject[] {
  return [...deps.catalog.groups()].flatMap(([group, versions]) =>
    versions.map(
      (version, index): KubeObject => ({
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: {
          name: `${version}.${group}`,
          labels: { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' },
        },
        spec: {
          ...(group !== '' && { group }),
          version,
          groupPriorityMinimum: group === '' ? 18_000 : 17_500,
          versionPriority: 100 - index,
        },
      }),
    ),
  );
}

function kubernetesService(): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'kubernetes',
      namespace: 'default',
      labels: { component: 'apiserver', provider: 'kubernetes' },
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.96.0.1',
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 7443 }],
    },
  };
}

function kubernetesEndpoints(port: number): KubeObject[] {
  const metadata = { name: 'kubernetes', namespace: 'default' };
  return [
    {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata,
      subsets: [{ addresses: [{ ip: '127.0.0.1' }], ports: [{ name: 'https', port, protocol: 'TCP' }] }],
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
      ports: [{ name: 'https', port, protocol: 'TCP' }],
    },
  ];
}
