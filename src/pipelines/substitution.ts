import type { ParamValue } from './types.ts';

/** What stands for `$(name)`: texts, and lists or maps that are used whole or in parts. */
export class Replacements {
  readonly #values = new Map<string, ParamValue>();

  set(name: string, value: ParamValue): this {
    this.#values.set(name, value);
    return this;
  }

  /** A parameter or result of any type, under a name such as `params.x`. */
  get(name: string): ParamValue | undefined {
    return this.#values.get(name);
  }

  names(): string[] {
    return [...this.#values.keys()];
  }

  /** Replaces in every string of a value. A list item that is one whole reference to a list becomes its items. */
  apply<T>(value: T): T {
    return this.#apply(value) as T;
  }

  text(text: string): string {
    return text.includes('$(')
      ? text.replaceAll(REFERENCE, (whole, name: string) => this.#part(name) ?? whole)
      : text;
  }

  #apply(value: unknown): unknown {
    if (typeof value === 'string') {
      const whole = this.#whole(value);
      return whole ?? this.text(value);
    }
    if (Array.isArray(value))
      return value.flatMap((item: unknown) => {
        const whole = typeof item === 'string' ? this.#whole(item) : undefined;
        return Array.isArray(whole) ? whole : [this.#apply(item)];
      });
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [this.text(key), this.#apply(item)]),
      );
    return value;
  }

  /** `$(params.list[*])` and `$(params.map[*])`, with or without the star, when nothing else is around them. */
  #whole(text: string): ParamValue | undefined {
    const found = /^\$\(([^()]+?)(\[\*\])?\)$/.exec(text);
    const value = found === null ? undefined : this.#values.get(canonical(found[1]!));
    return found?.[2] === undefined && typeof value === 'string' ? undefined : value;
  }

  #part(reference: string): string | undefined {
    const name = canonical(reference);
    const direct = this.#values.get(name);
    if (typeof direct === 'string') return direct;
    const indexed = /^(.*)\[(\d+)\]$/.exec(name);
    if (indexed !== null) {
      const list = this.#values.get(indexed[1]!);
      return Array.isArray(list) ? list[Number(indexed[2])] : undefined;
    }
    const dot = name.lastIndexOf('.');
    const map = this.#values.get(name.slice(0, dot));
    if (map !== undefined && typeof map === 'object' && !Array.isArray(map)) return map[name.slice(dot + 1)];
    return undefined;
  }
}

export const REFERENCE = /\$\(([^()\s]+)\)/g;

/** `params["a.b"]` and `params['a.b']` are `params.a.b`, and so is the older `inputs.params.a.b`. */
export function canonical(reference: string): string {
  return reference
    .replace(/^inputs\.(?=params[.[])/, '')
    .replaceAll(
      /\[(?:"([^"\]]+)"|'([^'\]]+)')\]/g,
      (_, double?: string, single?: string) => `.${double ?? single}`,
    );
}

/** Every `$(…)` in the strings of a value. */
export function referencesIn(value: unknown): string[] {
  if (typeof value === 'string')
    return Array.from(value.matchAll(REFERENCE), (found) => canonical(found[1]!));
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(referencesIn);
  return [];
}

export interface ResultReference {
  task: string;
  result: string;
}

/** `tasks.T.results.R`, whole or in parts. */
export function resultReference(reference: string): ResultReference | undefined {
  const found = /^tasks\.([^.]+)\.results\.([^[]+)/.exec(reference);
  return found === null ? undefined : { task: found[1]!, result: found[2]! };
}
