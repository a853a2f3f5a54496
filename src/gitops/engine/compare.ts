import { canonicalQuantity, cloneJson, isRecord, type KubeObject } from '../../kube/index.ts';
import type { DesiredObject } from '../../render/index.ts';

/** What a server adds to every object, and what nobody means to keep in Git. */
const SERVER_FIELDS = [
  'managedFields',
  'resourceVersion',
  'uid',
  'generation',
  'creationTimestamp',
  'selfLink',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const;

/** An object as it can be compared: without what servers add, with the texts of Secrets where they end up. */
export function comparable(object: KubeObject | DesiredObject): KubeObject {
  const copy = cloneJson(object) as KubeObject;
  for (const field of SERVER_FIELDS) delete (copy.metadata as Record<string, unknown>)[field];
  delete copy['status'];
  const { stringData, data } = copy as {
    stringData?: Record<string, unknown>;
    data?: Record<string, string>;
  };
  if (copy.kind === 'Secret' && stringData !== undefined) {
    const encoded = Object.entries(stringData).map(([key, value]) => [
      key,
      Buffer.from(String(value)).toString('base64'),
    ]);
    copy['data'] = { ...data, ...(Object.fromEntries(encoded) as Record<string, string>) };
    delete copy['stringData'];
  }
  return copy;
}

/** Whether everything that is wanted is there. What else is there does not matter. */
export function contains(live: unknown, desired: unknown): boolean {
  if (desired === null || desired === undefined) return live === null || live === undefined;
  if (Array.isArray(desired)) {
    if (desired.length === 0)
      return live === undefined || live === null || (Array.isArray(live) && live.length === 0);
    return (
      Array.isArray(live) &&
      live.length === desired.length &&
      desired.every((item, at) => contains(live[at], item))
    );
  }
  if (isRecord(desired)) {
    if (!isRecord(live))
      return live === undefined && Object.values(desired).every((value) => contains(undefined, value));
    return Object.keys(desired).every((key) => contains(live[key], desired[key]));
  }
  return live === desired || sameQuantity(live, desired);
}

/** "0.5" and "500m" are the same amount. */
function sameQuantity(live: unknown, desired: unknown): boolean {
  if (typeof live !== 'string' || (typeof desired !== 'string' && typeof desired !== 'number')) return false;
  if (!/^\d/.test(live)) return false;
  const amount = canonicalQuantity(live);
  return amount !== undefined && amount === canonicalQuantity(String(desired));
}

export interface FieldChange {
  /** "spec.template.spec.containers[0].image" */
  path: string;
  from: unknown;
  to: unknown;
}

/** Every field in which two objects differ. */
export function fieldChanges(from: unknown, to: unknown, path = ''): FieldChange[] {
  if (isRecord(from) && isRecord(to)) {
    const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])];
    return keys.flatMap((key) => fieldChanges(from[key], to[key], joined(path, key)));
  }
  if (Array.isArray(from) && Array.isArray(to)) {
    const named = byName(from, to);
    if (named !== undefined) return named.flatMap(([key, a, b]) => fieldChanges(a, b, `${path}[${key}]`));
    const length = Math.max(from.length, to.length);
    return Array.from({ length }, (_, at) => fieldChanges(from[at], to[at], `${path}[${at}]`)).flat();
  }
  return from === to || (isNothing(from) && isNothing(to)) ? [] : [{ path, from, to }];
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null;
}

function joined(path: string, key: string): string {
  if (/^[\w-]+$/.test(key)) return path === '' ? key : `${path}.${key}`;
  return `${path}[${JSON.stringify(key)}]`;
}

/** Lists of things with names are compared by the names. */
function byName(from: unknown[], to: unknown[]): [string, unknown, unknown][] | undefined {
  const names = [...from, ...to].map((item) => (isRecord(item) ? item['name'] : undefined));
  if (names.length === 0 || !names.every((name) => typeof name === 'string')) return undefined;
  const find = (list: unknown[], name: string): unknown =>
    list.find((item) => isRecord(item) && item['name'] === name);
  return [...new Set(names as string[])].map((name) => [`name=${name}`, find(from, name), find(to, name)]);
}
