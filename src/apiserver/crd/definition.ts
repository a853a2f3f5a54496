import { isRecord, type KubeObject } from '../../kube/index.ts';
import {
  AGE_COLUMN,
  age,
  at,
  type Column,
  type Conversion,
  listAt,
  NAME_COLUMN,
  nameProblem,
  type Resource,
  type ScalePaths,
  STANDARD_VERBS,
  textAt,
} from '../kinds/index.ts';
import { checkRules, type FieldError, hasRules, type Schema, validateRules } from '../schema/index.ts';
import { compileJsonPath } from './json-path.ts';
import { structuralSchema } from './structural.ts';

export interface DefinitionContext {
  /** Shape of `metadata`. */
  metadata: Schema;
  /** Makes the conversion between the versions of a definition that has one. */
  conversion: (definition: KubeObject, version: string, stored: string) => Conversion;
}

/** The resources that a definition serves, one per version. */
export function resourcesOf(definition: KubeObject, context: DefinitionContext): Resource[] {
  const versions = listAt(definition, 'spec.versions').filter(isRecord);
  const stored = String(versions.find((version) => version['storage'] === true)?.['name']);
  return versions
    .filter((version) => version['served'] === true)
    .map((version) => resourceOf(definition, version, stored, context));
}

function resourceOf(
  definition: KubeObject,
  version: Record<string, unknown>,
  stored: string,
  context: DefinitionContext,
): Resource {
  const names = acceptedNames(definition);
  const group = textAt(definition, 'spec.group') ?? '';
  const name = String(version['name']);
  const schema = rootSchema(version, context.metadata);
  const subresources = version['subresources'];
  const scale = scalePaths(at(subresources, 'scale'));
  const checked = hasRules(schema);
  return {
    group,
    version: name,
    ...names,
    namespaced: textAt(definition, 'spec.scope') === 'Namespaced',
    verbs: STANDARD_VERBS,
    collection: `${group}/${names.plural}`,
    schema,
    hasStatus: isRecord(at(subresources, 'status')),
    subresources: [],
    columns: columnsOf(version),
    selectable: listAt(version, 'selectableFields').map((field) =>
      (textAt(field, 'jsonPath') ?? '').replace(/^\./, ''),
    ),
    strategy: checked ? { validate: (object, before) => runRules(schema, object, before) } : {},
    definition: { name: definition.metadata.name ?? '', uid: definition.metadata.uid ?? '' },
    ...(scale && { scale }),
    ...(name !== stored && { conversion: context.conversion(definition, name, stored) }),
    ...(version['deprecated'] === true && {
      deprecationWarning:
        textAt(version, 'deprecationWarning') ?? `${group}/${name} ${names.kind} is deprecated`,
    }),
  };
}

function runRules(schema: Schema, object: KubeObject, before: KubeObject | undefined): FieldError[] {
  const errors: FieldError[] = [];
  validateRules(schema, object, before, '', errors);
  return errors;
}

export function acceptedNames(
  definition: KubeObject,
): Pick<Resource, 'plural' | 'singular' | 'shortNames' | 'categories' | 'kind' | 'listKind'> {
  const kind = textAt(definition, 'spec.names.kind') ?? '';
  return {
    plural: textAt(definition, 'spec.names.plural') ?? '',
    singular: textAt(definition, 'spec.names.singular') ?? kind.toLowerCase(),
    shortNames: listAt(definition, 'spec.names.shortNames').map(String),
    categories: listAt(definition, 'spec.names.categories').map(String),
    kind,
    listKind: textAt(definition, 'spec.names.listKind') ?? `${kind}List`,
  };
}

function rootSchema(version: Record<string, unknown>, metadata: Schema): Schema {
  const schema = structuralSchema(at(version, 'schema.openAPIV3Schema'), '', []);
  const properties = new Map(schema.properties ?? []);
  properties.set('apiVersion', { schema: { type: 'string' }, description: 'Group and version of the kind.' });
  properties.set('kind', { schema: { type: 'string' }, description: 'Name of the kind.' });
  properties.set('metadata', { schema: metadata });
  return { ...schema, type: 'object', properties };
}

function scalePaths(value: unknown): ScalePaths | undefined {
  if (!isRecord(value)) return undefined;
  const selector = textAt(value, 'labelSelectorPath');
  return {
    specReplicas: textAt(value, 'specReplicasPath') ?? '.spec.replicas',
    statusReplicas: textAt(value, 'statusReplicasPath') ?? '.status.replicas',
    ...(selector !== undefined && { selector }),
  };
}

function columnsOf(version: Record<string, unknown>): Column[] {
  const extra = listAt(version, 'additionalPrinterColumns').filter(isRecord);
  if (extra.length === 0) return [NAME_COLUMN, AGE_COLUMN];
  return [NAME_COLUMN, ...extra.map(columnOf)];
}

function columnOf(column: Record<string, unknown>): Column {
  const path = compileJsonPath(textAt(column, 'jsonPath') ?? '');
  const type = (textAt(column, 'type') ?? 'string') as Column['type'];
  return {
    name: textAt(column, 'name') ?? '',
    type,
    ...(textAt(column, 'format') && { format: textAt(column, 'format')! }),
    description: textAt(column, 'description') ?? `Value of ${textAt(column, 'jsonPath')}.`,
    priority: Number(column['priority'] ?? 0),
    cell: (object, now) => cellOf(type, path(object), now),
  };
}

function cellOf(type: Column['type'], found: unknown[], now: number): unknown {
  const [first] = found;
  if (first === undefined || first === null) return type === 'string' ? '' : null;
  if (type === 'date') return age(String(first), now);
  if (type !== 'string') return typeof first === type || typeof first === 'number' ? first : null;
  return found.map((value) => (typeof value === 'object' ? JSON.stringify(value) : String(value))).join(',');
}

/** Whether a definition can be served, with every problem it has. */
export function validateDefinition(definition: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const names = acceptedNames(definition);
  const group = textAt(definition, 'spec.group') ?? '';
  if (definition.metadata.name !== `${names.plural}.${group}`) {
    errors.push({
      kind: 'invalid',
      field: 'metadata.name',
      value: definition.metadata.name,
      detail: 'must be spec.names.plural+"."+spec.group',
    });
  }
  for (const [field, name] of [
    ['plural', names.plural],
    ['singular', names.singular],
    ['kind', names.kind.toLowerCase()],
    ['listKind', names.listKind.toLowerCase()],
  ] as const) {
    const problem = nameProblem(name, 'label');
    if (problem !== undefined)
      errors.push({ kind: 'invalid', field: `spec.names.${field}`, value: name, detail: problem });
  }
  const groupProblem = nameProblem(group, 'subdomain');
  if (groupProblem !== undefined || !group.includes('.'))
    errors.push({
      kind: 'invalid',
      field: 'spec.group',
      value: group,
      detail: groupProblem ?? 'should be a domain with at least one dot',
    });
  const versions = listAt(definition, 'spec.versions').filter(isRecord);
  if (versions.filter((version) => version['storage'] === true).length !== 1) {
    errors.push({
      kind: 'invalid',
      field: 'spec.versions',
      value: versions.map((version) => version['name']),
      detail: 'must have exactly one version marked as storage version',
    });
  }
  for (const [index, version] of versions.entries())
    validateVersion(version, `spec.versions[${index}]`, errors);
  if (
    textAt(definition, 'spec.conversion.strategy') === 'Webhook' &&
    at(definition, 'spec.conversion.webhook.clientConfig') === undefined
  ) {
    errors.push({
      kind: 'required',
      field: 'spec.conversion.webhook.clientConfig',
      detail: 'required when strategy is set to Webhook',
    });
  }
  return errors;
}

function validateVersion(version: Record<string, unknown>, path: string, errors: FieldError[]): void {
  const name = String(version['name']);
  const problem = nameProblem(name, 'label');
  if (problem !== undefined)
    errors.push({ kind: 'invalid', field: `${path}.name`, value: name, detail: problem });
  const props = at(version, 'schema.openAPIV3Schema');
  if (props === undefined) {
    errors.push({
      kind: 'required',
      field: `${path}.schema.openAPIV3Schema`,
      detail: 'schemas are required',
    });
    return;
  }
  const at_ = `${path}.schema.openAPIV3Schema`;
  const schema = structuralSchema(props, at_, errors);
  if (schema.type !== 'object')
    errors.push({
      kind: 'invalid',
      field: `${at_}.type`,
      value: textAt(props, 'type') ?? '',
      detail: 'must be object at the root',
    });
  checkRules(schema, at_, errors);
  for (const [index, column] of listAt(version, 'additionalPrinterColumns').entries()) {
    const source = textAt(column, 'jsonPath') ?? '';
    try {
      compileJsonPath(source);
    } catch (error) {
      errors.push({
        kind: 'invalid',
        field: `${path}.additionalPrinterColumns[${index}].jsonPath`,
        value: source,
        detail: error instanceof Error ? error.message : String(error),
      });
    }
  }
}
