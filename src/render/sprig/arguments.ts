import { integerIn, Int64, RenderError, show, type Value, wrongType } from '../go-template/index.ts';

/** Arguments as functions with types of their own take them; `at` is the place of the argument. */
export function textArg(value: Value, at: number): string {
  if (typeof value !== 'string') throw wrongType(at, 'string', value);
  return value;
}

export function intArg(value: Value, at: number): number {
  if (typeof value === 'bigint') return Number(value);
  // A constant such as 2.0 is an integer where one is wanted; a value is not.
  throw wrongType(at, 'int', value);
}

export function mapArg(value: Value, at: number): Map<string, Value> {
  // Nothing at all is a map without anything in it.
  if (value === undefined) return new Map();
  if (!(value instanceof Map)) throw wrongType(at, 'map[string]interface {}', value);
  return value as Map<string, Value>;
}

/** `work` is what cannot be done with anything else, as Sprig says it. */
export function listArg(value: Value, work: string): Value[] {
  if (Array.isArray(value)) return value;
  throw new RenderError(`Cannot ${work} on type ${kindName(value)}`);
}

export function kindName(value: Value): string {
  if (value === null || value === undefined) return 'invalid';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'float64';
  if (value instanceof Int64) return 'int64';
  if (typeof value === 'boolean') return 'bool';
  return value instanceof Map
    ? 'map'
    : Array.isArray(value)
      ? 'slice'
      : typeof value === 'string'
        ? 'string'
        : 'struct';
}

/** What Sprig's string functions make of anything. */
export function toText(value: Value): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  return show(value);
}

export function toInteger(value: Value): bigint {
  const integer = integerIn(value);
  if (integer !== undefined) return integer;
  if (typeof value === 'number')
    return Number.isFinite(value) ? BigInt.asIntN(64, BigInt(Math.trunc(value))) : 0n;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value !== 'string') return 0n;
  const [, sign = '', digits = ''] = /^([+-]?)(.*?)(?:\.0*)?$/s.exec(value) ?? [];
  const octal = /^0o?([0-7]+)$/.exec(digits);
  const text = octal === null ? digits.toLowerCase() : `0o${octal[1]}`;
  if (!/^(?:\d+|0x[\da-f]+|0b[01]+|0o[0-7]+)$/.test(text) || /^0\d/.test(text)) return 0n;
  return BigInt.asIntN(64, sign === '-' ? -BigInt(text) : BigInt(text));
}

export function toFloat(value: Value): number {
  const integer = integerIn(value);
  if (integer !== undefined) return Number(integer);
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'string' && /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value)
    ? Number(value)
    : 0;
}
