import { DICT_METHODS, LIST_METHODS, type Methods, SET_METHODS } from './collection-methods.ts';
import { STRING_METHODS } from './string-methods.ts';
import {
  Builtin,
  Bytes,
  Dict,
  Extension,
  List,
  StarlarkSet,
  typeOf,
  type Value,
  ValueError,
} from './values.ts';

const BYTES_METHODS: Methods<Bytes> = {
  elems: (bytes) => new List([...bytes.value]),
};

function methodsOf(value: Value): Methods<never> | undefined {
  if (typeof value === 'string') return STRING_METHODS as Methods<never>;
  if (value instanceof List) return LIST_METHODS as Methods<never>;
  if (value instanceof Dict) return DICT_METHODS as Methods<never>;
  if (value instanceof StarlarkSet) return SET_METHODS as Methods<never>;
  if (value instanceof Bytes) return BYTES_METHODS as Methods<never>;
  return undefined;
}

export function findAttribute(value: Value, name: string): Value | undefined {
  if (value instanceof Extension) return value.attribute(name);
  const methods = methodsOf(value);
  if (methods === undefined || !Object.hasOwn(methods, name)) return undefined;
  const method = methods[name]!;
  return new Builtin(name, (thread, args) => method(value as never, args, thread), value);
}

export function attributeOf(value: Value, name: string): Value {
  const found = findAttribute(value, name);
  if (found !== undefined) return found;
  const known = attributeNames(value).find(
    (item) => item.toLowerCase() === name.toLowerCase().replaceAll('_', ''),
  );
  throw new ValueError(
    `${typeOf(value)} has no .${name} field or method${known === undefined ? '' : ` (did you mean .${known}?)`}`,
  );
}

export function attributeNames(value: Value): string[] {
  if (value instanceof Extension) return value.attributeNames().toSorted();
  return Object.keys(methodsOf(value) ?? {}).sort();
}

export function setAttribute(value: Value, name: string, to: Value): void {
  if (!(value instanceof Extension))
    throw new ValueError(`can't assign to .${name} field of ${typeOf(value)}`);
  value.setAttribute(name, to);
}
