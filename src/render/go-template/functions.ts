import { equal, less, lessOrEqual } from './compare.ts';
import { show, sprint, sprintf } from './format.ts';
import { RenderError } from './problem.ts';
import { integerIn, isTrue, kindOf, mapIn, typeOf, type Value } from './values.ts';

/** A function of templates. It is given values as they are, and says with an `ArgumentError` which of them is wrong. */
export type TemplateFunction = (...args: Value[]) => Value;

/** An argument of the wrong type: the place of the argument is named, not that of the call. */
export class ArgumentError extends Error {
  readonly index: number;
  readonly expected: string;

  constructor(index: number, expected: string, message: string) {
    super(message);
    this.index = index;
    this.expected = expected;
  }
}

export function wrongType(index: number, expected: string, value: Value): ArgumentError {
  if (value === undefined) return new ArgumentError(index, expected, `invalid value; expected ${expected}`);
  const found = value === null ? 'interface {}' : typeOf(value);
  return new ArgumentError(index, expected, `wrong type for value; expected ${expected}; got ${found}`);
}

const HTML: Readonly<Record<string, string>> = {
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '\0': '�',
};

/** What every template knows. "and" and "or" look at no more than they need, and are done where they are called. */
export const BUILTINS: Readonly<Record<string, TemplateFunction>> = {
  and: (...args) => args.at(-1),
  or: (...args) => args.at(-1),
  not: (value) => !isTrue(value),
  len: (value) => BigInt(length(value)),
  index,
  slice: sliceOf,
  print: (...args) => sprint(args),
  println: (...args) => `${args.map(show).join(' ')}\n`,
  printf: (format, ...args) => {
    if (typeof format !== 'string') throw wrongType(0, 'string', format);
    return sprintf(format, args);
  },
  html: (...args) => textOf(args).replaceAll(/["'&<>\0]/g, (char) => HTML[char]!),
  js: (...args) => textOf(args).replaceAll(/[\\'"<>&=]|[^ -~]/gu, escapeScript),
  urlquery: (...args) => queryEscape(textOf(args)),
  call: (callee, ...args) => {
    if (typeof callee !== 'function')
      throw new RenderError(`non-function ${show(callee)} of type ${typeOf(callee)}`);
    return (callee as TemplateFunction)(...args);
  },
  eq: equal,
  ne: (a, b) => !equal(a, b),
  lt: less,
  le: lessOrEqual,
  gt: (a, b) => !lessOrEqual(a, b),
  ge: (a, b) => !less(a, b),
};

function textOf(args: readonly Value[]): string {
  return args.length === 1 && typeof args[0] === 'string' ? args[0] : sprint(args);
}

function escapeScript(char: string): string {
  if ('\\\'"'.includes(char)) return `\\${char}`;
  const code = char.codePointAt(0)!;
  if (code >= 0x80 && /[\p{L}\p{N}\p{P}\p{S}]/u.test(char)) return char;
  return `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** A value in the query of a URL, as Go escapes it. */
export function queryEscape(text: string): string {
  return encodeURIComponent(text)
    .replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}

function length(value: Value): number {
  switch (kindOf(value)) {
    case 'string':
      return Buffer.byteLength(value as string);
    case 'slice':
      return (value as unknown[]).length;
    case 'map':
      return mapIn(value)!.size;
    case 'invalid':
      throw new RenderError('len of nil pointer');
    default:
      throw new RenderError(`len of type ${typeOf(value)}`);
  }
}

function index(item: Value, ...keys: Value[]): Value {
  if (item === undefined || item === null) throw new RenderError('index of untyped nil');
  let value: Value = item;
  for (const key of keys) {
    if (value === null || value === undefined) throw new RenderError('index of nil pointer');
    const map = mapIn(value);
    if (map !== undefined) {
      if (typeof key !== 'string') throw new RenderError(`value has type ${typeOf(key)}; should be string`);
      value = map.get(key) ?? null;
      continue;
    }
    if (typeof value !== 'string' && !Array.isArray(value))
      throw new RenderError(`can't index item of type ${typeOf(value)}`);
    const list: ArrayLike<Value> = typeof value === 'string' ? Buffer.from(value) : (value as Value[]);
    const at = position(key, list.length - 1);
    value = typeof value === 'string' ? BigInt(list[at] as number) : list[at];
  }
  return value;
}

function position(key: Value, most: number): number {
  const at = integerIn(key);
  if (key === null || key === undefined) throw new RenderError('cannot index slice/array with nil');
  if (at === undefined) throw new RenderError(`cannot index slice/array with type ${typeOf(key)}`);
  if (at < 0n || at > BigInt(most)) throw new RenderError(`index out of range: ${at}`);
  return Number(at);
}

function sliceOf(item: Value, ...bounds: Value[]): Value {
  if (item === undefined || item === null) throw new RenderError('slice of untyped nil');
  if (bounds.length > 3) throw new RenderError(`too many slice indexes: ${bounds.length}`);
  if (typeof item !== 'string' && !Array.isArray(item))
    throw new RenderError(`can't slice item of type ${typeOf(item)}`);
  const list = typeof item === 'string' ? Buffer.from(item) : item;
  const from = bounds.length > 0 ? position(bounds[0], list.length) : 0;
  const to = bounds.length > 1 ? position(bounds[1], list.length) : list.length;
  if (from > to) throw new RenderError(`invalid slice index: ${from} > ${to}`);
  return typeof item === 'string' ? (list as Buffer).subarray(from, to).toString() : list.slice(from, to);
}
