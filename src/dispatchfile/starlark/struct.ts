import { Builtin, Extension, type Value, ValueError } from './values.ts';

/** A value with named fields that do not change. */
export class Struct extends Extension {
  readonly typeName: string;
  readonly #fields: Map<string, Value>;

  constructor(fields: Iterable<readonly [string, Value]>, typeName = 'struct') {
    super();
    this.typeName = typeName;
    this.#fields = new Map([...fields].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  attributeNames(): string[] {
    return [...this.#fields.keys()];
  }

  attribute(name: string): Value | undefined {
    return this.#fields.get(name);
  }

  show(show: (value: Value) => string): string {
    return `${this.typeName}(${[...this.#fields].map(([name, value]) => `${name} = ${show(value)}`).join(', ')})`;
  }

  override freeze(freeze: (value: Value) => void): void {
    for (const value of this.#fields.values()) freeze(value);
  }

  override equals(other: Extension, equal: (a: Value, b: Value) => boolean): boolean {
    if (!(other instanceof Struct) || other.typeName !== this.typeName) return false;
    const names = this.attributeNames();
    if (names.length !== other.attributeNames().length) return false;
    return names.every((name) => {
      const value = other.attribute(name);
      return value !== undefined && equal(this.attribute(name)!, value);
    });
  }
}

/** `struct(name = value, …)` */
export const STRUCT = new Builtin('struct', (_, { positional, named }) => {
  if (positional.length > 0) throw new ValueError('struct: unexpected positional arguments');
  return new Struct(named);
});

/** Functions and values under one name. */
export function namespace(name: string, members: Record<string, Value>): Struct {
  return new Struct(Object.entries(members), name);
}
