import { Int64, RenderError, toGo, type Value } from '../go-template/index.ts';
import type { Values } from './chart.ts';
import { valuesOf } from './chart.ts';

/** Where values come from; what comes later wins. */
export interface ValueSources {
  /** Texts of values files, with their names. */
  files?: readonly { name: string; text: string }[];
  /** Values of an object. */
  object?: object;
  /** "a.b[0].c=1,d=2" as `--set` has it. */
  set?: readonly string[];
  setString?: readonly string[];
  /** Contents of files as values. */
  setFile?: readonly { name: string; text: string }[];
}

export function gatherValues({
  files = [],
  object,
  set = [],
  setString = [],
  setFile = [],
}: ValueSources): Values {
  let values: Values = new Map();
  for (const { name, text } of files) values = over(values, valuesOf(text, name));
  if (object !== undefined) values = over(values, toGo(object) as Values);
  for (const text of set) assign(values, text, typed);
  for (const text of setString) assign(values, text, (part) => part);
  for (const { name, text } of setFile) put(values, pathOf(name), text);
  return values;
}

/** The second over the first: maps are joined, everything else is replaced. */
function over(a: Values, b: Values): Values {
  const out = new Map(a);
  for (const [key, value] of b) {
    const known = out.get(key);
    out.set(
      key,
      known instanceof Map && value instanceof Map ? over(known as Values, value as Values) : value,
    );
  }
  return out;
}

function typed(text: string): Value {
  if (text === 'true' || text === 'false') return text === 'true';
  if (text === 'null') return null;
  if (/^(?:0|-?[1-9]\d*)$/.test(text)) return new Int64(BigInt(text));
  return text;
}

const MAX_INDEX = 65_536;

function assign(values: Values, text: string, readValue: (text: string) => Value): void {
  for (const part of splitAt(text, ',')) {
    if (part.trim() === '') continue;
    const [name = '', ...rest] = splitAt(part, '=');
    if (rest.length === 0)
      throw new RenderError(`failed parsing --set data: key ${JSON.stringify(name)} has no value`);
    const value = rest.join('=');
    const list = /^\{([\s\S]*)\}$/.exec(value);
    put(values, pathOf(name), list === null ? readValue(unescaped(value)) : listOf(list[1]!, readValue));
  }
}

function listOf(text: string, readValue: (text: string) => Value): Value[] {
  return text === '' ? [] : splitAt(text, ',').map((item) => readValue(unescaped(item.trim())));
}

/** Cuts at a mark that has no backslash before it and stands in no braces. */
function splitAt(text: string, mark: string): string[] {
  const parts = [''];
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]!;
    if (char === '\\' && at + 1 < text.length) {
      parts[parts.length - 1] += char + text[at + 1]!;
      at += 1;
      continue;
    }
    if (char === '{') depth += 1;
    if (char === '}') depth -= 1;
    if (char === mark && depth <= 0 && !(mark === '=' && parts.length > 1)) parts.push('');
    else parts[parts.length - 1] += char;
  }
  return parts;
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/gs, '$1');
}

function pathOf(name: string): (string | number)[] {
  return splitAt(name, '.').flatMap((part) => {
    const found = /^((?:\\.|[^[])*)((?:\[\d+\])*)$/s.exec(part.trim());
    if (found === null)
      throw new RenderError(`failed parsing --set data: ${JSON.stringify(name)} is no name of a value`);
    const indexes = [...found[2]!.matchAll(/\[(\d+)\]/g)].map((match) => Number(match[1]));
    if (indexes.some((index) => index > MAX_INDEX))
      throw new RenderError(`failed parsing --set data: index of ${index(indexes)} is too large`);
    return [...(found[1] === '' ? [] : [unescaped(found[1]!)]), ...indexes];
  });
}

function index(indexes: readonly number[]): number {
  return Math.max(...indexes);
}

function put(into: Values, path: readonly (string | number)[], value: Value): void {
  let holder: Value = into;
  for (const [at, key] of path.entries()) {
    const isLast = at === path.length - 1;
    const next = typeof path[at + 1] === 'number' ? 'list' : 'map';
    const known: Value = readAt(holder, key);
    const fits = next === 'list' ? Array.isArray(known) : known instanceof Map;
    const inner: Value = isLast ? value : fits ? known : next === 'list' ? [] : new Map();
    if (holder instanceof Map) holder.set(String(key), inner);
    else if (Array.isArray(holder)) {
      while (holder.length < Number(key)) holder.push(null);
      holder[Number(key)] = inner;
    }
    holder = inner;
  }
}

function readAt(holder: Value, key: string | number): Value {
  if (holder instanceof Map) return (holder as Values).get(String(key));
  return Array.isArray(holder) ? (holder as Value[])[Number(key)] : undefined;
}
