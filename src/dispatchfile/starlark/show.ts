import {
  Builtin,
  Bytes,
  Callable,
  Dict,
  type Extension,
  Float,
  List,
  Range,
  StarlarkSet,
  Tuple,
  typeOf,
  type Value,
} from './values.ts';

const MAX_LENGTH = 64 * 1024 * 1024;

/** As `str` gives it: strings as they are, everything else as in code. */
export function display(value: Value): string {
  return typeof value === 'string' ? value : repr(value);
}

/** As it would be written in code. */
export function repr(value: Value): string {
  return new Printer().print(value);
}

class Printer {
  readonly #path = new Set<object>();
  #length = 0;

  print(value: Value): string {
    const text = this.#text(value);
    this.#length += text.length;
    if (this.#length > MAX_LENGTH) throw new RangeError('too long');
    return text;
  }

  #text(value: Value): string {
    if (value === null) return 'None';
    switch (typeof value) {
      case 'boolean':
        return value ? 'True' : 'False';
      case 'number':
      case 'bigint':
        return String(value);
      case 'string':
        return quote(value);
      default:
        return this.#object(value);
    }
  }

  #object(value: Exclude<Value, null | boolean | number | bigint | string>): string {
    if (value instanceof Float) return formatFloat(value.value);
    if (value instanceof Bytes) return `b${quoteBytes(value.value)}`;
    if (value instanceof Range)
      return value.step === 1
        ? value.start === 0
          ? `range(${value.length})`
          : `range(${value.start}, ${value.start + value.length})`
        : `range(${value.start}, ${value.start + value.length * value.step}, ${value.step})`;
    if (value instanceof Builtin)
      return value.receiver === undefined
        ? `<built-in function ${value.name}>`
        : `<built-in method ${value.name} of ${typeOf(value.receiver)} value>`;
    if (value instanceof Callable) return `<function ${value.name}>`;
    if (this.#path.has(value))
      return value instanceof List ? '[...]' : value instanceof Dict ? '{...}' : '...';
    this.#path.add(value);
    const text = this.#container(value);
    this.#path.delete(value);
    return text;
  }

  #container(value: Tuple | List | Dict | StarlarkSet | Extension): string {
    const list = (items: readonly Value[]): string => items.map((item) => this.print(item)).join(', ');
    if (value instanceof List) return `[${list(value.items)}]`;
    if (value instanceof Tuple)
      return value.items.length === 1 ? `(${list(value.items)},)` : `(${list(value.items)})`;
    if (value instanceof Dict)
      return `{${value
        .entries()
        .map(([key, item]) => `${this.print(key)}: ${this.print(item)}`)
        .join(', ')}}`;
    if (value instanceof StarlarkSet) return value.size === 0 ? 'set()' : `set([${list(value.items())}])`;
    return value.show((item) => this.print(item));
  }
}

const ESCAPES: Record<string, string> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\v': '\\v',
};

export function quote(text: string): string {
  const escaped = text.replaceAll(
    /["\\\p{Cc}]/gu,
    (char) => ESCAPES[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `"${escaped}"`;
}

function quoteBytes(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    text += ESCAPES[char] ?? (byte >= 32 && byte < 127 ? char : `\\x${byte.toString(16).padStart(2, '0')}`);
  }
  return `"${text}"`;
}

export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? '+inf' : '-inf';
  const magnitude = Math.abs(value);
  if (value !== 0 && (magnitude < 1e-4 || magnitude >= 1e17)) return scientific(value.toExponential());
  const text = magnitude >= 1e21 ? BigInt(value).toString() : String(value);
  const plain = Object.is(value, -0) ? '-0' : text;
  return plain.includes('.') || plain.includes('e') ? plain : `${plain}.0`;
}

/** Exponents have two digits at least. */
export function scientific(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}
