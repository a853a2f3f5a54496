import type { KubeObject } from '../kube/index.ts';

const GROUP = 'gateway.networking.k8s.io';

type Schema = Record<string, unknown>;

const text: Schema = { type: 'string' };
const integer: Schema = { type: 'integer', format: 'int32' };
const list = (items: Schema, extra: Schema = {}): Schema => ({ type: 'array', items, ...extra });
const object = (properties: Record<string, Schema>, required: string[] = []): Schema => ({
  type: 'object',
  properties,
  ...(required.length > 0 && { required }),
});

const open: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const parentReference = object(
  { group: text, kind: text, namespace: text, name: text, sectionName: text, port: integer },
  ['name'],
);
const condition = object(
  {
    type: text,
    status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
    reason: text,
    message: text,
    lastTransitionTime: { type: 'string', format: 'date-time' },
    observedGeneration: { type: 'integer', format: 'int64' },
  },
  ['type', 'status'],
);
const valueMatch = (types: string[]): Schema =>
  object(
    {
      type: { type: 'string', enum: types, default: 'Exact' },
      name: { type: 'string', minLength: 1, maxLength: 256 },
      value: { type: 'string', maxLength: 4096 },
    },
    ['name', 'value'],
  );
const headerPair = object(
  {
    name: { type: 'string', minLength: 1, maxLength: 256 },
    value: { type: 'string', minLength: 1, maxLength: 4096 },
  },
  ['name', 'value'],
);
const modifier = object({
  set: list(headerPair, { maxItems: 16 }),
  add: list(headerPair, { maxItems: 16 }),
  remove: list(text, { maxItems: 16 }),
});
const pathModifier = object(
  {
    type: { type: 'string', enum: ['ReplaceFullPath', 'ReplacePrefixMatch'] },
    replaceFullPath: text,
    replacePrefixMatch: text,
  },
  ['type'],
);
const filter = object(
  {
    type: {
      type: 'string',
      enum: [
        'RequestHeaderModifier',
        'ResponseHeaderModifier',
        'RequestMirror',
        'RequestRedirect',
        'URLRewrite',
        'ExtensionRef',
      ],
    },
    requestHeaderModifier: modifier,
    responseHeaderModifier: modifier,
    requestRedirect: object({
      scheme: { type: 'string', enum: ['http', 'https'] },
      hostname: text,
      port: integer,
      path: pathModifier,
      statusCode: { type: 'integer', enum: [301, 302], default: 302 },
    }),
    urlRewrite: object({ hostname: text, path: pathModifier }),
    requestMirror: open,
    extensionRef: open,
  },
  ['type'],
);
const backendReference = object(
  {
    group: { type: 'string', default: '' },
    kind: { type: 'string', default: 'Service' },
    name: text,
    namespace: text,
    port: { ...integer, minimum: 1, maximum: 65_535 },
    weight: { ...integer, default: 1, minimum: 0, maximum: 1_000_000 },
    filters: list(filter),
  },
  ['name'],
);
const match = object({
  path: {
    ...object({
      type: { type: 'string', enum: ['Exact', 'PathPrefix', 'RegularExpression'], default: 'PathPrefix' },
      value: { type: 'string', default: '/', maxLength: 1024 },
    }),
    default: { type: 'PathPrefix', value: '/' },
  },
  headers: list(valueMatch(['Exact', 'RegularExpression']), { maxItems: 16 }),
  queryParams: list(valueMatch(['Exact', 'RegularExpression']), { maxItems: 16 }),
  method: {
    type: 'string',
    enum: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'],
  },
});
const rule = object({
  name: text,
  matches: { ...list(match, { maxItems: 64 }), default: [{ path: { type: 'PathPrefix', value: '/' } }] },
  filters: list(filter, { maxItems: 16 }),
  backendRefs: list(backendReference, { maxItems: 16 }),
  timeouts: object({ request: text, backendRequest: text }),
});

/** The kinds of the Gateway API that are served here. */
export function gatewayDefinitions(): KubeObject[] {
  return [
    definition({
      kind: 'HTTPRoute',
      plural: 'httproutes',
      scope: 'Namespaced',
      spec: object({
        parentRefs: list(parentReference, { maxItems: 32 }),
        hostnames: list({ type: 'string', minLength: 1, maxLength: 253 }, { maxItems: 16 }),
        rules: list(rule, { maxItems: 16 }),
      }),
      status: object({
        parents: list(
          object({ parentRef: parentReference, controllerName: text, conditions: list(condition) }),
        ),
      }),
      columns: [{ name: 'Hostnames', type: 'string', jsonPath: '.spec.hostnames' }],
    }),
    definition({
      kind: 'Gateway',
      plural: 'gateways',
      scope: 'Namespaced',
      shortNames: ['gtw'],
      spec: object(
        { gatewayClassName: text, listeners: list(open), addresses: list(open), infrastructure: open },
        ['gatewayClassName', 'listeners'],
      ),
      status: open,
      columns: [{ name: 'Class', type: 'string', jsonPath: '.spec.gatewayClassName' }],
    }),
    definition({
      kind: 'GatewayClass',
      plural: 'gatewayclasses',
      scope: 'Cluster',
      shortNames: ['gc'],
      spec: object({ controllerName: text, description: text, parametersRef: open }, ['controllerName']),
      status: open,
      columns: [{ name: 'Controller', type: 'string', jsonPath: '.spec.controllerName' }],
    }),
  ];
}

interface Kind {
  kind: string;
  plural: string;
  scope: 'Namespaced' | 'Cluster';
  shortNames?: string[];
  spec: Schema;
  status: Schema;
  columns: object[];
}

function definition({ kind, plural, scope, shortNames, spec, status, columns }: Kind): KubeObject {
  const schema = {
    openAPIV3Schema: object({ apiVersion: text, kind: text, metadata: { type: 'object' }, spec, status }, [
      'spec',
    ]),
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${GROUP}`,
      annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/gateway-api' },
    },
    spec: {
      group: GROUP,
      scope,
      names: {
        kind,
        plural,
        singular: kind.toLowerCase(),
        listKind: `${kind}List`,
        categories: ['gateway-api'],
        ...(shortNames && { shortNames }),
      },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema,
          subresources: { status: {} },
          additionalPrinterColumns: [
            ...columns,
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
        },
      ],
    },
  };
}
