import { type Condition, isRecord, type KubeObject } from '../../kube/index.ts';
import type { Plugin } from '../admission/index.ts';
import type { Catalog } from '../catalog.ts';
import { at, listAt, textAt } from '../kinds/index.ts';
import { invalid } from '../registry/index.ts';
import { acceptedNames, validateDefinition } from './definition.ts';

export const CRD_COLLECTION = 'apiextensions.k8s.io/customresourcedefinitions';
export const CRD_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

/**
 * Checks definitions, and decides on their names while they are written: a definition is established in the
 * same write that creates it, so its objects are accepted at once.
 */
export function customResourceDefinitions(catalog: Catalog, now: () => number): Plugin {
  return {
    collections: [CRD_COLLECTION],
    mutate: (attributes) => {
      const { operation, object, before, subresource } = attributes;
      if ((operation !== 'CREATE' && operation !== 'UPDATE') || object === undefined || subresource !== '')
        return;
      const names = at(object, 'spec.names');
      if (isRecord(names)) Object.assign(names, withoutEmpty({ ...acceptedNames(object), ...names }));
      const spec = object['spec'];
      if (isRecord(spec)) spec['conversion'] ??= { strategy: 'None' };
      if (before === undefined)
        object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), CRD_FINALIZER])];
      object['status'] = statusOf(catalog, object, before, now());
    },
    validate: (attributes) => {
      const { operation, object, before, subresource } = attributes;
      if ((operation !== 'CREATE' && operation !== 'UPDATE') || object === undefined || subresource !== '')
        return;
      const errors = validateDefinition(object);
      for (const path of ['spec.group', 'spec.scope', 'spec.names.plural', 'spec.names.kind']) {
        if (before !== undefined && textAt(before, path) !== textAt(object, path))
          errors.push({
            kind: 'invalid',
            field: path,
            value: at(object, path),
            detail: 'field is immutable',
          });
      }
      if (errors.length > 0) throw invalid(attributes.resource, attributes.name, errors);
    },
  };
}

function withoutEmpty(names: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(names).filter(([, value]) => !(Array.isArray(value) && value.length === 0)),
  );
}

function statusOf(
  catalog: Catalog,
  definition: KubeObject,
  before: KubeObject | undefined,
  now: number,
): Record<string, unknown> {
  const conflict = nameConflict(catalog, definition);
  const lastTransitionTime = `${new Date(now).toISOString().slice(0, 19)}Z`;
  const condition = (type: string, ok: boolean, reason: string, message: string): Condition => {
    const known = listAt(before, 'status.conditions').find((item) => at(item, 'type') === type) as
      | Condition
      | undefined;
    const status = ok ? 'True' : 'False';
    return known?.status === status
      ? { ...known, reason, message }
      : { type, status, lastTransitionTime, reason, message };
  };
  const established =
    conflict === undefined ||
    listAt(before, 'status.conditions').some(
      (item) => at(item, 'type') === 'Established' && at(item, 'status') === 'True',
    );
  const stored = listAt(definition, 'spec.versions').find((version) => at(version, 'storage') === true);
  const kept = listAt(before, 'status.storedVersions').map(String);
  return {
    conditions: [
      condition(
        'NamesAccepted',
        conflict === undefined,
        conflict === undefined ? 'NoConflicts' : 'NameConflict',
        conflict ?? 'no conflicts found',
      ),
      condition(
        'Established',
        established,
        established ? 'InitialNamesAccepted' : 'NotAccepted',
        established ? 'the initial names have been accepted' : 'not all names are accepted',
      ),
    ],
    acceptedNames:
      conflict === undefined
        ? at(definition, 'spec.names')
        : (at(before, 'status.acceptedNames') ?? { plural: '', kind: '' }),
    storedVersions: [...new Set([...kept, textAt(stored, 'name') ?? ''])],
  };
}

/** Names are unique in a group, whoever came first keeps them. */
function nameConflict(catalog: Catalog, definition: KubeObject): string | undefined {
  const group = textAt(definition, 'spec.group');
  const others = catalog
    .all()
    .filter((resource) => resource.group === group && resource.definition?.name !== definition.metadata.name);
  const names = acceptedNames(definition);
  const taken = new Set(others.flatMap((other) => [other.plural, other.singular, ...other.shortNames]));
  const plain = [names.plural, names.singular, ...names.shortNames].find((name) => taken.has(name));
  if (plain !== undefined) return `${JSON.stringify(plain)} is already in use`;
  const kinds = new Set(others.flatMap((other) => [other.kind, other.listKind]));
  const kind = [names.kind, names.listKind].find((name) => kinds.has(name));
  return kind === undefined ? undefined : `${JSON.stringify(kind)} is already in use`;
}

export function isEstablished(definition: KubeObject): boolean {
  return listAt(definition, 'status.conditions').some(
    (item) => at(item, 'type') === 'Established' && at(item, 'status') === 'True',
  );
}
