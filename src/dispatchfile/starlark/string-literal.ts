import { type Position, StarlarkError } from './position.ts';

interface Literal {
  value: string;
  bytes: Uint8Array | undefined;
  end: number;
}

interface Options {
  raw: boolean;
  bytes: boolean;
  position: Position;
}

const SIMPLE: Record<string, string> = {
  a: '\u0007',
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

/** Reads the quoted text that starts at `start`. */
export function readString(text: string, start: number, options: Options): Literal {
  const quote = text[start]!;
  const triple = text.startsWith(quote.repeat(3), start);
  const close = triple ? quote.repeat(3) : quote;
  let at = start + close.length;
  const parts: Part[] = [];
  for (;;) {
    if (at >= text.length || (!triple && text[at] === '\n'))
      throw new StarlarkError('the string is not closed', options.position);
    if (text.startsWith(close, at)) break;
    if (text[at] !== '\\') {
      parts.push(text[at]!);
      at += 1;
    } else if (options.raw) {
      parts.push(text.slice(at, at + 2));
      at += 2;
    } else at += readEscape(text, at, options, parts);
  }
  const end = at + close.length;
  if (options.bytes) return { value: '', bytes: toBytes(parts), end };
  return {
    value: parts.some((part) => typeof part === 'number') ? toBytes(parts).toString() : parts.join(''),
    bytes: undefined,
    end,
  };
}

/** Text, or one byte of a text. */
type Part = string | number;

function toBytes(parts: readonly Part[]): Buffer {
  const chunks: Buffer[] = [];
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') text += part;
    else {
      chunks.push(Buffer.from(text), Buffer.of(part));
      text = '';
    }
  }
  return Buffer.concat([...chunks, Buffer.from(text)]);
}

function readEscape(text: string, at: number, options: Options, parts: Part[]): number {
  const char = text[at + 1] ?? '';
  const simple = SIMPLE[char];
  if (simple !== undefined) {
    parts.push(simple);
    return 2;
  }
  if (char === '\n') return 2;
  const rest = text.slice(at + 1, at + 11);
  const octal = /^[0-7]{1,3}/.exec(rest);
  if (octal !== null) {
    pushByte(Number.parseInt(octal[0], 8), octal[0], options, parts);
    return 1 + octal[0].length;
  }
  const hex = /^x([0-9a-fA-F]{2})/.exec(rest);
  if (hex !== null) {
    pushByte(Number.parseInt(hex[1]!, 16), hex[0], options, parts);
    return 4;
  }
  const unicode = /^(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(rest);
  if (unicode === null) throw new StarlarkError(`invalid escape sequence \\${char}`, options.position);
  const code = Number.parseInt(unicode[1] ?? unicode[2]!, 16);
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
    throw new StarlarkError(
      `invalid Unicode code point U+${code.toString(16).toUpperCase()}`,
      options.position,
    );
  parts.push(String.fromCodePoint(code));
  return 1 + unicode[0].length;
}

function pushByte(value: number, text: string, options: Options, parts: Part[]): void {
  if (value > 255) throw new StarlarkError(`invalid escape sequence \\${text}`, options.position);
  if (options.bytes) parts.push(value);
  else if (value < 128) parts.push(String.fromCharCode(value));
  else throw new StarlarkError(`non-ASCII escape \\${text} in a string: use \\u`, options.position);
}
