import type { KubeObject } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';

/** An object in the flat form that files and answers of the serverless commands have. */
export type Flat = Record<string, unknown>;

const APPLICATION = 'dispatch.dev/application';
const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

/** What all kinds have in common, as it was called of old. */
export function commonOf(object: KubeObject, kind: string): Flat {
  const { uid, name, creationTimestamp, labels } = object.metadata;
  const created = Date.parse(creationTimestamp ?? '');
  const application = labels?.[APPLICATION];
  return {
    id: uid,
    kind,
    name,
    createdTime: Number.isNaN(created) ? undefined : Math.floor(created / 1000),
    ...(application !== undefined && { tags: [{ key: 'Application', value: application }] }),
  };
}

/** Metadata from a flat object. */
export function metadataOf(flat: Flat, namespace: string): KubeObject['metadata'] {
  const name = text(flat, 'name');
  if (name === undefined) throw new UserError('A document has no name: give each of them one.');
  if (!NAME.test(name) || name.length > 253)
    throw new UserError(`${JSON.stringify(name)} is no name: use lower-case letters, digits, "-" and ".".`);
  const tags = Array.isArray(flat['tags']) ? (flat['tags'] as Flat[]) : [];
  const application = tags.find(({ key }) => key === 'Application' || key === 'app')?.['value'];
  return {
    name,
    namespace,
    ...(typeof application === 'string' && { labels: { [APPLICATION]: application } }),
  };
}

export function text(flat: Flat, ...keys: string[]): string | undefined {
  for (const key of keys) {
    const value = flat[key];
    if (typeof value === 'string' && value !== '') return value;
    if (typeof value === 'number') return String(value);
  }
  return undefined;
}

export function required(flat: Flat, ...keys: string[]): string {
  const value = text(flat, ...keys);
  if (value === undefined)
    throw new UserError(`${String(flat['name'] ?? 'A document')} has no ${keys[0]}: give it one.`);
  return value;
}

export function list(flat: Flat, ...keys: string[]): string[] | undefined {
  for (const key of keys) {
    const value = flat[key];
    if (Array.isArray(value) && value.length > 0) return value.map(String);
    if (typeof value === 'string' && value !== '') return [value];
  }
  return undefined;
}

export function flag(flat: Flat, key: string): boolean | undefined {
  return typeof flat[key] === 'boolean' ? flat[key] : undefined;
}

export function number(flat: Flat, key: string): number | undefined {
  const value = flat[key];
  if (value === undefined || value === null || value === '') return undefined;
  const result = Number(value);
  if (!Number.isFinite(result))
    throw new UserError(`${key} of ${String(flat['name'])} is no number: ${JSON.stringify(value)}.`);
  return result;
}

/** Without what is not said. */
export function compact<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;
}
