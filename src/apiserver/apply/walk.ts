import { isRecord } from '../../kube/index.ts';
import type { Schema } from '../schema/index.ts';
import type { FieldSet } from './field-set.ts';

/** One part of a value that can have an owner of its own. */
export interface Part {
  element: string;
  value: unknown;
  schema: Schema | undefined;
  /** Owned as a whole in addition to what is inside it: elements of lists and of free maps. */
  isItem: boolean;
}

/** Whether the value is owned as one piece. Without a schema, objects are open and lists are not. */
export function isAtomic(schema: Schema | undefined, value: unknown): boolean {
  if (Array.isArray(value)) return schema?.listType !== 'map' && schema?.listType !== 'set';
  if (!isRecord(value)) return true;
  if (schema === undefined) return false;
  return schema.atomic === true || (schema.type !== 'object' && !schema.preserveUnknown);
}

/** The parts of a value that is not atomic. */
export function parts(schema: Schema | undefined, value: unknown): Part[] {
  if (Array.isArray(value)) {
    return value.map((item) => ({
      element: itemElement(schema, item),
      value: item,
      schema: schema?.items,
      isItem: true,
    }));
  }
  if (!isRecord(value)) return [];
  return Object.keys(value).map((key) => {
    const field = schema?.properties?.get(key);
    return {
      element: `f:${key}`,
      value: value[key],
      schema: field?.schema ?? schema?.values,
      isItem: field === undefined,
    };
  });
}

/** How an element of a list is told apart; keys that are absent count with their default. */
function itemElement(schema: Schema | undefined, item: unknown): string {
  if (schema?.listType !== 'map' || !isRecord(item)) return `v:${JSON.stringify(item)}`;
  const keys: Record<string, unknown> = {};
  for (const name of [...(schema.listKeys ?? [])].sort()) {
    const value = item[name] ?? schema.items?.properties?.get(name)?.default;
    if (value !== undefined) keys[name] = value;
  }
  return `k:${JSON.stringify(keys)}`;
}

/** The fields that a value sets. */
export function fieldsOf(schema: Schema | undefined, value: unknown): FieldSet {
  const set: FieldSet = {};
  for (const part of parts(schema, value)) set[part.element] = nodeOf(part);
  return set;
}

function nodeOf(part: Part): FieldSet {
  if (isAtomic(part.schema, part.value)) return {};
  const node = fieldsOf(part.schema, part.value);
  if (part.isItem) for (const _ in node) return { '.': {}, ...node };
  return node;
}
