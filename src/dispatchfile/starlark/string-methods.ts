import { numberOf, positionalOnly, textOf, unpack } from './arguments.ts';
import type { Methods } from './collection-methods.ts';
import { findAttribute } from './attributes.ts';
import { index, isAscii } from './operators.ts';
import { display, repr } from './show.ts';
import { type CallArguments, iterate, List, Tuple, typeOf, type Value, ValueError } from './values.ts';

const SPACE = /[\s\u0085]/u;

export const STRING_METHODS: Methods<string> = {
  capitalize: (text) => {
    const [first = '', ...rest] = text;
    return first.toUpperCase() + rest.join('').toLowerCase();
  },
  codepoint_ords: (text) => new List(Array.from(text, (char) => char.codePointAt(0)!)),
  codepoints: (text) => new List([...text]),
  count: (text, args) => {
    const [part, ...bounds] = positionalOnly('count', args, [1, 3]);
    const within = sub(text, bounds);
    const wanted = textOf('count', part);
    return wanted === '' ? [...within.text].length + 1 : within.text.split(wanted).length - 1;
  },
  elem_ords: (text) => new List([...Buffer.from(text)]),
  elems: (text) =>
    new List(
      isAscii(text) ? [...text] : Array.from(Buffer.from(text), (byte) => Buffer.of(byte).toString('latin1')),
    ),
  endswith: (text, args) => affix('endswith', text, args, (part, other) => part.endsWith(other)),
  find: (text, args) => search('find', text, args, (part, other) => part.indexOf(other)),
  format: (text, args, thread) => {
    const result = format(text, args);
    thread.allocate(result.length);
    return result;
  },
  index: (text, args) =>
    found(
      'index',
      search('index', text, args, (part, other) => part.indexOf(other)),
    ),
  isalnum: (text) => text !== '' && /^[\p{L}\p{Nd}]+$/u.test(text),
  isalpha: (text) => text !== '' && /^\p{L}+$/u.test(text),
  isdigit: (text) => text !== '' && /^\p{Nd}+$/u.test(text),
  islower: (text) => text !== text.toUpperCase() && text === text.toLowerCase(),
  isspace: (text) => text !== '' && [...text].every((char) => SPACE.test(char)),
  istitle: (text) => isTitle(text),
  isupper: (text) => text !== text.toLowerCase() && text === text.toUpperCase(),
  join: (text, args, thread) => {
    const items = iterate(positionalOnly('join', args, [1, 1])[0]!).map((item, at) => {
      if (typeof item !== 'string')
        throw new ValueError(`join: in list, want string, got ${typeOf(item)} at #${at}`);
      return item;
    });
    const result = items.join(text);
    thread.allocate(result.length);
    return result;
  },
  lower: (text) => text.toLowerCase(),
  lstrip: (text, args) => strip('lstrip', text, args, { start: true, end: false }),
  partition: (text, args) => partition('partition', text, args, (part, other) => part.indexOf(other)),
  removeprefix: (text, args) => {
    const prefix = textOf('removeprefix', positionalOnly('removeprefix', args, [1, 1])[0]);
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  },
  removesuffix: (text, args) => {
    const suffix = textOf('removesuffix', positionalOnly('removesuffix', args, [1, 1])[0]);
    return suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
  },
  replace: (text, args, thread) => {
    const [from, to, count] = positionalOnly('replace', args, [2, 3]);
    const result = replace(text, {
      from: textOf('replace', from),
      to: textOf('replace', to),
      count: count === undefined ? -1 : numberOf('replace', count),
    });
    thread.allocate(result.length);
    return result;
  },
  rfind: (text, args) => search('rfind', text, args, (part, other) => part.lastIndexOf(other)),
  rindex: (text, args) =>
    found(
      'rindex',
      search('rindex', text, args, (part, other) => part.lastIndexOf(other)),
    ),
  rpartition: (text, args) => partition('rpartition', text, args, (part, other) => part.lastIndexOf(other)),
  rsplit: (text, args) => split('rsplit', text, args),
  rstrip: (text, args) => strip('rstrip', text, args, { start: false, end: true }),
  split: (text, args) => split('split', text, args),
  splitlines: (text, args) => {
    const [keep] = positionalOnly('splitlines', args, [0, 1]);
    const lines = text.split(/(?<=\n)/);
    if (lines.at(-1) === '') lines.pop();
    return new List(keep === true ? lines : lines.map((line) => line.replace(/\r?\n$/, '')));
  },
  startswith: (text, args) => affix('startswith', text, args, (part, other) => part.startsWith(other)),
  strip: (text, args) => strip('strip', text, args, { start: true, end: true }),
  title: (text) => text.toLowerCase().replaceAll(/(?<!\p{L})\p{L}/gu, (char) => char.toUpperCase()),
  upper: (text) => text.toUpperCase(),
};

function isTitle(text: string): boolean {
  return /\p{L}/u.test(text) && !/(?<=\p{L})\p{Lu}/u.test(text) && !/(?<!\p{L})\p{Ll}/u.test(text);
}

/** Part of a text between optional bounds, counted in bytes as all places in texts are. */
function sub(text: string, [start, stop]: readonly (Value | undefined)[]): { text: string; offset: number } {
  const bytes = isAscii(text) ? undefined : Buffer.from(text);
  const length = bytes?.length ?? text.length;
  const clamp = (value: Value | undefined, otherwise: number): number => {
    if (value === undefined || value === null) return otherwise;
    const at = numberOf('index', value);
    return Math.min(Math.max(at < 0 ? at + length : at, 0), length);
  };
  const from = clamp(start, 0);
  const to = clamp(stop, length);
  return {
    text: bytes === undefined ? text.slice(from, to) : bytes.subarray(from, to).toString(),
    offset: from,
  };
}

function search(
  name: string,
  text: string,
  args: CallArguments,
  look: (part: string, other: string) => number,
): number {
  const [wanted, ...bounds] = positionalOnly(name, args, [1, 3]);
  const part = sub(text, bounds);
  const at = look(part.text, textOf(name, wanted));
  return at < 0 ? -1 : part.offset + Buffer.byteLength(part.text.slice(0, at));
}

function found(name: string, at: number): number {
  if (at < 0) throw new ValueError(`${name}: substring not found`);
  return at;
}

function affix(
  name: string,
  text: string,
  args: CallArguments,
  test: (part: string, other: string) => boolean,
): boolean {
  const [wanted, ...bounds] = positionalOnly(name, args, [1, 3]);
  const part = sub(text, bounds).text;
  if (wanted instanceof Tuple)
    return wanted.items.some((item, at) => test(part, textOf(name, item, `element ${at}`)));
  return test(part, textOf(name, wanted));
}

function strip(
  name: string,
  text: string,
  args: CallArguments,
  sides: { start: boolean; end: boolean },
): string {
  const [set] = positionalOnly(name, args, [0, 1]);
  const chars = set === undefined || set === null ? undefined : new Set(textOf(name, set));
  const gone = (char: string): boolean => (chars === undefined ? SPACE.test(char) : chars.has(char));
  const all = [...text];
  let [start, end] = [0, all.length];
  while (sides.start && start < end && gone(all[start]!)) start += 1;
  while (sides.end && end > start && gone(all[end - 1]!)) end -= 1;
  return all.slice(start, end).join('');
}

function partition(
  name: string,
  text: string,
  args: CallArguments,
  look: (part: string, other: string) => number,
): Tuple {
  const separator = textOf(name, positionalOnly(name, args, [1, 1])[0]);
  if (separator === '') throw new ValueError(`${name}: empty separator`);
  const at = look(text, separator);
  if (at < 0) return new Tuple(name === 'partition' ? [text, '', ''] : ['', '', text]);
  return new Tuple([text.slice(0, at), separator, text.slice(at + separator.length)]);
}

function replace(text: string, { from, to, count }: { from: string; to: string; count: number }): string {
  if (count === 0) return text;
  if (count < 0 && from !== '') return text.replaceAll(from, () => to);
  let left = count < 0 ? Number.POSITIVE_INFINITY : count;
  if (from === '') {
    let result = '';
    for (const char of text) {
      result += left > 0 ? to + char : char;
      left -= 1;
    }
    return left > 0 ? result + to : result;
  }
  const parts = text.split(from);
  return parts.map((part, at) => (at === 0 ? part : (at <= left ? to : from) + part)).join('');
}

function split(name: 'split' | 'rsplit', text: string, args: CallArguments): List {
  const [separator, most] = unpack(name, args, ['sep?', 'maxsplit?']);
  const limit = most === undefined ? -1 : numberOf(name, most);
  if (separator === undefined || separator === null) return new List(words(text, limit, name === 'rsplit'));
  const wanted = textOf(name, separator);
  if (wanted === '') throw new ValueError(`${name}: empty separator`);
  const parts = text.split(wanted);
  if (limit < 0 || parts.length <= limit + 1) return new List(parts);
  if (name === 'split') return new List([...parts.slice(0, limit), parts.slice(limit).join(wanted)]);
  return new List([parts.slice(0, parts.length - limit).join(wanted), ...parts.slice(parts.length - limit)]);
}

function words(text: string, limit: number, fromEnd: boolean): string[] {
  const all = text.split(/[\s\u0085]+/u).filter((word) => word !== '');
  if (limit < 0 || all.length <= limit) return all;
  const result: string[] = [];
  let rest = fromEnd ? text.trimEnd() : text.trimStart();
  for (let at = 0; at < limit; at += 1) {
    const match = (fromEnd ? /^([\s\S]*?)\s+(\S+)$/ : /^(\S+)\s+([\s\S]*)$/).exec(rest);
    if (match === null) break;
    result.push(fromEnd ? match[2]! : match[1]!);
    rest = fromEnd ? match[1]! : match[2]!;
  }
  const last = fromEnd ? rest.trimStart() : rest.trimEnd();
  if (last !== '') result.push(fromEnd ? rest : text.endsWith(rest) ? rest : last);
  return fromEnd ? result.reverse() : result;
}

/** `format`: fields by number, in order, or by name, with attributes and places inside of them. */
function format(text: string, { positional, named }: CallArguments): string {
  let result = '';
  let next = 0;
  let numbered = false;
  for (let at = 0; at < text.length; ) {
    const char = text[at]!;
    if (char === '{' && text[at + 1] === '{') {
      result += '{';
      at += 2;
    } else if (char === '}' && text[at + 1] === '}') {
      result += '}';
      at += 2;
    } else if (char === '}') throw new ValueError("format: single '}' in format");
    else if (char === '{') {
      const close = text.indexOf('}', at);
      if (close < 0) throw new ValueError("format: unmatched '{' in format");
      const { name, path, conversion } = parseField(text.slice(at + 1, close));
      let value: Value | undefined;
      if (name === '') {
        if (numbered)
          throw new ValueError(
            'format: cannot switch from manual field specification to automatic field numbering',
          );
        value = positional[next];
        next += 1;
        if (value === undefined) throw new ValueError('format: tuple index out of range');
      } else if (/^\d+$/.test(name)) {
        if (next > 0)
          throw new ValueError(
            'format: cannot switch from automatic field numbering to manual field specification',
          );
        numbered = true;
        value = positional[Number(name)];
        if (value === undefined) throw new ValueError('format: tuple index out of range');
      } else {
        value = named.get(name);
        if (value === undefined) throw new ValueError(`format: keyword ${name} not found`);
      }
      value = follow(value, path);
      result += conversion === 'r' ? repr(value) : display(value);
      at = close + 1;
    } else {
      result += char;
      at += 1;
    }
  }
  return result;
}

function parseField(field: string): { name: string; path: string; conversion: string } {
  if (field.includes('{')) throw new ValueError('format: nested replacement fields not supported');
  if (field.includes(':')) throw new ValueError('format spec features not supported in replacement fields');
  const [body = '', conversion = 's', ...more] = field.split('!');
  if (more.length > 0 || !['s', 'r'].includes(conversion))
    throw new ValueError(`format: unknown conversion ${JSON.stringify(conversion)}`);
  const [, name = '', path = ''] = /^([^.[]*)(.*)$/.exec(body) ?? [];
  return { name, path, conversion };
}

function follow(value: Value, path: string): Value {
  let current = value;
  for (const [, attribute, key] of path.matchAll(/\.([^.[\]]+)|\[([^\]]*)\]/g)) {
    if (attribute === undefined) current = index(current, /^-?\d+$/.test(key!) ? Number(key) : key!);
    else {
      const next = findAttribute(current, attribute);
      if (next === undefined) throw new ValueError(`format: ${typeOf(current)} has no .${attribute} field`);
      current = next;
    }
  }
  return current;
}
