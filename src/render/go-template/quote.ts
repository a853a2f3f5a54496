import { RenderError } from './problem.ts';

const ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
};
const MEANINGS: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** A string in double quotes, as Go's %q writes it. */
export function quoteGo(text: string, mark = '"', { ascii = false } = {}): string {
  let out = mark;
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (char === mark) out += `\\${mark}`;
    else if (ESCAPES[char] !== undefined) out += ESCAPES[char];
    else if (PRINTABLE.test(char) && (!ascii || code < 0x7f)) out += char;
    else if (code < 0x80) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (code < 0x10000) out += `\\u${code.toString(16).padStart(4, '0')}`;
    else out += `\\U${code.toString(16).padStart(8, '0')}`;
  }
  return out + mark;
}

/** What a quoted string of Go stands for. */
export function unquoteGo(text: string): string {
  if (text.startsWith('`')) return text.slice(1, -1).replaceAll('\r', '');
  const bytes: Buffer[] = [];
  const body = text.slice(1, -1);
  for (let at = 0; at < body.length; ) {
    if (body[at] !== '\\') {
      const char = String.fromCodePoint(body.codePointAt(at)!);
      bytes.push(Buffer.from(char));
      at += char.length;
      continue;
    }
    const [part, length] = escapeAt(body, at);
    bytes.push(part);
    at += length;
  }
  return Buffer.concat(bytes).toString();
}

function escapeAt(body: string, at: number): [Buffer, number] {
  const rest = body.slice(at + 1);
  const simple = MEANINGS[rest[0] ?? ''];
  if (simple !== undefined) return [Buffer.from(simple), 2];
  const octal = /^[0-7]{3}/.exec(rest)?.[0];
  if (octal !== undefined) return [Buffer.from([Number.parseInt(octal, 8) & 0xff]), 4];
  const hex = /^x([\da-fA-F]{2})/.exec(rest);
  if (hex !== null) return [Buffer.from([Number.parseInt(hex[1]!, 16)]), 4];
  const unicode = /^u([\da-fA-F]{4})|^U([\da-fA-F]{8})/.exec(rest);
  const code = Number.parseInt(unicode?.[1] ?? unicode?.[2] ?? 'x', 16);
  if (unicode === null || code > 0x10_ff_ff) throw new RenderError('invalid syntax');
  return [Buffer.from(String.fromCodePoint(code)), unicode[0].length + 1];
}
