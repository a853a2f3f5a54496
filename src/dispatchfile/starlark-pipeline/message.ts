import { nearest } from '../nearest.ts';
import { TYPES } from '../schema.ts';
import {
  Builtin,
  Dict,
  Extension,
  Float,
  isInt,
  List,
  Tuple,
  typeOf,
  type Value,
  ValueError,
} from '../starlark/index.ts';

/** A value with typed fields that can change, as protocol buffers have them: what is unset reads as empty. */
export class Message extends Extension {
  readonly typeName: string;
  readonly #fields = new Map<string, Value>();
  #frozen = false;

  constructor(typeName: string) {
    super();
    this.typeName = typeName;
  }

  attributeNames(): string[] {
    return Object.keys(TYPES[this.typeName] ?? {});
  }

  attribute(name: string): Value | undefined {
    const type = this.#typeOf(name);
    if (type === undefined) return undefined;
    const known = this.#fields.get(name);
    if (known !== undefined) return known;
    const empty = emptyValue(type);
    // A list or message that was read may be filled in place.
    if (typeof empty === 'object' && empty !== null && !this.#frozen) this.#fields.set(name, empty);
    return empty;
  }

  override setAttribute(name: string, value: Value): void {
    const type = this.#typeOf(name);
    if (type === undefined) {
      const meant = nearest(name, this.attributeNames());
      throw new ValueError(
        `${this.typeName} has no field ${name}${meant === undefined ? '' : `: did you mean ${meant}?`}`,
      );
    }
    if (this.#frozen) throw new ValueError(`cannot set a field of frozen ${this.typeName}`);
    if (value === null) this.#fields.delete(name);
    else this.#fields.set(name, convert(value, type, `${this.typeName}.${name}`));
  }

  show(show: (value: Value) => string): string {
    const set = [...this.#fields].filter(([, value]) => !isEmpty(value));
    return `<${this.typeName} ${set.map(([name, value]) => `${name}:${show(value)}`).join(' ')}>`;
  }

  override get truth(): boolean {
    return [...this.#fields.values()].some((value) => !isEmpty(value));
  }

  override freeze(freeze: (value: Value) => void): void {
    this.#frozen = true;
    for (const value of this.#fields.values()) freeze(value);
  }

  override equals(other: Extension, equal: (a: Value, b: Value) => boolean): boolean {
    if (!(other instanceof Message) || other.typeName !== this.typeName) return false;
    return this.attributeNames().every((name) =>
      equal(this.attribute(name) ?? null, other.attribute(name) ?? null),
    );
  }

  /** As a file would have it: fields of embedded types beside the others, and nothing that is empty. */
  toJson(): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (const [name, value] of this.#fields) {
      const type = this.#typeOf(name) ?? '';
      if (type.startsWith('+')) Object.assign(result, (value as Message).toJson());
      else if (!isEmpty(value)) result[name] = toJson(value);
    }
    return result;
  }

  /** Says something by being there: an empty volume, a condition on every push. */
  isMarker = false;

  #typeOf(name: string): string | undefined {
    const types = TYPES[this.typeName] ?? {};
    return Object.hasOwn(types, name) ? types[name] : undefined;
  }
}

/** The function that makes messages of a type from named values. */
export function constructorOf(type: string): Builtin {
  return new Builtin(type, (thread, { positional, named }) => {
    if (positional.length > 0)
      throw new ValueError(`${type} takes named values only, such as ${type}(name = …)`);
    thread.allocate(128);
    const message = new Message(type);
    message.isMarker = true;
    for (const [name, value] of named) message.setAttribute(name, value);
    return message;
  });
}

/** The types of a table as a namespace. */
export function constructorsOf(
  types: readonly string[],
  aliases: Readonly<Record<string, string>> = {},
): Record<string, Value> {
  return Object.fromEntries([
    ...types.map((type) => [type, constructorOf(type)]),
    ...Object.entries(aliases).map(([alias, type]) => [alias, constructorOf(type)]),
  ]);
}

function emptyValue(type: string): Value {
  if (type.startsWith('[')) return new List([]);
  if (type.startsWith('{')) return new Dict();
  switch (type) {
    case 'string':
      return '';
    case 'int':
      return 0;
    case 'bool':
      return false;
    case 'quantity':
    case 'intOrString':
    case 'any':
      return null;
    default:
      return new Message(type.replace('+', ''));
  }
}

function isEmpty(value: Value): boolean {
  if (value === null || value === '') return true;
  if (value instanceof List || value instanceof Tuple) return value.items.length === 0;
  if (value instanceof Dict) return value.size === 0;
  return value instanceof Message && !value.isMarker && !value.truth;
}

function convert(value: Value, type: string, field: string): Value {
  if (type.startsWith('[')) {
    const items = value instanceof List || value instanceof Tuple ? value.items : undefined;
    if (items === undefined) throw new ValueError(`${field}: got ${typeOf(value)}, want list`);
    for (const [at, item] of items.entries()) convert(item, type.slice(1, -1), `${field}[${at}]`);
    // The list itself is kept: whoever made it may go on filling it.
    return value instanceof List ? value : new List([...items]);
  }
  if (type.startsWith('{')) {
    if (!(value instanceof Dict)) throw new ValueError(`${field}: got ${typeOf(value)}, want dict`);
    for (const [key, item] of value.entries()) {
      if (typeof key !== 'string')
        throw new ValueError(`${field}: got a key of type ${typeOf(key)}, want string`);
      convert(item, type.slice(1, -1), `${field}[${JSON.stringify(key)}]`);
    }
    return value;
  }
  const wanted = type.replace('+', '');
  if (!fits(value, wanted)) throw new ValueError(`${field}: got ${typeOf(value)}, want ${wanted}`);
  return value;
}

function fits(value: Value, type: string): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string';
    case 'int':
      return isInt(value);
    case 'bool':
      return typeof value === 'boolean';
    case 'quantity':
    case 'intOrString':
      return typeof value === 'string' || isInt(value) || value instanceof Float;
    case 'any':
      return true;
    default:
      // Plain dicts are taken for messages, as files write them.
      return (value instanceof Message && value.typeName === type) || value instanceof Dict;
  }
}

export function toJson(value: Value): unknown {
  if (value instanceof Message) return value.toJson();
  if (value instanceof List || value instanceof Tuple) return value.items.map(toJson);
  if (value instanceof Dict)
    return Object.fromEntries(value.entries().map(([key, item]) => [String(key), toJson(item)]));
  if (value instanceof Float) return value.value;
  if (typeof value === 'bigint') return Number(value);
  return value instanceof Extension ? undefined : value;
}
