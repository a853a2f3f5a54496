import { integerIn, Int64, kindOf, Time, typeOf, type Value } from './values.ts';
import { RenderError } from './problem.ts';

type BasicKind = 'bool' | 'float' | 'int' | 'string' | 'other';

function basicKind(value: Value): BasicKind {
  switch (kindOf(value)) {
    case 'bool':
      return 'bool';
    case 'string':
      return 'string';
    case 'int':
    case 'int64':
      return 'int';
    case 'float64':
      return 'float';
    default:
      return 'other';
  }
}

function bare(value: Value): Value {
  return value instanceof Int64 ? value.value : value;
}

/** Go's eq: the first is compared with each of the others. */
export function equal(first: Value, ...others: Value[]): boolean {
  if (others.length === 0) throw new RenderError('missing argument for comparison');
  const kind = basicKind(first);
  for (const other of others) {
    if (isNil(first) || isNil(other)) {
      if (isNil(first) && isNil(other)) return true;
      if (kind === 'other' && !isNil(first)) refuse(first);
      continue;
    }
    const otherKind = basicKind(other);
    if (first instanceof Time && other instanceof Time) {
      if (first.ms === other.ms) return true;
      continue;
    }
    if (kind === 'other' || otherKind === 'other') refuse(kind === 'other' ? first : other);
    if (kind !== otherKind) throw new RenderError('incompatible types for comparison');
    if (bare(first) === bare(other)) return true;
  }
  return false;
}

function isNil(value: Value): boolean {
  return value === null || value === undefined;
}

function refuse(value: Value): never {
  if (kindOf(value) === 'map' || kindOf(value) === 'slice')
    throw new RenderError(`non-comparable type ${typeOf(value)}`);
  throw new RenderError('invalid type for comparison');
}

/** Go's lt. */
export function less(a: Value, b: Value): boolean {
  const [kindA, kindB] = [basicKind(a), basicKind(b)];
  if (kindA === 'other' || kindA === 'bool' || kindB === 'other' || kindB === 'bool')
    throw new RenderError('invalid type for comparison');
  if (kindA !== kindB) throw new RenderError('incompatible types for comparison');
  if (kindA === 'int') return integerIn(a)! < integerIn(b)!;
  return kindA === 'string'
    ? Buffer.compare(Buffer.from(a as string), Buffer.from(b as string)) < 0
    : (a as number) < (b as number);
}

export function lessOrEqual(a: Value, b: Value): boolean {
  return less(a, b) || equal(a, b);
}
