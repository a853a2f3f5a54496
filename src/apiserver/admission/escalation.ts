import { ApiError, type KubeObject } from '../../kube/index.ts';
import type { PolicyRule, Rbac } from '../auth/index.ts';
import { qualified, textAt } from '../kinds/index.ts';
import type { Attributes } from '../registry/index.ts';
import type { Plugin } from './chain.ts';

const GROUP = 'rbac.authorization.k8s.io';

/** Nobody writes or binds a role with rights that they do not hold, unless `escalate` or `bind` lets them. */
export function escalation(rbac: Rbac): Plugin {
  return {
    collections: ['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings'].map(
      (plural) => `${GROUP}/${plural}`,
    ),
    validate: (attributes) => {
      const { operation, object, resource } = attributes;
      if ((operation !== 'CREATE' && operation !== 'UPDATE') || object === undefined) return;
      if (resource.plural.endsWith('bindings')) checkBinding(rbac, attributes, object);
      else checkRole(rbac, attributes, object);
    },
  };
}

function checkRole(rbac: Rbac, attributes: Attributes, role: KubeObject): void {
  const rules = (role['rules'] as PolicyRule[] | undefined) ?? [];
  if (may(rbac, attributes, 'escalate', attributes.resource.plural, attributes.name)) return;
  if (!rbac.covers(attributes.call.user, attributes.namespace, rules)) throw refuse(attributes);
}

function checkBinding(rbac: Rbac, attributes: Attributes, binding: KubeObject): void {
  const kind = textAt(binding, 'roleRef.kind') ?? '';
  const name = textAt(binding, 'roleRef.name') ?? '';
  if (may(rbac, attributes, 'bind', kind === 'ClusterRole' ? 'clusterroles' : 'roles', name)) return;
  const rules = rbac.rulesOf(kind, name, attributes.namespace);
  if (rules === undefined || !rbac.covers(attributes.call.user, attributes.namespace, rules))
    throw refuse(attributes);
}

function may(
  rbac: Rbac,
  { call, namespace }: Attributes,
  verb: string,
  plural: string,
  name: string,
): boolean {
  return rbac.allows({ user: call.user, verb, group: GROUP, plural, subresource: '', namespace, name });
}

function refuse({ resource, name, call }: Attributes): ApiError {
  return new ApiError(
    'Forbidden',
    `${qualified(resource)} ${JSON.stringify(name)} is forbidden: user ${JSON.stringify(call.user.name)} (groups=${JSON.stringify(call.user.groups)}) is attempting to grant RBAC permissions not currently held`,
    { name, group: GROUP, kind: resource.plural },
  );
}
