import { isRecord, type Json, linearPattern } from '../../kube/index.ts';
import type { Field, FieldError, Rule, Schema, SchemaType } from '../schema/index.ts';

const TYPES: Record<string, SchemaType> = {
  object: 'object',
  array: 'array',
  string: 'string',
  integer: 'integer',
  number: 'number',
  boolean: 'boolean',
};
const NUMBERS = [
  'minimum',
  'maximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
] as const;
const FLAGS = ['exclusiveMinimum', 'exclusiveMaximum', 'uniqueItems', 'nullable'] as const;
const MAX_DEPTH = 64;

type Props = Record<string, unknown>;

/** Reads an `openAPIV3Schema` as a structural schema; everything that keeps it from being one is reported. */
export function structuralSchema(props: unknown, path: string, errors: FieldError[], depth = 0): Schema {
  if (!isRecord(props)) {
    errors.push({ kind: 'invalid', field: path, value: props, detail: 'must be a schema' });
    return { type: 'any' };
  }
  if (depth > MAX_DEPTH) {
    errors.push({
      kind: 'invalid',
      field: path,
      value: '…',
      detail: `must not be nested more than ${MAX_DEPTH} levels deep`,
    });
    return { type: 'any' };
  }
  const schema: Schema = { type: typeOf(props, path, errors) };
  readChecks(schema, props, path, errors);
  readExtensions(schema, props, path, errors);
  readContent(schema, props, path, errors, depth);
  for (const key of ['allOf', 'anyOf', 'oneOf'] as const) {
    if (Array.isArray(props[key])) schema[key] = props[key].map((item) => valueSchema(item));
  }
  if (isRecord(props['not'])) schema.not = valueSchema(props['not']);
  if (props['$ref'] !== undefined)
    errors.push({ kind: 'forbidden', field: `${path}.$ref`, detail: '$ref is not supported' });
  return schema;
}

function typeOf(props: Props, path: string, errors: FieldError[]): SchemaType {
  if (props['x-kubernetes-int-or-string'] === true) return 'intOrString';
  const type = props['type'];
  if (typeof type === 'string' && type !== '') {
    const known = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
    if (known === undefined)
      errors.push({
        kind: 'notSupported',
        field: `${path}.type`,
        value: type,
        detail: `supported values: ${Object.keys(TYPES)
          .map((name) => JSON.stringify(name))
          .join(', ')}`,
      });
    return known ?? 'any';
  }
  if (props['x-kubernetes-preserve-unknown-fields'] !== true)
    errors.push({
      kind: 'required',
      field: `${path}.type`,
      detail: 'must not be empty for specified object fields',
    });
  return 'any';
}

function readChecks(schema: Schema, props: Props, path: string, errors: FieldError[]): void {
  if (typeof props['description'] === 'string') schema.description = props['description'];
  if (typeof props['format'] === 'string') schema.format = props['format'];
  if (Array.isArray(props['enum'])) schema.enum = props['enum'] as Json[];
  for (const key of NUMBERS) if (typeof props[key] === 'number') schema[key] = props[key];
  for (const key of FLAGS) if (props[key] === true) schema[key] = true;
  if (typeof props['pattern'] !== 'string') return;
  schema.pattern = props['pattern'];
  try {
    linearPattern(props['pattern']);
  } catch (error) {
    errors.push({
      kind: 'invalid',
      field: `${path}.pattern`,
      value: props['pattern'],
      detail: `must be a valid regular expression, but isn't: ${error instanceof Error ? error.message : String(error)}`,
    });
    delete schema.pattern;
  }
}

function readExtensions(schema: Schema, props: Props, path: string, errors: FieldError[]): void {
  if (props['x-kubernetes-preserve-unknown-fields'] === true) schema.preserveUnknown = true;
  if (props['x-kubernetes-embedded-resource'] === true) schema.embedded = true;
  if (props['x-kubernetes-map-type'] === 'atomic') schema.atomic = true;
  if (Array.isArray(props['x-kubernetes-validations']))
    schema.rules = props['x-kubernetes-validations'].filter(isRecord) as unknown as Rule[];
  if (schema.type !== 'array') return;
  const listType = props['x-kubernetes-list-type'] ?? 'atomic';
  const keys = props['x-kubernetes-list-map-keys'];
  if (listType !== 'atomic' && listType !== 'set' && listType !== 'map') {
    errors.push({
      kind: 'notSupported',
      field: `${path}.x-kubernetes-list-type`,
      value: listType,
      detail: 'supported values: "atomic", "map", "set"',
    });
    return;
  }
  schema.listType = listType;
  if (listType !== 'map') return;
  if (!Array.isArray(keys) || keys.length === 0)
    errors.push({
      kind: 'required',
      field: `${path}.x-kubernetes-list-map-keys`,
      detail: 'must not be empty if x-kubernetes-list-type is map',
    });
  else schema.listKeys = keys.map(String);
}

function readContent(schema: Schema, props: Props, path: string, errors: FieldError[], depth: number): void {
  const { properties, additionalProperties, items } = props;
  if (isRecord(properties)) {
    const required = new Set(Array.isArray(props['required']) ? props['required'].map(String) : []);
    schema.properties = new Map();
    for (const [name, value] of Object.entries(properties)) {
      const field: Field = {
        schema: structuralSchema(value, `${path}.properties[${name}]`, errors, depth + 1),
      };
      if (required.has(name)) field.required = true;
      if (isRecord(value) && value['default'] !== undefined) field.default = value['default'] as Json;
      schema.properties.set(name, field);
    }
  } else if (Array.isArray(props['required']) && schema.type === 'object') {
    schema.properties = new Map(
      props['required'].map((name) => [String(name), { schema: { type: 'any' }, required: true }]),
    );
  }
  if (isRecord(additionalProperties)) {
    if (isRecord(properties))
      errors.push({
        kind: 'forbidden',
        field: `${path}.additionalProperties`,
        detail: 'additionalProperties and properties are mutual exclusive',
      });
    schema.values = structuralSchema(additionalProperties, `${path}.additionalProperties`, errors, depth + 1);
  } else if (additionalProperties === true) {
    schema.values = { type: 'any' };
  }
  if (isRecord(items)) schema.items = structuralSchema(items, `${path}.items`, errors, depth + 1);
  else if (schema.type === 'array')
    errors.push({ kind: 'required', field: `${path}.items`, detail: 'must be specified' });
}

/** A schema inside allOf, anyOf, oneOf or not: it checks values and shapes nothing. */
function valueSchema(props: unknown): Schema {
  const ignored: FieldError[] = [];
  const schema = structuralSchema(props, '', ignored);
  return isRecord(props) && props['type'] === undefined && props['x-kubernetes-int-or-string'] !== true
    ? { ...schema, type: 'any' }
    : schema;
}
