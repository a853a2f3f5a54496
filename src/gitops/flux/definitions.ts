import type { KubeObject } from '../../kube/index.ts';
import { FLUX_GROUP, FLUX_HELM_GROUP } from '../engine/owner.ts';
import { SOURCE_GROUP } from './resources.ts';

const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const text = { type: 'string' };
const reference = {
  ...open,
  required: ['kind', 'name'],
  properties: { kind: text, name: text, namespace: text },
};
const READY = [
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'Status', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].message' },
];
const URL = { name: 'URL', type: 'string', jsonPath: '.spec.url' };

interface Kind {
  group: string;
  version: string;
  kind: string;
  plural: string;
  shortNames: string[];
  required: string[];
  properties: object;
  columns: object[];
}

const KINDS: readonly Kind[] = [
  {
    group: SOURCE_GROUP,
    version: 'v1',
    kind: 'GitRepository',
    plural: 'gitrepositories',
    shortNames: ['gitrepo'],
    required: ['url'],
    properties: { url: text, interval: text, ref: open, secretRef: open },
    columns: [URL, ...READY],
  },
  {
    group: SOURCE_GROUP,
    version: 'v1',
    kind: 'HelmRepository',
    plural: 'helmrepositories',
    shortNames: ['helmrepo'],
    required: ['url'],
    properties: { url: text, interval: text },
    columns: [URL, ...READY],
  },
  {
    group: SOURCE_GROUP,
    version: 'v1',
    kind: 'OCIRepository',
    plural: 'ocirepositories',
    shortNames: ['ocirepo'],
    required: ['url'],
    properties: { url: text, interval: text, ref: open },
    columns: [URL, ...READY],
  },
  {
    group: SOURCE_GROUP,
    version: 'v1',
    kind: 'Bucket',
    plural: 'buckets',
    shortNames: [],
    required: ['bucketName', 'endpoint'],
    properties: {
      bucketName: text,
      endpoint: text,
      provider: { type: 'string', enum: ['generic', 'aws', 'gcp', 'azure'] },
      region: text,
      prefix: text,
      insecure: { type: 'boolean' },
      interval: text,
      secretRef: open,
    },
    columns: [{ name: 'Endpoint', type: 'string', jsonPath: '.spec.endpoint' }, ...READY],
  },
  {
    group: SOURCE_GROUP,
    version: 'v1',
    kind: 'HelmChart',
    plural: 'helmcharts',
    shortNames: ['hc'],
    required: ['chart', 'sourceRef'],
    properties: { chart: text, version: text, sourceRef: reference },
    columns: [{ name: 'Chart', type: 'string', jsonPath: '.spec.chart' }, ...READY],
  },
  {
    group: FLUX_GROUP,
    version: 'v1',
    kind: 'Kustomization',
    plural: 'kustomizations',
    shortNames: ['ks'],
    required: ['sourceRef', 'prune'],
    properties: {
      sourceRef: reference,
      path: text,
      prune: { type: 'boolean' },
      interval: text,
      suspend: { type: 'boolean' },
    },
    columns: READY,
  },
  {
    group: FLUX_HELM_GROUP,
    version: 'v2',
    kind: 'HelmRelease',
    plural: 'helmreleases',
    shortNames: ['hr'],
    required: ['interval'],
    properties: { chart: open, chartRef: reference, interval: text, suspend: { type: 'boolean' } },
    columns: READY,
  },
];

/** The kinds of Flux. Fields that they do not name are kept. */
export function fluxDefinitions(): KubeObject[] {
  return KINDS.map(({ group, version, kind, plural, shortNames, required, properties, columns }) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), shortNames },
      scope: 'Namespaced',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: columns,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: { spec: { ...open, required, properties }, status: open },
            },
          },
        },
      ],
    },
  }));
}
