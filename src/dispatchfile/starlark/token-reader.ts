import type { Expression } from './ast.ts';
import type { Token } from './lexer.ts';
import { StarlarkError } from './position.ts';

const MAX_DEPTH = 150;

/** Walks over tokens, one of them ahead. */
export class TokenReader {
  protected readonly tokens: Token[];
  protected at = 0;
  protected depth = 0;

  constructor(tokens: Token[]) {
    this.tokens = tokens;
  }

  /** A method, so that what it gave before says nothing about what it gives now. */
  protected peek(): Token {
    return this.tokens[this.at]!;
  }

  protected is(text: string): boolean {
    const { kind, text: found } = this.peek();
    return found === text && (kind === 'op' || kind === 'keyword');
  }

  protected take(text: string): boolean {
    if (!this.is(text)) return false;
    this.at += 1;
    return true;
  }

  protected expect(text: string): Token {
    const token = this.peek();
    if (!this.take(text)) throw this.unexpected(JSON.stringify(text).replaceAll('"', "'"));
    return token;
  }

  protected unexpected(wanted: string): StarlarkError {
    const { kind, text, position } = this.peek();
    const found =
      kind === 'end'
        ? 'the end of the file'
        : kind === 'newline'
          ? 'the end of the line'
          : kind === 'string'
            ? 'a string'
            : kind === 'indent' || kind === 'outdent'
              ? `an ${kind === 'indent' ? 'indentation' : 'outdent'}`
              : `'${text}'`;
    return new StarlarkError(`got ${found}, want ${wanted}`, position);
  }

  protected name(): Token {
    const token = this.peek();
    if (token.kind !== 'name') throw this.unexpected('a name');
    this.at += 1;
    return token;
  }

  /** Bounds how deeply a program nests, so that no text can exhaust the stack. */
  protected nested<T>(parse: () => T): T {
    this.depth += 1;
    if (this.depth > MAX_DEPTH)
      throw new StarlarkError('the code is nested too deeply', this.peek().position);
    const result = parse();
    this.depth -= 1;
    return result;
  }
}

/** Refuses what nothing can be assigned to. */
export function checkTarget(target: Expression): void {
  if (target.kind === 'name' || target.kind === 'attribute' || target.kind === 'index') return;
  if (target.kind === 'tuple' || target.kind === 'list') {
    for (const item of target.items) checkTarget(item);
    return;
  }
  throw new StarlarkError(
    `can't assign to a ${target.kind === 'literal' ? 'literal' : target.kind === 'call' ? 'function call' : target.kind} expression`,
    target.position,
  );
}
