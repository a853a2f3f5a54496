import type { BinaryOperator } from './ast.ts';
import { formatPercent } from './percent.ts';
import type { Thread } from './thread.ts';
import {
  Bytes,
  Callable,
  Dict,
  Extension,
  Float,
  intOf,
  isInt,
  iterate,
  List,
  Range,
  StarlarkSet,
  Tuple,
  typeOf,
  type Value,
  ValueError,
} from './values.ts';

const MAX_DEPTH = 200;
const MAX_SHIFT = 512;
const MAX_DIGITS_BITS = 1_000_000;

type Int = number | bigint;

export function binary(operator: BinaryOperator, left: Value, right: Value, thread: Thread): Value {
  switch (operator) {
    case '==':
      return equal(left, right);
    case '!=':
      return !equal(left, right);
    case '<':
      return compare(left, right, operator) < 0;
    case '<=':
      return compare(left, right, operator) <= 0;
    case '>':
      return compare(left, right, operator) > 0;
    case '>=':
      return compare(left, right, operator) >= 0;
    case 'in':
      return contains(right, left);
    case 'not in':
      return !contains(right, left);
    case '+':
      return add(left, right, thread);
    case '*':
      return multiply(left, right, thread);
    case '%':
      return typeof left === 'string'
        ? formatPercent(left, right, thread)
        : arithmetic(operator, left, right);
    case '|':
    case '&':
    case '^':
    case '-':
      return sets(operator, left, right, thread) ?? arithmetic(operator, left, right);
    default:
      return arithmetic(operator, left, right);
  }
}

function mismatch(operator: string, left: Value, right: Value): ValueError {
  return new ValueError(`unknown binary op: ${typeOf(left)} ${operator} ${typeOf(right)}`);
}

function add(left: Value, right: Value, thread: Thread): Value {
  if (typeof left === 'string' && typeof right === 'string') {
    thread.allocate(left.length + right.length);
    return left + right;
  }
  if (left instanceof List && right instanceof List) {
    thread.allocate(8 * (left.items.length + right.items.length));
    return new List([...left.items, ...right.items]);
  }
  if (left instanceof Tuple && right instanceof Tuple) {
    thread.allocate(8 * (left.items.length + right.items.length));
    return new Tuple([...left.items, ...right.items]);
  }
  if (left instanceof Bytes && right instanceof Bytes)
    return new Bytes(Buffer.concat([left.value, right.value]));
  return arithmetic('+', left, right);
}

function multiply(left: Value, right: Value, thread: Thread): Value {
  if (isInt(left) && isSequence(right)) return repeat(right, left, thread);
  if (isInt(right) && isSequence(left)) return repeat(left, right, thread);
  return arithmetic('*', left, right);
}

function isSequence(value: Value): value is string | List | Tuple | Bytes {
  return (
    typeof value === 'string' || value instanceof List || value instanceof Tuple || value instanceof Bytes
  );
}

function repeat(value: string | List | Tuple | Bytes, times: Int, thread: Thread): Value {
  const count = Math.max(0, Number(times));
  const size =
    typeof value === 'string'
      ? value.length
      : value instanceof Bytes
        ? value.value.length
        : 8 * value.items.length;
  thread.allocate(size * count);
  if (typeof value === 'string') return value.repeat(count);
  if (value instanceof Bytes)
    return new Bytes(Buffer.concat(Array.from({ length: count }, () => value.value)));
  const items = Array.from({ length: count }, () => value.items).flat();
  return value instanceof List ? new List(items) : new Tuple(items);
}

function sets(operator: '|' | '&' | '^' | '-', left: Value, right: Value, thread: Thread): Value | undefined {
  if (left instanceof Dict && right instanceof Dict && operator === '|') {
    thread.allocate(32 * (left.size + right.size));
    return Dict.of([...left.entries(), ...right.entries()]);
  }
  if (!(left instanceof StarlarkSet) || !(right instanceof StarlarkSet)) return undefined;
  thread.allocate(16 * (left.size + right.size));
  switch (operator) {
    case '|':
      return StarlarkSet.of([...left.items(), ...right.items()]);
    case '&':
      return StarlarkSet.of(left.items().filter((item) => right.has(item)));
    case '-':
      return StarlarkSet.of(left.items().filter((item) => !right.has(item)));
    case '^':
      return StarlarkSet.of([
        ...left.items().filter((item) => !right.has(item)),
        ...right.items().filter((item) => !left.has(item)),
      ]);
  }
}

function arithmetic(operator: BinaryOperator, left: Value, right: Value): Value {
  if (isInt(left) && isInt(right)) return integers(operator, left, right);
  const a = floatOf(left);
  const b = floatOf(right);
  if (a === undefined || b === undefined) throw mismatch(operator, left, right);
  switch (operator) {
    case '+':
      return new Float(a + b);
    case '-':
      return new Float(a - b);
    case '*':
      return new Float(a * b);
    case '/':
      if (b === 0) throw new ValueError('floating-point division by zero');
      return new Float(a / b);
    case '//':
      if (b === 0) throw new ValueError('floored division by zero');
      return new Float(Math.floor(a / b));
    case '%':
      if (b === 0) throw new ValueError('floating-point modulo by zero');
      return new Float(a - b * Math.floor(a / b));
    default:
      throw mismatch(operator, left, right);
  }
}

export function floatOf(value: Value): number | undefined {
  if (value instanceof Float) return value.value;
  if (!isInt(value)) return undefined;
  const float = Number(value);
  if (!Number.isFinite(float)) throw new ValueError('int too large to convert to float');
  return float;
}

function integers(operator: BinaryOperator, left: Int, right: Int): Value {
  if (typeof left === 'number' && typeof right === 'number') {
    const quick = smallIntegers(operator, left, right);
    if (quick !== undefined) return quick;
  }
  const a = BigInt(left);
  const b = BigInt(right);
  switch (operator) {
    case '+':
      return intOf(a + b);
    case '-':
      return intOf(a - b);
    case '*':
      if (bits(a) + bits(b) > MAX_DIGITS_BITS) throw new ValueError('the number is too large');
      return intOf(a * b);
    case '/':
      if (b === 0n) throw new ValueError('floating-point division by zero');
      return new Float(Number(a) / Number(b));
    case '//':
      if (b === 0n) throw new ValueError('floored division by zero');
      return intOf(floorDivide(a, b));
    case '%':
      if (b === 0n) throw new ValueError('integer modulo by zero');
      return intOf(a - b * floorDivide(a, b));
    case '&':
      return intOf(a & b);
    case '|':
      return intOf(a | b);
    case '^':
      return intOf(a ^ b);
    case '<<':
    case '>>':
      return shift(operator, a, b);
    default:
      throw mismatch(operator, left, right);
  }
}

/** What plain numbers can do exactly. */
function smallIntegers(operator: BinaryOperator, a: number, b: number): Value | undefined {
  let result: number;
  switch (operator) {
    case '+':
      result = a + b;
      break;
    case '-':
      result = a - b;
      break;
    case '*':
      result = a * b;
      break;
    default:
      return undefined;
  }
  if (!Number.isSafeInteger(result)) return undefined;
  return result === 0 ? 0 : result;
}

function shift(operator: '<<' | '>>', a: bigint, b: bigint): Value {
  if (b < 0n) throw new ValueError(`negative shift count: ${b}`);
  if (operator === '>>') return intOf(b > BigInt(MAX_DIGITS_BITS) ? (a < 0n ? -1n : 0n) : a >> b);
  if (b >= BigInt(MAX_SHIFT)) throw new ValueError(`shift count too large: ${b}`);
  return intOf(a << b);
}

function bits(value: bigint): number {
  return value.toString(16).length * 4;
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

export function unary(operator: '+' | '-' | '~', operand: Value): Value {
  if (isInt(operand)) {
    if (operator === '+') return operand;
    return operator === '-' ? intOf(-BigInt(operand)) : intOf(~BigInt(operand));
  }
  if (operand instanceof Float && operator !== '~')
    return operator === '-' ? new Float(-operand.value) : operand;
  throw new ValueError(`unknown unary op: ${operator} ${typeOf(operand)}`);
}

export function contains(container: Value, item: Value): boolean {
  if (typeof container === 'string') {
    if (typeof item !== 'string')
      throw new ValueError(`'in <string>' requires string as left operand, not ${typeOf(item)}`);
    return container.includes(item);
  }
  if (container instanceof Dict || container instanceof StarlarkSet) return container.has(item);
  if (container instanceof Bytes) {
    if (item instanceof Bytes) return Buffer.from(container.value).includes(Buffer.from(item.value));
    if (typeof item === 'number') return [...container.value].includes(item);
    throw new ValueError(`'in bytes' requires bytes or int as left operand, not ${typeOf(item)}`);
  }
  if (container instanceof List || container instanceof Tuple)
    return container.items.some((other) => equal(other, item));
  if (container instanceof Range) {
    const number = item instanceof Float && Number.isInteger(item.value) ? item.value : item;
    if (typeof number !== 'number') return false;
    const index = (number - container.start) / container.step;
    return Number.isInteger(index) && index >= 0 && index < container.length;
  }
  throw mismatch('in', item, container);
}

export function equal(left: Value, right: Value, depth = 0): boolean {
  if (left === right) return !(left instanceof Float && Number.isNaN(left.value)) || left === right;
  if (depth > MAX_DEPTH) throw new ValueError('comparison exceeded maximum recursion depth');
  if (isNumber(left) && isNumber(right)) return compareNumbers(left, right) === 0;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (left instanceof Bytes && right instanceof Bytes) return Buffer.compare(left.value, right.value) === 0;
  if ((left instanceof List && right instanceof List) || (left instanceof Tuple && right instanceof Tuple)) {
    const others = right.items;
    return (
      left.items.length === others.length &&
      left.items.every((item, at) => equal(item, others[at]!, depth + 1))
    );
  }
  if (left instanceof Dict && right instanceof Dict)
    return (
      left.size === right.size &&
      left.entries().every(([key, value]) => {
        const other = right.get(key);
        return other !== undefined && equal(value, other, depth + 1);
      })
    );
  if (left instanceof StarlarkSet && right instanceof StarlarkSet)
    return left.size === right.size && left.items().every((item) => right.has(item));
  if (left instanceof Range && right instanceof Range)
    return (
      left.length === right.length &&
      (left.length === 0 || (left.start === right.start && (left.length === 1 || left.step === right.step)))
    );
  if (left instanceof Callable || right instanceof Callable) return false;
  if (left instanceof Extension && right instanceof Extension)
    return left.equals(right, (a, b) => equal(a, b, depth + 1));
  return false;
}

function isNumber(value: Value): value is Int | Float {
  return isInt(value) || value instanceof Float;
}

/** NaN is equal to itself and larger than everything, so that sorting always ends. */
function compareNumbers(left: Int | Float, right: Int | Float): number {
  const a = left instanceof Float ? left.value : left;
  const b = right instanceof Float ? right.value : right;
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1;
  if (Number.isNaN(b)) return -1;
  // Mixed comparisons of numbers and large integers are exact in JavaScript.
  return a < b ? -1 : a > b ? 1 : 0;
}

export function compare(left: Value, right: Value, operator = '<', depth = 0): number {
  if (depth > MAX_DEPTH) throw new ValueError('comparison exceeded maximum recursion depth');
  if (isNumber(left) && isNumber(right)) return compareNumbers(left, right);
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right);
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) - Number(right);
  if (left instanceof Bytes && right instanceof Bytes) return Buffer.compare(left.value, right.value);
  if ((left instanceof List && right instanceof List) || (left instanceof Tuple && right instanceof Tuple)) {
    for (const [at, item] of left.items.entries()) {
      const other = right.items[at];
      if (other === undefined) return 1;
      if (!equal(item, other, depth + 1)) return compare(item, other, operator, depth + 1);
    }
    return left.items.length - right.items.length;
  }
  throw new ValueError(`unknown comparison: ${typeOf(left)} ${operator} ${typeOf(right)}`);
}

/** By their bytes, as the language asks; UTF-16 would order characters beyond the first plane differently. */
function compareText(left: string, right: string): number {
  if (left === right) return 0;
  if (/[\ud800-\udfff]/.test(left) || /[\ud800-\udfff]/.test(right))
    return Buffer.compare(Buffer.from(left), Buffer.from(right));
  return left < right ? -1 : 1;
}

export function index(object: Value, key: Value): Value {
  if (object instanceof Dict) {
    const value = object.get(key);
    if (value === undefined)
      throw new ValueError(
        `key ${typeof key === 'string' ? JSON.stringify(key) : String(keyShown(key))} not in dict`,
      );
    return value;
  }
  if (typeof object === 'string') return byteAt(object, key);
  if (object instanceof List || object instanceof Tuple)
    return object.items[positionIn(key, object.items.length, typeOf(object))]!;
  if (object instanceof Range) return object.at(positionIn(key, object.length, 'range'));
  if (object instanceof Bytes) return object.value[positionIn(key, object.value.length, 'bytes')]!;
  throw new ValueError(`unhandled index operation ${typeOf(object)}[${typeOf(key)}]`);
}

function keyShown(key: Value): unknown {
  return key instanceof Float
    ? key.value
    : key instanceof Tuple
      ? `(${key.items.map(keyShown).join(', ')})`
      : key;
}

function byteAt(text: string, key: Value): string {
  if (isAscii(text)) return text[positionIn(key, text.length, 'string')]!;
  const bytes = Buffer.from(text);
  const at = positionIn(key, bytes.length, 'string');
  return bytes.subarray(at, at + 1).toString();
}

function positionIn(key: Value, length: number, type: string): number {
  if (!isInt(key)) throw new ValueError(`${type} index: got ${typeOf(key)}, want int`);
  const at = Number(key) < 0 ? Number(key) + length : Number(key);
  if (at < 0 || at >= length)
    throw new ValueError(`${type} index ${key} out of range [${-length}:${length - 1}]`);
  return at;
}

export function setIndex(object: Value, key: Value, value: Value): void {
  if (object instanceof Dict) object.set(key, value);
  else if (object instanceof List) {
    object.checkMutable('assign to element of');
    object.items[positionIn(key, object.items.length, 'list')] = value;
  } else throw new ValueError(`${typeOf(object)} value does not support item assignment`);
}

export interface SliceBounds {
  start: Value;
  stop: Value;
  step: Value;
}

export function slice(object: Value, bounds: SliceBounds): Value {
  if (typeof object === 'string' && isAscii(object))
    return pick(object.length, bounds, (at) => object[at]!).join('');
  if (typeof object === 'string') {
    const bytes = Buffer.from(object);
    return Buffer.from(pick(bytes.length, bounds, (at) => bytes[at]!)).toString();
  }
  if (object instanceof Bytes)
    return new Bytes(Buffer.from(pick(object.value.length, bounds, (at) => object.value[at]!)));
  if (object instanceof List) return new List(pick(object.items.length, bounds, (at) => object.items[at]!));
  if (object instanceof Tuple) return new Tuple(pick(object.items.length, bounds, (at) => object.items[at]!));
  if (object instanceof Range) {
    const { start, step, count } = resolveSlice(object.length, bounds);
    const first = object.at(start);
    return new Range(first, first + count * step * object.step, step * object.step);
  }
  throw new ValueError(`invalid slice operand ${typeOf(object)}`);
}

function pick<T>(length: number, bounds: SliceBounds, at: (index: number) => T): T[] {
  const { start, step, count } = resolveSlice(length, bounds);
  return Array.from({ length: count }, (_, index) => at(start + index * step));
}

function resolveSlice(length: number, bounds: SliceBounds): { start: number; step: number; count: number } {
  const step = bounds.step === null ? 1 : wholeNumber(bounds.step, 'step');
  if (step === 0) throw new ValueError('zero is not a valid slice step');
  const clamp = (value: Value, otherwise: number, name: string): number => {
    if (value === null) return otherwise;
    const number = wholeNumber(value, name);
    const at = number < 0 ? number + length : number;
    return step > 0 ? Math.min(Math.max(at, 0), length) : Math.min(Math.max(at, -1), length - 1);
  };
  const start = clamp(bounds.start, step > 0 ? 0 : length - 1, 'start');
  const stop = clamp(bounds.stop, step > 0 ? length : -1, 'end');
  return { start, step, count: Math.max(0, Math.ceil((stop - start) / step)) };
}

function wholeNumber(value: Value, name: string): number {
  if (!isInt(value)) throw new ValueError(`slice: invalid ${name} index: got ${typeOf(value)}, want int`);
  return Number(value);
}

export function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 127) return false;
  return true;
}

export function lengthOf(value: Value): number {
  if (typeof value === 'string') return isAscii(value) ? value.length : Buffer.byteLength(value);
  if (value instanceof Dict || value instanceof StarlarkSet) return value.size;
  if (value instanceof Range) return value.length;
  if (value instanceof Bytes) return value.value.length;
  if (value instanceof List || value instanceof Tuple) return iterate(value).length;
  throw new ValueError(`value of type ${typeOf(value)} has no len`);
}
