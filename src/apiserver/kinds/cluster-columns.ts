import { isRecord, type KubeObject } from '../../kube/index.ts';
import { AGE_COLUMN, age, at, column, count, listAt, NAME_COLUMN, selectorText, textAt } from './columns.ts';
import type { Column } from './resource.ts';

export const PLAIN_COLUMNS: Column[] = [NAME_COLUMN, AGE_COLUMN];

function keys(object: KubeObject, ...paths: string[]): number {
  return paths.reduce((sum, path) => {
    const value = at(object, path);
    return sum + (isRecord(value) ? Object.keys(value).length : 0);
  }, 0);
}

const orNone = (path: string) => (object: KubeObject) => textAt(object, path) ?? '<none>';
const orUnset = (path: string) => (object: KubeObject) => textAt(object, path) ?? '<unset>';

const CREATED = column('Created At', (object) => object.metadata.creationTimestamp ?? '', { type: 'date' });

export const NAMESPACE_COLUMNS: Column[] = [NAME_COLUMN, column('Status', 'status.phase'), AGE_COLUMN];

export const CONFIG_MAP_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Data', (object) => keys(object, 'data', 'binaryData'), { type: 'integer' }),
  AGE_COLUMN,
];

export const SECRET_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Type', 'type'),
  column('Data', (object) => keys(object, 'data'), { type: 'integer' }),
  AGE_COLUMN,
];

export const SERVICE_ACCOUNT_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Secrets', (object) => listAt(object, 'secrets').length, { type: 'integer' }),
  AGE_COLUMN,
];

export const SERVICE_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Type', 'spec.type'),
  column('Cluster-IP', orNone('spec.clusterIP')),
  column('External-IP', externalIp),
  column('Port(s)', (object) => listAt(object, 'spec.ports').map(portText).join(',') || '<none>'),
  AGE_COLUMN,
  column('Selector', (object) => selectorText(at(object, 'spec.selector')), { wide: true }),
];

function externalIp(service: KubeObject): string {
  const own = listAt(service, 'spec.externalIPs').join(',');
  if (textAt(service, 'spec.type') === 'ExternalName') return textAt(service, 'spec.externalName') ?? '';
  if (textAt(service, 'spec.type') !== 'LoadBalancer') return own || '<none>';
  const ingress = listAt(service, 'status.loadBalancer.ingress').map(
    (item) => textAt(item, 'ip') ?? textAt(item, 'hostname'),
  );
  return [...ingress, own].filter(Boolean).join(',') || '<pending>';
}

function portText(port: unknown): string {
  const node = textAt(port, 'nodePort');
  return `${textAt(port, 'port')}${node ? `:${node}` : ''}/${textAt(port, 'protocol') ?? 'TCP'}`;
}

export const ENDPOINTS_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Endpoints', (object) => {
    const all = listAt(object, 'subsets').flatMap((subset) =>
      listAt(subset, 'addresses').flatMap((address) => {
        const ports = listAt(subset, 'ports').map(
          (port) => `${textAt(address, 'ip')}:${textAt(port, 'port')}`,
        );
        return ports.length > 0 ? ports : [textAt(address, 'ip') ?? ''];
      }),
    );
    const more = all.length > 3 ? ` + ${all.length - 3} more...` : '';
    return all.length === 0 ? '<none>' : all.slice(0, 3).join(',') + more;
  }),
  AGE_COLUMN,
];

export const ENDPOINT_SLICE_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('AddressType', 'addressType'),
  column(
    'Ports',
    (object) =>
      listAt(object, 'ports')
        .map((port) => textAt(port, 'port') ?? '*')
        .join(',') || '<unset>',
  ),
  column(
    'Endpoints',
    (object) =>
      listAt(object, 'endpoints')
        .flatMap((item) => listAt(item, 'addresses'))
        .join(',') || '<unset>',
  ),
  AGE_COLUMN,
];

export const EVENT_COLUMNS: Column[] = [
  column('Last Seen', (object, now) =>
    age(
      textAt(object, 'series.lastObservedTime') ??
        textAt(object, 'lastTimestamp') ??
        textAt(object, 'eventTime') ??
        object.metadata.creationTimestamp ??
        undefined,
      now,
    ),
  ),
  column('Type', 'type'),
  column('Reason', 'reason'),
  column(
    'Object',
    (object) =>
      `${(textAt(object, 'involvedObject.kind') ?? '').toLowerCase()}/${textAt(object, 'involvedObject.name') ?? ''}`,
  ),
  column('Subobject', (object) => textAt(object, 'involvedObject.fieldPath') ?? '', { wide: true }),
  column(
    'Source',
    (object) =>
      [
        textAt(object, 'source.component') ?? textAt(object, 'reportingComponent'),
        textAt(object, 'source.host'),
      ]
        .filter(Boolean)
        .join(', '),
    { wide: true },
  ),
  column('Message', (object) => (textAt(object, 'message') ?? '').trim()),
  column(
    'First Seen',
    (object, now) => age(textAt(object, 'firstTimestamp') ?? textAt(object, 'eventTime'), now),
    { wide: true },
  ),
  column('Count', (object) => at(object, 'series.count') ?? at(object, 'count') ?? 1, { wide: true }),
  { ...NAME_COLUMN, priority: 1 },
];

export const NODE_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Status', (object) => {
    const ready = listAt(object, 'status.conditions').find((item) => at(item, 'type') === 'Ready');
    const state = ready === undefined ? 'Unknown' : at(ready, 'status') === 'True' ? 'Ready' : 'NotReady';
    return at(object, 'spec.unschedulable') === true ? `${state},SchedulingDisabled` : state;
  }),
  column('Roles', (object) => {
    const prefix = 'node-role.kubernetes.io/';
    const roles = Object.keys(object.metadata.labels ?? {}).filter((key) => key.startsWith(prefix));
    return (
      roles
        .map((key) => key.slice(prefix.length))
        .sort()
        .join(',') || '<none>'
    );
  }),
  AGE_COLUMN,
  column('Version', 'status.nodeInfo.kubeletVersion'),
  column('Internal-IP', (object) => nodeAddress(object, 'InternalIP'), { wide: true }),
  column('External-IP', (object) => nodeAddress(object, 'ExternalIP'), { wide: true }),
  column('OS-Image', (object) => textAt(object, 'status.nodeInfo.osImage') ?? '<unknown>', { wide: true }),
  column('Kernel-Version', (object) => textAt(object, 'status.nodeInfo.kernelVersion') ?? '<unknown>', {
    wide: true,
  }),
  column(
    'Container-Runtime',
    (object) => textAt(object, 'status.nodeInfo.containerRuntimeVersion') ?? '<unknown>',
    { wide: true },
  ),
];

function nodeAddress(node: KubeObject, type: string): string {
  const found = listAt(node, 'status.addresses').find((item) => at(item, 'type') === type);
  return textAt(found, 'address') ?? '<none>';
}

function modes(path: string) {
  const short: Record<string, string> = {
    ReadWriteOnce: 'RWO',
    ReadOnlyMany: 'ROX',
    ReadWriteMany: 'RWX',
    ReadWriteOncePod: 'RWOP',
  };
  return (object: KubeObject) =>
    listAt(object, path)
      .map((mode) => short[String(mode)] ?? mode)
      .join(',');
}

export const VOLUME_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Capacity', 'spec.capacity.storage'),
  column('Access Modes', modes('spec.accessModes')),
  column('Reclaim Policy', 'spec.persistentVolumeReclaimPolicy'),
  column('Status', (object) =>
    object.metadata.deletionTimestamp ? 'Terminating' : (textAt(object, 'status.phase') ?? ''),
  ),
  column('Claim', (object) =>
    at(object, 'spec.claimRef')
      ? `${textAt(object, 'spec.claimRef.namespace')}/${textAt(object, 'spec.claimRef.name')}`
      : '',
  ),
  column('StorageClass', 'spec.storageClassName'),
  column('VolumeAttributesClass', orUnset('spec.volumeAttributesClassName')),
  column('Reason', 'status.reason'),
  AGE_COLUMN,
  column('VolumeMode', orUnset('spec.volumeMode'), { wide: true }),
];

export const CLAIM_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Status', (object) =>
    object.metadata.deletionTimestamp ? 'Terminating' : (textAt(object, 'status.phase') ?? ''),
  ),
  column('Volume', 'spec.volumeName'),
  column('Capacity', 'status.capacity.storage'),
  column('Access Modes', modes('status.accessModes')),
  column('StorageClass', 'spec.storageClassName'),
  column('VolumeAttributesClass', orUnset('spec.volumeAttributesClassName')),
  AGE_COLUMN,
  column('VolumeMode', orUnset('spec.volumeMode'), { wide: true }),
];

export const QUOTA_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Request', (object) => quotaText(object, (key) => !key.startsWith('limits.'))),
  column('Limit', (object) => quotaText(object, (key) => key.startsWith('limits.'))),
  AGE_COLUMN,
];

function quotaText(quota: KubeObject, wanted: (key: string) => boolean): string {
  const hard = at(quota, 'status.hard') ?? at(quota, 'spec.hard');
  if (!isRecord(hard)) return '';
  const used = at(quota, 'status.used');
  const names = Object.keys(hard).filter(wanted).sort();
  return names
    .map((key) => `${key}: ${isRecord(used) ? (used[key] ?? 0) : 0}/${String(hard[key])}`)
    .join(', ');
}

export const INGRESS_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Class', orNone('spec.ingressClassName')),
  column(
    'Hosts',
    (object) =>
      listAt(object, 'spec.rules')
        .map((rule) => textAt(rule, 'host') ?? '*')
        .join(',') || '*',
  ),
  column('Address', (object) =>
    listAt(object, 'status.loadBalancer.ingress')
      .map((item) => textAt(item, 'ip') ?? textAt(item, 'hostname'))
      .join(','),
  ),
  column('Ports', (object) => (listAt(object, 'spec.tls').length > 0 ? '80, 443' : '80')),
  AGE_COLUMN,
];

export const INGRESS_CLASS_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Controller', 'spec.controller'),
  column('Parameters', (object) => {
    const reference = at(object, 'spec.parameters');
    return reference
      ? `${textAt(reference, 'kind')}.${textAt(reference, 'apiGroup') ?? ''}/${textAt(reference, 'name')}`
      : '<none>';
  }),
  AGE_COLUMN,
];

export const NETWORK_POLICY_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Pod-Selector', (object) => selectorText(at(object, 'spec.podSelector'))),
  AGE_COLUMN,
];

export const BUDGET_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Min Available', (object) => textAt(object, 'spec.minAvailable') ?? 'N/A'),
  column('Max Unavailable', (object) => textAt(object, 'spec.maxUnavailable') ?? 'N/A'),
  count('Allowed Disruptions', 'status.disruptionsAllowed'),
  AGE_COLUMN,
];

export const STORAGE_CLASS_COLUMNS: Column[] = [
  column('Name', (object) => {
    const isDefault = object.metadata.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true';
    return `${object.metadata.name}${isDefault ? ' (default)' : ''}`;
  }),
  column('Provisioner', 'provisioner'),
  column('ReclaimPolicy', 'reclaimPolicy'),
  column('VolumeBindingMode', 'volumeBindingMode'),
  column('AllowVolumeExpansion', (object) => at(object, 'allowVolumeExpansion') === true, {
    type: 'boolean',
  }),
  AGE_COLUMN,
];

export const PRIORITY_CLASS_COLUMNS: Column[] = [
  NAME_COLUMN,
  count('Value', 'value'),
  column('Global-Default', (object) => at(object, 'globalDefault') === true, { type: 'boolean' }),
  AGE_COLUMN,
  column('PreemptionPolicy', 'preemptionPolicy'),
];

export const ROLE_COLUMNS: Column[] = [NAME_COLUMN, CREATED];

export const BINDING_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Role', (object) => `${textAt(object, 'roleRef.kind')}/${textAt(object, 'roleRef.name')}`),
  AGE_COLUMN,
  column('Users', (object) => subjects(object, 'User'), { wide: true }),
  column('Groups', (object) => subjects(object, 'Group'), { wide: true }),
  column('ServiceAccounts', (object) => subjects(object, 'ServiceAccount'), { wide: true }),
];

function subjects(binding: KubeObject, kind: string): string {
  const found = listAt(binding, 'subjects').filter((item) => at(item, 'kind') === kind);
  return found
    .map((item) =>
      kind === 'ServiceAccount'
        ? `${textAt(item, 'namespace')}/${textAt(item, 'name')}`
        : textAt(item, 'name'),
    )
    .join(', ');
}

export const LEASE_COLUMNS: Column[] = [NAME_COLUMN, column('Holder', 'spec.holderIdentity'), AGE_COLUMN];
export const DEFINITION_COLUMNS: Column[] = [NAME_COLUMN, CREATED];

export const API_SERVICE_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Service', (object) =>
    at(object, 'spec.service')
      ? `${textAt(object, 'spec.service.namespace')}/${textAt(object, 'spec.service.name')}`
      : 'Local',
  ),
  column('Available', (object) => {
    const condition = listAt(object, 'status.conditions').find((item) => at(item, 'type') === 'Available');
    const status = textAt(condition, 'status') ?? 'Unknown';
    return status === 'True' || !textAt(condition, 'reason')
      ? status
      : `${status} (${textAt(condition, 'reason')})`;
  }),
  AGE_COLUMN,
];

export const WEBHOOK_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Webhooks', (object) => listAt(object, 'webhooks').length, { type: 'integer' }),
  AGE_COLUMN,
];

export const REVISION_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Controller', (object) => {
    const owner = object.metadata.ownerReferences?.find((reference) => reference.controller);
    return owner ? `${owner.kind.toLowerCase()}.${owner.apiVersion.split('/')[0]}/${owner.name}` : '<none>';
  }),
  count('Revision', 'revision'),
  AGE_COLUMN,
];

export const REPLICATION_CONTROLLER_COLUMNS: Column[] = [
  NAME_COLUMN,
  count('Desired', 'spec.replicas'),
  count('Current', 'status.replicas'),
  count('Ready', 'status.readyReplicas'),
  AGE_COLUMN,
];
