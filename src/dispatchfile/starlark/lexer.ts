import { type Position, StarlarkError } from './position.ts';
import { readString } from './string-literal.ts';

export type TokenKind =
  | 'name'
  | 'keyword'
  | 'int'
  | 'float'
  | 'string'
  | 'bytes'
  | 'op'
  | 'newline'
  | 'indent'
  | 'outdent'
  | 'end';

export interface Token {
  kind: TokenKind;
  /** The text of names, keywords and operators; the value of strings. */
  text: string;
  number?: number | bigint;
  bytes?: Uint8Array;
  position: Position;
}

const KEYWORDS = new Set([
  'and',
  'break',
  'continue',
  'def',
  'elif',
  'else',
  'for',
  'if',
  'in',
  'lambda',
  'load',
  'not',
  'or',
  'pass',
  'return',
  'while',
]);
const RESERVED = new Set([
  'as',
  'assert',
  'async',
  'await',
  'class',
  'del',
  'except',
  'finally',
  'from',
  'global',
  'import',
  'is',
  'nonlocal',
  'raise',
  'try',
  'with',
  'yield',
]);
const OPERATORS = [
  '**=',
  '//=',
  '>>=',
  '<<=',
  '**',
  '//',
  '<<',
  '>>',
  '<=',
  '>=',
  '==',
  '!=',
  '+=',
  '-=',
  '*=',
  '/=',
  '%=',
  '&=',
  '|=',
  '^=',
  '+',
  '-',
  '*',
  '/',
  '%',
  '&',
  '|',
  '^',
  '~',
  '<',
  '>',
  '=',
  '.',
  ',',
  ';',
  ':',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
];
const NAME = /[\p{L}_][\p{L}\p{Nd}_]*/uy;
const NUMBER =
  /0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+/y;
const MAX_DEPTH = 200;

/** Cuts a source text into tokens; indentation becomes tokens of its own. */
export class Lexer {
  readonly #text: string;
  readonly #file: string;
  #at = 0;
  #line = 1;
  #lineStart = 0;
  readonly #indents = [0];
  readonly #brackets: { text: string; position: Position }[] = [];
  readonly #tokens: Token[] = [];

  constructor(text: string, file: string) {
    this.#text = text.replaceAll('\r\n', '\n');
    this.#file = file;
  }

  tokens(): Token[] {
    this.#indentation();
    while (this.#at < this.#text.length) this.#next();
    const open = this.#brackets.at(-1);
    if (open !== undefined) throw new StarlarkError(`${open.text} is never closed`, open.position);
    if (this.#tokens.length > 0 && this.#tokens.at(-1)?.kind !== 'newline') this.#push('newline', '\n');
    while (this.#indents.length > 1) {
      this.#indents.pop();
      this.#push('outdent', '');
    }
    this.#push('end', '');
    return this.#tokens;
  }

  #position(at = this.#at): Position {
    return { file: this.#file, line: this.#line, column: at - this.#lineStart + 1 };
  }

  #push(kind: TokenKind, text: string, more: Partial<Token> = {}): void {
    this.#tokens.push({ kind, text, position: more.position ?? this.#position(), ...more });
  }

  #newLine(): void {
    this.#line += 1;
    this.#lineStart = this.#at;
  }

  /** Reads the white space at the start of a line. Empty lines and comments do not count. */
  #indentation(): void {
    for (;;) {
      let width = 0;
      const start = this.#at;
      for (let char = this.#text[this.#at]; char === ' ' || char === '\t'; char = this.#text[this.#at]) {
        width += char === ' ' ? 1 : 8 - (width % 8);
        this.#at += 1;
      }
      const char = this.#text[this.#at];
      if (char === '#') while (this.#at < this.#text.length && this.#text[this.#at] !== '\n') this.#at += 1;
      if (this.#at >= this.#text.length) return;
      if (this.#text[this.#at] === '\n') {
        this.#at += 1;
        this.#newLine();
        continue;
      }
      this.#indentTo(width, this.#position(start));
      return;
    }
  }

  #indentTo(width: number, position: Position): void {
    const current = this.#indents.at(-1)!;
    if (width > current) {
      if (this.#indents.length > MAX_DEPTH)
        throw new StarlarkError('the code is nested too deeply', position);
      this.#indents.push(width);
      this.#push('indent', '', { position });
      return;
    }
    while (width < this.#indents.at(-1)!) {
      this.#indents.pop();
      this.#push('outdent', '', { position });
    }
    if (width !== this.#indents.at(-1))
      throw new StarlarkError('unindent does not match any outer indentation level', position);
  }

  #next(): void {
    const char = this.#text[this.#at]!;
    if (char === ' ' || char === '\t' || char === '\r') {
      this.#at += 1;
    } else if (char === '#') {
      while (this.#at < this.#text.length && this.#text[this.#at] !== '\n') this.#at += 1;
    } else if (char === '\\' && this.#text[this.#at + 1] === '\n') {
      this.#at += 2;
      this.#newLine();
    } else if (char === '\n') {
      if (this.#brackets.length === 0) this.#push('newline', '\n');
      this.#at += 1;
      this.#newLine();
      if (this.#brackets.length === 0) this.#indentation();
    } else if (!this.#string() && !this.#name() && !this.#number()) this.#operator();
  }

  #string(): boolean {
    const prefix = /(?:[rR][bB]?|[bB][rR]?)?(?="|')/y;
    prefix.lastIndex = this.#at;
    const found = prefix.exec(this.#text);
    if (found === null) return false;
    const position = this.#position();
    const flags = found[0].toLowerCase();
    const literal = readString(this.#text, this.#at + flags.length, {
      raw: flags.includes('r'),
      bytes: flags.includes('b'),
      position,
    });
    for (let at = this.#at; at < literal.end; at += 1)
      if (this.#text[at] === '\n') {
        this.#line += 1;
        this.#lineStart = at + 1;
      }
    this.#at = literal.end;
    if (literal.bytes === undefined) this.#push('string', literal.value, { position });
    else this.#push('bytes', '', { bytes: literal.bytes, position });
    return true;
  }

  #name(): boolean {
    NAME.lastIndex = this.#at;
    const found = NAME.exec(this.#text);
    if (found === null) return false;
    const [text] = found;
    if (RESERVED.has(text))
      throw new StarlarkError(`${text} is reserved and cannot be used as a name`, this.#position());
    this.#push(KEYWORDS.has(text) ? 'keyword' : 'name', text);
    this.#at += text.length;
    return true;
  }

  #number(): boolean {
    NUMBER.lastIndex = this.#at;
    const found = NUMBER.exec(this.#text);
    if (found === null) return false;
    const [text] = found;
    const position = this.#position();
    if (/^0\d/.test(text) && /^\d+$/.test(text) && /[1-9]/.test(text))
      throw new StarlarkError(`${text} is no number: write octal numbers as 0o${text.slice(1)}`, position);
    const isFloat = /[.eE]/.test(text) && !/^0[xX]/.test(text);
    if (isFloat) {
      const value = Number(text);
      if (!Number.isFinite(value)) throw new StarlarkError(`the number ${text} is too large`, position);
      this.#push('float', text, { number: value, position });
    } else this.#push('int', text, { number: BigInt(text), position });
    this.#at += text.length;
    if (/[\p{L}_]/u.test(this.#text[this.#at] ?? ''))
      throw new StarlarkError(`${text} must be followed by an operator`, this.#position());
    return true;
  }

  #operator(): void {
    const text = OPERATORS.find((item) => this.#text.startsWith(item, this.#at));
    if (text === undefined)
      throw new StarlarkError(
        `unexpected character ${JSON.stringify(this.#text[this.#at])}`,
        this.#position(),
      );
    if (text === '(' || text === '[' || text === '{')
      this.#brackets.push({ text, position: this.#position() });
    else if (text === ')' || text === ']' || text === '}') {
      const open = this.#brackets.pop();
      if (open === undefined || `${open.text}${text}` !== { '(': '()', '[': '[]', '{': '{}' }[open.text])
        throw new StarlarkError(`unexpected ${text}`, this.#position());
    }
    this.#push('op', text);
    this.#at += text.length;
  }
}
