import type { Argument, BinaryOperator } from './ast.ts';
import type { Cell, Frame } from './function.ts';
import { binary } from './operators.ts';
import type { Position } from './position.ts';
import {
  type CallArguments,
  Dict,
  isTrue,
  iterate,
  List,
  typeOf,
  type Value,
  ValueError,
  walk,
} from './values.ts';

type Evaluate = (frame: Frame) => Value;

/** One clause of a comprehension: it goes over something, or leaves some of it out. */
export type ComprehensionStep =
  | { test: Evaluate }
  | {
      iterable: Evaluate;
      assign: (frame: Frame, value: Value) => void;
      slots: readonly number[];
      position: Position;
    };

export function runComprehension(
  frame: Frame,
  {
    steps,
    key,
    body,
    cells,
  }: {
    steps: readonly ComprehensionStep[];
    key: Evaluate | undefined;
    body: Evaluate;
    cells: readonly boolean[];
  },
): Value {
  const list: Value[] = [];
  const dict = new Dict();
  const run = (at: number): void => {
    const step = steps[at];
    if (step === undefined) {
      frame.thread.allocate(16);
      if (key === undefined) list.push(body(frame));
      else {
        const name = key(frame);
        dict.set(name, body(frame));
      }
      return;
    }
    if ('test' in step) {
      if (isTrue(step.test(frame))) run(at + 1);
      return;
    }
    const items = step.iterable(frame);
    frame.thread.at(step.position);
    walk(items, (item) => {
      frame.thread.step();
      for (const slot of step.slots)
        frame.locals[slot] = cells[slot] ? ({ value: undefined } as Cell) : undefined;
      step.assign(frame, item);
      run(at + 1);
      return undefined;
    });
  };
  run(0);
  return key === undefined ? new List(list) : dict;
}

/** Gives the elements of a value to as many targets. */
export function unpackTo(
  frame: Frame,
  value: Value,
  targets: readonly ((frame: Frame, value: Value) => void)[],
): void {
  if (typeof value === 'string') throw new ValueError('got string in sequence assignment');
  const items = iterate(value);
  if (items.length !== targets.length) {
    const many = items.length > targets.length ? 'many' : 'few';
    throw new ValueError(`too ${many} values to unpack (got ${items.length}, want ${targets.length})`);
  }
  for (const [at, target] of targets.entries()) target(frame, items[at]!);
}

export function buildDict(
  frame: Frame,
  entries: readonly { key: Evaluate; value: Evaluate; position: Position }[],
): Dict {
  const dict = new Dict();
  frame.thread.allocate(64 + 32 * entries.length);
  for (const { key, value, position } of entries) {
    const name = key(frame);
    const item = value(frame);
    frame.thread.at(position);
    if (dict.has(name))
      throw new ValueError(
        `duplicate key: ${typeof name === 'string' ? JSON.stringify(name) : String(name)}`,
      );
    dict.set(name, item);
  }
  return dict;
}

/** `+=` on a list changes the list itself, for all that hold it; so does `|=` on a dict. */
export function augmented(operator: BinaryOperator, left: Value, operand: Value, frame: Frame): Value {
  if (operator === '+' && left instanceof List) {
    left.checkMutable('apply += to');
    const added = [...iterate(operand)];
    frame.thread.allocate(8 * added.length);
    for (const item of added) left.items.push(item);
    return left;
  }
  if (operator === '|' && left instanceof Dict && operand instanceof Dict) {
    for (const [key, item] of operand.entries()) left.set(key, item);
    return left;
  }
  return binary(operator, left, operand, frame.thread);
}

export function collect(
  part: Argument,
  value: Value,
  call: CallArguments,
  frame: Frame,
  position: Position,
): void {
  switch (part.kind) {
    case 'positional':
      call.positional.push(value);
      return;
    case 'named':
      call.named.set(part.name!, value);
      return;
    case 'args':
      frame.thread.at(position);
      if (typeof value === 'string') throw new ValueError('argument after * must be iterable, not string');
      call.positional.push(...iterate(value));
      return;
    case 'kwargs':
      frame.thread.at(position);
      if (!(value instanceof Dict))
        throw new ValueError(`argument after ** must be a mapping, not ${typeOf(value)}`);
      for (const [key, item] of value.entries()) {
        if (typeof key !== 'string') throw new ValueError(`keywords must be strings, not ${typeOf(key)}`);
        if (call.named.has(key)) throw new ValueError(`keyword argument ${key} is repeated`);
        call.named.set(key, item);
      }
  }
}

export function unassigned(frame: Frame, scope: string, name: string, position: Position): never {
  frame.thread.at(position);
  throw new ValueError(`${scope} variable ${name} referenced before assignment`);
}
