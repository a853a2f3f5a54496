import { numberOf, positionalOnly } from './arguments.ts';
import { equal } from './operators.ts';
import { repr } from './show.ts';
import type { Thread } from './thread.ts';
import {
  type CallArguments,
  Dict,
  iterate,
  List,
  StarlarkSet,
  Tuple,
  type Value,
  ValueError,
} from './values.ts';

export type Methods<T> = Record<string, (self: T, args: CallArguments, thread: Thread) => Value>;

export const LIST_METHODS: Methods<List> = {
  append: (list, args, thread) => {
    const [item] = positionalOnly('append', args, [1, 1]);
    list.checkMutable('append to');
    thread.allocate(8);
    list.items.push(item!);
    return null;
  },
  clear: (list, args) => {
    positionalOnly('clear', args, [0, 0]);
    list.checkMutable('clear');
    list.items.length = 0;
    return null;
  },
  extend: (list, args, thread) => {
    const [items] = positionalOnly('extend', args, [1, 1]);
    list.checkMutable('extend');
    const added = [...iterate(items!)];
    thread.allocate(8 * added.length);
    for (const item of added) list.items.push(item);
    return null;
  },
  index: (list, args) => {
    const [item, start, stop] = positionalOnly('index', args, [1, 3]);
    const { length } = list.items;
    const clamp = (value: Value | undefined, otherwise: number): number => {
      if (value === undefined || value === null) return otherwise;
      const at = numberOf('index', value);
      return Math.min(Math.max(at < 0 ? at + length : at, 0), length);
    };
    for (let at = clamp(start, 0); at < clamp(stop, length); at += 1)
      if (equal(list.items[at]!, item!)) return at;
    throw new ValueError('index: value not in list');
  },
  insert: (list, args, thread) => {
    const [at, item] = positionalOnly('insert', args, [2, 2]);
    list.checkMutable('insert into');
    thread.allocate(8);
    list.items.splice(numberOf('insert', at), 0, item!);
    return null;
  },
  pop: (list, args) => {
    const [at] = positionalOnly('pop', args, [0, 1]);
    const { length } = list.items;
    const index = at === undefined ? length - 1 : numberOf('pop', at);
    const place = index < 0 ? index + length : index;
    if (place < 0 || place >= length)
      throw new ValueError(
        `pop: index ${index} is out of range: ${length === 0 ? 'empty list' : `[${-length}:${length - 1}]`}`,
      );
    list.checkMutable('pop from');
    return list.items.splice(place, 1)[0]!;
  },
  remove: (list, args) => {
    const [item] = positionalOnly('remove', args, [1, 1]);
    list.checkMutable('remove from');
    const at = list.items.findIndex((other) => equal(other, item!));
    if (at < 0) throw new ValueError('remove: element not found');
    list.items.splice(at, 1);
    return null;
  },
};

export const DICT_METHODS: Methods<Dict> = {
  clear: (dict, args) => {
    positionalOnly('clear', args, [0, 0]);
    dict.clear();
    return null;
  },
  get: (dict, args) => {
    const [key, otherwise] = positionalOnly('get', args, [1, 2]);
    return dict.get(key!) ?? (dict.has(key!) ? null : (otherwise ?? null));
  },
  items: (dict, args) => {
    positionalOnly('items', args, [0, 0]);
    return new List(dict.entries().map((entry) => new Tuple([...entry])));
  },
  keys: (dict, args) => {
    positionalOnly('keys', args, [0, 0]);
    return new List(dict.keys());
  },
  pop: (dict, args) => {
    const [key, otherwise] = positionalOnly('pop', args, [1, 2]);
    if (dict.has(key!)) return dict.delete(key!) ?? null;
    if (otherwise === undefined) throw new ValueError(`pop: missing key ${repr(key!)}`);
    return otherwise;
  },
  popitem: (dict, args) => {
    positionalOnly('popitem', args, [0, 0]);
    const [first] = dict.entries();
    if (first === undefined) throw new ValueError('popitem: empty dict');
    dict.delete(first[0]);
    return new Tuple([...first]);
  },
  setdefault: (dict, args) => {
    const [key, otherwise] = positionalOnly('setdefault', args, [1, 2]);
    if (!dict.has(key!)) dict.set(key!, otherwise ?? null);
    return dict.get(key!) ?? null;
  },
  update: (dict, { positional, named }) => {
    if (positional.length > 1)
      throw new ValueError(`update: got ${positional.length} arguments, want at most 1`);
    for (const [key, value] of positional[0] === undefined ? [] : pairsOf('update', positional[0]))
      dict.set(key, value);
    for (const [key, value] of named) dict.set(key, value);
    return null;
  },
  values: (dict, args) => {
    positionalOnly('values', args, [0, 0]);
    return new List(dict.entries().map(([, value]) => value));
  },
};

export const SET_METHODS: Methods<StarlarkSet> = {
  add: (set, args) => {
    set.add(positionalOnly('add', args, [1, 1])[0]!);
    return null;
  },
  clear: (set, args) => {
    positionalOnly('clear', args, [0, 0]);
    set.clear();
    return null;
  },
  difference: (set, args) => {
    const other = StarlarkSet.of(iterate(positionalOnly('difference', args, [1, 1])[0]!));
    return StarlarkSet.of(set.items().filter((item) => !other.has(item)));
  },
  discard: (set, args) => {
    set.delete(positionalOnly('discard', args, [1, 1])[0]!);
    return null;
  },
  intersection: (set, args) => {
    const other = StarlarkSet.of(iterate(positionalOnly('intersection', args, [1, 1])[0]!));
    return StarlarkSet.of(set.items().filter((item) => other.has(item)));
  },
  issubset: (set, args) => {
    const other = StarlarkSet.of(iterate(positionalOnly('issubset', args, [1, 1])[0]!));
    return set.items().every((item) => other.has(item));
  },
  issuperset: (set, args) =>
    iterate(positionalOnly('issuperset', args, [1, 1])[0]!).every((item) => set.has(item)),
  pop: (set, args) => {
    positionalOnly('pop', args, [0, 0]);
    const [first] = set.items();
    if (first === undefined) throw new ValueError('pop: empty set');
    set.delete(first);
    return first;
  },
  remove: (set, args) => {
    if (!set.delete(positionalOnly('remove', args, [1, 1])[0]!)) throw new ValueError('remove: missing key');
    return null;
  },
  symmetric_difference: (set, args) => {
    const other = StarlarkSet.of(iterate(positionalOnly('symmetric_difference', args, [1, 1])[0]!));
    return StarlarkSet.of([
      ...set.items().filter((item) => !other.has(item)),
      ...other.items().filter((item) => !set.has(item)),
    ]);
  },
  union: (set, args) =>
    StarlarkSet.of([...set.items(), ...iterate(positionalOnly('union', args, [1, 1])[0]!)]),
};

/** The entries of a dict, or of something that holds pairs. */
export function pairsOf(name: string, value: Value): [Value, Value][] {
  if (value instanceof Dict) return value.entries();
  return iterate(value).map((item, at) => {
    if (typeof item === 'string') throw new ValueError(`${name}: element #${at} is not iterable (string)`);
    const pair = iterate(item);
    if (pair.length !== 2) throw new ValueError(`${name}: element #${at} has length ${pair.length}, want 2`);
    return [pair[0]!, pair[1]!];
  });
}
