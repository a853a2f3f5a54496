import { isDeepStrictEqual } from 'node:util';
import { ApiError, isRecord } from '../../kube/index.ts';
import type { Schema } from '../schema/index.ts';

const DIRECTIVE = '$patch';
const RETAIN_KEYS = '$retainKeys';
const DELETE_LIST = '$deleteFromPrimitiveList/';
const ORDER = '$setElementOrder/';

type Fields = Record<string, unknown>;

/**
 * Strategic merge patch: like a merge patch, but lists whose schema names a merge key are merged element by
 * element, with `$patch`, `$retainKeys`, `$deleteFromPrimitiveList` and `$setElementOrder` as directives.
 */
export function applyStrategicMerge(target: unknown, patch: unknown, schema: Schema | undefined): unknown {
  if (!isRecord(patch)) return patch;
  const directive = patch[DIRECTIVE];
  if (directive === 'delete') return {};
  if (directive === 'replace') return without(patch, DIRECTIVE);
  if (directive !== undefined && directive !== 'merge') throw badDirective(directive);
  const result = new Map<string, unknown>(isRecord(target) ? Object.entries(target) : []);
  if (RETAIN_KEYS in patch) retainKeys(result, patch[RETAIN_KEYS]);
  for (const [key, value] of Object.entries(patch)) {
    if (key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(ORDER)) continue;
    if (key.startsWith(DELETE_LIST)) deleteScalars(result, key.slice(DELETE_LIST.length), value);
    else if (value === null) result.delete(key);
    else result.set(key, mergeField(result.get(key), value, fieldSchema(schema, key)));
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(ORDER)) reorder(result, key.slice(ORDER.length), value, schema);
  }
  return Object.fromEntries(result);
}

function fieldSchema(schema: Schema | undefined, key: string): Schema | undefined {
  return schema?.properties?.get(key)?.schema ?? schema?.values;
}

function mergeField(current: unknown, patch: unknown, schema: Schema | undefined): unknown {
  if (Array.isArray(patch)) return mergeList(current, patch, schema);
  return applyStrategicMerge(isRecord(current) ? current : undefined, patch, schema);
}

function mergeList(current: unknown, patch: unknown[], schema: Schema | undefined): unknown {
  const key = schema?.patchKey;
  const replace = patch.some((item) => isRecord(item) && item[DIRECTIVE] === 'replace');
  if (key === undefined || replace) {
    return patch
      .filter((item) => !(isRecord(item) && item[DIRECTIVE] === 'replace'))
      .map((item) => cleanItem(item, schema?.items));
  }
  const existing = Array.isArray(current) ? current : [];
  if (key === '')
    return [...existing, ...patch.filter((item) => !existing.some((old) => isDeepStrictEqual(old, item)))];
  return mergeObjects(existing, patch, key, schema?.items);
}

/** A list that replaces another may still hold merge directives inside its elements. */
function cleanItem(item: unknown, schema: Schema | undefined): unknown {
  return isRecord(item) ? applyStrategicMerge({}, item, schema) : item;
}

function mergeObjects(
  existing: unknown[],
  patch: unknown[],
  key: string,
  schema: Schema | undefined,
): unknown[] {
  const result = [...existing];
  for (const item of patch) {
    if (!isRecord(item) || !(key in item)) {
      throw new ApiError(
        'BadRequest',
        `Each element of this list in a strategic merge patch needs its merge key ${key}.`,
      );
    }
    const at = result.findIndex((old) => isRecord(old) && isDeepStrictEqual(old[key], item[key]));
    if (item[DIRECTIVE] === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) {
      result[at] = applyStrategicMerge(result[at], item, schema);
    } else {
      result.push(applyStrategicMerge({}, item, schema));
    }
  }
  return result;
}

function retainKeys(result: Map<string, unknown>, keys: unknown): void {
  if (!Array.isArray(keys)) throw badDirective(RETAIN_KEYS);
  for (const key of result.keys()) if (!keys.includes(key)) result.delete(key);
}

function deleteScalars(result: Map<string, unknown>, key: string, values: unknown): void {
  const current = result.get(key);
  if (!Array.isArray(values)) throw badDirective(`${DELETE_LIST}${key}`);
  if (Array.isArray(current))
    result.set(
      key,
      current.filter((item) => !values.includes(item)),
    );
}

function reorder(
  result: Map<string, unknown>,
  key: string,
  order: unknown,
  schema: Schema | undefined,
): void {
  const list = result.get(key);
  if (!Array.isArray(list) || !Array.isArray(order)) return;
  const mergeKey = fieldSchema(schema, key)?.patchKey;
  const identity = (item: unknown): unknown => (mergeKey && isRecord(item) ? item[mergeKey] : item);
  const place = (item: unknown): number =>
    order.findIndex((wanted) => isDeepStrictEqual(identity(wanted), identity(item)));
  const listed = list.filter((item) => place(item) >= 0).sort((a, b) => place(a) - place(b));
  // Elements that the patch does not know keep their place relative to each other, behind the known ones
  // that came before them.
  const merged: unknown[] = [];
  for (const item of list) {
    if (place(item) >= 0) merged.push(listed.shift());
    else merged.push(item);
  }
  result.set(key, merged);
}

function without(fields: Fields, name: string): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));
}

function badDirective(directive: unknown): ApiError {
  return new ApiError(
    'BadRequest',
    `The strategic merge patch has an unknown directive ${JSON.stringify(directive)}.`,
  );
}
