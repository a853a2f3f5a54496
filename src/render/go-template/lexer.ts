import { RenderError } from './problem.ts';

export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'keyword'
  | 'identifier'
  | 'field'
  | 'variable'
  | 'dot'
  | 'nil'
  | 'bool'
  | 'number'
  | 'char'
  | 'string'
  | 'raw'
  | 'assign'
  | 'declare'
  | 'pipe'
  | 'paren'
  | 'thesis'
  | 'comma'
  | 'space'
  | 'end';

export interface Token {
  kind: TokenKind;
  text: string;
  /** Where in the source it begins. */
  at: number;
}

export interface Delimiters {
  left: string;
  right: string;
}

const KEYWORDS = new Set([
  'block',
  'break',
  'continue',
  'define',
  'else',
  'end',
  'if',
  'range',
  'template',
  'with',
]);
const WORD = /[\p{L}\p{Nd}_]+/uy;
const NUMBER =
  /[+-]?(?:0[xX][\da-fA-F_.]+(?:[pP][+-]?\d+)?|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?[\d_]+)?)i?/y;
const STRING = /"(?:[^"\\\n]|\\.)*"/y;
const CHAR = /'(?:[^'\\\n]|\\.)+'/y;
const BLANK = /[ \t\r\n]+/y;
const TRIMMED_LEFT = /[ \t\r\n]+$/;
const TRIMMED_RIGHT = /^[ \t\r\n]+/;

export function lineOf(source: string, at: number): number {
  let line = 1;
  for (let next = source.indexOf('\n'); next >= 0 && next < at; next = source.indexOf('\n', next + 1))
    line += 1;
  return line;
}

/** A template as Go's lexer sees it: text, and actions between the delimiters. */
export class Lexer {
  readonly #name: string;
  readonly #source: string;
  readonly #marks: Delimiters;
  readonly #tokens: Token[] = [];
  #at = 0;
  /** The action before has asked for the space after it to go. */
  #trims = false;

  constructor(name: string, source: string, marks: Delimiters) {
    this.#name = name;
    this.#source = source;
    this.#marks = marks;
  }

  tokens(): Token[] {
    const { left } = this.#marks;
    while (this.#at < this.#source.length) {
      const next = this.#source.indexOf(left, this.#at);
      const end = next < 0 ? this.#source.length : next;
      const opened = next + left.length;
      const trims = next >= 0 && this.#source[opened] === '-' && /\s/.test(this.#source[opened + 1] ?? '');
      this.#text(end, trims);
      if (next < 0) break;
      this.#at = opened + (trims ? 1 : 0);
      if (!this.#comment(next, trims)) this.#action(next);
    }
    this.#push('end', '', this.#source.length);
    return this.#tokens;
  }

  #text(end: number, trimsBefore: boolean): void {
    const from = this.#at;
    let text = this.#source.slice(from, end);
    if (this.#trims) text = text.replace(TRIMMED_RIGHT, '');
    if (trimsBefore) text = text.replace(TRIMMED_LEFT, '');
    this.#trims = false;
    if (text !== '') this.#push('text', text, from);
    this.#at = end;
  }

  #comment(from: number, trims: boolean): boolean {
    const begin = trims ? this.#at + blankAt(this.#source, this.#at) : this.#at;
    if (!this.#source.startsWith('/*', begin)) return false;
    const end = this.#source.indexOf('*/', begin);
    if (end < 0) this.fail('unclosed comment', from);
    const close = this.#closing(end + 2);
    if (close === undefined) this.fail('comment ends before closing delimiter', from);
    this.#at = close.end;
    this.#trims = close.trims;
    return true;
  }

  #closing(at: number): { end: number; trims: boolean } | undefined {
    const { right } = this.#marks;
    if (
      /\s/.test(this.#source[at] ?? '') &&
      this.#source[at + 1] === '-' &&
      this.#source.startsWith(right, at + 2)
    )
      return { end: at + 2 + right.length, trims: true };
    return this.#source.startsWith(right, at) ? { end: at + right.length, trims: false } : undefined;
  }

  #action(from: number): void {
    this.#push('open', this.#marks.left, from);
    for (;;) {
      if (this.#at >= this.#source.length) this.fail('unclosed action', from);
      const close = this.#closing(this.#at);
      if (close !== undefined) {
        this.#push('close', this.#marks.right, this.#at);
        this.#at = close.end;
        this.#trims = close.trims;
        return;
      }
      this.#token();
    }
  }

  #token(): void {
    const rest = this.#source[this.#at]!;
    if (this.#match(BLANK, 'space')) return;
    if (rest === '"' && this.#match(STRING, 'string')) return;
    if (rest === '"') this.fail('unterminated quoted string', this.#at);
    if (rest === "'" && this.#match(CHAR, 'char')) return;
    if (rest === "'") this.fail('unterminated character constant', this.#at);
    if (rest === '`') this.#rawString();
    else if (rest === '.') this.#dotted();
    else if (rest === '$') this.#named('variable', 1);
    else if (/[\d+-]/.test(rest)) {
      if (!this.#match(NUMBER, 'number')) this.fail(`bad number syntax: ${JSON.stringify(rest)}`, this.#at);
    } else if (this.#source.startsWith(':=', this.#at)) this.#take('declare', ':=');
    else if (SINGLE[rest] !== undefined) this.#take(SINGLE[rest], rest);
    else this.#word();
  }

  #rawString(): void {
    const end = this.#source.indexOf('`', this.#at + 1);
    if (end < 0) this.fail('unterminated raw quoted string', this.#at);
    this.#take('raw', this.#source.slice(this.#at, end + 1));
  }

  #dotted(): void {
    if (/\d/.test(this.#source[this.#at + 1] ?? '')) this.#match(NUMBER, 'number');
    else if (this.#wordAt(this.#at + 1) === '') this.#take('dot', '.');
    else this.#named('field', 1);
  }

  #named(kind: TokenKind, offset: number): void {
    this.#take(kind, this.#source.slice(this.#at, this.#at + offset) + this.#wordAt(this.#at + offset));
  }

  #word(): void {
    const word = this.#wordAt(this.#at);
    if (word === '') this.fail(`unexpected ${JSON.stringify(this.#source[this.#at])} in action`, this.#at);
    if (word === 'true' || word === 'false') this.#take('bool', word);
    else if (word === 'nil') this.#take('nil', word);
    else this.#take(KEYWORDS.has(word) ? 'keyword' : 'identifier', word);
  }

  #wordAt(at: number): string {
    WORD.lastIndex = at;
    return WORD.exec(this.#source)?.[0] ?? '';
  }

  #match(pattern: RegExp, kind: TokenKind): boolean {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0];
    if (found === undefined) return false;
    // White space before a closing mark with a dash belongs to the mark.
    if (kind === 'space' && found.length > 1 && this.#closing(this.#at + found.length - 1) !== undefined) {
      this.#take(kind, found.slice(0, -1));
      return true;
    }
    this.#take(kind, found);
    return true;
  }

  #take(kind: TokenKind, text: string): void {
    this.#push(kind, text, this.#at);
    this.#at += text.length;
  }

  #push(kind: TokenKind, text: string, at: number): void {
    this.#tokens.push({ kind, text, at });
  }

  fail(message: string, at: number): never {
    throw new RenderError(`template: ${this.#name}:${lineOf(this.#source, at)}: ${message}`);
  }
}

const SINGLE: Readonly<Record<string, TokenKind>> = {
  '=': 'assign',
  '|': 'pipe',
  '(': 'paren',
  ')': 'thesis',
  ',': 'comma',
};

function blankAt(source: string, at: number): number {
  BLANK.lastIndex = at;
  return BLANK.exec(source)?.[0].length ?? 0;
}
