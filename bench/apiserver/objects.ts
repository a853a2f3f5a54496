const FILLER = 'x'.repeat(900);
const ROOT = '/api/v1/namespaces/default/configmaps';

/** A ConfigMap of about 1 KiB. */
export function configMap(name: string, value = 0): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, labels: { app: 'bench' } },
    data: { filler: FILLER, value: String(value) },
  });
}

export const configMaps = ROOT;

export function deployment(name: string, image: string): string {
  const labels = { app: name };
  const container = {
    name: 'app',
    image,
    ports: [{ containerPort: 8080, protocol: 'TCP' }],
    env: [
      { name: 'A', value: '1' },
      { name: 'B', value: '2' },
    ],
    resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '128Mi' } },
    readinessProbe: { httpGet: { path: '/ready', port: 8080 } },
  };
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  });
}

export const deployments = '/apis/apps/v1/namespaces/default/deployments';

export function definition(plural: string, kind: string): string {
  const schema = {
    type: 'object',
    properties: {
      spec: { type: 'object', properties: { size: { type: 'integer' }, filler: { type: 'string' } } },
    },
  };
  return JSON.stringify({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.bench.dispatch.dev` },
    spec: {
      group: 'bench.dispatch.dev',
      scope: 'Namespaced',
      names: { plural, kind },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  });
}

export const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

export function custom(kind: string, name: string): string {
  return JSON.stringify({
    apiVersion: 'bench.dispatch.dev/v1',
    kind,
    metadata: { name },
    spec: { size: 3, filler: FILLER },
  });
}

export function customs(plural: string): string {
  return `/apis/bench.dispatch.dev/v1/namespaces/default/${plural}`;
}
