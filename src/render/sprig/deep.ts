import { Int64, kindOf, type Value } from '../go-template/index.ts';

/** Go's reflect.DeepEqual: values of different types are different. */
export function deepEqual(a: Value, b: Value): boolean {
  if (a === b) return true;
  const nothing = (value: Value): boolean => value === null || value === undefined;
  if (nothing(a) || nothing(b)) return nothing(a) && nothing(b);
  if (kindOf(a) !== kindOf(b)) return false;
  if (a instanceof Int64 && b instanceof Int64) return a.value === b.value;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, at) => deepEqual(item, b[at]));
  if (a instanceof Map && b instanceof Map)
    return a.size === b.size && [...a].every(([key, item]) => b.has(key) && deepEqual(item, b.get(key)));
  return false;
}

/** Another map or list with the same in it. */
export function deepCopy(value: Value): Value {
  if (Array.isArray(value)) return value.map(deepCopy);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, deepCopy(item)]));
  return value;
}
