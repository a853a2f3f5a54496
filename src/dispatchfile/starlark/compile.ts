import type { Argument, Clause, Expression, Parameter, Statement } from './ast.ts';
import { attributeOf, setAttribute } from './attributes.ts';
import { augmented, buildDict, collect, runComprehension, unassigned, unpackTo } from './execution.ts';
import { type Cell, type Frame, StarlarkFunction } from './function.ts';
import { binary, index, setIndex, slice, unary } from './operators.ts';
import { type Position, StarlarkError } from './position.ts';
import { type Binding, boundNames, checkPlaces, FunctionScope, targetNames } from './scope.ts';
import {
  Bytes,
  Callable,
  type CallArguments,
  Float,
  intOf,
  isTrue,
  List,
  Tuple,
  typeOf,
  type Value,
  ValueError,
  walk,
} from './values.ts';

type Evaluate = (frame: Frame) => Value;
type Assign = (frame: Frame, value: Value) => void;
/** What a statement does next: go on, or leave a loop or function. */
type Execute = (frame: Frame) => Flow;
type Flow = undefined | typeof BREAK | typeof CONTINUE | { value: Value };

const BREAK = Symbol('break');
const CONTINUE = Symbol('continue');

export interface Names {
  predeclared: ReadonlyMap<string, Value>;
  universal: ReadonlyMap<string, Value>;
  /** Names that load statements bind in this file. */
  loaded: Map<string, Value>;
}

export interface CompiledProgram {
  loads: Extract<Statement, { kind: 'load' }>[];
  run: (frame: Frame) => void;
  slots: number;
  cells: boolean[];
}

export function compileProgram(statements: readonly Statement[], names: Names): CompiledProgram {
  return new Compiler(names).program(statements);
}

class Compiler {
  readonly #names: Names;
  readonly #globals = new Set<string>();
  readonly #loaded = new Set<string>();
  #scope = new FunctionScope('<toplevel>', undefined);

  constructor(names: Names) {
    this.#names = names;
  }

  program(statements: readonly Statement[]): CompiledProgram {
    checkPlaces(statements, { function: false, loop: false });
    const loads = statements.filter((item) => item.kind === 'load');
    for (const load of loads)
      for (const { local, position } of load.names) {
        if (this.#loaded.has(local)) throw new StarlarkError(`cannot reassign top-level ${local}`, position);
        this.#loaded.add(local);
      }
    boundNames(statements, (name, position) => {
      if (this.#globals.has(name) || this.#loaded.has(name))
        throw new StarlarkError(`cannot reassign global ${name}`, position);
      this.#globals.add(name);
    });
    const body = statements.map((item) => this.#statement(item));
    const run = (frame: Frame): void => {
      for (const execute of body) execute(frame);
    };
    return { loads, run, slots: this.#scope.size, cells: this.#scope.cells };
  }

  #statements(statements: readonly Statement[]): Execute {
    const body = statements.map((item) => this.#statement(item));
    return (frame) => {
      for (const execute of body) {
        const flow = execute(frame);
        if (flow !== undefined) return flow;
      }
      return undefined;
    };
  }

  #statement(statement: Statement): Execute {
    const { position } = statement;
    switch (statement.kind) {
      case 'expression': {
        const value = this.#expression(statement.value);
        return (frame) => {
          frame.thread.step();
          value(frame);
          return undefined;
        };
      }
      case 'assign': {
        const value = this.#expression(statement.value);
        const assign = this.#assign(statement.target);
        return (frame) => {
          frame.thread.step();
          const result = value(frame);
          frame.thread.at(position);
          assign(frame, result);
          return undefined;
        };
      }
      case 'augment':
        return this.#augment(statement);
      case 'if': {
        const test = this.#expression(statement.test);
        const then = this.#statements(statement.then);
        const otherwise = this.#statements(statement.otherwise);
        return (frame) => (isTrue(test(frame)) ? then(frame) : otherwise(frame));
      }
      case 'for':
        return this.#for(statement);
      case 'def': {
        const make = this.#function(statement);
        const assign = this.#assign({ kind: 'name', name: statement.name, position });
        return (frame) => {
          assign(frame, make(frame));
          return undefined;
        };
      }
      case 'return': {
        const value = statement.value === undefined ? () => null : this.#expression(statement.value);
        return (frame) => ({ value: value(frame) });
      }
      case 'break':
        return () => BREAK;
      case 'continue':
        return () => CONTINUE;
      default:
        return () => undefined;
    }
  }

  #for(statement: Extract<Statement, { kind: 'for' }>): Execute {
    const iterable = this.#expression(statement.iterable);
    const assign = this.#assign(statement.target);
    const body = this.#statements(statement.body);
    const { position } = statement;
    return (frame) => {
      let flow: Flow;
      const items = iterable(frame);
      frame.thread.at(position);
      walk(items, (item) => {
        frame.thread.step();
        assign(frame, item);
        flow = body(frame);
        if (flow === CONTINUE) flow = undefined;
        return flow === undefined ? undefined : false;
      });
      return flow === BREAK ? undefined : flow;
    };
  }

  #augment({ operator, target, value, position }: Extract<Statement, { kind: 'augment' }>): Execute {
    const right = this.#expression(value);
    const combine = (frame: Frame, left: Value, operand: Value): Value => {
      frame.thread.at(position);
      return augmented(operator, left, operand, frame);
    };
    if (target.kind === 'index') {
      const object = this.#expression(target.object);
      const key = this.#expression(target.index);
      return (frame) => {
        const [container, at] = [object(frame), key(frame)];
        frame.thread.at(position);
        const result = combine(frame, index(container, at), right(frame));
        setIndex(container, at, result);
        return undefined;
      };
    }
    if (target.kind === 'attribute') {
      const object = this.#expression(target.object);
      return (frame) => {
        const container = object(frame);
        frame.thread.at(position);
        setAttribute(
          container,
          target.name,
          combine(frame, attributeOf(container, target.name), right(frame)),
        );
        return undefined;
      };
    }
    const left = this.#expression(target);
    const assign = this.#assign(target);
    return (frame) => {
      assign(frame, combine(frame, left(frame), right(frame)));
      return undefined;
    };
  }

  #assign(target: Expression): Assign {
    const { position } = target;
    switch (target.kind) {
      case 'name':
        return this.#assignName(target.name);
      case 'index': {
        const object = this.#expression(target.object);
        const key = this.#expression(target.index);
        return (frame, value) => {
          const [container, at] = [object(frame), key(frame)];
          frame.thread.at(position);
          frame.thread.allocate(16);
          setIndex(container, at, value);
        };
      }
      case 'attribute': {
        const object = this.#expression(target.object);
        return (frame, value) => {
          const container = object(frame);
          frame.thread.at(position);
          setAttribute(container, target.name, value);
        };
      }
      case 'tuple':
      case 'list': {
        const parts = target.items.map((item) => this.#assign(item));
        return (frame, value) => {
          frame.thread.at(position);
          unpackTo(frame, value, parts);
        };
      }
      default:
        throw new StarlarkError('cannot assign to this expression', position);
    }
  }

  #assignName(name: string): Assign {
    const binding = this.#resolve(name);
    if (binding?.scope === 'local') {
      const { cells } = this.#scope;
      const { index: at } = binding;
      return (frame, value) => {
        if (cells[at]) (frame.locals[at] as Cell).value = value;
        else frame.locals[at] = value;
      };
    }
    return (frame, value) => void frame.module.globals.set(name, value);
  }

  #resolve(name: string): Binding | undefined {
    const local = this.#scope.resolve(name);
    if (local !== undefined) return local;
    if (this.#globals.has(name)) return { scope: 'global', name };
    return undefined;
  }

  #expression(expression: Expression): Evaluate {
    const { position } = expression;
    switch (expression.kind) {
      case 'name':
        return this.#name(expression.name, position);
      case 'literal':
        return this.#literal(expression.value);
      case 'list': {
        const items = expression.items.map((item) => this.#expression(item));
        return (frame) => {
          frame.thread.allocate(32 + 8 * items.length);
          return new List(items.map((item) => item(frame)));
        };
      }
      case 'tuple': {
        const items = expression.items.map((item) => this.#expression(item));
        return (frame) => new Tuple(items.map((item) => item(frame)));
      }
      case 'dict':
        return this.#dict(expression);
      case 'comprehension':
        return this.#comprehension(expression);
      case 'unary': {
        const operand = this.#expression(expression.operand);
        const { operator } = expression;
        if (operator === 'not') return (frame) => !isTrue(operand(frame));
        return (frame) => {
          const value = operand(frame);
          frame.thread.at(position);
          return unary(operator, value);
        };
      }
      case 'binary': {
        const left = this.#expression(expression.left);
        const right = this.#expression(expression.right);
        const { operator } = expression;
        return (frame) => {
          const a = left(frame);
          const b = right(frame);
          frame.thread.step();
          frame.thread.at(position);
          return binary(operator, a, b, frame.thread);
        };
      }
      case 'and':
      case 'or': {
        const left = this.#expression(expression.left);
        const right = this.#expression(expression.right);
        const stopsAt = expression.kind === 'or';
        return (frame) => {
          const value = left(frame);
          return isTrue(value) === stopsAt ? value : right(frame);
        };
      }
      case 'conditional': {
        const test = this.#expression(expression.test);
        const then = this.#expression(expression.then);
        const otherwise = this.#expression(expression.otherwise);
        return (frame) => (isTrue(test(frame)) ? then(frame) : otherwise(frame));
      }
      case 'call':
        return this.#call(expression.callee, expression.args, position);
      case 'lambda':
        return this.#function({
          name: 'lambda',
          parameters: expression.parameters,
          body: [{ kind: 'return', value: expression.body, position }],
          doc: undefined,
        });
      default:
        return this.#access(expression);
    }
  }

  #access(expression: Extract<Expression, { kind: 'attribute' | 'index' | 'slice' }>): Evaluate {
    const { position } = expression;
    const object = this.#expression(expression.object);
    if (expression.kind === 'attribute') {
      const { name } = expression;
      return (frame) => {
        const value = object(frame);
        frame.thread.at(position);
        return attributeOf(value, name);
      };
    }
    if (expression.kind === 'index') {
      const key = this.#expression(expression.index);
      return (frame) => {
        const container = object(frame);
        const at = key(frame);
        frame.thread.at(position);
        return index(container, at);
      };
    }
    const [start, stop, step] = [expression.start, expression.stop, expression.step].map((item) =>
      item === undefined ? () => null : this.#expression(item),
    ) as [Evaluate, Evaluate, Evaluate];
    return (frame) => {
      const container = object(frame);
      const bounds = { start: start(frame), stop: stop(frame), step: step(frame) };
      frame.thread.at(position);
      const result = slice(container, bounds);
      frame.thread.allocate(result instanceof List || result instanceof Tuple ? 8 * result.items.length : 16);
      return result;
    };
  }

  #literal(value: Extract<Expression, { kind: 'literal' }>['value']): Evaluate {
    const constant: Value =
      typeof value === 'string'
        ? value
        : typeof value === 'bigint'
          ? intOf(value)
          : 'float' in value
            ? new Float(value.float)
            : new Bytes(value.bytes);
    return () => constant;
  }

  #name(name: string, position: Position): Evaluate {
    const binding = this.#resolve(name);
    if (binding?.scope === 'local') {
      const { cells } = this.#scope;
      const { index: at } = binding;
      return (frame) => {
        const value = cells[at]
          ? (frame.locals[at] as Cell | undefined)?.value
          : (frame.locals[at] as Value | undefined);
        if (value === undefined) return unassigned(frame, 'local', name, position);
        return value;
      };
    }
    if (binding?.scope === 'free') {
      const { index: at } = binding;
      return (frame) =>
        frame.free[at]?.value ??
        (frame.free[at]?.value === null ? null : unassigned(frame, 'local', name, position));
    }
    if (binding?.scope === 'global')
      return (frame) => {
        const value = frame.module.globals.get(name);
        return value === undefined ? unassigned(frame, 'global', name, position) : value;
      };
    if (this.#loaded.has(name)) return () => this.#names.loaded.get(name) ?? null;
    const constant = this.#names.predeclared.get(name) ?? this.#names.universal.get(name);
    if (constant === undefined && !this.#names.universal.has(name))
      throw new StarlarkError(`undefined: ${name}${this.#hint(name)}`, position);
    return () => constant ?? null;
  }

  #hint(name: string): string {
    const lower = name.toLowerCase();
    const known = [
      ...this.#globals,
      ...this.#loaded,
      ...this.#names.predeclared.keys(),
      ...this.#names.universal.keys(),
    ];
    const close = known.find((item) => item.toLowerCase() === lower);
    return close === undefined ? '' : ` (did you mean ${close}?)`;
  }

  #dict(expression: Extract<Expression, { kind: 'dict' }>): Evaluate {
    const entries = expression.entries.map(({ key, value }) => ({
      key: this.#expression(key),
      value: this.#expression(value),
      position: key.position,
    }));
    return (frame) => buildDict(frame, entries);
  }

  #comprehension(expression: Extract<Expression, { kind: 'comprehension' }>): Evaluate {
    const [first, ...rest] = expression.clauses as [Extract<Clause, { kind: 'for' }>, ...Clause[]];
    // The first iterable belongs to what is around the comprehension.
    const outer = this.#expression(first.iterable);
    const scope = this.#scope;
    scope.blocks.push(new Map());
    const steps = [first, ...rest].map((clause, at) => {
      if (clause.kind === 'if') return { test: this.#expression(clause.test) };
      const iterable = at === 0 ? outer : this.#expression(clause.iterable);
      const slots: number[] = [];
      targetNames(clause.target, (name) => void slots.push(scope.declare(name)));
      return { iterable, assign: this.#assign(clause.target), slots, position: clause.position };
    });
    const key = expression.key === undefined ? undefined : this.#expression(expression.key);
    const body = this.#expression(expression.body);
    scope.blocks.pop();
    const { cells } = scope;
    return (frame) => runComprehension(frame, { steps, key, body, cells });
  }

  #call(callee: Expression, args: readonly Argument[], position: Position): Evaluate {
    const target = this.#expression(callee);
    const parts = args.map((item) => ({ ...item, evaluate: this.#expression(item.value) }));
    return (frame) => {
      const value = target(frame);
      const call: CallArguments = { positional: [], named: new Map() };
      for (const part of parts) collect(part, part.evaluate(frame), call, frame, position);
      frame.thread.at(position);
      if (!(value instanceof Callable))
        throw new ValueError(`invalid call of non-function (${typeOf(value)})`);
      return frame.thread.call(value, call);
    };
  }

  #function(definition: {
    name: string;
    parameters: readonly Parameter[];
    body: readonly Statement[];
    doc: string | undefined;
  }): (frame: Frame) => Value {
    const { name, parameters, doc } = definition;
    const defaults = parameters.map((item) =>
      item.default === undefined ? undefined : this.#expression(item.default),
    );
    const outer = this.#scope;
    const scope = new FunctionScope(name, outer);
    this.#scope = scope;
    // Every parameter has the place of its number, the bare * included.
    for (const [at, parameter] of parameters.entries())
      scope.declare(parameter.kind === 'separator' ? `*${at}` : parameter.name);
    boundNames(definition.body, (local) => void scope.declare(local));
    const execute = this.#statements(definition.body);
    this.#scope = outer;
    const { free } = scope;
    const body = (frame: Frame): Value => {
      const flow = execute(frame);
      return typeof flow === 'object' ? flow.value : null;
    };
    const code = { name, doc, parameters, cells: scope.cells, body, slots: scope.size };
    return (frame) =>
      new StarlarkFunction(code, {
        defaults: defaults.map((item) => item?.(frame)),
        free: free.map(({ from }) =>
          from.scope === 'free' ? frame.free[from.index]! : (frame.locals[from.index] as Cell),
        ),
        module: frame.module,
      });
  }
}
