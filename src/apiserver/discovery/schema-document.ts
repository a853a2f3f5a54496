import type { Resource } from '../kinds/index.ts';
import type { Schema } from '../schema/index.ts';

export type Definition = Record<string, unknown>;

/** Writes schemas as OpenAPI, collecting every named type that they need. */
export class DefinitionWriter {
  readonly #definitions = new Map<string, Definition>();
  readonly #prefix: string;
  readonly #version: 2 | 3;

  /** `prefix` is where references point: `#/definitions/` or `#/components/schemas/`. */
  constructor(version: 2 | 3) {
    this.#version = version;
    this.#prefix = version === 2 ? '#/definitions/' : '#/components/schemas/';
  }

  get definitions(): ReadonlyMap<string, Definition> {
    return this.#definitions;
  }

  reference(name: string): Definition {
    return { $ref: `${this.#prefix}${name}` };
  }

  /** Adds the kind and its list; returns the names of both. */
  addResource(resource: Resource): { name: string; listName: string } {
    const name = resource.schema.name ?? customName(resource);
    const own: Schema = { ...resource.schema, name };
    this.#define(own, { 'x-kubernetes-group-version-kind': [gvk(resource, resource.kind)] });
    const listName = `${name}List`;
    if (!this.#definitions.has(listName)) {
      this.#definitions.set(listName, {
        type: 'object',
        description: `A list of ${resource.kind} objects.`,
        required: ['items'],
        properties: {
          apiVersion: { type: 'string' },
          kind: { type: 'string' },
          metadata: { type: 'object' },
          items: { type: 'array', items: this.reference(name) },
        },
        'x-kubernetes-group-version-kind': [gvk(resource, resource.listKind)],
      });
    }
    return { name, listName };
  }

  addType(schema: Schema, extra: Definition = {}): string {
    this.#define(schema, extra);
    return schema.name ?? '';
  }

  #define(schema: Schema, extra: Definition = {}): void {
    const name = schema.name ?? '';
    if (this.#definitions.has(name)) return;
    // Set first: types may contain themselves.
    this.#definitions.set(name, {});
    this.#definitions.set(name, { ...this.#body(schema), ...extra });
  }

  write(schema: Schema): Definition {
    if (schema.name === undefined) return this.#body(schema);
    this.#define(schema);
    return this.reference(schema.name);
  }

  #body(schema: Schema): Definition {
    const body: Definition = {};
    if (schema.description !== undefined) body['description'] = schema.description;
    if (schema.type === 'intOrString') this.#intOrString(body, schema);
    else if (schema.type !== 'any') body['type'] = schema.type;
    if (schema.format !== undefined && schema.type !== 'intOrString') body['format'] = schema.format;
    if (schema.properties !== undefined && schema.properties.size > 0) this.#properties(body, schema);
    if (schema.values !== undefined) body['additionalProperties'] = this.write(schema.values);
    if (schema.items !== undefined) body['items'] = this.write(schema.items);
    for (const key of PLAIN_KEYS) if (schema[key] !== undefined) body[key] = schema[key];
    this.#extensions(body, schema);
    return body;
  }

  #intOrString(body: Definition, schema: Schema): void {
    if (schema.format === 'int-or-string') Object.assign(body, { type: 'string', format: 'int-or-string' });
    else body['x-kubernetes-int-or-string'] = true;
  }

  #properties(body: Definition, schema: Schema): void {
    const properties: Definition = {};
    const required: string[] = [];
    for (const [name, field] of schema.properties ?? []) {
      if (field.required) required.push(name);
      properties[name] = this.#property(field.schema, field.description, field.default);
    }
    body['properties'] = properties;
    if (required.length > 0) body['required'] = required;
  }

  #property(schema: Schema, description: string | undefined, fallback: unknown): Definition {
    const written = this.write(schema);
    const extra: Definition = {};
    if (description !== undefined) extra['description'] = description;
    if (fallback !== undefined) extra['default'] = fallback;
    if (!('$ref' in written)) return { ...written, ...extra };
    if (Object.keys(extra).length === 0) return written;
    // Nothing may stand beside a reference: version 3 wraps it, version 2 clients read past the rest.
    return this.#version === 3 ? { ...extra, allOf: [written] } : { ...written, ...extra };
  }

  #extensions(body: Definition, schema: Schema): void {
    // Readers of these documents take an empty schema for a missing one.
    if (schema.preserveUnknown || Object.keys(body).length === 0)
      body['x-kubernetes-preserve-unknown-fields'] = true;
    if (schema.embedded) body['x-kubernetes-embedded-resource'] = true;
    if (schema.atomic) body['x-kubernetes-map-type'] = 'atomic';
    if (schema.listType !== undefined) body['x-kubernetes-list-type'] = schema.listType;
    if (schema.listKeys !== undefined) body['x-kubernetes-list-map-keys'] = schema.listKeys;
    if (schema.patchKey !== undefined) {
      body['x-kubernetes-patch-strategy'] = schema.retainKeys ? 'merge,retainKeys' : 'merge';
      if (schema.patchKey !== '') body['x-kubernetes-patch-merge-key'] = schema.patchKey;
    } else if (schema.retainKeys) {
      body['x-kubernetes-patch-strategy'] = 'retainKeys';
    }
    if (this.#version === 3 && schema.nullable) body['nullable'] = true;
    if (this.#version === 2) return;
    for (const key of ['allOf', 'anyOf', 'oneOf'] as const)
      if (schema[key]) body[key] = schema[key].map((item) => this.#body(item));
    if (schema.not) body['not'] = this.#body(schema.not);
    if (schema.rules) body['x-kubernetes-validations'] = schema.rules;
  }
}

const PLAIN_KEYS = [
  'enum',
  'pattern',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
] as const;

/** Names of custom kinds: the group reversed, as Kubernetes writes them. */
function customName(resource: Resource): string {
  return `${resource.group.split('.').reverse().join('.')}.${resource.version}.${resource.kind}`;
}

export function gvk(resource: Pick<Resource, 'group' | 'version'>, kind: string): Definition {
  return { group: resource.group, version: resource.version, kind };
}
