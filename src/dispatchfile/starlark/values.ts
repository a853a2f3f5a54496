import type { Thread } from './thread.ts';

export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export class Bytes {
  readonly value: Uint8Array;
  constructor(value: Uint8Array) {
    this.value = value;
  }
}

export class Tuple {
  readonly items: readonly Value[];
  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** What can change, until it is frozen; and never while somebody walks over it. */
abstract class Mutable {
  frozen = false;
  iterating = 0;

  checkMutable(what: string): void {
    if (this.frozen) throw new ValueError(`cannot ${what} frozen ${typeOf(this as unknown as Value)}`);
    if (this.iterating > 0)
      throw new ValueError(`cannot ${what} ${typeOf(this as unknown as Value)} during iteration`);
  }
}

export class List extends Mutable {
  items: Value[];
  constructor(items: Value[]) {
    super();
    this.items = items;
  }
}

export class Dict extends Mutable {
  readonly #entries = new Map<HashKey, [Value, Value]>();

  static of(entries: Iterable<readonly [Value, Value]>): Dict {
    const dict = new Dict();
    for (const [key, value] of entries) dict.#entries.set(hashKey(key), [key, value]);
    return dict;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(hashKey(key))?.[1];
  }

  has(key: Value): boolean {
    return this.#entries.has(hashKey(key));
  }

  set(key: Value, value: Value): void {
    this.checkMutable('insert into');
    const hash = hashKey(key);
    const known = this.#entries.get(hash);
    if (known === undefined) this.#entries.set(hash, [key, value]);
    else known[1] = value;
  }

  delete(key: Value): Value | undefined {
    this.checkMutable('delete from');
    const hash = hashKey(key);
    const known = this.#entries.get(hash);
    this.#entries.delete(hash);
    return known?.[1];
  }

  clear(): void {
    this.checkMutable('clear');
    this.#entries.clear();
  }

  entries(): [Value, Value][] {
    return [...this.#entries.values()];
  }

  keys(): Value[] {
    return Array.from(this.#entries.values(), ([key]) => key);
  }
}

export class StarlarkSet extends Mutable {
  readonly #items = new Map<HashKey, Value>();

  static of(items: Iterable<Value>): StarlarkSet {
    const set = new StarlarkSet();
    for (const item of items) set.#put(item);
    return set;
  }

  get size(): number {
    return this.#items.size;
  }

  has(item: Value): boolean {
    return this.#items.has(hashKey(item));
  }

  add(item: Value): void {
    if (this.has(item)) return;
    this.checkMutable('insert into');
    this.#put(item);
  }

  delete(item: Value): boolean {
    this.checkMutable('delete from');
    return this.#items.delete(hashKey(item));
  }

  clear(): void {
    this.checkMutable('clear');
    this.#items.clear();
  }

  items(): Value[] {
    return [...this.#items.values()];
  }

  #put(item: Value): void {
    const key = hashKey(item);
    if (!this.#items.has(key)) this.#items.set(key, item);
  }
}

export class Range {
  readonly start: number;
  readonly step: number;
  readonly length: number;
  constructor(start: number, stop: number, step: number) {
    this.start = start;
    this.step = step;
    this.length = Math.max(0, Math.ceil((stop - start) / step));
  }

  at(index: number): number {
    return this.start + index * this.step;
  }
}

export interface CallArguments {
  positional: Value[];
  named: Map<string, Value>;
}

/** Everything that can be called. */
export abstract class Callable {
  abstract readonly name: string;
  abstract call(thread: Thread, args: CallArguments): Value;
}

export class Builtin extends Callable {
  readonly name: string;
  readonly receiver: Value | undefined;
  readonly #body: (thread: Thread, args: CallArguments) => Value;

  constructor(name: string, body: (thread: Thread, args: CallArguments) => Value, receiver?: Value) {
    super();
    this.name = name;
    this.#body = body;
    this.receiver = receiver;
  }

  call(thread: Thread, args: CallArguments): Value {
    return this.#body(thread, args);
  }
}

/** Values that hosts of the language add: structs, modules, messages. */
export abstract class Extension {
  abstract readonly typeName: string;
  abstract attributeNames(): string[];
  abstract attribute(name: string): Value | undefined;
  abstract show(show: (value: Value) => string): string;

  setAttribute(name: string, _value: Value): void {
    throw new ValueError(`can't assign to .${name} field of ${this.typeName}`);
  }

  freeze(_freeze: (value: Value) => void): void {}

  get truth(): boolean {
    return true;
  }

  equals(_other: Extension, _equal: (a: Value, b: Value) => boolean): boolean {
    return false;
  }
}

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Float
  | Bytes
  | Tuple
  | List
  | Dict
  | StarlarkSet
  | Range
  | Callable
  | Extension;

/** What is wrong with an operation; whoever runs it knows where it stands. */
export class ValueError extends Error {}

export type HashKey = string | number | bigint | boolean | null | object;

const TAGGED = '\u0000';

/** Equal values have equal keys, and others have others. */
export function hashKey(value: Value): HashKey {
  if (typeof value === 'string') return value.startsWith(TAGGED) ? `${TAGGED}s${value}` : value;
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return value;
  if (value instanceof Float) return floatKey(value.value);
  if (value instanceof Bytes) return `${TAGGED}b${Buffer.from(value.value).toString('latin1')}`;
  if (value instanceof Tuple)
    return `${TAGGED}t${value.items.map((item) => keyText(hashKey(item))).join('')}`;
  if (value instanceof Callable) return value;
  if (value instanceof Range)
    return `${TAGGED}r${value.length === 0 ? '' : `${value.start},${value.length === 1 ? 1 : value.step},${value.length}`}`;
  throw new ValueError(`unhashable type: ${typeOf(value)}`);
}

function floatKey(value: number): HashKey {
  if (Number.isSafeInteger(value)) return value === 0 ? 0 : value;
  if (Number.isInteger(value)) return BigInt(value);
  return `${TAGGED}f${value}`;
}

function keyText(key: HashKey): string {
  if (typeof key === 'string') return `"${key.length}:${key}`;
  if (typeof key !== 'object' || key === null) return `${typeof key}:${key};`;
  throw new ValueError('unhashable type: a tuple that holds functions');
}

export function typeOf(value: Value): string {
  if (value === null) return 'NoneType';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'number':
    case 'bigint':
      return 'int';
    case 'string':
      return 'string';
    default:
      return objectType(value);
  }
}

function objectType(value: object): string {
  if (value instanceof Float) return 'float';
  if (value instanceof Bytes) return 'bytes';
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof List) return 'list';
  if (value instanceof Dict) return 'dict';
  if (value instanceof StarlarkSet) return 'set';
  if (value instanceof Range) return 'range';
  if (value instanceof Builtin) return 'builtin_function_or_method';
  if (value instanceof Callable) return 'function';
  return (value as Extension).typeName;
}

export function isTrue(value: Value): boolean {
  if (value === null) return false;
  switch (typeof value) {
    case 'boolean':
      return value;
    case 'number':
      return value !== 0;
    case 'bigint':
      return value !== 0n;
    case 'string':
      return value !== '';
    default:
      break;
  }
  if (value instanceof Float) return value.value !== 0;
  if (value instanceof Bytes) return value.value.length > 0;
  if (value instanceof Tuple || value instanceof List) return value.items.length > 0;
  if (value instanceof Dict || value instanceof StarlarkSet) return value.size > 0;
  if (value instanceof Range) return value.length > 0;
  if (value instanceof Extension) return value.truth;
  return true;
}

/** Whole numbers are JavaScript numbers as long as those are exact. */
export function intOf(value: bigint): number | bigint {
  return value >= -9_007_199_254_740_991n && value <= 9_007_199_254_740_991n ? Number(value) : value;
}

export function isInt(value: Value): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** The elements of anything that can be walked over. Strings cannot. */
export function iterate(value: Value): readonly Value[] {
  if (value instanceof List || value instanceof Tuple) return value.items;
  if (value instanceof Dict) return value.keys();
  if (value instanceof StarlarkSet) return value.items();
  if (value instanceof Range) return Array.from({ length: value.length }, (_, index) => value.at(index));
  throw new ValueError(`${typeOf(value)} value is not iterable`);
}

/** Walks over a value that must not change meanwhile. */
export function walk(value: Value, visit: (item: Value) => boolean | undefined): void {
  if (value instanceof Range) {
    for (let index = 0; index < value.length; index += 1) if (visit(value.at(index)) === false) return;
    return;
  }
  const guard =
    value instanceof List || value instanceof Dict || value instanceof StarlarkSet ? value : undefined;
  const items = iterate(value);
  if (guard !== undefined) guard.iterating += 1;
  try {
    for (const item of items) if (visit(item) === false) return;
  } finally {
    if (guard !== undefined) guard.iterating -= 1;
  }
}

/** Makes a value and all that it holds unchangeable. */
export function freeze(value: Value): void {
  const open: Value[] = [value];
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    if (item instanceof List || item instanceof Dict || item instanceof StarlarkSet) {
      if (item.frozen) continue;
      item.frozen = true;
      if (item instanceof List) open.push(...item.items);
      else if (item instanceof Dict) for (const [key, entry] of item.entries()) open.push(key, entry);
    } else if (item instanceof Tuple) open.push(...item.items);
    else if (item instanceof Extension) item.freeze((inner) => open.push(inner));
    else if (item instanceof Callable && 'captured' in item) open.push(...(item.captured as () => Value[])());
  }
}
