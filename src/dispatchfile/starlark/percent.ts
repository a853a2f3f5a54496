import { display, formatFloat, repr, scientific } from './show.ts';
import type { Thread } from './thread.ts';
import { Dict, Float, isInt, Tuple, typeOf, type Value, ValueError } from './values.ts';

/** The `%` operator of strings. */
export function formatPercent(format: string, operand: Value, thread: Thread): string {
  const positional = operand instanceof Tuple ? operand.items : [operand];
  let next = 0;
  let result = '';
  let at = 0;
  for (let percent = format.indexOf('%'); percent >= 0; percent = format.indexOf('%', at)) {
    result += format.slice(at, percent);
    at = percent + 1;
    if (format[at] === '%') {
      result += '%';
      at += 1;
      continue;
    }
    let value: Value;
    if (format[at] === '(') {
      const close = format.indexOf(')', at);
      if (close < 0) throw new ValueError('incomplete format key');
      if (!(operand instanceof Dict)) throw new ValueError('format requires a mapping');
      const key = format.slice(at + 1, close);
      const found = operand.get(key);
      if (found === undefined) throw new ValueError(`key not found: ${key}`);
      value = found;
      at = close + 1;
    } else {
      if (next >= positional.length) throw new ValueError('not enough arguments for format string');
      value = positional[next]!;
      next += 1;
    }
    const verb = format[at];
    if (verb === undefined) throw new ValueError('incomplete format');
    result += convert(verb, value);
    thread.allocate(result.length);
    at += 1;
  }
  if (next < positional.length && !(operand instanceof Dict))
    throw new ValueError('too many arguments for format string');
  return result + format.slice(at);
}

function convert(verb: string, value: Value): string {
  switch (verb) {
    case 's':
      return display(value);
    case 'r':
      return repr(value);
    case 'd':
    case 'i':
      return wholeNumber(value, verb).toString();
    case 'o':
      return wholeNumber(value, verb).toString(8);
    case 'x':
      return wholeNumber(value, verb).toString(16);
    case 'X':
      return wholeNumber(value, verb).toString(16).toUpperCase();
    case 'c':
      return character(value);
    case 'e':
    case 'f':
    case 'g':
    case 'E':
    case 'F':
    case 'G':
      return float(verb, value);
    default:
      throw new ValueError(`unknown conversion %${verb}`);
  }
}

function wholeNumber(value: Value, verb: string): bigint {
  if (isInt(value)) return BigInt(value);
  if (value instanceof Float && Number.isFinite(value.value)) return BigInt(Math.trunc(value.value));
  throw new ValueError(`%${verb} format requires integer: got ${typeOf(value)}`);
}

function character(value: Value): string {
  if (typeof value === 'string' && [...value].length === 1) return value;
  if (typeof value !== 'number')
    throw new ValueError(`%c format requires a single-character string or an int, not ${typeOf(value)}`);
  if (value < 0 || value > 0x10ffff)
    throw new ValueError(`%c format requires a valid Unicode code point, got ${value}`);
  return String.fromCodePoint(value);
}

function float(verb: string, value: Value): string {
  const number = value instanceof Float ? value.value : isInt(value) ? Number(value) : undefined;
  if (number === undefined) throw new ValueError(`%${verb} format requires float, not ${typeOf(value)}`);
  if (!Number.isFinite(number)) return formatFloat(number);
  const lower = verb.toLowerCase();
  const text =
    lower === 'f'
      ? number.toFixed(6)
      : lower === 'e'
        ? scientific(number.toExponential(6))
        : formatFloat(number);
  return verb === lower ? text : text.toUpperCase();
}
