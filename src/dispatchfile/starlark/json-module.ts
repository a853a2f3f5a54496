import { positionalOnly, textOf, unpack } from './arguments.ts';
import { attributeNames, attributeOf } from './attributes.ts';
import { namespace } from './struct.ts';
import { formatFloat } from './show.ts';
import {
  Builtin,
  Bytes,
  Callable,
  Dict,
  Extension,
  Float,
  intOf,
  isInt,
  iterate,
  List,
  typeOf,
  type Value,
  ValueError,
} from './values.ts';

const MAX_DEPTH = 500;

export const JSON_MODULE = namespace('json', {
  encode: new Builtin('json.encode', (thread, args) => {
    const text = encode(positionalOnly('json.encode', args, [1, 1])[0]!, 0);
    thread.allocate(text.length);
    return text;
  }),
  decode: new Builtin('json.decode', (thread, args) => {
    const [text, otherwise] = unpack('json.decode', args, ['x', 'default?']);
    const source = textOf('json.decode', text);
    thread.allocate(source.length * 4);
    try {
      return decode(source);
    } catch (error) {
      if (otherwise !== undefined) return otherwise;
      throw new ValueError(`json.decode: ${(error as Error).message}`);
    }
  }),
  indent: new Builtin('json.indent', (_, args) => {
    const [text, prefix, indent] = unpack('json.indent', args, ['str', 'prefix?', 'indent?']);
    return indented(textOf('json.indent', text), prefix, indent);
  }),
  encode_indent: new Builtin('json.encode_indent', (_, args) => {
    const [value, prefix, indent] = unpack('json.encode_indent', args, ['x', 'prefix?', 'indent?']);
    return indented(encode(value!, 0), prefix, indent);
  }),
});

function encode(value: Value, depth: number): string {
  if (depth > MAX_DEPTH) throw new ValueError('json.encode: the value is nested too deeply');
  if (value === null) return 'null';
  if (typeof value === 'boolean' || isInt(value)) return String(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Float) {
    if (!Number.isFinite(value.value))
      throw new ValueError(`json.encode: cannot encode non-finite float ${formatFloat(value.value)}`);
    return formatFloat(value.value);
  }
  if (value instanceof Dict) {
    const entries = value.entries().map(([key, item]): [string, Value] => {
      if (typeof key !== 'string')
        throw new ValueError(`json.encode: dict has ${typeOf(key)} key, want string`);
      return [key, item];
    });
    return object(entries, depth);
  }
  if (value instanceof Extension)
    return object(
      attributeNames(value).map((name) => [name, attributeOf(value, name)]),
      depth,
    );
  if (value instanceof Callable || value instanceof Bytes)
    throw new ValueError(`json.encode: cannot encode ${typeOf(value)} as JSON`);
  return `[${iterate(value)
    .map((item) => encode(item, depth + 1))
    .join(',')}]`;
}

function object(entries: [string, Value][], depth: number): string {
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([key, item]) => `${JSON.stringify(key)}:${encode(item, depth + 1)}`).join(',')}}`;
}

/** Numbers keep whether they were whole. */
function decode(text: string): Value {
  return fromJson(
    JSON.parse(text, (_, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' && context?.source !== undefined
        ? /^-?\d+$/.test(context.source)
          ? { whole: context.source }
          : { float: value }
        : typeof value === 'object' && value !== null && !Array.isArray(value)
          ? new Map(Object.entries(value))
          : value,
    ),
  );
}

function fromJson(value: unknown): Value {
  if (value instanceof Map)
    return Dict.of([...value].map(([key, item]) => [key as string, fromJson(item)] as const));
  if (Array.isArray(value)) return new List(value.map(fromJson));
  if (typeof value === 'object' && value !== null) {
    const number = value as { whole?: string; float?: number };
    return number.whole === undefined ? new Float(number.float ?? 0) : intOf(BigInt(number.whole));
  }
  return value as Value;
}

function indented(text: string, prefix: Value | undefined, indent: Value | undefined): string {
  const [before, unit] = [
    typeof prefix === 'string' ? prefix : '',
    typeof indent === 'string' ? indent : '\t',
  ];
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new ValueError(`json.indent: ${(error as Error).message}`);
  }
  return JSON.stringify(parsed, undefined, unit).replaceAll('\n', `\n${before}`);
}
