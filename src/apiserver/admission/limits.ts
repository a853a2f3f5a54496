import { ApiError, formatQuantity, isRecord, type KubeObject, parseQuantity } from '../../kube/index.ts';
import { at, listAt, qualified, textAt } from '../kinds/index.ts';
import { type Attributes, parseEntry } from '../registry/index.ts';
import type { Store } from '../store/index.ts';
import type { Plugin } from './chain.ts';

type Amounts = Record<string, string>;

function nano(text: unknown): bigint {
  return parseQuantity(String(text ?? '0'))?.nano ?? 0n;
}

/** LimitRange: defaults and bounds for the containers of new pods, and for claims. */
export function limitRanges(store: Store): Plugin {
  const ranges = (namespace: string): unknown[] =>
    [...store.shelf('/limitranges').live.range(`${namespace}/`)].flatMap((entry) =>
      listAt(parseEntry(entry), 'spec.limits'),
    );
  return {
    collections: ['/pods', '/persistentvolumeclaims'],
    mutate: ({ operation, object, namespace, resource }) => {
      if (operation !== 'CREATE' || resource.plural !== 'pods') return;
      for (const item of ranges(namespace)) {
        if (textAt(item, 'type') !== 'Container') continue;
        for (const container of containersOf(object)) applyDefaults(container, item);
      }
    },
    validate: (attributes) => {
      const { operation, object, namespace, resource } = attributes;
      if (operation !== 'CREATE') return;
      for (const item of ranges(namespace)) {
        const type = textAt(item, 'type');
        if (resource.plural === 'pods' && type === 'Container')
          for (const container of containersOf(object)) checkBounds(attributes, container, item, type);
        if (resource.plural === 'persistentvolumeclaims' && type === 'PersistentVolumeClaim')
          checkBounds(attributes, object?.['spec'], item, type);
      }
    },
  };
}

function containersOf(pod: KubeObject | undefined): Record<string, unknown>[] {
  return [...listAt(pod, 'spec.initContainers'), ...listAt(pod, 'spec.containers')].filter(isRecord);
}

function applyDefaults(container: Record<string, unknown>, item: unknown): void {
  const resources = isRecord(container['resources']) ? container['resources'] : {};
  const limits = { ...amounts(item, 'default'), ...amounts(resources, 'limits') };
  const requests = { ...limits, ...amounts(item, 'defaultRequest'), ...amounts(resources, 'requests') };
  if (Object.keys(requests).length === 0) return;
  container['resources'] = { ...resources, ...(Object.keys(limits).length > 0 && { limits }), requests };
}

function amounts(value: unknown, key: string): Amounts {
  const found = at(value, key);
  return isRecord(found) ? (found as Amounts) : {};
}

function checkBounds(attributes: Attributes, holder: unknown, item: unknown, type: string): void {
  for (const [name, min] of Object.entries(amounts(item, 'min'))) {
    const request =
      at(amounts(at(holder, 'resources'), 'requests'), name) ??
      amounts(at(holder, 'resources'), 'requests')[name];
    if (request === undefined || nano(request) < nano(min))
      throw refuse(
        attributes,
        `minimum ${name} usage per ${type} is ${min}, but request is ${String(request ?? 'unset')}`,
      );
  }
  for (const [name, max] of Object.entries(amounts(item, 'max'))) {
    const resources = at(holder, 'resources');
    const limit =
      type === 'Container' ? amounts(resources, 'limits')[name] : amounts(resources, 'requests')[name];
    if (limit === undefined || nano(limit) > nano(max))
      throw refuse(
        attributes,
        `maximum ${name} usage per ${type} is ${max}, but limit is ${limit ?? 'unset'}`,
      );
  }
}

function refuse({ resource, name }: Attributes, why: string): ApiError {
  return new ApiError('Forbidden', `${qualified(resource)} ${JSON.stringify(name)} is forbidden: ${why}`, {
    name,
    kind: resource.plural,
  });
}

/** ResourceQuota: what a namespace may hold. Usage is counted anew each time: it can never drift. */
export function resourceQuota(store: Store): Plugin {
  return {
    validate: (attributes) => {
      const { operation, namespace, resource, object } = attributes;
      if (operation !== 'CREATE' || namespace === '' || object === undefined) return;
      for (const entry of store.shelf('/resourcequotas').live.range(`${namespace}/`)) {
        const quota = parseEntry(entry);
        const hard = amounts(quota['spec'], 'hard');
        const wanted = usageOf(resource.plural, resource.group, object);
        const exceeded = Object.keys(hard).filter(
          (key) => wanted[key] !== undefined && used(store, namespace, key) + wanted[key] > nano(hard[key]),
        );
        if (exceeded.length === 0) continue;
        const show = (amount: (key: string) => string): string =>
          exceeded.map((key) => `${key}=${amount(key)}`).join(',');
        throw refuse(
          attributes,
          `exceeded quota: ${quota.metadata.name}, requested: ${show((key) => text(wanted[key]!))}, used: ${show((key) => text(used(store, namespace, key)))}, limited: ${show((key) => hard[key]!)}`,
        );
      }
    },
  };
}

function text(amount: bigint): string {
  return formatQuantity({ nano: amount, format: 'decimal' });
}

const ONE = 1_000_000_000n;
/** Kinds that a quota counts by a short name, and where they lie. */
const COUNTED: Record<string, string> = {
  pods: '/pods',
  services: '/services',
  configmaps: '/configmaps',
  secrets: '/secrets',
  persistentvolumeclaims: '/persistentvolumeclaims',
  replicationcontrollers: '/replicationcontrollers',
  resourcequotas: '/resourcequotas',
};
const COMPUTE: Record<string, [list: 'requests' | 'limits', resource: string]> = {
  cpu: ['requests', 'cpu'],
  memory: ['requests', 'memory'],
  'requests.cpu': ['requests', 'cpu'],
  'requests.memory': ['requests', 'memory'],
  'limits.cpu': ['limits', 'cpu'],
  'limits.memory': ['limits', 'memory'],
};

function usageOf(plural: string, group: string, object: KubeObject): Record<string, bigint> {
  const usage: Record<string, bigint> = { [`count/${group === '' ? plural : `${plural}.${group}`}`]: ONE };
  if (group === '' && Object.hasOwn(COUNTED, plural)) usage[plural] = ONE;
  if (group === '' && plural === 'persistentvolumeclaims')
    usage['requests.storage'] = nano(textAt(object, 'spec.resources.requests.storage'));
  if (group === '' && plural === 'pods') {
    for (const [key, [list, resource]] of Object.entries(COMPUTE)) {
      usage[key] = listAt(object, 'spec.containers').reduce<bigint>(
        (sum, container) => sum + nano(amounts(at(container, 'resources'), list)[resource]),
        0n,
      );
    }
  }
  return usage;
}

/** What the objects of a namespace use of one quota key. */
export function used(store: Store, namespace: string, key: string): bigint {
  const counted = key.startsWith('count/') ? collectionOf(key.slice(6)) : COUNTED[key];
  if (counted !== undefined)
    return BigInt([...store.shelf(counted).live.range(`${namespace}/`)].length) * ONE;
  const collection = key === 'requests.storage' ? '/persistentvolumeclaims' : '/pods';
  let sum = 0n;
  for (const entry of store.shelf(collection).live.range(`${namespace}/`)) {
    const object = parseEntry(entry);
    const phase = textAt(object, 'status.phase');
    if (phase === 'Succeeded' || phase === 'Failed') continue;
    sum += usageOf(collection.slice(1), '', object)[key] ?? 0n;
  }
  return sum;
}

function collectionOf(name: string): string {
  const dot = name.indexOf('.');
  return dot < 0 ? `/${name}` : `${name.slice(dot + 1)}/${name.slice(0, dot)}`;
}
