import { randomInt } from 'node:crypto';
import { Int64, RenderError, type TemplateFunction } from '../go-template/index.ts';
import { textArg, toFloat, toInteger } from './arguments.ts';

function fold(work: (a: bigint, b: bigint) => bigint): TemplateFunction {
  return (...values) => new Int64(values.map(toInteger).reduce((a, b) => BigInt.asIntN(64, work(a, b))));
}

/** Decimal arithmetic, as Sprig has it: 0.1 and 0.2 are 0.3. */
function foldFloat(work: (a: number, b: number) => number): TemplateFunction {
  return (...values) => Number(values.map(toFloat).reduce(work).toPrecision(15));
}

function divide(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new RenderError('runtime error: integer divide by zero');
  return a / b;
}

function remainder(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new RenderError('runtime error: integer divide by zero');
  return a % b;
}

const most: TemplateFunction = fold((a, b) => (b > a ? b : a));

export const NUMBERS: Readonly<Record<string, TemplateFunction>> = {
  add: (...values) => new Int64(values.map(toInteger).reduce((a, b) => a + b, 0n)),
  add1: (value) => new Int64(toInteger(value) + 1n),
  sub: fold((a, b) => a - b),
  mul: fold((a, b) => a * b),
  div: fold(divide),
  mod: fold(remainder),
  max: most,
  biggest: most,
  min: fold((a, b) => (b < a ? b : a)),
  addf: foldFloat((a, b) => a + b),
  add1f: (value) => Number((toFloat(value) + 1).toPrecision(15)),
  subf: foldFloat((a, b) => a - b),
  mulf: foldFloat((a, b) => a * b),
  divf: foldFloat((a, b) => a / b),
  maxf: (...values) => Math.max(...values.map(toFloat)),
  minf: (...values) => Math.min(...values.map(toFloat)),
  ceil: (value) => Math.ceil(toFloat(value)),
  floor: (value) => Math.floor(toFloat(value)),
  round: (value, digits, ...[up]) =>
    round(toFloat(value), Number(toInteger(digits)), up === undefined ? 0.5 : toFloat(up)),
  int: (value) => toInteger(value),
  int64: (value) => new Int64(toInteger(value)),
  float64: toFloat,
  atoi: (text) => {
    const value = textArg(text, 0);
    return /^[+-]?\d+$/.test(value) ? BigInt(value) : 0n;
  },
  toDecimal: (value) => {
    const text = String(value as string);
    return new Int64(/^[0-7]+$/.test(text) ? BigInt(`0o${text}`) : 0n);
  },
  randInt: (from, to) => {
    const [low, high] = [Number(toInteger(from)), Number(toInteger(to))];
    if (high <= low) throw new RenderError('invalid argument to Intn');
    return BigInt(randomInt(low, high));
  },
};

function round(value: number, digits: number, up: number): number {
  const factor = 10 ** digits;
  const scaled = Number((value * factor).toPrecision(15));
  const whole = Math.trunc(scaled);
  const rest = Math.abs(Number((scaled - whole).toPrecision(12)));
  return (rest >= up ? whole + Math.sign(value) : whole) / factor;
}
