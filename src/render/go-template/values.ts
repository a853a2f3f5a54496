import { RenderError } from './problem.ts';

/**
 * How values of Go are kept: `int` as a bigint, `int64` as an `Int64`, `float64` as a number, strings and booleans as
 * they are, `[]any` as an array, `map[string]any` as a `Map`, nil as null. What is not there at all is undefined.
 */
export type Value = unknown;

/** A number of the type int64, which templates can tell from an int. */
export class Int64 {
  readonly value: bigint;

  constructor(value: bigint) {
    this.value = BigInt.asIntN(64, value);
  }
}

/** Something with fields and methods, as templates see structs of Go. */
export class Struct {
  readonly type: string;
  readonly #members: ReadonlyMap<string, Value>;
  readonly #methods: Readonly<Record<string, (...args: Value[]) => Value>>;
  readonly #text: string | undefined;
  /** It is a map that has methods. */
  readonly isMap: boolean;

  constructor(
    type: string,
    members: ReadonlyMap<string, Value>,
    {
      methods = {},
      text,
      isMap = false,
    }: {
      methods?: Readonly<Record<string, (...args: Value[]) => Value>>;
      text?: string;
      isMap?: boolean;
    } = {},
  ) {
    this.type = type;
    this.isMap = isMap;
    this.#members = members;
    this.#methods = methods;
    this.#text = text;
  }

  get members(): ReadonlyMap<string, Value> {
    return this.#members;
  }

  get text(): string | undefined {
    return this.#text;
  }

  method(name: string): ((...args: Value[]) => Value) | undefined {
    return Object.hasOwn(this.#methods, name) ? this.#methods[name] : undefined;
  }
}

/** A moment, shown in UTC. */
export class Time {
  readonly ms: number;
  /** Minutes that its zone is ahead. */
  readonly zoneMinutes: number;
  readonly zoneName: string;

  constructor(ms: number, zoneMinutes = 0, zoneName = 'UTC') {
    this.ms = ms;
    this.zoneMinutes = zoneMinutes;
    this.zoneName = zoneName;
  }
}

export type GoMap = Map<string, Value>;

export type GoKind =
  | 'invalid'
  | 'bool'
  | 'string'
  | 'int'
  | 'int64'
  | 'float64'
  | 'slice'
  | 'map'
  | 'struct'
  | 'func';

export function kindOf(value: Value): GoKind {
  if (value === null || value === undefined) return 'invalid';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'string':
      return 'string';
    case 'bigint':
      return 'int';
    case 'number':
      return 'float64';
    case 'function':
      return 'func';
    default:
      if (value instanceof Int64) return 'int64';
      if (Array.isArray(value) || value instanceof Uint8Array) return 'slice';
      return value instanceof Map || (value instanceof Struct && value.isMap) ? 'map' : 'struct';
  }
}

const TYPES: Readonly<Record<GoKind, string>> = {
  invalid: '<nil>',
  bool: 'bool',
  string: 'string',
  int: 'int',
  int64: 'int64',
  float64: 'float64',
  slice: '[]interface {}',
  map: 'map[string]interface {}',
  struct: 'struct',
  func: 'func',
};

export type Methods = Readonly<Record<string, (...args: Value[]) => Value>>;

const METHODS = new WeakMap<object, Methods>();

/** A map of a type that has methods. It stays the same map: templates may change it. */
export function withMethods(map: GoMap, methods: Methods): GoMap {
  METHODS.set(map, methods);
  return map;
}

export function methodOf(value: Value, name: string): Methods[string] | undefined {
  if (value instanceof Struct) return value.method(name);
  const methods = value instanceof Map ? METHODS.get(value) : undefined;
  return methods !== undefined && Object.hasOwn(methods, name) ? methods[name] : undefined;
}

export function typeOf(value: Value): string {
  if (value instanceof Struct) return value.type;
  if (value instanceof Time) return 'time.Time';
  if (value instanceof Uint8Array) return '[]uint8';
  return TYPES[kindOf(value)];
}

/** Whether Go takes a value for true: neither zero nor empty. */
export function isTrue(value: Value): boolean {
  if (value === null || value === undefined || value === false || value === '' || value === 0 || value === 0n)
    return false;
  if (typeof value === 'number') return true;
  if (value instanceof Int64) return value.value !== 0n;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length > 0;
  return mapIn(value) === undefined || mapIn(value)!.size > 0;
}

/** Parsed JSON or YAML as templates see it. Every number in it is a float, unless told otherwise. */
export function toGo(value: unknown, numbers: 'float' | 'int64' = 'float'): Value {
  if (Array.isArray(value)) return value.map((item) => toGo(item, numbers));
  if (value instanceof Map)
    return new Map([...value].map(([key, item]) => [String(key), toGo(item, numbers)]));
  if (typeof value === 'bigint') return numbers === 'int64' ? new Int64(value) : Number(value);
  if (typeof value === 'number' && numbers === 'int64' && Number.isInteger(value))
    return new Int64(BigInt(value));
  if (typeof value === 'object' && value !== null && !isOwn(value))
    return new Map(
      Object.keys(value).map((key) => [key, toGo((value as Record<string, unknown>)[key], numbers)]),
    );
  return value ?? null;
}

/** The other way: plain JSON. */
export function fromGo(value: Value): unknown {
  if (Array.isArray(value)) return value.map(fromGo);
  if (value instanceof Map) {
    const object: Record<string, unknown> = {};
    for (const [key, item] of value)
      Object.defineProperty(object, key, {
        value: fromGo(item),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    return object;
  }
  if (value instanceof Int64) return safeNumber(value.value);
  if (typeof value === 'bigint') return safeNumber(value);
  if (value instanceof Struct) return fromGo(new Map(value.members));
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new RenderError('json: unsupported value: a number that is not finite');
  return value ?? null;
}

function safeNumber(value: bigint): number | bigint {
  const number = Number(value);
  return BigInt(number) === value ? number : value;
}

function isOwn(value: object): boolean {
  return (
    value instanceof Int64 || value instanceof Struct || value instanceof Time || value instanceof Uint8Array
  );
}

/** A map, with methods or without. */
export function mapIn(value: Value): ReadonlyMap<string, Value> | undefined {
  if (value instanceof Map) return value as GoMap;
  return value instanceof Struct && value.isMap ? value.members : undefined;
}

/** The integer that a value of any type of integers is. */
export function integerIn(value: Value): bigint | undefined {
  if (typeof value === 'bigint') return value;
  return value instanceof Int64 ? value.value : undefined;
}

/** The keys of a map as Go ranges over them. */
export function sortedKeys(map: ReadonlyMap<string, Value>): string[] {
  return [...map.keys()].sort(compareBytes);
}

/** Strings in Go's order: by their bytes. */
export function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  // UTF-16 and UTF-8 differ in their order only where there are surrogates.
  return /[\ud800-\udfff]/.test(a + b) ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : a < b ? -1 : 1;
}
