import type { CommandNode, Expression, Node, Pipe, TemplateTree } from './ast.ts';
import { type Delimiters, Lexer, lineOf, type Token, type TokenKind } from './lexer.ts';
import { parseNumber } from './number.ts';
import { RenderError } from './problem.ts';
import { unquoteGo } from './quote.ts';

const DEFAULT_MARKS: Delimiters = { left: '{{', right: '}}' };
const MAX_DEPTH = 1000;

interface Ended {
  nodes: Node[];
  /** "end", "else", or undefined at the end of the text. */
  by: 'end' | 'else' | undefined;
}

/** The trees of a file: its own first, then everything that it defines. */
export function parseTemplate(
  name: string,
  source: string,
  options: { marks?: Delimiters; isFunction: (name: string) => boolean },
): TemplateTree[] {
  return new Parser(name, source, options).parse();
}

class Parser {
  readonly #name: string;
  readonly #source: string;
  readonly #isFunction: (name: string) => boolean;
  readonly #tokens: Token[];
  readonly #trees: TemplateTree[] = [];
  #next = 0;
  #variables: string[] = ['$'];
  #loops = 0;
  #depth = 0;

  constructor(
    name: string,
    source: string,
    { marks = DEFAULT_MARKS, isFunction }: { marks?: Delimiters; isFunction: (name: string) => boolean },
  ) {
    this.#name = name;
    this.#source = source;
    this.#isFunction = isFunction;
    this.#tokens = new Lexer(name, source, marks).tokens();
  }

  parse(): TemplateTree[] {
    const { nodes, by } = this.#list({ top: true });
    if (by !== undefined) this.#fail(`unexpected {{${by}}}`);
    return [this.#tree(this.#name, nodes), ...this.#trees];
  }

  #tree(name: string, body: Node[]): TemplateTree {
    return { name, file: this.#name, source: this.#source, body };
  }

  #list({ top = false } = {}): Ended {
    const nodes: Node[] = [];
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) this.#fail('the template is nested too deeply');
    for (;;) {
      const token = this.#take();
      if (token.kind === 'end') {
        if (!top) this.#fail('unexpected EOF');
        this.#depth -= 1;
        return { nodes, by: undefined };
      }
      if (token.kind === 'text') {
        nodes.push({ type: 'text', text: token.text });
        continue;
      }
      const by = this.#action(nodes, token.at);
      if (by === undefined) continue;
      this.#depth -= 1;
      return { nodes, by };
    }
  }

  #action(nodes: Node[], at: number): 'end' | 'else' | undefined {
    const word = this.#peek();
    if (word.kind !== 'keyword') {
      const pipe = this.#pipe('command', 'close');
      nodes.push({ type: 'show', at: this.#start(pipe, at), pipe });
      return undefined;
    }
    this.#take();
    switch (word.text) {
      case 'end':
        this.#close('end');
        return 'end';
      case 'else':
        return 'else';
      case 'if':
      case 'with':
      case 'range':
        nodes.push(this.#control(word.text, word.at));
        return undefined;
      case 'break':
      case 'continue':
        if (this.#loops === 0) this.#fail(`{{${word.text}}} outside {{range}}`);
        this.#close(`{{${word.text}}}`);
        nodes.push({ type: word.text, at: word.at });
        return undefined;
      case 'template':
        nodes.push(this.#call());
        return undefined;
      case 'define':
        this.#define();
        return undefined;
      default:
        nodes.push(this.#block(word.at));
        return undefined;
    }
  }

  #control(type: 'if' | 'with' | 'range', at: number): Node {
    const scope = this.#variables.length;
    const pipe = this.#pipe(type, 'close');
    if (type === 'range') this.#loops += 1;
    const { nodes: body, by } = this.#list();
    if (type === 'range') this.#loops -= 1;
    let otherwise: Node[] = [];
    if (by === 'else') otherwise = this.#otherwise(type);
    this.#variables.length = scope;
    return { type, at, pipe, body, otherwise };
  }

  #otherwise(type: 'if' | 'with' | 'range'): Node[] {
    const word = this.#peek();
    if (word.kind === 'keyword' && (word.text === 'if' || word.text === 'with') && type === word.text) {
      this.#take();
      // The inner one takes the end of both.
      return [this.#control(type, word.at)];
    }
    this.#close('else');
    const { nodes, by } = this.#list();
    if (by !== 'end') this.#fail('expected end; found {{else}}');
    return nodes;
  }

  #call(): Node {
    const { at } = this.#peek();
    const name = this.#templateName('template clause');
    const isBare = this.#peek().kind === 'close';
    const pipe = isBare ? undefined : this.#pipe('template clause', 'close');
    if (isBare) this.#take();
    return { type: 'template', at, name, pipe };
  }

  #define(): void {
    const name = this.#templateName('define clause');
    this.#close('define clause');
    this.#trees.push(this.#tree(name, this.#inner()));
  }

  #block(at: number): Node {
    const name = this.#templateName('block clause');
    const pipe = this.#pipe('block clause', 'close');
    this.#trees.push(this.#tree(name, this.#inner()));
    return { type: 'template', at, name, pipe };
  }

  /** A body with variables of its own. */
  #inner(): Node[] {
    const [variables, loops] = [this.#variables, this.#loops];
    this.#variables = ['$'];
    this.#loops = 0;
    const { nodes, by } = this.#list();
    if (by !== 'end') this.#fail('unexpected {{else}} in define clause');
    this.#variables = variables;
    this.#loops = loops;
    return nodes;
  }

  #templateName(context: string): string {
    const token = this.#take();
    if (token.kind !== 'string' && token.kind !== 'raw') this.#unexpected(token, context);
    return this.#unquote(token);
  }

  #pipe(context: string, end: TokenKind): Pipe {
    const at = this.#peek().at;
    const declared = this.#declarations(context);
    const pipe: Pipe = { at, ...declared, commands: [] };
    for (;;) {
      const token = this.#peek();
      if (token.kind === end) {
        this.#take();
        this.#checkPipe(pipe, context);
        return pipe;
      }
      if (!STARTS.has(token.kind)) this.#unexpected(this.#take(), context);
      pipe.commands.push(this.#command());
    }
  }

  #declarations(context: string): { names: string[]; assigns: boolean } {
    const from = this.#next;
    const names: string[] = [];
    for (;;) {
      const variable = this.#peek();
      if (variable.kind !== 'variable' || variable.text.includes('.')) break;
      this.#take();
      const next = this.#peek();
      names.push(variable.text);
      if (next.kind === 'assign' || next.kind === 'declare') {
        this.#take();
        const assigns = next.kind === 'assign';
        if (!assigns) this.#variables.push(...names);
        else for (const name of names) this.#known(name);
        return { names, assigns };
      }
      if (next.kind !== 'comma' || context !== 'range' || names.length > 1) break;
      this.#take();
    }
    // It was a value, after all.
    this.#next = from;
    return { names: [], assigns: false };
  }

  #checkPipe(pipe: Pipe, context: string): void {
    if (pipe.commands.length === 0) this.#fail(`missing value for ${context}`);
    for (const [at, { words }] of pipe.commands.entries()) {
      const first = words[0]!;
      if (at > 0 && ['dot', 'nil', 'constant'].includes(first.type))
        this.#fail(`non executable command in pipeline stage ${at + 1}`);
    }
  }

  #command(): CommandNode {
    const words: Expression[] = [];
    const { at } = this.#peek();
    for (;;) {
      const operand = this.#operand();
      if (operand !== undefined) words.push(operand);
      const token = this.#raw();
      if (token.kind === 'space') {
        this.#next += 1;
        const after = this.#raw();
        if (after.kind === 'pipe') {
          this.#next += 1;
          break;
        }
        if (after.kind === 'close' || after.kind === 'thesis') break;
        continue;
      }
      if (token.kind === 'pipe') {
        this.#next += 1;
        break;
      }
      if (token.kind === 'close' || token.kind === 'thesis') break;
      this.#unexpected(token, 'operand');
    }
    if (words.length === 0) this.#fail('empty command');
    return { at, words };
  }

  #operand(): Expression | undefined {
    const node = this.#term();
    if (node === undefined) return undefined;
    const names: string[] = [];
    // Errors name the place of the second field, as Go's do.
    const { at } = this.#raw();
    while (this.#raw().kind === 'field') names.push(this.#rawTake().text.slice(1));
    if (names.length === 0) return node;
    if (node.type === 'field' || node.type === 'variable')
      return { ...node, at, names: [...node.names, ...names] };
    if (node.type === 'constant' || node.type === 'nil' || node.type === 'dot')
      this.#fail(
        `unexpected . after term ${JSON.stringify(node.type === 'constant' ? node.text : node.type)}`,
      );
    return { type: 'chain', at, of: node, names };
  }

  #term(): Expression | undefined {
    const token = this.#peek();
    const { at, text } = token;
    switch (token.kind) {
      case 'identifier':
        if (!this.#isFunction(text)) this.#fail(`function ${JSON.stringify(text)} not defined`);
        this.#take();
        return { type: 'function', at, name: text };
      case 'dot':
        this.#take();
        return { type: 'dot', at };
      case 'nil':
        this.#take();
        return { type: 'nil', at };
      case 'variable':
        this.#take();
        this.#known(text);
        return { type: 'variable', at, name: text, names: [] };
      case 'field':
        this.#take();
        return { type: 'field', at, names: [text.slice(1)] };
      case 'bool':
        this.#take();
        return { type: 'constant', at, value: text === 'true', text };
      case 'number':
      case 'char':
        this.#take();
        return { type: 'constant', at, value: this.#number(token), text };
      case 'string':
      case 'raw':
        this.#take();
        return { type: 'constant', at, value: this.#unquote(token), text };
      case 'paren':
        this.#take();
        return { type: 'pipe', at: at + 1, pipe: this.#pipe('parenthesized pipeline', 'thesis') };
      default:
        return undefined;
    }
  }

  #number({ kind, text }: Token): unknown {
    const value = kind === 'char' ? BigInt(unquoteGo(text).codePointAt(0) ?? 0) : parseNumber(text);
    if (value === undefined) this.#fail(`illegal number syntax: ${JSON.stringify(text)}`);
    return value;
  }

  #unquote(token: Token): string {
    try {
      return unquoteGo(token.text);
    } catch {
      return this.#fail(`invalid syntax in ${token.text}`);
    }
  }

  #known(name: string): void {
    if (!this.#variables.includes(name)) this.#fail(`undefined variable ${JSON.stringify(name)}`);
  }

  /** Where an action begins, as errors count it: at its first word. */
  #start(pipe: Pipe, at: number): number {
    return pipe.commands[0]?.at ?? at;
  }

  #close(context: string): void {
    const token = this.#take();
    if (token.kind !== 'close') this.#unexpected(token, context);
  }

  #raw(): Token {
    return this.#tokens[this.#next]!;
  }

  #rawTake(): Token {
    return this.#tokens[this.#next++]!;
  }

  /** The next token that is no space. */
  #peek(): Token {
    while (this.#raw().kind === 'space') this.#next += 1;
    return this.#raw();
  }

  #take(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#next += 1;
    return token;
  }

  #unexpected({ kind, text }: Token, context: string): never {
    const what = kind === 'end' ? 'EOF' : kind === 'keyword' ? `<${text}>` : JSON.stringify(text);
    return this.#fail(`unexpected ${what} in ${context}`);
  }

  #fail(message: string): never {
    const { at } = this.#tokens[Math.min(this.#next, this.#tokens.length - 1)]!;
    throw new RenderError(`template: ${this.#name}:${lineOf(this.#source, at)}: ${message}`);
  }
}

const STARTS: ReadonlySet<TokenKind> = new Set([
  'bool',
  'char',
  'dot',
  'field',
  'identifier',
  'number',
  'nil',
  'raw',
  'string',
  'variable',
  'paren',
]);
