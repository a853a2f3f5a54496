import { canonicalQuantity, isRecord, type Json, cloneJson } from '../../kube/index.ts';
import type { FieldError } from './field-error.ts';
import type { Schema } from './schema.ts';

/** What decoding found besides the value itself. */
export interface DecodeFindings {
  /** Paths of fields that the schema does not know; they were dropped. */
  unknown: string[];
  /** Values of the wrong type; they were left as they are. */
  mistyped: FieldError[];
}

/**
 * Brings a parsed body into the shape of its schema, in place: unknown fields and nulls go, defaults come.
 * Values of the wrong type are reported, never converted.
 */
export function decode(schema: Schema, value: unknown, path: string, findings: DecodeFindings): unknown {
  switch (schema.type) {
    case 'object':
      if (!isRecord(value)) return mistyped(value, path, 'object', findings);
      return decodeObject(schema, value, path, findings);
    case 'array':
      if (!Array.isArray(value)) return mistyped(value, path, 'array', findings);
      return decodeArray(schema, value, path, findings);
    case 'string':
      if (typeof value === 'string') return schema.format === 'quantity' ? quantity(value) : value;
      if (schema.format === 'quantity' && typeof value === 'number') return quantity(String(value));
      return mistyped(value, path, 'string', findings);
    case 'integer':
      return Number.isInteger(value) ? value : mistyped(value, path, 'integer', findings);
    case 'number':
      return typeof value === 'number' ? value : mistyped(value, path, 'number', findings);
    case 'boolean':
      return typeof value === 'boolean' ? value : mistyped(value, path, 'boolean', findings);
    case 'intOrString':
      if (typeof value === 'string' || Number.isInteger(value)) return value;
      return mistyped(value, path, 'integer or string', findings);
    case 'any':
      return value;
  }
}

function decodeObject(
  schema: Schema,
  value: Record<string, unknown>,
  path: string,
  findings: DecodeFindings,
): unknown {
  const { properties, values } = schema;
  for (const key of Object.keys(value)) {
    const field = properties?.get(key);
    const inner = field?.schema ?? values;
    const at = path === '' ? key : `${path}.${key}`;
    if (inner === undefined) {
      if (schema.preserveUnknown || (schema.embedded && EMBEDDED_FIELDS.has(key))) continue;
      findings.unknown.push(at);
      delete value[key];
      continue;
    }
    const item = value[key];
    if (item === null && inner.type !== 'any') {
      if (inner.nullable && field?.default === undefined) continue;
      if (inner.nullable) continue;
      delete value[key];
      continue;
    }
    const decoded = decode(inner, item, at, findings);
    if (decoded !== item) value[key] = decoded;
  }
  if (properties !== undefined) applyDefaults(schema, value, path, findings);
  return value;
}

const EMBEDDED_FIELDS = new Set(['apiVersion', 'kind', 'metadata']);

function decodeArray(schema: Schema, value: unknown[], path: string, findings: DecodeFindings): unknown {
  const inner = schema.items;
  if (inner === undefined) return value;
  for (let index = 0; index < value.length; index++) {
    const item = value[index];
    if (item === null && inner.nullable) continue;
    const decoded = decode(inner, item, `${path}[${index}]`, findings);
    if (decoded !== item) value[index] = decoded;
  }
  return value;
}

/** Fields that have a default, per schema: most shapes have none. */
const defaulted = new WeakMap<Schema, [name: string, value: Json, inner: Schema][]>();

function applyDefaults(
  schema: Schema,
  value: Record<string, unknown>,
  path: string,
  findings: DecodeFindings,
): void {
  let fields = defaulted.get(schema);
  if (fields === undefined) {
    fields = [];
    for (const [name, field] of schema.properties ?? []) {
      if (field.default !== undefined) fields.push([name, field.default, field.schema]);
    }
    defaulted.set(schema, fields);
  }
  for (const [name, fallback, inner] of fields) {
    if (Object.hasOwn(value, name)) continue;
    value[name] = decode(inner, cloneJson(fallback), `${path}.${name}`, findings);
  }
}

function quantity(text: string): string {
  return canonicalQuantity(text) ?? text;
}

function mistyped(value: unknown, path: string, expected: string, findings: DecodeFindings): unknown {
  findings.mistyped.push({
    kind: 'typeInvalid',
    field: path,
    value: typeOf(value),
    detail: `must be of type ${expected}`,
  });
  return value;
}

export function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}
