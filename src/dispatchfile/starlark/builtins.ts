import { numberOf, positionalOnly, textOf, unpack } from './arguments.ts';
import { attributeNames, attributeOf, findAttribute } from './attributes.ts';
import { pairsOf } from './collection-methods.ts';
import { compare, floatOf, isAscii, lengthOf } from './operators.ts';
import { display, repr } from './show.ts';
import type { Thread } from './thread.ts';
import {
  Builtin,
  Bytes,
  Callable,
  type CallArguments,
  Dict,
  Float,
  intOf,
  isInt,
  isTrue,
  iterate,
  List,
  Range,
  StarlarkSet,
  Tuple,
  typeOf,
  type Value,
  ValueError,
} from './values.ts';

type Body = (args: CallArguments, thread: Thread) => Value;

const FUNCTIONS: Record<string, Body> = {
  abs: (args) => {
    const [value] = positionalOnly('abs', args, [1, 1]);
    if (value instanceof Float) return new Float(Math.abs(value.value));
    if (!isInt(value!)) throw new ValueError(`abs: got ${typeOf(value!)}, want int or float`);
    return value < 0 ? intOf(-BigInt(value)) : value;
  },
  all: (args) => iterate(positionalOnly('all', args, [1, 1])[0]!).every(isTrue),
  any: (args) => iterate(positionalOnly('any', args, [1, 1])[0]!).some(isTrue),
  bool: (args) => isTrue(positionalOnly('bool', args, [0, 1])[0] ?? null),
  bytes: (args) => {
    const [value] = positionalOnly('bytes', args, [1, 1]);
    if (typeof value === 'string') return new Bytes(Buffer.from(value));
    if (value instanceof Bytes) return value;
    return new Bytes(
      Buffer.from(
        iterate(value!).map((item, at) => {
          if (typeof item !== 'number' || item < 0 || item > 255)
            throw new ValueError(`bytes: at index ${at}, got ${repr(item)}, want an int from 0 to 255`);
          return item;
        }),
      ),
    );
  },
  chr: (args) => {
    const code = numberOf('chr', positionalOnly('chr', args, [1, 1])[0]);
    if (code < 0 || code > 0x10ffff)
      throw new ValueError(`chr: Unicode code point ${code} out of range (${code < 0 ? '<0' : '>0x10FFFF'})`);
    return String.fromCodePoint(code);
  },
  dict: ({ positional, named }) => {
    if (positional.length > 1)
      throw new ValueError(`dict: got ${positional.length} arguments, want at most 1`);
    const dict = Dict.of(positional[0] === undefined ? [] : pairsOf('dict', positional[0]));
    for (const [key, value] of named) dict.set(key, value);
    return dict;
  },
  dir: (args) => new List(attributeNames(positionalOnly('dir', args, [1, 1])[0]!)),
  enumerate: (args, thread) => {
    const [items, start] = unpack('enumerate', args, ['x', 'start?']);
    const first = start === undefined ? 0 : numberOf('enumerate', start);
    const all = iterate(items!);
    thread.allocate(32 * all.length);
    return new List(all.map((item, at) => new Tuple([first + at, item])));
  },
  fail: ({ positional, named }) => {
    const separator = named.get('sep');
    throw new ValueError(
      `fail: ${positional.map(display).join(typeof separator === 'string' ? separator : ' ')}`,
    );
  },
  float: (args) => {
    const [value] = positionalOnly('float', args, [0, 1]);
    if (value === undefined) return new Float(0);
    if (typeof value === 'boolean') return new Float(Number(value));
    if (typeof value === 'string') return new Float(parseFloatText(value));
    const float = floatOf(value);
    if (float === undefined) throw new ValueError(`float: got ${typeOf(value)}, want number or string`);
    return new Float(float);
  },
  getattr: (args) => {
    const [object, name, otherwise] = positionalOnly('getattr', args, [2, 3]);
    const key = textOf('getattr', name);
    return findAttribute(object!, key) ?? otherwise ?? attributeOf(object!, key);
  },
  hasattr: (args) => {
    const [object, name] = positionalOnly('hasattr', args, [2, 2]);
    return findAttribute(object!, textOf('hasattr', name)) !== undefined;
  },
  hash: (args) => {
    const [value] = positionalOnly('hash', args, [1, 1]);
    if (typeof value !== 'string' && !(value instanceof Bytes))
      throw new ValueError(`hash: got ${typeOf(value!)}, want string or bytes`);
    return hashOf(value);
  },
  int: (args) => toInt(args),
  len: (args) => {
    const [value] = positionalOnly('len', args, [1, 1]);
    return lengthOf(value!);
  },
  list: (args, thread) => {
    const [items] = positionalOnly('list', args, [0, 1]);
    const all = items === undefined ? [] : [...iterate(items)];
    thread.allocate(8 * all.length);
    return new List(all);
  },
  max: (args, thread) => extreme('max', args, thread),
  min: (args, thread) => extreme('min', args, thread),
  ord: (args) => {
    const [value] = positionalOnly('ord', args, [1, 1]);
    if (value instanceof Bytes && value.value.length === 1) return value.value[0]!;
    if (typeof value !== 'string' || [...value].length !== 1)
      throw new ValueError(
        `ord: string encodes ${typeof value === 'string' ? [...value].length : 'no'} Unicode code points, want 1`,
      );
    return value.codePointAt(0)!;
  },
  print: ({ positional, named }, thread) => {
    const separator = named.get('sep');
    thread.print(positional.map(display).join(typeof separator === 'string' ? separator : ' '));
    return null;
  },
  range: (args) => {
    const numbers = positionalOnly('range', args, [1, 3]).map((value) => numberOf('range', value));
    const [start, stop, step] =
      numbers.length === 1 ? [0, numbers[0]!, 1] : [numbers[0]!, numbers[1]!, numbers[2] ?? 1];
    if (step === 0) throw new ValueError('range: step argument must not be zero');
    return new Range(start, stop, step);
  },
  repr: (args, thread) => {
    const text = repr(positionalOnly('repr', args, [1, 1])[0]!);
    thread.allocate(text.length);
    return text;
  },
  reversed: (args) => new List([...iterate(positionalOnly('reversed', args, [1, 1])[0]!)].reverse()),
  set: (args) => {
    const [items] = positionalOnly('set', args, [0, 1]);
    return StarlarkSet.of(items === undefined ? [] : iterate(items));
  },
  sorted: (args, thread) => sorted(args, thread),
  str: (args, thread) => {
    const text = display(positionalOnly('str', args, [1, 1])[0]!);
    thread.allocate(text.length);
    return text;
  },
  tuple: (args) => {
    const [items] = positionalOnly('tuple', args, [0, 1]);
    return new Tuple(items === undefined ? [] : [...iterate(items)]);
  },
  type: (args) => typeOf(positionalOnly('type', args, [1, 1])[0]!),
  zip: (args, thread) => {
    const columns = positionalOnly('zip', args, [0, Number.MAX_SAFE_INTEGER]).map((item) => iterate(item));
    const length = columns.length === 0 ? 0 : Math.min(...columns.map((column) => column.length));
    thread.allocate(16 * length * columns.length);
    return new List(Array.from({ length }, (_, at) => new Tuple(columns.map((column) => column[at]!))));
  },
};

/** Names that every file knows. */
export const UNIVERSAL: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['None', null],
  ['True', true],
  ['False', false],
  ...Object.entries(FUNCTIONS).map(([name, body]): [string, Value] => [
    name,
    new Builtin(name, (thread, args) => body(args, thread)),
  ]),
]);

function parseFloatText(text: string): number {
  const lower = text.toLowerCase();
  if (/^[+-]?(inf|infinity)$/.test(lower))
    return lower.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^[+-]?nan$/.test(lower)) return Number.NaN;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(lower))
    throw new ValueError(`invalid float literal: ${JSON.stringify(text)}`);
  const value = Number(lower);
  if (!Number.isFinite(value))
    throw new ValueError(`floating-point number too large: ${JSON.stringify(text)}`);
  return value;
}

function toInt(args: CallArguments): Value {
  const [value, base] = unpack('int', args, ['x', 'base?']);
  if (typeof value === 'string') return parseInt10(value, base === undefined ? 10 : numberOf('int', base));
  if (base !== undefined) throw new ValueError("int: can't convert non-string with explicit base");
  if (typeof value === 'boolean') return Number(value);
  if (isInt(value!)) return value;
  if (value instanceof Float) {
    if (!Number.isFinite(value.value))
      throw new ValueError(`int: cannot convert float ${display(value)} to integer`);
    return intOf(BigInt(Math.trunc(value.value)));
  }
  throw new ValueError(`int: cannot convert ${typeOf(value!)} to int`);
}

const PREFIXES: Record<string, number> = { '0x': 16, '0o': 8, '0b': 2 };

function parseInt10(text: string, base: number): Value {
  const invalid = new ValueError(`int: invalid literal with base ${base}: ${JSON.stringify(text)}`);
  if (base !== 0 && (base < 2 || base > 36))
    throw new ValueError('int: invalid base, must be an integer >= 2 && <= 36');
  const [, sign = '', rest = ''] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  const prefix = PREFIXES[rest.slice(0, 2).toLowerCase()];
  const digits = prefix !== undefined && (base === 0 || base === prefix) ? rest.slice(2) : rest;
  const radix = base === 0 ? (prefix ?? 10) : base;
  if (digits === '' || digits.length > 10_000) throw invalid;
  if (base === 0 && prefix === undefined && /^0\d/.test(digits) && /[1-9]/.test(digits)) throw invalid;
  let value = 0n;
  for (const char of digits.toLowerCase()) {
    const digit = /[0-9a-z]/.test(char) ? Number.parseInt(char, 36) : radix;
    if (digit >= radix) throw invalid;
    value = value * BigInt(radix) + BigInt(digit);
  }
  return intOf(sign === '-' ? -value : value);
}

/** The hash that the language fixes, so that programs behave alike everywhere. */
function hashOf(value: string | Bytes): number {
  if (typeof value === 'string' && isAscii(value)) {
    let hash = 0;
    for (let at = 0; at < value.length; at += 1) hash = (Math.imul(hash, 31) + value.charCodeAt(at)) | 0;
    return hash;
  }
  let hash = typeof value === 'string' ? 0 : 0x811c9dc5;
  if (typeof value === 'string')
    for (let at = 0; at < value.length; at += 1) hash = (Math.imul(hash, 31) + value.charCodeAt(at)) | 0;
  else for (const byte of value.value) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

function keyed(key: Value | undefined, thread: Thread): (value: Value) => Value {
  if (key === undefined || key === null) return (value) => value;
  if (!(key instanceof Callable)) throw new ValueError(`the key is a ${typeOf(key)}, not a function`);
  return (value) => thread.call(key, { positional: [value], named: new Map() });
}

function extreme(name: 'max' | 'min', { positional, named }: CallArguments, thread: Thread): Value {
  for (const other of named.keys())
    if (other !== 'key') throw new ValueError(`${name}: unexpected keyword argument "${other}"`);
  if (positional.length === 0) throw new ValueError(`${name} requires at least one positional argument`);
  const items = positional.length === 1 ? iterate(positional[0]!) : positional;
  if (items.length === 0) throw new ValueError(`${name}: argument is an empty sequence`);
  const keyOf = keyed(named.get('key'), thread);
  let [best] = items as [Value];
  let bestKey = keyOf(best);
  for (const item of items.slice(1)) {
    thread.step();
    const key = keyOf(item);
    const order = compare(key, bestKey, name === 'max' ? '>' : '<');
    if (name === 'max' ? order > 0 : order < 0) [best, bestKey] = [item, key];
  }
  return best;
}

function sorted(args: CallArguments, thread: Thread): Value {
  const [items, key, reverse] = unpack('sorted', args, ['iterable', 'key?', 'reverse?']);
  const all = iterate(items!);
  thread.work(all.length);
  const keyOf = keyed(key, thread);
  const withKeys = all.map((item) => ({ item, key: keyOf(item) }));
  const backwards = reverse !== undefined && isTrue(reverse);
  // Equal elements keep their order, in both directions.
  withKeys.sort((a, b) => (backwards ? compare(b.key, a.key) : compare(a.key, b.key)));
  return new List(withKeys.map(({ item }) => item));
}
