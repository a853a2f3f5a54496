import { ApiError, isRecord, type KubeObject } from '../../kube/index.ts';
import {
  apiVersionOf,
  nameProblem,
  type Resource,
  qualified,
  validateAnnotations,
  validateLabels,
} from '../kinds/index.ts';
import {
  decode,
  type DecodeFindings,
  type FieldError,
  fieldErrorCause,
  fieldErrorMessage,
  type Schema,
  validate,
} from '../schema/index.ts';
import type { Entry } from '../store/index.ts';
import type { Call } from './context.ts';

/** Parses what the store keeps. */
export function parseEntry(entry: Entry): KubeObject {
  return JSON.parse(entry.bytes.toString()) as KubeObject;
}

/** The bytes of an object at a revision. `apiVersion` and `kind` come first: readers rely on it. */
export function encodeObject(object: KubeObject, revision: number): Buffer {
  const { apiVersion, kind, metadata, ...rest } = object;
  return Buffer.from(
    JSON.stringify({
      apiVersion,
      kind,
      metadata: { ...metadata, resourceVersion: String(revision) },
      ...rest,
    }),
  );
}

/** Whether stored bytes are of this version, told from their first characters. */
export function isOfVersion(entry: Entry, resource: Resource): boolean {
  const prefix = prefixOf(resource);
  return entry.bytes.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;
}

const prefixes = new WeakMap<Resource, Buffer>();

function prefixOf(resource: Resource): Buffer {
  let prefix = prefixes.get(resource);
  if (prefix === undefined) {
    prefix = Buffer.from(`{"apiVersion":${JSON.stringify(apiVersionOf(resource))},`);
    prefixes.set(resource, prefix);
  }
  return prefix;
}

/** Checks that a body is an object of this kind and brings it into shape; unknown fields warn or fail. */
export function decodeObject(resource: Resource, body: unknown, call: Call): KubeObject {
  if (!isRecord(body)) throw new ApiError('BadRequest', `The body must be one ${resource.kind} object.`);
  const apiVersion = body['apiVersion'] ?? apiVersionOf(resource);
  const kind = body['kind'] ?? resource.kind;
  if (apiVersion !== apiVersionOf(resource) || kind !== resource.kind) {
    throw new ApiError(
      'BadRequest',
      `The body is a ${String(kind)} of ${String(apiVersion)}, but ${qualified(resource)} here takes ${resource.kind} of ${apiVersionOf(resource)}.`,
    );
  }
  body['apiVersion'] = apiVersion;
  body['kind'] = kind;
  shape(resource, resource.schema, body, call);
  if (!isRecord(body['metadata'])) body['metadata'] = {};
  return body as KubeObject;
}

/** Decodes by schema; reports unknown fields as the caller asked. */
export function shape(
  resource: Pick<Resource, 'kind' | 'version' | 'definition' | 'group'>,
  schema: Schema,
  body: Record<string, unknown>,
  call: Call,
): void {
  const findings: DecodeFindings = { unknown: [], mistyped: [] };
  decode(schema, body, '', findings);
  if (findings.mistyped.length > 0) throw mistyped(resource, body, findings.mistyped);
  if (findings.unknown.length === 0 || call.fieldValidation === 'Ignore') return;
  reportProblems(
    resource,
    findings.unknown.map((path) => `unknown field "${path}"`),
    call,
  );
}

/** Warns of what is odd about a body, or refuses it, as the caller asked. */
export function reportProblems(
  resource: Pick<Resource, 'kind' | 'version'>,
  texts: readonly string[],
  call: Call,
): void {
  if (texts.length === 0) return;
  if (call.fieldValidation === 'Warn') {
    call.warnings.push(...texts);
    return;
  }
  throw new ApiError(
    'BadRequest',
    `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: strict decoding error: ${texts.join(', ')}`,
  );
}

function mistyped(
  resource: Pick<Resource, 'kind' | 'version' | 'definition' | 'group'>,
  body: Record<string, unknown>,
  errors: FieldError[],
): ApiError {
  if (resource.definition !== undefined) {
    const metadata = isRecord(body['metadata']) ? body['metadata'] : {};
    return invalid(resource, String(metadata['name'] ?? ''), errors);
  }
  const [first] = errors;
  return new ApiError(
    'BadRequest',
    `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: ${first?.field} ${first?.detail}, not ${String(first?.value)}`,
  );
}

export function invalid(
  resource: Pick<Resource, 'kind' | 'group'>,
  name: string,
  errors: readonly FieldError[],
): ApiError {
  const texts = errors.map((error) => `${error.field}: ${fieldErrorMessage(error)}`);
  const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const kind = resource.group === '' ? resource.kind : `${resource.kind}.${resource.group}`;
  return new ApiError('Invalid', `${kind} ${JSON.stringify(name)} is invalid: ${list}`, {
    name,
    ...(resource.group !== '' && { group: resource.group }),
    kind: resource.kind,
    causes: errors.map(fieldErrorCause),
  });
}

export function notFound(resource: Pick<Resource, 'group' | 'plural'>, name: string): ApiError {
  return new ApiError('NotFound', `${qualified(resource)} ${JSON.stringify(name)} not found`, {
    name,
    ...(resource.group !== '' && { group: resource.group }),
    kind: resource.plural,
  });
}

/** Kinds whose names may hold more than a DNS name can. */
const PATH_NAMES = new Set(['apiservices', 'roles', 'rolebindings', 'clusterroles', 'clusterrolebindings']);
const LABEL_NAMES = new Set(['namespaces', 'services']);

/** Everything about an object that its schema and its kind demand. */
export function checkObject(
  resource: Resource,
  object: KubeObject,
  before: KubeObject | undefined,
  subresource = '',
): FieldError[] {
  const errors: FieldError[] = [];
  const { metadata } = object;
  const name = metadata.name ?? '';
  const builtin = resource.definition === undefined;
  const rule =
    builtin && PATH_NAMES.has(resource.plural)
      ? 'path'
      : builtin && LABEL_NAMES.has(resource.plural)
        ? 'label'
        : 'subdomain';
  const problem = before === undefined ? nameProblem(name, rule) : undefined;
  if (problem !== undefined)
    errors.push({ kind: 'invalid', field: 'metadata.name', value: name, detail: problem });
  errors.push(
    ...validateLabels(metadata.labels, 'metadata.labels'),
    ...validateAnnotations(metadata.annotations),
  );
  for (const reference of metadata.ownerReferences ?? []) {
    if (!reference.uid || !reference.name || !reference.kind || !reference.apiVersion) {
      errors.push({
        kind: 'required',
        field: 'metadata.ownerReferences',
        detail: 'apiVersion, kind, name and uid must be set',
      });
    }
  }
  for (const [key, field] of resource.schema.properties ?? []) {
    if (key === 'metadata' || (builtin && key === 'status')) continue;
    if (Object.hasOwn(object, key)) validate(field.schema, object[key], key, errors);
    else if (field.required) errors.push({ kind: 'required', field: key });
  }
  // A missing part is reported once: by the schema, before the kind's own rules would stumble over it.
  if (errors.length === 0 && resource.strategy.validate !== undefined)
    errors.push(...resource.strategy.validate(object, before, subresource));
  return errors;
}

const OMITTED_WHEN_EMPTY = [
  'finalizers',
  'ownerReferences',
  'managedFields',
  'labels',
  'annotations',
] as const;

/** Empty lists and maps are left out, as typed clients would. */
export function tidyMetadata(object: KubeObject): void {
  for (const key of OMITTED_WHEN_EMPTY) {
    const value = object.metadata[key];
    if (value !== undefined && Object.keys(value).length === 0) delete object.metadata[key];
  }
}
