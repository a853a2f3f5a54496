import {
  type CommandNode,
  type Expression,
  type Node,
  type Pipe,
  type TemplateTree,
  textOf,
  textOfCommand,
  textOfPipe,
} from './ast.ts';
import { ArgumentError, type TemplateFunction } from './functions.ts';
import { show } from './format.ts';
import { EndlessError, RenderError } from './problem.ts';
import {
  integerIn,
  isTrue,
  kindOf,
  mapIn,
  methodOf,
  sortedKeys,
  Struct,
  typeOf,
  type Value,
} from './values.ts';

export interface Limits {
  /** Nodes and calls. */
  steps: number;
  /** Characters of the result. */
  output: number;
  depth: number;
}

/** What all templates of one rendering share. */
export interface Execution {
  templates: ReadonlyMap<string, TemplateTree>;
  functions: Readonly<Record<string, TemplateFunction>>;
  limits: Limits;
  used: { steps: number; depth: number };
  /** A key that is not there is an error. */
  strict: boolean;
}

type Jump = 'break' | 'continue' | undefined;

interface Spot {
  at: number;
  text: string;
}

/** An error with the place where it happened, as Go tells it. */
export class TemplateError extends RenderError {}

/** Runs one template with the data that it is given. */
export class Run {
  readonly #execution: Execution;
  readonly #tree: TemplateTree;
  readonly #variables: { name: string; value: Value }[];
  readonly #out: string[];
  #size: { value: number };
  #spot: Spot = { at: 0, text: '' };

  constructor(
    execution: Execution,
    tree: TemplateTree,
    data: Value,
    out: string[] = [],
    size = { value: 0 },
  ) {
    this.#execution = execution;
    this.#tree = tree;
    this.#variables = [{ name: '$', value: data }];
    this.#out = out;
    this.#size = size;
  }

  text(): string {
    const { used, limits } = this.#execution;
    used.depth += 1;
    if (used.depth > limits.depth) this.#stop('the templates call each other too deeply');
    this.#walk(this.#variables[0]!.value, this.#tree.body);
    used.depth -= 1;
    return this.#out.join('');
  }

  #walk(dot: Value, nodes: readonly Node[]): Jump {
    for (const node of nodes) {
      this.#step();
      const jump = this.#node(dot, node);
      if (jump !== undefined) return jump;
    }
    return undefined;
  }

  #node(dot: Value, node: Node): Jump {
    switch (node.type) {
      case 'text':
        this.#write(node.text);
        return undefined;
      case 'show': {
        this.#at(node.at, `{{${textOfPipe(node.pipe)}}}`);
        const value = this.#pipe(dot, node.pipe);
        if (node.pipe.names.length === 0) this.#print(value, node.pipe);
        return undefined;
      }
      case 'if':
      case 'with':
        return this.#choose(dot, node);
      case 'range':
        return this.#range(dot, node);
      case 'template':
        this.#call(dot, node);
        return undefined;
      default:
        return node.type;
    }
  }

  #choose(dot: Value, node: Node & { type: 'if' | 'with' | 'range' }): Jump {
    const mark = this.#variables.length;
    const value = this.#pipe(dot, node.pipe);
    const jump = isTrue(value)
      ? this.#walk(node.type === 'with' ? value : dot, node.body)
      : this.#walk(dot, node.otherwise);
    this.#variables.length = mark;
    return jump;
  }

  #range(dot: Value, node: Node & { type: 'if' | 'with' | 'range' }): Jump {
    const mark = this.#variables.length;
    const value = this.#pipe(dot, node.pipe);
    const inner = this.#variables.length;
    const pairs = this.#pairs(value, node.pipe);
    let count = 0;
    for (const [key, item] of pairs) {
      count += 1;
      this.#step();
      this.#bind(node.pipe, key, item);
      const jump = this.#walk(item, node.body);
      this.#variables.length = inner;
      if (jump === 'break') break;
    }
    const jump = count === 0 ? this.#walk(dot, node.otherwise) : undefined;
    this.#variables.length = mark;
    return jump;
  }

  #bind({ names, assigns }: Pipe, key: Value, item: Value): void {
    const values = names.length > 1 ? [key, item] : [item];
    for (const [at, name] of names.entries()) {
      if (assigns) this.#assign(name, values[at]);
      // The pipeline has made the variables: their values are those of this turn.
      else this.#variables[this.#variables.findLastIndex((known) => known.name === name)]!.value = values[at];
    }
  }

  *#pairs(value: Value, pipe: Pipe): Generator<[Value, Value]> {
    const map = mapIn(value);
    if (map !== undefined) {
      for (const key of sortedKeys(map)) yield [key, map.get(key)];
      return;
    }
    if (Array.isArray(value)) {
      for (const [at, item] of value.entries()) yield [BigInt(at), item];
      return;
    }
    const count = integerIn(value);
    if (count !== undefined) {
      for (let at = 0n; at < count; at += 1n) yield [at, at];
      return;
    }
    if (value === null || value === undefined) return;
    this.#at(pipe.at, textOfPipe(pipe));
    this.#fail(`range can't iterate over ${show(value)}`);
  }

  #call(dot: Value, node: Node & { type: 'template' }): void {
    this.#at(
      node.at,
      node.pipe === undefined
        ? `{{template ${JSON.stringify(node.name)}}}`
        : `{{template ${JSON.stringify(node.name)} ${textOfPipe(node.pipe)}}}`,
    );
    const tree = this.#execution.templates.get(node.name);
    if (tree === undefined) this.#fail(`template ${JSON.stringify(node.name)} not defined`);
    const data = node.pipe === undefined ? undefined : this.#pipe(dot, node.pipe);
    new Run(this.#execution, tree, data, this.#out, this.#size).text();
  }

  #pipe(dot: Value, pipe: Pipe): Value {
    let value: Value;
    for (const [at, command] of pipe.commands.entries()) {
      value = this.#command(dot, command, at === 0 ? NONE : value);
      if (value === null) value = undefined;
    }
    for (const name of pipe.names) {
      if (pipe.assigns) this.#assign(name, value);
      else this.#variables.push({ name, value });
    }
    return value;
  }

  #assign(name: string, value: Value): void {
    const known = this.#variables.findLast((item) => item.name === name);
    if (known === undefined) this.#fail(`undefined variable: ${name}`);
    known.value = value;
  }

  #command(dot: Value, command: CommandNode, final: Value): Value {
    this.#step();
    const first = command.words[0]!;
    if (first.type === 'function') return this.#function(dot, command, final);
    const callable = first.type === 'field' || first.type === 'chain' || first.type === 'variable';
    const hasArguments = command.words.length > 1 || final !== NONE;
    if (callable) return this.#fields(dot, first, hasArguments ? { command, final } : undefined);
    this.#at(first.at, textOf(first));
    if (hasArguments) this.#fail(`can't give argument to non-function ${textOf(first)}`);
    if (first.type === 'nil') this.#fail('nil is not a command');
    return this.#value(dot, first);
  }

  #function(dot: Value, command: CommandNode, final: Value): Value {
    const node = command.words[0] as Expression & { type: 'function' };
    this.#at(node.at, node.name);
    const { functions } = this.#execution;
    const callee = Object.hasOwn(functions, node.name) ? functions[node.name] : undefined;
    if (callee === undefined) this.#fail(`${JSON.stringify(node.name)} is not a defined function`);
    if (node.name === 'and' || node.name === 'or') return this.#shortCircuit(dot, command, final);
    return this.#apply(callee, node.name, this.#arguments(dot, command, final), command);
  }

  #shortCircuit(dot: Value, { words }: CommandNode, final: Value): Value {
    const stopsAt = (words[0] as { name: string }).name === 'or';
    let value: Value;
    for (const word of words.slice(1)) {
      value = this.#value(dot, word);
      if (isTrue(value) === stopsAt) return value;
    }
    if (final === NONE && words.length === 1)
      this.#fail(`wrong number of args for ${textOf(words[0]!)}: want at least 1 got 0`);
    return final === NONE ? value : final;
  }

  #arguments(dot: Value, { words }: CommandNode, final: Value): Value[] {
    const args = words.slice(1).map((word) => this.#value(dot, word));
    if (final !== NONE) args.push(final);
    return args;
  }

  #apply(callee: TemplateFunction, name: string, args: Value[], command: CommandNode): Value {
    const spot = { at: command.at, text: textOfCommand(command) };
    if (args.length < callee.length)
      this.#fail(`wrong number of args for ${name}: want ${callee.length} got ${args.length}`);
    try {
      return callee(...args);
    } catch (error) {
      if (error instanceof ArgumentError) {
        const word = command.words[error.index + 1];
        if (word !== undefined) this.#at(word.at, textOf(word));
        if (word?.type !== 'constant') this.#fail(error.message, error);
        const expected = error.expected === 'int' ? 'integer' : error.expected;
        this.#fail(`expected ${expected}; found ${word.text}`, error);
      }
      if (error instanceof EndlessError) throw error;
      this.#spot = spot;
      if (error instanceof RangeError && /call stack/.test(error.message))
        this.#stop('the template calls itself without an end');
      return this.#fail(`error calling ${name}: ${(error as Error).message}`, error);
    }
  }

  #value(dot: Value, node: Expression): Value {
    switch (node.type) {
      case 'dot':
        return dot;
      case 'nil':
        return undefined;
      case 'constant':
        return node.value;
      case 'function':
        return this.#function(dot, { at: node.at, words: [node] }, NONE);
      case 'pipe':
        return this.#pipe(dot, node.pipe);
      default:
        return this.#fields(dot, node, undefined);
    }
  }

  #fields(
    dot: Value,
    node: Expression & { type: 'field' | 'chain' | 'variable' },
    call: { command: CommandNode; final: Value } | undefined,
  ): Value {
    let value: Value;
    if (node.type === 'field') value = dot;
    else if (node.type === 'variable')
      value = this.#variables.findLast((item) => item.name === node.name)?.value;
    else value = this.#value(dot, node.of);
    this.#at(node.at, textOf(node));
    if (node.names.length === 0) {
      if (call !== undefined) this.#fail(`can't give argument to non-function ${textOf(node)}`);
      return value;
    }
    const isNothing = value === undefined || value === null;
    for (const [at, name] of node.names.entries()) {
      const isLast = at === node.names.length - 1;
      if (isNothing) {
        if (this.#execution.strict) this.#fail(`nil data; no entry for key ${JSON.stringify(name)}`);
        return undefined;
      }
      value = this.#field(value, name, { node, isFirst: at === 0, dot, call: isLast ? call : undefined });
    }
    return value;
  }

  #field(
    value: Value,
    name: string,
    {
      node,
      isFirst,
      dot,
      call,
    }: {
      node: Expression;
      isFirst: boolean;
      dot: Value;
      call: { command: CommandNode; final: Value } | undefined;
    },
  ): Value {
    if (value === null || value === undefined) this.#fail(`nil pointer evaluating interface {}.${name}`);
    const method = methodOf(value, name);
    if (method !== undefined) {
      const args = call === undefined ? [] : this.#arguments(dot, call.command, call.final);
      return this.#apply(method, name, args, call?.command ?? { at: node.at, words: [node] });
    }
    if (value instanceof Struct) {
      this.#at(node.at, textOf(node));
      if (value.isMap) return value.members.get(name) ?? null;
      if (!value.members.has(name))
        this.#fail(`can't evaluate field ${name} in type ${isFirst ? typeOf(value) : 'interface {}'}`);
      if (call !== undefined) this.#fail(`${name} has arguments but cannot be invoked as function`);
      return value.members.get(name);
    }
    if (!(value instanceof Map))
      this.#fail(`can't evaluate field ${name} in type ${isFirst ? typeOf(value) : 'interface {}'}`);
    if (call !== undefined) this.#fail(`${name} is not a method but has arguments`);
    const found = value.get(name);
    if (found === undefined && this.#execution.strict)
      this.#fail(`map has no entry for key ${JSON.stringify(name)}`);
    return found ?? null;
  }

  #print(value: Value, pipe: Pipe): void {
    if (kindOf(value) === 'func') this.#fail(`can't print ${textOfPipe(pipe)} of type ${typeOf(value)}`);
    this.#write(value === undefined || value === null ? '<no value>' : show(value));
  }

  #write(text: string): void {
    this.#size.value += text.length;
    if (this.#size.value > this.#execution.limits.output)
      this.#stop(`the result is larger than ${Math.round(this.#execution.limits.output / 1024 / 1024)} MiB`);
    this.#out.push(text);
  }

  #step(): void {
    const { used, limits } = this.#execution;
    used.steps += 1;
    if (used.steps > limits.steps) this.#stop(`the template takes more than ${limits.steps} steps`);
  }

  #at(at: number, text: string): void {
    this.#spot = { at, text };
  }

  #stop(message: string): never {
    throw new EndlessError(`${this.#place()}: ${message}`);
  }

  #fail(message: string, cause?: unknown): never {
    throw new TemplateError(`${this.#place()}: ${message}`, { cause });
  }

  #place(): string {
    const { file, source, name } = this.#tree;
    const before = source.slice(0, this.#spot.at);
    const line = before.split('\n').length;
    const column = Buffer.byteLength(before.slice(before.lastIndexOf('\n') + 1));
    return `template: ${file}:${line}:${column}: executing ${JSON.stringify(name)} at <${this.#spot.text}>`;
  }
}

/** Stands where no value comes in from the command before. */
const NONE = Symbol('none');
