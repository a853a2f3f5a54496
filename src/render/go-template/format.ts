import { quoteGo } from './quote.ts';
import { integerIn, Int64, sortedKeys, Struct, Time, typeOf, type Value } from './values.ts';

/** A value as Go's fmt prints it with %v. */
export function show(value: Value): string {
  if (value === null || value === undefined) return '<nil>';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return showFloat(value);
  if (value instanceof Int64) return String(value.value);
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`;
  if (value instanceof Uint8Array) return `[${[...value].join(' ')}]`;
  if (value instanceof Map)
    return `map[${sortedKeys(value)
      .map((key) => `${key}:${show(value.get(key))}`)
      .join(' ')}]`;
  if (value instanceof Time) return showTime(value);
  if (value instanceof Struct) return value.text ?? `{${[...value.members.values()].map(show).join(' ')}}`;
  return String(value);
}

/** A float in the shortest form, with an exponent from a million on: Go's %v. */
export function showFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa = '', exponentText = '0'] = value.toExponential().split('e');
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 6) return `${mantissa}e${exponentOf(exponent)}`;
  return plain(value);
}

/** Digits without an exponent, however large or small. */
export function plain(value: number): string {
  const text = String(value);
  const found = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (found === null) return text;
  const [, sign = '', first = '', rest = '', exponentText = '0'] = found;
  const exponent = Number(exponentText);
  const digits = first + rest;
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  const fraction = digits.slice(exponent + 1);
  return sign + whole + (fraction === '' ? '' : `.${fraction}`);
}

export function exponentOf(exponent: number): string {
  return `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function showTime(time: Time): string {
  const local = new Date(time.ms + time.zoneMinutes * 60_000).toISOString();
  const fraction = local.slice(19, 23) === '.000' ? '' : local.slice(19, 23).replace(/0+$/, '');
  return `${local.slice(0, 10)} ${local.slice(11, 19)}${fraction} ${zone(time.zoneMinutes)} ${time.zoneName}`;
}

function zone(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${String(Math.floor(size / 60)).padStart(2, '0')}${String(size % 60).padStart(2, '0')}`;
}

/** Arguments one after another: a space between two of which neither is a string. Go's Sprint. */
export function sprint(args: readonly Value[]): string {
  let out = '';
  for (const [at, value] of args.entries()) {
    if (at > 0 && typeof value !== 'string' && typeof args[at - 1] !== 'string') out += ' ';
    out += show(value);
  }
  return out;
}

interface Directive {
  flags: ReadonlySet<string>;
  width: number | undefined;
  precision: number | undefined;
  verb: string;
}

const DIRECTIVE = /%([+\-# 0]*)(?:\[(\d+)\])?(\*|\d+)?(?:\.(?:\[(\d+)\])?(\*|\d+)?)?(?:\[(\d+)\])?(.)?/gsu;
const MAX_WIDTH = 1_000_000;

/** Go's Sprintf. */
export function sprintf(format: string, args: readonly Value[]): string {
  let next = 0;
  let isReordered = false;
  const out = format.replace(
    DIRECTIVE,
    (
      whole: string,
      flags: string,
      i1?: string,
      width?: string,
      i2?: string,
      precision?: string,
      i3?: string,
      verb?: string,
    ) => {
      if (verb === undefined) return '%!(NOVERB)';
      if (verb === '%') return '%';
      const index = i3 ?? i2 ?? i1;
      if (index !== undefined && width !== '*' && precision !== '*') {
        next = Number(index) - 1;
        isReordered = true;
      }
      const size = (text: string | undefined): number | undefined => {
        if (text === '*') return Number(integerIn(args[next++]) ?? 0n);
        return text === undefined ? undefined : Number(text);
      };
      const wide = size(width);
      const directive: Directive = {
        flags: new Set(wide !== undefined && wide < 0 ? `${flags}-` : flags),
        width: wide === undefined ? undefined : Math.min(Math.abs(wide), MAX_WIDTH),
        precision: whole.includes('.') ? Math.min(size(precision) ?? 0, MAX_WIDTH) : undefined,
        verb,
      };
      if (next < 0 || next >= args.length) return isReordered ? `%!${verb}(BADINDEX)` : `%!${verb}(MISSING)`;
      const value = args[next++];
      return pad(one(value, directive), directive, isNumber(value));
    },
  );
  if (isReordered || next >= args.length) return out;
  const extra = args
    .slice(next)
    .map((value) => (value === null || value === undefined ? '<nil>' : `${typeOf(value)}=${show(value)}`));
  return `${out}%!(EXTRA ${extra.join(', ')})`;
}

function isNumber(value: Value): boolean {
  return typeof value === 'number' || integerIn(value) !== undefined;
}

function pad(text: string, { width, flags, verb, precision }: Directive, isNumeric: boolean): string {
  const length = [...text].length;
  if (width === undefined || length >= width) return text;
  const fill = width - length;
  if (flags.has('-')) return text + ' '.repeat(fill);
  const zeros = flags.has('0') && (!isNumeric || precision === undefined || 'eEfFgG'.includes(verb));
  if (!zeros) return ' '.repeat(fill) + text;
  const sign = isNumeric ? (/^[+\- ]/.exec(text)?.[0] ?? '') : '';
  return sign + '0'.repeat(fill) + text.slice(sign.length);
}

function one(value: Value, directive: Directive): string {
  const { verb, flags } = directive;
  if (verb === 'T') return typeOf(value);
  if (verb === 'v') return flags.has('#') ? showSyntax(value) : signed(show(value), value, flags);
  if (value === null || value === undefined) return `%!${verb}(<nil>)`;
  if (Array.isArray(value) && verb !== 'p') return `[${value.map((item) => one(item, directive)).join(' ')}]`;
  if (value instanceof Map)
    return `map[${sortedKeys(value)
      .map((key) => `${one(key, directive)}:${one(value.get(key), directive)}`)
      .join(' ')}]`;
  const integer = integerIn(value);
  if (integer !== undefined) return formatInteger(integer, value, directive);
  if (typeof value === 'number') return formatFloat(value, directive);
  if (typeof value === 'boolean') return verb === 't' ? String(value) : bad(value, verb);
  if (typeof value === 'string') return formatString(value, directive);
  if (value instanceof Uint8Array) return formatString(Buffer.from(value).toString(), directive);
  return verb === 's' ? show(value) : bad(value, verb);
}

function bad(value: Value, verb: string): string {
  return `%!${verb}(${typeOf(value)}=${show(value)})`;
}

function signed(text: string, value: Value, flags: ReadonlySet<string>): string {
  if (!isNumber(value) || text.startsWith('-') || text.startsWith('+')) return text;
  return flags.has('+') ? `+${text}` : flags.has(' ') ? ` ${text}` : text;
}

const BASES: Readonly<Record<string, [number, string]>> = {
  d: [10, ''],
  b: [2, '0b'],
  o: [8, '0'],
  O: [8, '0o'],
  x: [16, '0x'],
  X: [16, '0X'],
};

function formatInteger(value: bigint, original: Value, { verb, flags, precision }: Directive): string {
  if (verb === 'c') return String.fromCodePoint(Number(value));
  if (verb === 'q') return quoteGo(String.fromCodePoint(Number(value)), "'");
  if (verb === 'U') return `U+${value.toString(16).toUpperCase().padStart(4, '0')}`;
  const base = BASES[verb];
  if (base === undefined) return bad(original, verb);
  const size = value < 0n ? -value : value;
  let digits = size.toString(base[0]);
  if (verb === 'X') digits = digits.toUpperCase();
  digits = digits.padStart(precision ?? 0, '0');
  const prefix = verb === 'O' || (flags.has('#') && verb !== 'd') ? base[1] : '';
  return signed((value < 0n ? '-' : '') + prefix + digits, original, flags);
}

function formatFloat(value: number, { verb, flags, precision }: Directive): string {
  if (!Number.isFinite(value)) return signed(showFloat(value), value, flags);
  const lower = verb.toLowerCase();
  let text: string;
  if (lower === 'f') text = precision === undefined ? value.toFixed(6) : exactFixed(value, precision);
  else if (lower === 'e') {
    const [mantissa = '', exponent = '0'] = value.toExponential(precision ?? 6).split('e');
    text = `${mantissa}e${exponentOf(Number(exponent))}`;
  } else if (lower === 'g') text = precision === undefined ? showFloat(value) : general(value, precision);
  else return bad(value, verb);
  return signed(verb === lower ? text : text.toUpperCase(), value, flags);
}

function exactFixed(value: number, digits: number): string {
  return value.toFixed(Math.min(digits, 100));
}

function general(value: number, precision: number): string {
  const digits = Math.min(Math.max(precision, 1), 100);
  const [mantissa = '', exponentText = '0'] = value.toExponential(digits - 1).split('e');
  const exponent = Number(exponentText);
  const trimmed = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  if (exponent < -4 || exponent >= digits) return `${trimmed}e${exponentOf(exponent)}`;
  const text = value.toFixed(Math.max(0, digits - 1 - exponent));
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function formatString(value: string, { verb, flags, precision }: Directive): string {
  const text = precision === undefined ? value : [...value].slice(0, precision).join('');
  switch (verb) {
    case 's':
      return text;
    case 'q':
      return flags.has('#') && !text.includes('`')
        ? `\`${text}\``
        : quoteGo(text, '"', { ascii: flags.has('+') });
    case 'x':
    case 'X': {
      const hex = Buffer.from(value).subarray(0, precision).toString('hex');
      return verb === 'x' ? hex : hex.toUpperCase();
    }
    default:
      return bad(value, verb);
  }
}

/** A value in Go's syntax: %#v. */
function showSyntax(value: Value): string {
  if (value === null || value === undefined) return '<nil>';
  if (typeof value === 'string') return quoteGo(value);
  if (Array.isArray(value)) return `[]interface {}{${value.map(showSyntax).join(', ')}}`;
  if (value instanceof Map)
    return `map[string]interface {}{${sortedKeys(value)
      .map((key) => `${quoteGo(key)}:${showSyntax(value.get(key))}`)
      .join(', ')}}`;
  return show(value);
}
