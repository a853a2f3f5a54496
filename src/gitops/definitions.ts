import type { KubeObject } from '../kube/index.ts';
import { fluxDefinitions } from './flux/definitions.ts';
import { ARGO_GROUP } from './resources.ts';

const text = { type: 'string' };
const flag = { type: 'boolean' };
const number = { type: 'integer' };
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const list = (items: object): object => ({ type: 'array', items });
const map = (values: object): object => ({ type: 'object', additionalProperties: values });
const shape = (properties: object, required: readonly string[] = []): object => ({
  type: 'object',
  'x-kubernetes-preserve-unknown-fields': true,
  properties,
  ...(required.length > 0 && { required }),
});

const source = shape(
  {
    repoURL: text,
    path: text,
    targetRevision: text,
    chart: text,
    ref: text,
    helm: shape({
      releaseName: text,
      values: text,
      valuesObject: open,
      valueFiles: list(text),
      parameters: list(shape({ name: text, value: text, forceString: flag })),
      ignoreMissingValueFiles: flag,
      skipCrds: flag,
    }),
    kustomize: shape({
      namePrefix: text,
      nameSuffix: text,
      namespace: text,
      images: list(text),
      commonLabels: map(text),
      commonAnnotations: map(text),
    }),
    directory: shape({ recurse: flag, include: text, exclude: text }),
  },
  ['repoURL'],
);
const destination = shape({ server: text, name: text, namespace: text });
const retry = shape({ limit: number, backoff: shape({ duration: text, factor: number, maxDuration: text }) });
const rules = list(shape({ group: text, kind: text }, ['group', 'kind']));

const APPLICATION = shape(
  {
    project: text,
    source,
    sources: list(source),
    destination,
    syncPolicy: shape({
      automated: shape({ prune: flag, selfHeal: flag, allowEmpty: flag, enabled: flag }),
      syncOptions: list(text),
      retry,
    }),
    ignoreDifferences: list(
      shape(
        {
          group: text,
          kind: text,
          name: text,
          namespace: text,
          jsonPointers: list(text),
          jqPathExpressions: list(text),
          managedFieldsManagers: list(text),
        },
        ['kind'],
      ),
    ),
    revisionHistoryLimit: number,
  },
  ['destination', 'project'],
);
const PROJECT = shape({
  description: text,
  sourceRepos: list(text),
  destinations: list(destination),
  sourceNamespaces: list(text),
  clusterResourceWhitelist: rules,
  clusterResourceBlacklist: rules,
  namespaceResourceWhitelist: rules,
  namespaceResourceBlacklist: rules,
});

interface Kind {
  group: string;
  version: string;
  kind: string;
  plural: string;
  shortNames?: string[];
  categories?: string[];
  schema: object;
  columns?: object[];
  hasStatus?: boolean;
}

function definition({
  group,
  version,
  kind,
  plural,
  shortNames,
  categories,
  schema,
  columns,
  hasStatus,
}: Kind): KubeObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        ...(shortNames && { shortNames }),
        ...(categories && { categories }),
      },
      scope: 'Namespaced',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          ...(hasStatus && { subresources: { status: {} } }),
          ...(columns && { additionalPrinterColumns: columns }),
          schema: { openAPIV3Schema: { type: 'object', properties: schema } },
        },
      ],
    },
  };
}

/** The kinds of Argo CD and Flux. As in the former, an application has its status beside its spec, without a door of its own. */
export function gitopsDefinitions(): KubeObject[] {
  return [
    definition({
      group: ARGO_GROUP,
      version: 'v1alpha1',
      kind: 'Application',
      plural: 'applications',
      shortNames: ['app', 'apps'],
      schema: { spec: APPLICATION, operation: open, status: open },
      columns: [
        { name: 'Sync Status', type: 'string', jsonPath: '.status.sync.status' },
        { name: 'Health Status', type: 'string', jsonPath: '.status.health.status' },
        { name: 'Revision', type: 'string', jsonPath: '.status.sync.revision', priority: 10 },
        { name: 'Project', type: 'string', jsonPath: '.spec.project', priority: 10 },
      ],
    }),
    definition({
      group: ARGO_GROUP,
      version: 'v1alpha1',
      kind: 'AppProject',
      plural: 'appprojects',
      shortNames: ['appproj', 'appprojs'],
      schema: { spec: PROJECT, status: open },
    }),
    ...fluxDefinitions(),
  ];
}
