import type { Argument, BinaryOperator, Clause, Expression, Parameter, Statement } from './ast.ts';
import { Lexer } from './lexer.ts';
import { checkTarget, TokenReader } from './token-reader.ts';
import { type Position, StarlarkError } from './position.ts';

/** From weak to strong. Comparisons do not chain. */
const LEVELS: readonly (readonly string[])[] = [
  ['==', '!=', '<', '>', '<=', '>=', 'in', 'not in'],
  ['|'],
  ['^'],
  ['&'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '//', '%'],
];
const AUGMENTED = new Set(['+=', '-=', '*=', '/=', '//=', '%=', '&=', '|=', '^=', '<<=', '>>=']);

export function parseProgram(text: string, file: string): Statement[] {
  return new Parser(new Lexer(text, file).tokens()).program();
}

class Parser extends TokenReader {
  program(): Statement[] {
    const statements: Statement[] = [];
    while (this.peek().kind !== 'end') {
      if (this.peek().kind === 'newline') this.at += 1;
      else this.#statement(statements);
    }
    return statements;
  }

  #statement(into: Statement[]): void {
    this.nested(() => {
      if (this.is('def')) into.push(this.#def());
      else if (this.is('if')) into.push(this.#if());
      else if (this.is('for')) into.push(this.#for());
      else if (this.is('while'))
        throw new StarlarkError('while loops are not part of this dialect: use for', this.peek().position);
      else this.#simpleLine(into);
    });
  }

  #simpleLine(into: Statement[]): void {
    do {
      if (this.peek().kind === 'newline') break;
      into.push(this.#simple());
    } while (this.take(';'));
    if (this.peek().kind !== 'newline') throw this.unexpected('a new line');
    this.at += 1;
  }

  #simple(): Statement {
    const { position } = this.peek();
    for (const kind of ['pass', 'break', 'continue'] as const) if (this.take(kind)) return { kind, position };
    if (this.take('return')) {
      const bare = this.peek().kind === 'newline' || this.is(';');
      return { kind: 'return', value: bare ? undefined : this.#expressions(), position };
    }
    if (this.is('load')) return this.#load();
    const target = this.#expressions();
    const operator = this.peek();
    if (operator.kind === 'op' && operator.text === '=') {
      this.at += 1;
      checkTarget(target);
      return { kind: 'assign', target, value: this.#expressions(), position: operator.position };
    }
    if (operator.kind === 'op' && AUGMENTED.has(operator.text)) {
      this.at += 1;
      if (target.kind === 'tuple' || target.kind === 'list')
        throw new StarlarkError(`cannot use ${operator.text} with several targets`, target.position);
      checkTarget(target);
      return {
        kind: 'augment',
        operator: operator.text.slice(0, -1) as BinaryOperator,
        target,
        value: this.#expressions(),
        position: operator.position,
      };
    }
    return { kind: 'expression', value: target, position };
  }

  #load(): Statement {
    const { position } = this.expect('load');
    this.expect('(');
    const module = this.peek();
    if (module.kind !== 'string') throw this.unexpected('the name of a module');
    this.at += 1;
    const names: { local: string; remote: string; position: Position }[] = [];
    while (this.take(',')) {
      if (this.is(')')) break;
      const first = this.peek();
      if (first.kind === 'string') {
        this.at += 1;
        names.push({ local: first.text, remote: first.text, position: first.position });
        continue;
      }
      const local = this.name();
      this.expect('=');
      const remote = this.peek();
      if (remote.kind !== 'string') throw this.unexpected('a name in quotes');
      this.at += 1;
      names.push({ local: local.text, remote: remote.text, position: local.position });
    }
    this.expect(')');
    if (names.length === 0)
      throw new StarlarkError('load statement must import at least one symbol', position);
    for (const name of names)
      if (name.remote.startsWith('_'))
        throw new StarlarkError(
          `load: names with leading underscores are not exported: ${name.remote}`,
          name.position,
        );
    return { kind: 'load', module: module.text, names, position };
  }

  #def(): Statement {
    const { position } = this.expect('def');
    const name = this.name().text;
    this.expect('(');
    const parameters = this.#parameters(')');
    this.expect(')');
    this.expect(':');
    const body = this.#block();
    const first = body[0];
    const doc =
      first?.kind === 'expression' && first.value.kind === 'literal' && typeof first.value.value === 'string'
        ? first.value.value
        : undefined;
    return { kind: 'def', name, parameters, body, doc, position };
  }

  #if(): Statement {
    const { position } = this.peek();
    this.at += 1;
    const test = this.#test();
    this.expect(':');
    const then = this.#block();
    let otherwise: Statement[] = [];
    if (this.is('elif')) otherwise = [this.nested(() => this.#if())];
    else if (this.take('else')) {
      this.expect(':');
      otherwise = this.#block();
    }
    return { kind: 'if', test, then, otherwise, position };
  }

  #for(): Statement {
    const { position } = this.expect('for');
    const target = this.#loopVariables();
    this.expect('in');
    const iterable = this.#expressions();
    this.expect(':');
    return { kind: 'for', target, iterable, body: this.#block(), position };
  }

  #block(): Statement[] {
    const body: Statement[] = [];
    if (this.peek().kind !== 'newline') {
      this.#simpleLine(body);
      return body;
    }
    this.at += 1;
    if (this.peek().kind !== 'indent') throw this.unexpected('an indented block');
    this.at += 1;
    while (this.peek().kind !== 'outdent' && this.peek().kind !== 'end') {
      if (this.peek().kind === 'newline') this.at += 1;
      else this.#statement(body);
    }
    if (this.peek().kind === 'outdent') this.at += 1;
    return body;
  }

  #parameters(close: string): Parameter[] {
    const parameters: Parameter[] = [];
    const seen = new Set<string>();
    let after: 'none' | 'default' | 'args' | 'kwargs' = 'none';
    while (!this.is(close)) {
      const { position } = this.peek();
      if (after === 'kwargs') throw new StarlarkError('no parameter may follow **kwargs', position);
      const parameter = this.#parameter(position, after);
      if (parameter.kind === 'args' || parameter.kind === 'separator') {
        if (after === 'args') throw new StarlarkError('multiple * parameters not allowed', position);
        after = 'args';
      } else if (parameter.kind === 'kwargs') after = 'kwargs';
      else if (parameter.default !== undefined && after === 'none') after = 'default';
      if (parameter.name !== '' && seen.has(parameter.name))
        throw new StarlarkError(`duplicate parameter: ${parameter.name}`, position);
      seen.add(parameter.name);
      parameters.push(parameter);
      if (!this.take(',')) break;
    }
    if (parameters.at(-1)?.kind === 'separator')
      throw new StarlarkError(
        'bare * must be followed by keyword-only parameters',
        parameters.at(-1)!.position,
      );
    return parameters;
  }

  #parameter(position: Position, after: string): Parameter {
    if (this.take('**')) return { kind: 'kwargs', name: this.name().text, position };
    if (this.take('*')) {
      if (this.peek().kind !== 'name') return { kind: 'separator', name: '', position };
      return { kind: 'args', name: this.name().text, position };
    }
    const name = this.name().text;
    if (this.take('=')) return { kind: 'plain', name, position, default: this.#test() };
    if (after === 'default') throw new StarlarkError('required parameter may not follow optional', position);
    return { kind: 'plain', name, position };
  }

  /** One expression, or several with commas between: a tuple. */
  #expressions(): Expression {
    const first = this.#test();
    if (!this.is(',')) return first;
    const items = [first];
    while (this.take(',')) {
      if (!this.#startsExpression()) break;
      items.push(this.#test());
    }
    return { kind: 'tuple', items, position: first.position };
  }

  #startsExpression(): boolean {
    const { kind, text } = this.peek();
    if (kind === 'op') return ['(', '[', '{', '-', '+', '~'].includes(text);
    if (kind === 'keyword') return text === 'not' || text === 'lambda';
    return kind === 'name' || kind === 'int' || kind === 'float' || kind === 'string' || kind === 'bytes';
  }

  #test(): Expression {
    return this.nested(() => {
      if (this.is('lambda')) return this.#lambda();
      const then = this.#or();
      if (!this.is('if')) return then;
      const { position } = this.peek();
      this.at += 1;
      const test = this.#or();
      if (!this.take('else')) throw new StarlarkError('conditional expression without else clause', position);
      return { kind: 'conditional', test, then, otherwise: this.#test(), position };
    });
  }

  #lambda(): Expression {
    const { position } = this.expect('lambda');
    const parameters = this.#parameters(':');
    this.expect(':');
    return { kind: 'lambda', parameters, body: this.#test(), position };
  }

  #or(): Expression {
    let left = this.#and();
    for (let { position } = this.peek(); this.take('or'); { position } = this.peek())
      left = { kind: 'or', left, right: this.#and(), position };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    for (let { position } = this.peek(); this.take('and'); { position } = this.peek())
      left = { kind: 'and', left, right: this.#not(), position };
    return left;
  }

  #not(): Expression {
    const { position } = this.peek();
    if (!this.take('not')) return this.#binary(0);
    return this.nested(() => ({ kind: 'unary', operator: 'not', operand: this.#not(), position }));
  }

  #binary(level: number): Expression {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (let compared = false; ; ) {
      const { position } = this.peek();
      const operator = this.#operator(operators);
      if (operator === undefined) return left;
      if (level === 0 && compared)
        throw new StarlarkError(
          `${operator} does not associate with other comparisons: use parentheses`,
          position,
        );
      compared = true;
      left = { kind: 'binary', operator, left, right: this.#binary(level + 1), position };
    }
  }

  #operator(operators: readonly string[]): BinaryOperator | undefined {
    if (operators.includes('not in') && this.is('not')) {
      const next = this.tokens[this.at + 1];
      if (next?.kind !== 'keyword' || next.text !== 'in') return undefined;
      this.at += 2;
      return 'not in';
    }
    const found = operators.find((text) => this.is(text));
    if (found !== undefined) this.at += 1;
    return found as BinaryOperator | undefined;
  }

  #unary(): Expression {
    const { position } = this.peek();
    for (const operator of ['-', '+', '~'] as const)
      if (this.take(operator))
        return this.nested(() => ({ kind: 'unary', operator, operand: this.#unary(), position }));
    return this.#primary();
  }

  #primary(): Expression {
    let result = this.#operand();
    for (;;) {
      const { position } = this.peek();
      if (this.take('.')) result = { kind: 'attribute', object: result, name: this.name().text, position };
      else if (this.take('(')) {
        const args = this.#arguments();
        this.expect(')');
        result = { kind: 'call', callee: result, args, position };
      } else if (this.take('[')) result = this.#subscript(result, position);
      else return result;
    }
  }

  #subscript(object: Expression, position: Position): Expression {
    const start = this.is(':') ? undefined : this.#expressions();
    if (start !== undefined && this.take(']')) return { kind: 'index', object, index: start, position };
    this.expect(':');
    const stop = this.is(':') || this.is(']') ? undefined : this.#test();
    const step = this.take(':') && !this.is(']') ? this.#test() : undefined;
    this.expect(']');
    return {
      kind: 'slice',
      object,
      ...(start && { start }),
      ...(stop && { stop }),
      ...(step && { step }),
      position,
    };
  }

  #arguments(): Argument[] {
    const args: Argument[] = [];
    const named = new Set<string>();
    while (!this.is(')')) {
      const { position } = this.peek();
      const argument = this.#argument();
      const last = args.at(-1)?.kind;
      if (argument.kind === 'positional' && last !== undefined && last !== 'positional')
        throw new StarlarkError(
          `positional argument may not follow ${last === 'named' ? 'named' : last === 'args' ? '*args' : '**kwargs'}`,
          position,
        );
      if (argument.kind !== 'kwargs' && last === 'kwargs')
        throw new StarlarkError('an argument may not follow **kwargs', position);
      if (argument.kind === 'args' && args.some((item) => item.kind === 'args'))
        throw new StarlarkError('multiple *args not allowed', position);
      if (argument.kind === 'kwargs' && last === 'kwargs')
        throw new StarlarkError('multiple **kwargs not allowed', position);
      if (argument.name !== undefined && named.has(argument.name))
        throw new StarlarkError(`keyword argument ${argument.name} is repeated`, position);
      if (argument.name !== undefined) named.add(argument.name);
      args.push(argument);
      if (!this.take(',')) break;
    }
    return args;
  }

  #argument(): Argument {
    if (this.take('**')) return { kind: 'kwargs', value: this.#test() };
    if (this.take('*')) return { kind: 'args', value: this.#test() };
    const next = this.tokens[this.at + 1];
    if (this.peek().kind === 'name' && next?.kind === 'op' && next.text === '=') {
      const { text } = this.name();
      this.at += 1;
      return { kind: 'named', name: text, value: this.#test() };
    }
    const value = this.#test();
    if (!this.is('for')) return { kind: 'positional', value };
    throw new StarlarkError(
      'generator expressions are not part of this language: use a list comprehension',
      this.peek().position,
    );
  }

  #operand(): Expression {
    const token = this.peek();
    const { position, text } = token;
    switch (token.kind) {
      case 'name':
        this.at += 1;
        return { kind: 'name', name: text, position };
      case 'int':
        this.at += 1;
        return { kind: 'literal', value: token.number as bigint, position };
      case 'float':
        this.at += 1;
        return { kind: 'literal', value: { float: token.number as number }, position };
      case 'bytes':
        this.at += 1;
        return { kind: 'literal', value: { bytes: token.bytes! }, position };
      case 'string': {
        this.at += 1;
        return { kind: 'literal', value: text, position };
      }
      default:
        if (this.take('(')) return this.#parenthesised(position);
        if (this.take('[')) return this.#listOrComprehension(position);
        if (this.take('{')) return this.#dictOrComprehension(position);
        throw this.unexpected('an expression');
    }
  }

  #parenthesised(position: Position): Expression {
    if (this.take(')')) return { kind: 'tuple', items: [], position };
    const inner = this.#expressions();
    this.expect(')');
    return inner;
  }

  #listOrComprehension(position: Position): Expression {
    if (this.take(']')) return { kind: 'list', items: [], position };
    const first = this.#test();
    if (this.is('for')) {
      const clauses = this.#clauses();
      this.expect(']');
      return { kind: 'comprehension', of: 'list', body: first, clauses, position };
    }
    const items = [first];
    while (this.take(',')) {
      if (this.is(']')) break;
      items.push(this.#test());
    }
    this.expect(']');
    return { kind: 'list', items, position };
  }

  #dictOrComprehension(position: Position): Expression {
    const entries: { key: Expression; value: Expression }[] = [];
    while (!this.is('}')) {
      const key = this.#test();
      this.expect(':');
      const value = this.#test();
      if (entries.length === 0 && this.is('for')) {
        const clauses = this.#clauses();
        this.expect('}');
        return { kind: 'comprehension', of: 'dict', key, body: value, clauses, position };
      }
      entries.push({ key, value });
      if (!this.take(',')) break;
    }
    this.expect('}');
    return { kind: 'dict', entries, position };
  }

  #clauses(): Clause[] {
    const clauses: Clause[] = [];
    for (;;) {
      const { position } = this.peek();
      if (this.take('for')) {
        const target = this.#loopVariables();
        this.expect('in');
        clauses.push({ kind: 'for', target, iterable: this.#or(), position });
      } else if (this.take('if')) clauses.push({ kind: 'if', test: this.#or() });
      else return clauses;
    }
  }

  #loopVariables(): Expression {
    const first = this.#primary();
    checkTarget(first);
    if (!this.is(',')) return first;
    const items = [first];
    while (this.take(',')) {
      if (this.is('in')) break;
      const item = this.#primary();
      checkTarget(item);
      items.push(item);
    }
    return { kind: 'tuple', items, position: first.position };
  }
}
