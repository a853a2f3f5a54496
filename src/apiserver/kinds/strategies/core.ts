import { isDeepStrictEqual } from 'node:util';
import { isRecord, type KubeObject } from '../../../kube/index.ts';
import type { FieldError } from '../../schema/index.ts';
import { at, listAt, textAt } from '../columns.ts';
import type { Strategy } from '../resource.ts';

const DATA_KEY = /^[-._a-zA-Z0-9]{1,253}$/;
const MAX_DATA = 1024 * 1024;

function dataErrors(object: KubeObject, fields: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const field of fields) {
    for (const [key, value] of Object.entries(isRecord(object[field]) ? object[field] : {})) {
      size += String(value).length;
      if (!DATA_KEY.test(key) || key === '.' || key === '..') {
        errors.push({
          kind: 'invalid',
          field: `${field}[${key}]`,
          value: key,
          detail: "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        });
      }
    }
  }
  if (size > MAX_DATA)
    errors.push({
      kind: 'tooLong',
      field: fields[0] ?? 'data',
      detail: `may not be more than ${MAX_DATA} bytes`,
    });
  return errors;
}

function immutableData(
  object: KubeObject,
  before: KubeObject | undefined,
  fields: readonly string[],
): FieldError[] {
  if (before?.['immutable'] !== true) return [];
  const errors: FieldError[] = [];
  if (object['immutable'] !== true)
    errors.push({
      kind: 'forbidden',
      field: 'immutable',
      detail: 'field is immutable when `immutable` is set',
    });
  for (const field of fields) {
    if (!isDeepStrictEqual(object[field], before[field])) {
      errors.push({ kind: 'forbidden', field, detail: 'field is immutable when `immutable` is set' });
    }
  }
  return errors;
}

export const CONFIG_MAP_STRATEGY: Strategy = {
  validate: (object, before) => [
    ...dataErrors(object, ['data', 'binaryData']),
    ...immutableData(object, before, ['data', 'binaryData']),
  ],
};

export const SECRET_STRATEGY: Strategy = {
  prepare: (secret) => {
    const text = secret['stringData'];
    if (!isRecord(text)) return;
    const encoded = Object.entries(text).map(
      ([key, value]) => [key, Buffer.from(String(value)).toString('base64')] as const,
    );
    secret['data'] = { ...(isRecord(secret['data']) ? secret['data'] : {}), ...Object.fromEntries(encoded) };
    delete secret['stringData'];
  },
  validate: (secret, before) => {
    const errors = [...dataErrors(secret, ['data']), ...immutableData(secret, before, ['data'])];
    if (before !== undefined && secret['type'] !== before['type']) {
      errors.push({ kind: 'invalid', field: 'type', value: secret['type'], detail: 'field is immutable' });
    }
    for (const key of SECRET_KEYS[String(secret['type'])] ?? []) {
      if (at(secret['data'], key) === undefined && !(isRecord(secret['data']) && key in secret['data'])) {
        errors.push({ kind: 'required', field: `data[${key}]` });
      }
    }
    return errors;
  },
};

/** Keys that secrets of a type must have. */
const SECRET_KEYS: Record<string, string[]> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
};

export const NAMESPACE_STRATEGY: Strategy = {
  prepare: (namespace, before) => {
    namespace.metadata.labels = {
      ...namespace.metadata.labels,
      'kubernetes.io/metadata.name': namespace.metadata.name ?? '',
    };
    if (before !== undefined) return;
    namespace['spec'] = { finalizers: ['kubernetes'] };
    namespace['status'] = { phase: 'Active' };
  },
};

export const VOLUME_STRATEGY: Strategy = {
  prepare: (volume, before) => {
    if (before === undefined) volume['status'] = { phase: 'Pending' };
  },
};

export const CLAIM_STRATEGY: Strategy = {
  prepare: (claim, before) => {
    if (before === undefined) claim['status'] = { phase: 'Pending' };
  },
  validate: (claim) => {
    const errors: FieldError[] = [];
    if (listAt(claim, 'spec.accessModes').length === 0)
      errors.push({
        kind: 'required',
        field: 'spec.accessModes',
        detail: 'at least 1 access mode is required',
      });
    if (textAt(claim, 'spec.resources.requests.storage') === undefined)
      errors.push({ kind: 'required', field: 'spec.resources[storage]' });
    return errors;
  },
};

export const SERVICE_STRATEGY: Strategy = {
  prepare: (service, before) => {
    const spec = service['spec'];
    if (!isRecord(spec)) return;
    for (const port of listAt(spec, 'ports')) if (isRecord(port)) port['targetPort'] ??= port['port'];
    if (before === undefined) service['status'] = { loadBalancer: {} };
    if (spec['type'] === 'ExternalName') return;
    spec['internalTrafficPolicy'] ??= 'Cluster';
    spec['ipFamilies'] ??= ['IPv4'];
    spec['ipFamilyPolicy'] ??= 'SingleStack';
    if (spec['type'] !== 'ClusterIP') spec['externalTrafficPolicy'] ??= 'Cluster';
    if (spec['type'] === 'LoadBalancer') spec['allocateLoadBalancerNodePorts'] ??= true;
    if (spec['sessionAffinity'] === 'ClientIP')
      spec['sessionAffinityConfig'] ??= { clientIP: { timeoutSeconds: 10800 } };
    if (before !== undefined) spec['clusterIP'] ??= at(before, 'spec.clusterIP');
    if (typeof spec['clusterIP'] === 'string') spec['clusterIPs'] = [spec['clusterIP']];
  },
  validate: (service, before) => {
    const errors: FieldError[] = [];
    const ports = listAt(service, 'spec.ports');
    const type = textAt(service, 'spec.type');
    if (ports.length === 0 && type !== 'ExternalName' && at(service, 'spec.clusterIP') !== 'None')
      errors.push({ kind: 'required', field: 'spec.ports' });
    if (type === 'ExternalName' && !textAt(service, 'spec.externalName'))
      errors.push({ kind: 'required', field: 'spec.externalName' });
    for (const [index, port] of ports.entries()) {
      if (ports.length > 1 && !textAt(port, 'name'))
        errors.push({ kind: 'required', field: `spec.ports[${index}].name` });
    }
    const old = textAt(before, 'spec.clusterIP');
    if (
      old !== undefined &&
      type !== 'ExternalName' &&
      textAt(before, 'spec.type') !== 'ExternalName' &&
      textAt(service, 'spec.clusterIP') !== old
    ) {
      errors.push({
        kind: 'invalid',
        field: 'spec.clusterIPs[0]',
        value: at(service, 'spec.clusterIP'),
        detail: 'may not change once set',
      });
    }
    return errors;
  },
};

export const INGRESS_STRATEGY: Strategy = {
  prepare: (ingress, before) => {
    if (before === undefined) ingress['status'] = { loadBalancer: {} };
  },
  validate: (ingress) => {
    const errors: FieldError[] = [];
    if (listAt(ingress, 'spec.rules').length === 0 && at(ingress, 'spec.defaultBackend') === undefined) {
      errors.push({
        kind: 'invalid',
        field: 'spec',
        value: '',
        detail: 'either `defaultBackend` or `rules` must be specified',
      });
    }
    for (const [rule, item] of listAt(ingress, 'spec.rules').entries()) {
      for (const [index, path] of listAt(item, 'http.paths').entries()) {
        const text = textAt(path, 'path') ?? '';
        if (textAt(path, 'pathType') !== 'ImplementationSpecific' && !text.startsWith('/')) {
          errors.push({
            kind: 'invalid',
            field: `spec.rules[${rule}].http.paths[${index}].path`,
            value: text,
            detail: 'must be an absolute path',
          });
        }
      }
    }
    return errors;
  },
};

export const BUDGET_STRATEGY: Strategy = {
  validate: (budget) => {
    if (at(budget, 'spec.minAvailable') === undefined || at(budget, 'spec.maxUnavailable') === undefined)
      return [];
    return [
      {
        kind: 'invalid',
        field: 'spec',
        value: '',
        detail: 'minAvailable and maxUnavailable cannot be both set',
      },
    ];
  },
};

export const NETWORK_POLICY_STRATEGY: Strategy = {
  prepare: (policy) => {
    const spec = policy['spec'];
    if (!isRecord(spec) || listAt(spec, 'policyTypes').length > 0) return;
    spec['policyTypes'] = listAt(spec, 'egress').length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
  },
};

export const BINDING_STRATEGY: Strategy = {
  prepare: (binding) => {
    for (const subject of listAt(binding, 'subjects')) {
      if (isRecord(subject) && subject['kind'] !== 'ServiceAccount')
        subject['apiGroup'] ??= 'rbac.authorization.k8s.io';
    }
  },
  validate: (binding, before) => {
    const errors: FieldError[] = [];
    const kind = textAt(binding, 'roleRef.kind');
    if (kind !== 'Role' && kind !== 'ClusterRole')
      errors.push({
        kind: 'notSupported',
        field: 'roleRef.kind',
        value: kind,
        detail: 'supported values: "ClusterRole", "Role"',
      });
    for (const [index, subject] of listAt(binding, 'subjects').entries()) {
      if (textAt(subject, 'kind') === 'ServiceAccount' && !textAt(subject, 'namespace')) {
        errors.push({ kind: 'required', field: `subjects[${index}].namespace` });
      }
    }
    if (before !== undefined && !isDeepStrictEqual(binding['roleRef'], before['roleRef'])) {
      errors.push({
        kind: 'invalid',
        field: 'roleRef',
        value: binding['roleRef'],
        detail: 'cannot change roleRef',
      });
    }
    return errors;
  },
};
