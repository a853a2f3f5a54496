import type { Parameter } from './ast.ts';
import type { Thread } from './thread.ts';
import { Callable, type CallArguments, Dict, Tuple, type Value, ValueError } from './values.ts';

/** A variable that several functions share. */
export interface Cell {
  value: Value | undefined;
}

/** What the code of a function works on. */
export interface Frame {
  /** Values, and cells at the places that inner functions see. */
  locals: (Value | Cell | undefined)[];
  free: readonly Cell[];
  thread: Thread;
  module: ModuleState;
}

export interface ModuleState {
  globals: Map<string, Value>;
}

export interface FunctionCode {
  name: string;
  doc: string | undefined;
  parameters: readonly Parameter[];
  slots: number;
  /** Which places are cells, parameters included. */
  cells: readonly boolean[];
  body: (frame: Frame) => Value;
}

/** A function that a program has defined. */
export class StarlarkFunction extends Callable {
  readonly name: string;
  readonly code: FunctionCode;
  readonly module: ModuleState;
  readonly #defaults: readonly (Value | undefined)[];
  readonly #free: readonly Cell[];

  constructor(
    code: FunctionCode,
    parts: { defaults: readonly (Value | undefined)[]; free: readonly Cell[]; module: ModuleState },
  ) {
    super();
    this.name = code.name;
    this.code = code;
    this.module = parts.module;
    this.#defaults = parts.defaults;
    this.#free = parts.free;
  }

  get defaults(): readonly (Value | undefined)[] {
    return this.#defaults;
  }

  captured(): Value[] {
    return [...this.#defaults, ...this.#free.map((cell) => cell.value)].filter(
      (value) => value !== undefined,
    );
  }

  call(thread: Thread, args: CallArguments): Value {
    const { code } = this;
    if (
      thread.isRunning(
        (callee) => callee instanceof StarlarkFunction && callee !== this && callee.code === code,
      ) ||
      this.#isRunning(thread)
    )
      throw new ValueError(`function ${this.name} called recursively`);
    const locals: (Value | Cell | undefined)[] = new Array(code.slots).fill(undefined);
    this.#bind(args, locals);
    for (const [at, isCell] of code.cells.entries())
      if (isCell) locals[at] = { value: locals[at] as Value | undefined };
    return code.body({ locals, free: this.#free, thread, module: this.module });
  }

  /** The call that is being made is the innermost frame: any other one of the same code is a recursion. */
  #isRunning(thread: Thread): boolean {
    let found = 0;
    thread.isRunning((callee) => {
      if (callee === this) found += 1;
      return false;
    });
    return found > 1;
  }

  #bind({ positional, named }: CallArguments, locals: (Value | Cell | undefined)[]): void {
    const { parameters } = this.code;
    const left = new Map(named);
    let next = 0;
    let keywordOnly = false;
    const missing: string[] = [];
    for (const [at, parameter] of parameters.entries()) {
      if (parameter.kind === 'separator') keywordOnly = true;
      else if (parameter.kind === 'args') {
        locals[at] = new Tuple(positional.slice(next));
        next = positional.length;
        keywordOnly = true;
      } else if (parameter.kind === 'kwargs') {
        // Filled below, when it is clear what is left.
      } else if (!keywordOnly && next < positional.length) {
        if (left.has(parameter.name))
          throw new ValueError(`function ${this.name} got multiple values for parameter "${parameter.name}"`);
        locals[at] = positional[next]!;
        next += 1;
      } else if (left.has(parameter.name)) {
        locals[at] = left.get(parameter.name)!;
        left.delete(parameter.name);
      } else if (parameter.default !== undefined) locals[at] = this.#defaults[at];
      else missing.push(parameter.name);
    }
    this.#finish({ positional, left, next, missing, locals });
  }

  #finish(state: {
    positional: Value[];
    left: Map<string, Value>;
    next: number;
    missing: string[];
    locals: (Value | Cell | undefined)[];
  }): void {
    const { parameters } = this.code;
    const { positional, left, next, missing, locals } = state;
    const kwargs = parameters.findIndex((item) => item.kind === 'kwargs');
    if (kwargs >= 0) locals[kwargs] = Dict.of(left);
    else if (left.size > 0)
      throw new ValueError(
        `function ${this.name} got an unexpected keyword argument "${[...left.keys()][0]}"`,
      );
    const plain = parameters.filter((item) => item.kind === 'plain').length;
    if (next < positional.length)
      throw new ValueError(
        `function ${this.name} accepts ${plain === 0 ? 'no arguments' : `at most ${plain} positional argument${plain === 1 ? '' : 's'}`} (${positional.length} given)`,
      );
    if (missing.length > 0)
      throw new ValueError(
        `function ${this.name} missing ${missing.length} argument${missing.length === 1 ? '' : 's'} (${missing.join(', ')})`,
      );
  }
}
