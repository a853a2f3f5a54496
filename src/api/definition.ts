import type { Kind } from './kind.ts';

type Fields = Record<string, unknown>;

export interface Definition {
  apiVersion: 'apiextensions.k8s.io/v1';
  kind: 'CustomResourceDefinition';
  metadata: { name: string };
  spec: Fields;
}

/** The CustomResourceDefinition of a kind. */
export function toDefinition(kind: Kind): Definition {
  const { group, version, plural, shortNames, categories, columns, description } = kind;
  const age = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural,
        singular: kind.kind.toLowerCase(),
        ...(shortNames && { shortNames }),
        categories: ['dispatch', ...(categories ?? [])],
      },
      scope: 'Namespaced',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [...columns, age],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description,
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: structural(kind.spec as Fields),
                status: structural(kind.status as Fields),
              },
            },
          },
        },
      ],
    },
  };
}

/** JSON Schema as TypeBox writes it, in the narrower form that definitions take. */
function structural(schema: Fields): Fields {
  const { properties, items, anyOf, patternProperties, additionalProperties: _, ...rest } = schema;
  const choices = literals(anyOf);
  if (choices !== undefined) return { ...rest, type: 'string', enum: choices };
  const result: Fields = { ...rest };
  if (isFields(properties))
    result['properties'] = Object.fromEntries(
      Object.entries(properties).map(([key, value]) => [key, structural(value as Fields)]),
    );
  if (isFields(items)) result['items'] = structural(items);
  if (isFields(patternProperties))
    result['additionalProperties'] = structural(Object.values(patternProperties)[0] as Fields);
  return result;
}

function literals(anyOf: unknown): unknown[] | undefined {
  if (!Array.isArray(anyOf) || !anyOf.every((item) => isFields(item) && 'const' in item)) return undefined;
  return anyOf.map((item: Fields) => item['const']);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
