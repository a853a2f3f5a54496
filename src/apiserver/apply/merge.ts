import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../../kube/index.ts';
import type { Schema } from '../schema/index.ts';
import { type FieldSet, isEmptySet } from './field-set.ts';
import { fieldsOf, isAtomic, type Part, parts } from './walk.ts';

/** Lays an applied configuration over the live value. Neither is changed. */
export function mergeApplied(schema: Schema | undefined, live: unknown, applied: unknown): unknown {
  if (live === undefined || isAtomic(schema, applied) || Array.isArray(applied) !== Array.isArray(live))
    return applied;
  const wanted = parts(schema, applied);
  if (Array.isArray(live)) return mergeItems(schema, live, wanted);
  if (!isRecord(live)) return applied;
  const result = new Map<string, unknown>(Object.entries(live));
  for (const part of wanted) {
    const key = part.element.slice(2);
    result.set(key, mergeApplied(part.schema, result.get(key), part.value));
  }
  return Object.fromEntries(result);
}

function mergeItems(schema: Schema | undefined, live: unknown[], wanted: Part[]): unknown[] {
  const result = new Map(parts(schema, live).map((part) => [part.element, part.value]));
  for (const part of wanted)
    result.set(part.element, mergeApplied(part.schema, result.get(part.element), part.value));
  return [...result.values()];
}

/** Takes out what `last` had and nobody in `kept` has any more. */
export function pruneFields(
  schema: Schema | undefined,
  value: unknown,
  last: FieldSet,
  kept: FieldSet,
): unknown {
  if (isAtomic(schema, value)) return value;
  const gone = new Set<string>();
  const inner = new Map<string, unknown>();
  for (const part of parts(schema, value)) {
    const node = last[part.element];
    if (node === undefined) continue;
    const keeper = kept[part.element];
    if (keeper === undefined) gone.add(part.element);
    else inner.set(part.element, pruneFields(part.schema, part.value, node, keeper));
  }
  const left = parts(schema, value).filter((part) => !gone.has(part.element));
  const current = (part: Part): unknown => (inner.has(part.element) ? inner.get(part.element) : part.value);
  if (Array.isArray(value)) return left.map(current);
  return Object.fromEntries(left.map((part) => [part.element.slice(2), current(part)]));
}

export interface Comparison {
  /** Fields that are new or have another value. */
  changed: FieldSet;
  removed: FieldSet;
}

export function compare(schema: Schema | undefined, before: unknown, after: unknown): Comparison {
  if (before === undefined) return { changed: fieldsOf(schema, after), removed: {} };
  const changed: FieldSet = {};
  const removed: FieldSet = {};
  const old = new Map(parts(schema, before).map((part) => [part.element, part]));
  for (const part of parts(schema, after)) {
    const previous = old.get(part.element);
    old.delete(part.element);
    if (previous === undefined) {
      Object.assign(changed, fieldsOfPart(part));
    } else if (isAtomic(part.schema, part.value) || isAtomic(part.schema, previous.value)) {
      if (!isDeepStrictEqual(previous.value, part.value)) changed[part.element] = {};
    } else {
      const inner = compare(part.schema, previous.value, part.value);
      if (!isEmptySet(inner.changed)) changed[part.element] = inner.changed;
      if (!isEmptySet(inner.removed)) removed[part.element] = inner.removed;
    }
  }
  for (const part of old.values()) Object.assign(removed, fieldsOfPart(part));
  return { changed, removed };
}

function fieldsOfPart(part: Part): FieldSet {
  const node = isAtomic(part.schema, part.value) ? {} : fieldsOf(part.schema, part.value);
  return { [part.element]: isEmptySet(node) ? node : { '.': {}, ...node } };
}
