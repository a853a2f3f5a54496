import { RenderError, showFloat } from '../go-template/index.ts';

/**
 * YAML as Go's writers make it: keys in their order, lists at the level of their key, quotes only where they are
 * needed. Checksums over configuration depend on every byte of it.
 */
export function writeYaml(value: unknown): string {
  const out: string[] = [];
  if (isBlock(value)) block(value, 0, out);
  else out.push(`${scalar(value, { indent: 0, column: 0 })}\n`);
  return out.join('');
}

/** Where a scalar begins, and how far its further lines are indented. */
interface Place {
  indent: number;
  column: number;
}

const MAX_DEPTH = 500;
/** From here on a space may become the end of a line. */
const WIDTH = 80;
const BOOL = /^(?:y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF|true|True|TRUE|false|False|FALSE)$/;
const NULL = /^(?:~|null|Null|NULL|)$/;
const NUMBER =
  /^[-+]?(?:\d[\d_]*|0b[01_]+|0o?[0-7_]+|0x[\da-fA-F_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|\.inf|\.Inf|\.INF)$|^\.(?:nan|NaN|NAN)$/;
const SEXAGESIMAL = /^[-+]?[1-9][\d_]*(?::[0-5]?\d)+(?:\.\d*)?$/;
const TIMESTAMP =
  /^\d{4}-\d{1,2}-\d{1,2}(?:$|(?:[Tt]|[ \t]+)\d{1,2}:\d{2}:\d{2}(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d{1,2}(?::?\d{2})?))?$)/;
const SPECIAL = /[\u0000-\u0009\u000b-\u001f\u007f-\u0084\u0086-\u009f\ud800-\udfff\ufeff\ufffe\uffff]/;
const ESCAPES: Readonly<Record<string, string>> = {
  '\0': '\\0',
  '\x07': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\x1b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
  '\u0085': '\\N',
  '\u00a0': '\\_',
  '\ufeff': '\\uFEFF',
  '\u2028': '\\L',
  '\u2029': '\\P',
};

function isBlock(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0;
}

function block(value: object, depth: number, out: string[]): void {
  if (depth > MAX_DEPTH) throw new RenderError('a value is nested too deeply to be written');
  const space = '  '.repeat(depth);
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) listItem(item, depth, out);
    return;
  }
  for (const key of Object.keys(value).sort(compareKeys))
    entry(`${space}${keyText(key)}:`, (value as Record<string, unknown>)[key], depth, out);
}

function entry(head: string, value: unknown, depth: number, out: string[]): void {
  if (!isBlock(value)) {
    out.push(`${head} ${scalar(value, { indent: 2 * depth + 2, column: [...head].length + 1 })}\n`);
    return;
  }
  out.push(`${head}\n`);
  block(value, Array.isArray(value) ? depth : depth + 1, out);
}

function listItem(item: unknown, depth: number, out: string[]): void {
  const space = '  '.repeat(depth);
  if (!isBlock(item)) {
    out.push(`${space}- ${scalar(item, { indent: 2 * depth + 2, column: 2 * depth + 2 })}\n`);
    return;
  }
  // The first line of what is in it stands behind the dash.
  const inner: string[] = [];
  block(item, depth + 1, inner);
  const text = inner.join('');
  out.push(`${space}- ${text.slice(space.length + 2)}`);
}

function keyText(key: string): string {
  if (key.includes('\n')) return doubleQuoted(key, UNFOLDED);
  return stringText(key, UNFOLDED);
}

/** A place from which no line is ever too long. */
const UNFOLDED: Place = { indent: 0, column: Number.NEGATIVE_INFINITY };

function scalar(value: unknown, place: Place): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return '[]';
  if (typeof value === 'object') return '{}';
  if (typeof value === 'number') return numberText(value);
  return typeof value === 'string' ? stringText(value, place) : String(value);
}

function numberText(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? BigInt(value).toString() : showFloat(value);
}

function stringText(text: string, place: Place): string {
  const meansMore =
    BOOL.test(text) || NULL.test(text) || NUMBER.test(text) || SEXAGESIMAL.test(text) || TIMESTAMP.test(text);
  if (meansMore || SPECIAL.test(text) || text.includes(' \n')) return doubleQuoted(text, place);
  if (text.includes('\n')) return text.endsWith(' ') ? doubleQuoted(text, place) : literal(text, place);
  return isPlain(text)
    ? folded(text, place)
    : `'${folded(text.replaceAll("'", "''"), { ...place, column: place.column + 1 }, true)}'`;
}

function isPlain(text: string): boolean {
  if (/^\s|\s$/.test(text)) return false;
  if (/^(?:---|\.\.\.)/.test(text)) return false;
  if (/^[#,[\]{}&*!|>'"%@`]/.test(text)) return false;
  if (/^[-?:](?:\s|$)/.test(text)) return false;
  return !/: |:$| #/.test(text);
}

/** Ends lines at single spaces behind which they would grow too long. */
function folded(text: string, { indent, column }: Place, isQuoted = false): string {
  if (column + text.length <= WIDTH) return text;
  let out = '';
  let at = column;
  let wasSpace = false;
  const chars = [...text];
  for (const [index, char] of chars.entries()) {
    const isInside = !isQuoted || (index > 0 && index < chars.length - 1);
    if (char === ' ' && !wasSpace && at > WIDTH && isInside && chars[index + 1] !== ' ') {
      out += `\n${' '.repeat(indent)}`;
      at = indent;
    } else {
      out += char;
      at += 1;
    }
    wasSpace = char === ' ';
  }
  return out;
}

function literal(text: string, { indent }: Place): string {
  const space = ' '.repeat(Math.max(indent, 2));
  const hint = /^[ \n]/.test(text) ? '2' : '';
  const chomp = !text.endsWith('\n') ? '-' : text.endsWith('\n\n') || text === '\n' ? '+' : '';
  const lines = (chomp === '-' ? text : text.slice(0, -1)).split('\n');
  const body = lines.map((line) => (line === '' ? '' : space + line)).join('\n');
  return `|${hint}${chomp}\n${body}`;
}

function doubleQuoted(text: string, { indent, column }: Place): string {
  let out = '';
  let at = column + 1;
  let wasSpace = false;
  const chars = [...text];
  for (const [index, char] of chars.entries()) {
    if (char === ' ' && !wasSpace && at > WIDTH && index > 0 && index < chars.length - 1) {
      out += `\n${' '.repeat(indent)}`;
      at = indent;
      if (chars[index + 1] === ' ') out += '\\';
    } else {
      const part = escaped(char);
      out += part;
      at += part.length;
    }
    wasSpace = char === ' ';
  }
  return `"${out}"`;
}

function escaped(char: string): string {
  if (ESCAPES[char] !== undefined) return ESCAPES[char];
  const code = char.codePointAt(0)!;
  const hex = code.toString(16).toUpperCase();
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return `\\x${hex.padStart(2, '0')}`;
  if (code > 0xffff) return `\\U${hex.padStart(8, '0')}`;
  return code >= 0xd800 && code <= 0xdfff ? '\\uFFFD' : char;
}

/** Keys with numbers in them by their numbers, letters after everything else: Go's order. */
export function compareKeys(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  let digits = false;
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
    const [x, y] = [left[at]!, right[at]!];
    if (x === y) {
      digits = /\p{Nd}/u.test(x);
      continue;
    }
    const [isLetterX, isLetterY] = [/\p{L}/u.test(x), /\p{L}/u.test(y)];
    if (isLetterX && isLetterY) return x < y ? -1 : 1;
    if (isLetterX || isLetterY) return digits ? (isLetterX ? -1 : 1) : isLetterX ? 1 : -1;
    return byNumber(left, right, at);
  }
  return left.length - right.length;
}

function byNumber(left: readonly string[], right: readonly string[], at: number): number {
  const run = (chars: readonly string[]): [number, string] => {
    let end = at;
    while (end < chars.length && /\p{Nd}/u.test(chars[end]!)) end += 1;
    return [end, chars.slice(at, end).join('')];
  };
  const [endX, x] = run(left);
  const [endY, y] = run(right);
  const [numberX, numberY] = [Number(x || '0'), Number(y || '0')];
  if (numberX !== numberY) return numberX - numberY;
  if (endX !== endY) return endX - endY;
  return left[at]! < right[at]! ? -1 : 1;
}
