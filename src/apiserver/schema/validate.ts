import { isDeepStrictEqual } from 'node:util';
import { isRecord, linearPattern } from '../../kube/index.ts';
import { typeOf } from './decode.ts';
import { type FieldError, unsupported } from './field-error.ts';
import { matchesFormat } from './formats.ts';
import type { Schema } from './schema.ts';

/** Checks a decoded value against its schema; every problem is reported with its path. */
export function validate(schema: Schema, value: unknown, path: string, errors: FieldError[]): void {
  if (value === null && schema.nullable) return;
  if (schema.enum !== undefined && !schema.enum.some((item) => isDeepStrictEqual(item, value))) {
    errors.push(unsupported(path, value, schema.enum));
    return;
  }
  if (typeof value === 'string') validateString(schema, value, path, errors);
  else if (typeof value === 'number') validateNumber(schema, value, path, errors);
  else if (Array.isArray(value)) validateArray(schema, value, path, errors);
  else if (isRecord(value)) validateObject(schema, value, path, errors);
  if (schema.allOf ?? schema.anyOf ?? schema.oneOf ?? schema.not)
    validateCombined(schema, value, path, errors);
}

function validateObject(
  schema: Schema,
  value: Record<string, unknown>,
  path: string,
  errors: FieldError[],
): void {
  const size =
    schema.minProperties !== undefined || schema.maxProperties !== undefined ? Object.keys(value).length : 0;
  if (schema.minProperties !== undefined && size < schema.minProperties) {
    errors.push({
      kind: 'invalid',
      field: path,
      value: size,
      detail: `should have at least ${schema.minProperties} properties`,
    });
  }
  if (schema.maxProperties !== undefined && size > schema.maxProperties) {
    errors.push({ kind: 'tooMany', field: path, detail: `must have at most ${schema.maxProperties} items` });
  }
  for (const name of requiredFields(schema)) {
    if (!Object.hasOwn(value, name)) errors.push({ kind: 'required', field: join(path, name) });
  }
  for (const key of Object.keys(value)) {
    const inner = schema.properties?.get(key)?.schema ?? schema.values;
    if (inner !== undefined) validate(inner, value[key], join(path, key), errors);
  }
}

const required = new WeakMap<Schema, string[]>();

function requiredFields(schema: Schema): string[] {
  let names = required.get(schema);
  if (names === undefined) {
    names = [...(schema.properties ?? [])].filter(([, field]) => field.required).map(([name]) => name);
    required.set(schema, names);
  }
  return names;
}

function validateArray(schema: Schema, value: unknown[], path: string, errors: FieldError[]): void {
  if (schema.minItems !== undefined && value.length < schema.minItems) {
    errors.push({
      kind: 'invalid',
      field: path,
      value: value.length,
      detail: `should have at least ${schema.minItems} items`,
    });
  }
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    errors.push({ kind: 'tooMany', field: path, detail: `must have at most ${schema.maxItems} items` });
  }
  if (schema.items !== undefined) {
    for (const [index, item] of value.entries()) validate(schema.items, item, `${path}[${index}]`, errors);
  }
  if (schema.listType === 'map' || schema.listType === 'set') validateUnique(schema, value, path, errors);
}

function validateUnique(schema: Schema, value: unknown[], path: string, errors: FieldError[]): void {
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const shown = schema.listType === 'set' ? item : listKey(schema, item);
    const key = JSON.stringify(shown);
    if (seen.has(key)) errors.push({ kind: 'duplicate', field: `${path}[${index}]`, value: shown });
    seen.add(key);
  }
}

function listKey(schema: Schema, item: unknown): unknown {
  if (!isRecord(item)) return item;
  return Object.fromEntries(
    (schema.listKeys ?? []).map((key) => [key, Object.hasOwn(item, key) ? item[key] : undefined]),
  );
}

function validateString(schema: Schema, value: string, path: string, errors: FieldError[]): void {
  if (schema.format !== undefined && !matchesFormat(schema.format, value)) {
    errors.push({ kind: 'invalid', field: path, value, detail: `must be a valid ${schema.format}` });
  }
  if (schema.maxLength !== undefined && [...value].length > schema.maxLength) {
    errors.push({ kind: 'tooLong', field: path, detail: `may not be more than ${schema.maxLength} bytes` });
  }
  if (schema.minLength !== undefined && [...value].length < schema.minLength) {
    errors.push({
      kind: 'invalid',
      field: path,
      value,
      detail: `should be at least ${schema.minLength} chars long`,
    });
  }
  if (schema.pattern !== undefined && !linearPattern(schema.pattern).matcher(value).find()) {
    errors.push({ kind: 'invalid', field: path, value, detail: `should match '${schema.pattern}'` });
  }
}

function validateNumber(schema: Schema, value: number, path: string, errors: FieldError[]): void {
  const fail = (detail: string): void => void errors.push({ kind: 'invalid', field: path, value, detail });
  const { minimum, maximum } = schema;
  if (schema.format !== undefined && !matchesFormat(schema.format, value))
    fail(`must be a valid ${schema.format}`);
  if (minimum !== undefined && (schema.exclusiveMinimum ? value <= minimum : value < minimum)) {
    fail(`should be greater than ${schema.exclusiveMinimum ? '' : 'or equal to '}${minimum}`);
  }
  if (maximum !== undefined && (schema.exclusiveMaximum ? value >= maximum : value > maximum)) {
    fail(`should be less than ${schema.exclusiveMaximum ? '' : 'or equal to '}${maximum}`);
  }
  if (schema.multipleOf !== undefined && Math.abs((value / schema.multipleOf) % 1) > 1e-9) {
    fail(`should be a multiple of ${schema.multipleOf}`);
  }
}

/** allOf, anyOf, oneOf, not: these may also restrict types that the schema itself leaves open. */
function validateCombined(schema: Schema, value: unknown, path: string, errors: FieldError[]): void {
  const fits = (inner: Schema): boolean => {
    const found: FieldError[] = [];
    checkType(inner, value, path, found);
    validate(inner, value, path, found);
    return found.length === 0;
  };
  for (const inner of schema.allOf ?? []) {
    checkType(inner, value, path, errors);
    validate(inner, value, path, errors);
  }
  if (schema.anyOf && !schema.anyOf.some(fits)) {
    errors.push({ kind: 'invalid', field: path, value, detail: 'must validate at least one schema (anyOf)' });
  }
  if (schema.oneOf && schema.oneOf.filter(fits).length !== 1) {
    errors.push({
      kind: 'invalid',
      field: path,
      value,
      detail: 'must validate one and only one schema (oneOf)',
    });
  }
  if (schema.not && fits(schema.not)) {
    errors.push({ kind: 'invalid', field: path, value, detail: 'must not validate the schema (not)' });
  }
}

function checkType(schema: Schema, value: unknown, path: string, errors: FieldError[]): void {
  const actual = typeOf(value);
  const expected = schema.type;
  const fits =
    expected === 'any' ||
    actual === expected ||
    (expected === 'number' && actual === 'integer') ||
    (expected === 'intOrString' && (actual === 'integer' || actual === 'string'));
  if (!fits)
    errors.push({ kind: 'typeInvalid', field: path, value: actual, detail: `must be of type ${expected}` });
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
