import { GROUP, KINDS } from '../api/index.ts';
import type { KubeClient, KubeObject, ResourceRef } from '../kube/index.ts';

const CLUSTER_ROLES: ResourceRef = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  plural: 'clusterroles',
  namespaced: false,
};
const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'update', 'patch', 'delete', 'deletecollection'];

/** What the roles view, edit and admin may do with the kinds that are added to those of Kubernetes. */
export async function installRoles(client: KubeClient): Promise<void> {
  const groups = ['tekton.dev', 'gateway.networking.k8s.io'];
  // Policies give rights, and organisations make namespaces: those are not for everybody who writes here.
  const ours = KINDS.map(({ plural }) => plural).filter(
    (plural) => !['policies', 'organizations'].includes(plural),
  );
  // An application may keep objects that its author could not make: whoever looks after a namespace decides.
  const delivery = [
    'argoproj.io',
    'kustomize.toolkit.fluxcd.io',
    'source.toolkit.fluxcd.io',
    'helm.toolkit.fluxcd.io',
  ];
  const roles = [
    role('view', [
      { apiGroups: [...groups, ...delivery, GROUP], resources: ['*'], verbs: READ },
      { apiGroups: ['run.dispatch.dev'], resources: ['*'], verbs: READ },
    ]),
    role('edit', [
      { apiGroups: groups, resources: ['*'], verbs: WRITE },
      { apiGroups: [GROUP], resources: ours, verbs: WRITE },
      {
        apiGroups: ['run.dispatch.dev'],
        resources: ['gitrepositories', 'images', 'applications', 'functionsources', 'functionimages'],
        verbs: WRITE,
      },
      {
        apiGroups: ['run.dispatch.dev'],
        resources: ['functionruns', 'functionruns/redrive', 'cloudevents', 'subscriptions/replay'],
        verbs: ['create'],
      },
    ]),
    role('admin', [
      { apiGroups: [GROUP], resources: ['policies'], verbs: WRITE },
      { apiGroups: delivery, resources: ['*'], verbs: WRITE },
      {
        apiGroups: ['run.dispatch.dev'],
        resources: ['applications/adopt', 'applications/revert'],
        verbs: ['create'],
      },
    ]),
  ];
  await Promise.all(roles.map((object) => client.apply(CLUSTER_ROLES, object, { force: true })));
}

function role(of: 'view' | 'edit' | 'admin', rules: object[]): KubeObject {
  const labels = { [`rbac.authorization.k8s.io/aggregate-to-${of}`]: 'true' };
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: `dispatch-${of}`, labels },
    rules,
  };
}
