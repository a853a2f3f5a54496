import { type CallArguments, isInt, typeOf, type Value, ValueError } from './values.ts';

/** Sorts the arguments of a built-in function by name. A name with "?" may be left out. */
export function unpack(
  name: string,
  { positional, named }: CallArguments,
  parameters: readonly string[],
): (Value | undefined)[] {
  if (positional.length > parameters.length)
    throw new ValueError(`${name}: got ${positional.length} arguments, want at most ${parameters.length}`);
  const values: (Value | undefined)[] = parameters.map((_, at) => positional[at]);
  for (const [key, value] of named) {
    const at = parameters.findIndex((item) => item.replace('?', '') === key);
    if (at < 0) throw new ValueError(`${name}: unexpected keyword argument "${key}"`);
    if (values[at] !== undefined)
      throw new ValueError(`${name}: got multiple values for keyword argument "${key}"`);
    values[at] = value;
  }
  for (const [at, parameter] of parameters.entries())
    if (values[at] === undefined && !parameter.endsWith('?'))
      throw new ValueError(`${name}: missing argument for ${parameter}`);
  return values;
}

/** Arguments that have no names. */
export function positionalOnly(
  name: string,
  { positional, named }: CallArguments,
  range: readonly [number, number],
): Value[] {
  if (named.size > 0) throw new ValueError(`${name}: unexpected keyword arguments`);
  const [least, most] = range;
  if (positional.length < least || positional.length > most)
    throw new ValueError(
      `${name}: got ${positional.length} arguments, want ${least === most ? least : positional.length < least ? `at least ${least}` : `at most ${most}`}`,
    );
  return positional;
}

export function textOf(name: string, value: Value | undefined, what = 'argument'): string {
  if (typeof value !== 'string')
    throw new ValueError(
      `${name}: for ${what}: got ${value === undefined ? 'nothing' : typeOf(value)}, want string`,
    );
  return value;
}

export function numberOf(name: string, value: Value | undefined): number {
  if (value === undefined || !isInt(value))
    throw new ValueError(`${name}: got ${value === undefined ? 'nothing' : typeOf(value)}, want int`);
  return Number(value);
}
