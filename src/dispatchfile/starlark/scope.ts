import type { Clause, Expression, Parameter, Statement } from './ast.ts';
import { type Position, StarlarkError } from './position.ts';

/** Where a name lives. Cells are locals that inner functions see. */
export type Binding =
  | { scope: 'local' | 'cell' | 'free'; index: number; name: string }
  | { scope: 'global' | 'predeclared' | 'universal'; name: string };

/** The names of one function, with its own places for them. */
export class FunctionScope {
  readonly parent: FunctionScope | undefined;
  readonly name: string;
  readonly blocks: Map<string, number>[] = [new Map()];
  /** Which of the places are cells. */
  readonly cells: boolean[] = [];
  /** Where each free variable comes from in the function around. */
  readonly free: { name: string; from: Binding & { index: number } }[] = [];

  constructor(name: string, parent: FunctionScope | undefined) {
    this.name = name;
    this.parent = parent;
  }

  get size(): number {
    return this.cells.length;
  }

  declare(name: string): number {
    const block = this.blocks.at(-1)!;
    const known = block.get(name);
    if (known !== undefined) return known;
    const index = this.cells.length;
    this.cells.push(false);
    block.set(name, index);
    return index;
  }

  find(name: string): number | undefined {
    for (let at = this.blocks.length - 1; at >= 0; at -= 1) {
      const index = this.blocks[at]!.get(name);
      if (index !== undefined) return index;
    }
    return undefined;
  }

  /** A variable of this function or of one around it. */
  resolve(name: string): (Binding & { index: number }) | undefined {
    const own = this.find(name);
    if (own !== undefined) return { scope: 'local', index: own, name };
    const known = this.free.findIndex((item) => item.name === name);
    if (known >= 0) return { scope: 'free', index: known, name };
    const outer = this.parent?.resolve(name);
    if (outer === undefined) return undefined;
    if (outer.scope === 'local') this.parent!.cells[outer.index] = true;
    this.free.push({ name, from: outer });
    return { scope: 'free', index: this.free.length - 1, name };
  }
}

/** Every name that the statements of a block bind, those of inner functions and comprehensions aside. */
export function boundNames(
  statements: readonly Statement[],
  bind: (name: string, position: Position) => void,
): void {
  for (const statement of statements) {
    switch (statement.kind) {
      case 'assign':
        targetNames(statement.target, bind);
        break;
      case 'augment':
        if (statement.target.kind === 'name') bind(statement.target.name, statement.target.position);
        break;
      case 'for':
        targetNames(statement.target, bind);
        boundNames(statement.body, bind);
        break;
      case 'if':
        boundNames(statement.then, bind);
        boundNames(statement.otherwise, bind);
        break;
      case 'def':
        bind(statement.name, statement.position);
        break;
      default:
    }
  }
}

export function targetNames(target: Expression, bind: (name: string, position: Position) => void): void {
  if (target.kind === 'name') bind(target.name, target.position);
  else if (target.kind === 'tuple' || target.kind === 'list')
    for (const item of target.items) targetNames(item, bind);
}

/** Rules that hold before anything runs. */
export function checkPlaces(
  statements: readonly Statement[],
  inside: { function: boolean; loop: boolean },
): void {
  for (const statement of statements) {
    const { kind, position } = statement;
    if (kind === 'return' && !inside.function)
      throw new StarlarkError('return statement not within a function', position);
    if ((kind === 'break' || kind === 'continue') && !inside.loop)
      throw new StarlarkError(`${kind} not in a loop`, position);
    if ((kind === 'if' || kind === 'for') && !inside.function)
      throw new StarlarkError(
        `${kind === 'for' ? 'for loop' : 'if statement'} not within a function`,
        position,
      );
    if (kind === 'load' && inside.function)
      throw new StarlarkError('load statement within a function', position);
    if (kind === 'if') {
      checkPlaces(statement.then, inside);
      checkPlaces(statement.otherwise, inside);
    } else if (kind === 'for') checkPlaces(statement.body, { ...inside, loop: true });
    else if (kind === 'def') checkPlaces(statement.body, { function: true, loop: false });
  }
}

export type { Clause, Parameter };
