import type { Json } from '../../kube/index.ts';

export type SchemaType =
  | 'object'
  | 'array'
  | 'string'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'intOrString'
  /** Anything; its inside is not looked at. */
  | 'any';

export interface Field {
  schema: Schema;
  required?: boolean;
  default?: Json;
  description?: string;
}

/** A CEL rule of a custom resource's schema. */
export interface Rule {
  rule: string;
  message?: string;
  messageExpression?: string;
  reason?: string;
  fieldPath?: string;
  optionalOldSelf?: boolean;
}

/**
 * One description of a shape, for built-in kinds and custom resources alike. Decoding, defaulting, pruning,
 * validation, both merging patches, server-side apply and OpenAPI all walk this.
 */
export interface Schema {
  type: SchemaType;
  /** Name under which OpenAPI documents list it; absent for shapes written in place. */
  name?: string;
  description?: string;
  /** Objects with known fields. */
  properties?: Map<string, Field>;
  /** Objects that map free keys to one shape. */
  values?: Schema;
  /** Fields that are not listed stay. */
  preserveUnknown?: boolean;
  /** A whole Kubernetes object inside another one. */
  embedded?: boolean;
  items?: Schema;
  nullable?: boolean;

  /** How server-side apply sees a list: one value, a set of scalars, or objects told apart by `listKeys`. */
  listType?: 'atomic' | 'set' | 'map';
  listKeys?: string[];
  /** An object that is replaced as one value. */
  atomic?: boolean;
  /** Strategic merge: the key of a merged list of objects, '' for a merged list of scalars. */
  patchKey?: string;
  retainKeys?: boolean;

  format?: string;
  enum?: Json[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minProperties?: number;
  maxProperties?: number;
  /** Value checks of CRD schemas that combine others; they never add fields. */
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  not?: Schema;
  rules?: Rule[];
}
