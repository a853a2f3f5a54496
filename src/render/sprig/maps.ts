import { isTrue, RenderError, type TemplateFunction, type Value } from '../go-template/index.ts';
import { mapArg, textArg, toText } from './arguments.ts';
import { deepCopy, deepEqual } from './deep.ts';

type GoMap = Map<string, Value>;

export const MAPS: Readonly<Record<string, TemplateFunction>> = {
  dict: (...pairs) => {
    const map: GoMap = new Map();
    for (let at = 0; at < pairs.length; at += 2)
      map.set(toText(pairs[at]), at + 1 < pairs.length ? pairs[at + 1] : '');
    return map;
  },
  get: (map, key) => mapArg(map, 0).get(textArg(key, 1)) ?? '',
  set: (map, key, value) => mapArg(map, 0).set(textArg(key, 1), value),
  unset: (map, key) => {
    mapArg(map, 0).delete(textArg(key, 1));
    return map;
  },
  hasKey: (map, key) => mapArg(map, 0).has(textArg(key, 1)),
  pluck: (key, ...maps) =>
    maps.flatMap((map, at) => {
      const found = mapArg(map, at + 1);
      return found.has(textArg(key, 0)) ? [found.get(key as string)] : [];
    }),
  keys: (...maps) => maps.flatMap((map, at) => [...mapArg(map, at).keys()]),
  values: (map) => [...mapArg(map, 0).values()],
  pick: (map, ...keys) => new Map([...mapArg(map, 0)].filter(([key]) => keys.includes(key))),
  omit: (map, ...keys) => new Map([...mapArg(map, 0)].filter(([key]) => !keys.includes(key))),
  merge: mergeInto,
  mustMerge: mergeInto,
  mergeOverwrite: overwriteInto,
  mustMergeOverwrite: overwriteInto,
  dig,
  deepCopy,
  mustDeepCopy: deepCopy,
  deepEqual: (a, b) => deepEqual(a, b),
  default: (fallback, ...given) => (given.length > 0 && isTrue(given[0]) ? given[0] : fallback),
  empty: (value) => !isTrue(value),
  coalesce: (...values) => values.find(isTrue) ?? null,
  ternary: (yes, no, test) => {
    if (typeof test !== 'boolean') throw new RenderError('ternary needs a bool as its last argument');
    return test ? yes : no;
  },
};

function mergeInto(into: Value, ...from: Value[]): Value {
  const target = mapArg(into, 0);
  for (const [at, source] of from.entries()) merge(target, mapArg(source, at + 1), false);
  return target;
}

function overwriteInto(into: Value, ...from: Value[]): Value {
  const target = mapArg(into, 0);
  for (const [at, source] of from.entries()) merge(target, mapArg(source, at + 1), true);
  return target;
}

/** Without overwriting, what is empty counts as not there. */
function merge(into: GoMap, from: GoMap, overwrites: boolean): void {
  for (const [key, value] of from) {
    const known = into.get(key);
    if (known instanceof Map && value instanceof Map) merge(known as GoMap, value as GoMap, overwrites);
    else if (overwrites || !into.has(key) || (!isTrue(known) && isTrue(value))) into.set(key, value);
  }
}

function dig(...args: Value[]): Value {
  if (args.length < 3) throw new RenderError('dig needs at least three arguments');
  const map = mapArg(args.at(-1), args.length - 1);
  const fallback = args.at(-2);
  let value: Value = map;
  for (const [at, key] of args.slice(0, -2).entries()) {
    if (!(value instanceof Map))
      throw new RenderError(`dig: interface conversion: interface {} is not map[string]interface {}`);
    if (!value.has(textArg(key, at))) return fallback;
    value = value.get(key as string);
  }
  return value;
}
