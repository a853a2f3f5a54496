import { createHash, randomInt } from 'node:crypto';
import {
  compareBytes,
  quoteGo,
  RenderError,
  type TemplateFunction,
  type Value,
} from '../go-template/index.ts';
import { intArg, textArg, toText } from './arguments.ts';

const MAX_LENGTH = 16 * 1024 * 1024;
const ALPHA = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const DIGITS = '0123456789';

/** Functions of one string. */
function on(change: (text: string) => Value): TemplateFunction {
  return (text) => change(textArg(text, 0));
}

function on2(change: (a: string, b: string) => Value): TemplateFunction {
  return (a, b) => change(textArg(a, 0), textArg(b, 1));
}

export const STRINGS: Readonly<Record<string, TemplateFunction>> = {
  abbrev: (width, text) => abbreviate(textArg(text, 1), 0, intArg(width, 0)),
  abbrevboth: (left, right, text) => abbreviate(textArg(text, 2), intArg(left, 0), intArg(right, 1)),
  trunc: (size, text) => truncate(textArg(text, 1), intArg(size, 0)),
  trim: on((text) => text.trim()),
  upper: on((text) => text.toUpperCase()),
  lower: on((text) => text.toLowerCase()),
  title: on((text) => text.replace(/(?<![\p{L}\p{N}_])\p{L}/gu, (char) => char.toUpperCase())),
  untitle: on((text) => text.replace(/(?<![\p{L}\p{N}_])\p{L}/gu, (char) => char.toLowerCase())),
  substr: (from, to, text) => substring(textArg(text, 2), intArg(from, 0), intArg(to, 1)),
  repeat: (count, text) => repeat(textArg(text, 1), intArg(count, 0)),
  trimall: on2(trimAll),
  trimAll: on2(trimAll),
  trimSuffix: on2((end, text) => (end !== '' && text.endsWith(end) ? text.slice(0, -end.length) : text)),
  trimPrefix: on2((start, text) => (text.startsWith(start) ? text.slice(start.length) : text)),
  nospace: on((text) => text.replaceAll(/\s/g, '')),
  initials: on((text) =>
    text
      .split(/\s+/)
      .map((word) => [...word][0] ?? '')
      .join(''),
  ),
  randAlphaNum: (count) => random(intArg(count, 0), ALPHA + DIGITS),
  randAlpha: (count) => random(intArg(count, 0), ALPHA),
  randAscii: (count) =>
    random(intArg(count, 0), Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at)).join('')),
  randNumeric: (count) => random(intArg(count, 0), DIGITS),
  swapcase: on((text) =>
    [...text].map((char) => (char === char.toUpperCase() ? char.toLowerCase() : char.toUpperCase())).join(''),
  ),
  shuffle: on(shuffle),
  snakecase: on((text) => separated(text, '_')),
  kebabcase: on((text) => separated(text, '-')),
  camelcase: on(camelCase),
  wrap: (width, text) => wrap(textArg(text, 1), intArg(width, 0), '\n', false),
  wrapWith: (width, mark, text) => wrap(textArg(text, 2), intArg(width, 0), textArg(mark, 1), true),
  contains: on2((part, text) => text.includes(part)),
  hasPrefix: on2((start, text) => text.startsWith(start)),
  hasSuffix: on2((end, text) => text.endsWith(end)),
  quote: (...values) =>
    present(values)
      .map((value) => quoteGo(toText(value)))
      .join(' '),
  squote: (...values) =>
    present(values)
      .map((value) => `'${toText(value)}'`)
      .join(' '),
  cat: (...values) => present(values).map(toText).join(' '),
  indent: (width, text) => indent(textArg(text, 1), intArg(width, 0)),
  nindent: (width, text) => `\n${indent(textArg(text, 1), intArg(width, 0))}`,
  replace: (from, to, text) => textArg(text, 2).replaceAll(textArg(from, 0), () => textArg(to, 1)),
  plural: (one, many, count) => (intArg(count, 2) === 1 ? textArg(one, 0) : textArg(many, 1)),
  sha1sum: on((text) => createHash('sha1').update(text).digest('hex')),
  sha256sum: on((text) => createHash('sha256').update(text).digest('hex')),
  sha512sum: on((text) => createHash('sha512').update(text).digest('hex')),
  adler32sum: on(adler32),
  toString: toText,
  split: on2((mark, text) => new Map(text.split(mark).map((part, at) => [`_${at}`, part]))),
  splitList: on2((mark, text) => (mark === '' ? [...text] : text.split(mark))),
  splitn: (mark, count, text) => splitSome(textArg(mark, 0), intArg(count, 1), textArg(text, 2)),
  toStrings: (values) => strings(values),
  join: (mark, values) => strings(values).join(textArg(mark, 0)),
  sortAlpha: (values) => (Array.isArray(values) ? strings(values).sort(compareBytes) : [toText(values)]),
  b64enc: on((text) => Buffer.from(text).toString('base64')),
  b64dec: on(decode64),
  b32enc: on(encode32),
  b32dec: on(decode32),
  base: on((path) =>
    path === '' ? '.' : /^\/+$/.test(path) ? '/' : path.replace(/\/+$/, '').split('/').at(-1)!,
  ),
  dir: on((path) => clean(path.slice(0, path.lastIndexOf('/') + 1))),
  clean: on(clean),
  ext: on((path) => /\.[^./]*$/.exec(path)?.[0] ?? ''),
  isAbs: on((path) => path.startsWith('/')),
};

function present(values: readonly Value[]): Value[] {
  return values.filter((value) => value !== null && value !== undefined);
}

/** A list of texts of whatever is in a list; nothing that is nil. */
export function strings(values: Value): string[] {
  if (Array.isArray(values)) return present(values).map(toText);
  return values === null || values === undefined ? [] : [toText(values)];
}

function abbreviate(text: string, left: number, width: number): string {
  if (width < 4 || (left > 0 && width < 7)) return text;
  const chars = Buffer.from(text);
  if (chars.length <= width) return text;
  let offset = Math.min(left, chars.length);
  if (chars.length - offset < width - 3) offset = chars.length - (width - 3);
  if (offset <= 4) return `${chars.subarray(0, width - 3)}...`;
  if (offset + width - 3 < chars.length)
    return `...${abbreviate(chars.subarray(offset).toString(), 0, width - 3)}`;
  return `...${chars.subarray(chars.length - (width - 3))}`;
}

function truncate(text: string, size: number): string {
  const bytes = Buffer.from(text);
  if (size < 0 && bytes.length + size > 0) return bytes.subarray(bytes.length + size).toString();
  return size >= 0 && bytes.length > size ? bytes.subarray(0, size).toString() : text;
}

function substring(text: string, from: number, to: number): string {
  const bytes = Buffer.from(text);
  if (from < 0) return bytes.subarray(0, Math.max(0, to)).toString();
  return bytes.subarray(from, to < 0 || to > bytes.length ? bytes.length : to).toString();
}

function repeat(text: string, count: number): string {
  if (count < 0) throw new RenderError('strings: negative Repeat count');
  if (count * text.length > MAX_LENGTH) throw new RenderError('the text would be too long');
  return text.repeat(count);
}

function trimAll(chars: string, text: string): string {
  const set = new Set(chars);
  const parts = [...text];
  let [from, to] = [0, parts.length];
  while (from < to && set.has(parts[from]!)) from += 1;
  while (to > from && set.has(parts[to - 1]!)) to -= 1;
  return parts.slice(from, to).join('');
}

function random(count: number, from: string): string {
  if (count > MAX_LENGTH) throw new RenderError('the text would be too long');
  return Array.from({ length: Math.max(0, count) }, () => from[randomInt(from.length)]!).join('');
}

function shuffle(text: string): string {
  const chars = [...text];
  for (let at = chars.length - 1; at > 0; at -= 1) {
    const other = randomInt(at + 1);
    [chars[at], chars[other]] = [chars[other]!, chars[at]!];
  }
  return chars.join('');
}

/** Words in small letters with a mark between them. A number belongs to the word before, or to small letters behind. */
function separated(text: string, mark: string): string {
  return text
    .replaceAll(/(\p{L})(\p{Nd}+\p{Ll}[\p{Ll}\p{Nd}]*)/gu, `$1${mark}$2`)
    .replaceAll(/([\p{Ll}\p{Nd}])(\p{Lu})/gu, `$1${mark}$2`)
    .replaceAll(/(\p{Lu})(\p{Lu}\p{Ll})/gu, `$1${mark}$2`)
    .replaceAll(/[\s_-]+/g, mark)
    .toLowerCase();
}

function camelCase(text: string): string {
  const [, start = '', first = '', rest = ''] = /^([_\s-]*)(.?)([\s\S]*)$/u.exec(text) ?? [];
  return (
    start + first.toUpperCase() + rest.replaceAll(/[_\s-]([^_\s-])/g, (_, char: string) => char.toUpperCase())
  );
}

function wrap(text: string, width: number, mark: string, breaksWords: boolean): string {
  const size = Math.max(1, width);
  const lines: string[] = [];
  let rest = text;
  while (rest.length > size) {
    if (rest.startsWith(' ')) {
      rest = rest.slice(1);
      continue;
    }
    const space = rest.lastIndexOf(' ', size);
    if (space > 0) {
      lines.push(rest.slice(0, space));
      rest = rest.slice(space + 1);
      continue;
    }
    const end = breaksWords ? size : rest.indexOf(' ', size);
    if (end < 0) break;
    lines.push(rest.slice(0, end));
    rest = breaksWords ? rest.slice(end) : rest.slice(end + 1);
  }
  return [...lines, rest].join(mark);
}

function indent(text: string, width: number): string {
  const space = repeat(' ', width);
  return space + text.replaceAll('\n', `\n${space}`);
}

function adler32(text: string): string {
  let [a, b] = [1, 0];
  for (const byte of Buffer.from(text)) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  return String(((b << 16) | a) >>> 0);
}

function splitSome(mark: string, count: number, text: string): Value {
  const all = text.split(mark);
  const parts =
    count > 0 && all.length > count ? [...all.slice(0, count - 1), all.slice(count - 1).join(mark)] : all;
  return new Map((count === 0 ? [] : parts).map((part, at) => [`_${at}`, part]));
}

function decode64(text: string): string {
  const bad = /[^A-Za-z0-9+/=\r\n]/.exec(text);
  if (bad !== null || text.replaceAll(/[\r\n]/g, '').length % 4 !== 0)
    return `illegal base64 data at input byte ${bad?.index ?? text.length - (text.length % 4)}`;
  return Buffer.from(text, 'base64').toString();
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function encode32(text: string): string {
  const bits = [...Buffer.from(text)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const out = (bits.match(/.{1,5}/g) ?? [])
    .map((part) => BASE32[Number.parseInt(part.padEnd(5, '0'), 2)]!)
    .join('');
  return out.padEnd(Math.ceil(out.length / 8) * 8, '=');
}

function decode32(text: string): string {
  const plain = text.replace(/=+$/, '');
  const bad = [...plain].findIndex((char) => !BASE32.includes(char));
  if (bad >= 0) return `illegal base32 data at input byte ${bad}`;
  const bits = [...plain].map((char) => BASE32.indexOf(char).toString(2).padStart(5, '0')).join('');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((part) => Number.parseInt(part, 2))).toString();
}

/** The shortest path that means the same. */
function clean(path: string): string {
  const isAbsolute = path.startsWith('/');
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '..' || !isAbsolute) parts.push(part);
  }
  return (isAbsolute ? '/' : '') + parts.join('/') || (isAbsolute ? '/' : '.');
}
