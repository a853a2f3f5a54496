import { isTrue, RenderError, type TemplateFunction, type Value } from '../go-template/index.ts';
import { deepEqual } from './deep.ts';
import { intArg, kindName, listArg, toInteger } from './arguments.ts';

const MAX_ITEMS = 1_000_000;

function must(
  name: string,
  work: (list: Value[], ...args: Value[]) => Value,
): Record<string, TemplateFunction> {
  const call: TemplateFunction = (list, ...args) =>
    work(listArg(list, PHRASES[name] ?? `find ${name}`), ...args);
  return { [name]: call, [`must${name[0]!.toUpperCase()}${name.slice(1)}`]: call };
}

const PHRASES: Readonly<Record<string, string>> = {
  append: 'push',
  push: 'push',
  prepend: 'prepend',
  compact: 'compact',
};

const append = (list: Value[], value: Value): Value => [...list, value];

export const LISTS: Readonly<Record<string, TemplateFunction>> = {
  list: (...items) => items,
  tuple: (...items) => items,
  ...must('append', append),
  ...must('push', append),
  ...must('prepend', (list, value) => [value, ...list]),
  ...must('first', (list) => list[0] ?? null),
  ...must('last', (list) => list.at(-1) ?? null),
  ...must('rest', (list) => list.slice(1)),
  ...must('initial', (list) => list.slice(0, -1)),
  ...must('reverse', (list) => list.toReversed()),
  ...must('uniq', (list) =>
    list.filter((item, at) => list.findIndex((other) => deepEqual(item, other)) === at),
  ),
  ...must('without', (list, ...gone) => list.filter((item) => !gone.some((other) => deepEqual(item, other)))),
  ...must('compact', (list) => list.filter(isTrue)),
  ...must('slice', (list, ...bounds) => {
    const from = bounds.length > 0 ? Number(toInteger(bounds[0])) : 0;
    const to = bounds.length > 1 ? Number(toInteger(bounds[1])) : list.length;
    if (from < 0 || to > list.length || from > to)
      throw new RenderError(`slice bounds out of range [${from}:${to}]`);
    return list.slice(from, to);
  }),
  has,
  mustHas: has,
  chunk,
  mustChunk: chunk,
  concat: (...lists) =>
    lists.flatMap((list) => {
      if (!Array.isArray(list)) throw new RenderError(`Cannot concat type ${kindName(list)} as list`);
      return list as Value[];
    }),
  until: (count) => steps(0, intArg(count, 0), intArg(count, 0) < 0 ? -1 : 1),
  untilStep: (from, to, step) => steps(intArg(from, 0), intArg(to, 1), intArg(step, 2)),
  seq: (...bounds) => sequence(bounds.map((value, at) => intArg(value, at))),
  all: (...values) => values.every(isTrue),
  any: (...values) => values.some(isTrue),
};

function has(needle: Value, list: Value): Value {
  if (list === null || list === undefined) return false;
  return listArg(list, 'find has').some((item) => deepEqual(item, needle));
}

function chunk(size: Value, list: Value): Value {
  const items = listArg(list, 'chunk');
  const width = intArg(size, 0);
  if (width < 1) throw new RenderError('chunk size must be positive');
  return Array.from({ length: Math.ceil(items.length / width) }, (_, at) =>
    items.slice(at * width, (at + 1) * width),
  );
}

function steps(from: number, to: number, step: number): Value[] {
  if (step === 0 || (to < from && step > 0) || (to > from && step < 0)) return [];
  const count = Math.ceil((to - from) / step);
  if (count > MAX_ITEMS) throw new RenderError(`a list of ${count} numbers is too long`);
  return Array.from({ length: count }, (_, at) => BigInt(from + at * step));
}

function sequence(bounds: readonly number[]): string {
  const [from, step, to] =
    bounds.length === 1
      ? [1, bounds[0]! < 1 ? -1 : 1, bounds[0]!]
      : bounds.length === 2
        ? [bounds[0]!, bounds[1]! < bounds[0]! ? -1 : 1, bounds[1]!]
        : [bounds[0] ?? 0, bounds[1] ?? 0, bounds[2] ?? 0];
  if (bounds.length === 0 || bounds.length > 3) return '';
  return steps(from, to + Math.sign(step), step).join(' ');
}
