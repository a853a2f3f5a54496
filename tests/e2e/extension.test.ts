import assert from 'node:assert/strict';
import { get } from 'node:https';
import { test } from 'node:test';
import { TestServer } from '../../src/apiserver/index.ts';
import { ApiError, type KubeObject, type ResourceRef } from '../../src/kube/index.ts';
import { HttpsService, type Received } from './https-service.ts';

const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };
const DEFINITIONS: ResourceRef = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  namespaced: false,
};
const hooks = (plural: string): ResourceRef => ({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural,
  namespaced: false,
});

function configMap(name: string, data: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data };
}

function configuration(
  kind: string,
  service: HttpsService,
  fields: Record<string, unknown> = {},
): KubeObject {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind,
    metadata: { name: 'test' },
    webhooks: [
      {
        name: 'test.example.dev',
        clientConfig: { url: `${service.url}/hook`, caBundle: service.caBundle },
        rules: [{ operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        timeoutSeconds: 2,
        ...fields,
      },
    ],
  };
}

interface Review {
  request: {
    uid: string;
    object: { metadata: { name: string }; data?: Record<string, string> };
    operation: string;
    userInfo: { username: string };
  };
}

function respond({ body }: Received, response: Record<string, unknown>): { body: unknown } {
  return {
    body: {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: (body as Review).request.uid, ...response },
    },
  };
}

test('a validating webhook refuses, warns, and is asked with everything it needs', async () => {
  await using server = await TestServer.start();
  await using service = await HttpsService.start();
  service.answer = (received) => {
    const { object } = (received.body as Review).request;
    return respond(
      received,
      object?.data?.['bad'] ? { allowed: false, status: { message: 'bad is not good' } } : { allowed: true },
    );
  };
  await server.client.create(
    hooks('validatingwebhookconfigurations'),
    configuration('ValidatingWebhookConfiguration', service),
  );
  await server.client.create(CONFIG_MAPS, configMap('good', { a: '1' }));
  await assert.rejects(
    server.client.create(CONFIG_MAPS, configMap('bad', { bad: '1' })),
    /admission webhook "test\.example\.dev" denied the request: bad is not good/,
  );
  const { request } = service.received[0]?.body as Review;
  assert.equal(request.operation, 'CREATE');
  assert.equal(request.object.metadata.name, 'good');
  assert.equal(request.userInfo.username, 'dispatch-admin');
});

test('a mutating webhook alters the object before it is checked and stored', async () => {
  await using server = await TestServer.start();
  await using service = await HttpsService.start();
  const patch = Buffer.from(
    JSON.stringify([
      { op: 'add', path: '/data/added', value: 'by-hook' },
      { op: 'add', path: '/metadata/labels', value: { seen: 'yes' } },
    ]),
  ).toString('base64');
  service.answer = (received) => respond(received, { allowed: true, patchType: 'JSONPatch', patch });
  const matchConditions = [{ name: 'not-exempt', expression: "!object.metadata.name.startsWith('exempt')" }];
  await server.client.create(
    hooks('mutatingwebhookconfigurations'),
    configuration('MutatingWebhookConfiguration', service, { matchConditions }),
  );
  const created = await server.client.create(CONFIG_MAPS, configMap('a', { own: '1' }));
  assert.deepEqual(created['data'], { own: '1', added: 'by-hook' });
  assert.deepEqual(created.metadata.labels, { seen: 'yes' });
  assert.deepEqual((await server.client.create(CONFIG_MAPS, configMap('exempt-b', { own: '1' })))['data'], {
    own: '1',
  });
});

test('a webhook that fails: Fail refuses, Ignore lets pass, and its configuration can always be removed', async () => {
  await using server = await TestServer.start();
  await using service = await HttpsService.start();
  service.answer = () => ({ status: 500, body: {} });
  const ref = hooks('validatingwebhookconfigurations');
  await server.client.create(ref, configuration('ValidatingWebhookConfiguration', service));
  await assert.rejects(
    server.client.create(CONFIG_MAPS, configMap('a')),
    (error) =>
      error instanceof ApiError &&
      /failed calling webhook "test\.example\.dev": it answered 500/.test(error.message),
  );
  await server.client.delete(ref, '', 'test');
  await server.client.create(
    ref,
    configuration('ValidatingWebhookConfiguration', service, { failurePolicy: 'Ignore' }),
  );
  await server.client.create(CONFIG_MAPS, configMap('a'));
  const untrusted = configuration('ValidatingWebhookConfiguration', service);
  (untrusted['webhooks'] as { clientConfig: { caBundle?: string } }[])[0]!.clientConfig = {
    ...(untrusted['webhooks'] as { clientConfig: object }[])[0]!.clientConfig,
    caBundle: Buffer.from(server.api.pki.caCertificate).toString('base64'),
  };
  untrusted.metadata.name = 'untrusted';
  await server.client.create(ref, untrusted);
  await assert.rejects(server.client.create(CONFIG_MAPS, configMap('b')), /failed calling webhook/);
});

function gadgets(conversion: Record<string, unknown>): KubeObject {
  const version = (name: string, storage: boolean, field: string) => ({
    name,
    served: true,
    storage,
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: { spec: { type: 'object', properties: { [field]: { type: 'string' } } } },
      },
    },
  });
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'gadgets.example.dev' },
    spec: {
      group: 'example.dev',
      scope: 'Namespaced',
      names: { plural: 'gadgets', kind: 'Gadget' },
      conversion,
      versions: [version('v1', true, 'color'), version('v2', false, 'colour')],
    },
  };
}

const gadget = (version: string): ResourceRef => ({
  group: 'example.dev',
  version,
  plural: 'gadgets',
  namespaced: true,
});

test('a conversion webhook lets two versions show one object, in get, list and watch', async () => {
  await using server = await TestServer.start();
  await using service = await HttpsService.start();
  service.answer = ({ body }) => {
    const { request } = body as {
      request: {
        uid: string;
        desiredAPIVersion: string;
        objects: (KubeObject & { spec: Record<string, string> })[];
      };
    };
    const toV2 = request.desiredAPIVersion === 'example.dev/v2';
    const convertedObjects = request.objects.map((object) => ({
      ...object,
      apiVersion: request.desiredAPIVersion,
      metadata: { ...object.metadata, name: 'forged' },
      spec: toV2 ? { colour: object.spec['color'] } : { color: object.spec['colour'] },
    }));
    return {
      body: {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'ConversionReview',
        response: { uid: request.uid, result: { status: 'Success' }, convertedObjects },
      },
    };
  };
  const webhook = {
    clientConfig: { url: `${service.url}/convert`, caBundle: service.caBundle },
    conversionReviewVersions: ['v1'],
  };
  await server.client.create(DEFINITIONS, gadgets({ strategy: 'Webhook', webhook }));
  await server.client.create(gadget('v2'), {
    apiVersion: 'example.dev/v2',
    kind: 'Gadget',
    metadata: { name: 'one', namespace: 'default' },
    spec: { colour: 'red' },
  });
  const v1 = await server.client.get<KubeObject>(gadget('v1'), 'default', 'one');
  assert.deepEqual([v1.apiVersion, v1['spec']], ['example.dev/v1', { color: 'red' }]);
  const { items } = await server.client.list(gadget('v2'), { namespace: 'default' });
  assert.deepEqual([items[0]?.metadata.name, items[0]?.['spec']], ['one', { colour: 'red' }]);
  for await (const event of server.client.watch(gadget('v2'), { namespace: 'default' })) {
    assert.deepEqual(event.object['spec'], { colour: 'red' });
    break;
  }
});

test('without conversion two versions differ in their apiVersion only', async () => {
  await using server = await TestServer.start();
  await server.client.create(DEFINITIONS, gadgets({ strategy: 'None' }));
  await server.client.create(gadget('v1'), {
    apiVersion: 'example.dev/v1',
    kind: 'Gadget',
    metadata: { name: 'one', namespace: 'default' },
    spec: { color: 'red' },
  });
  assert.equal(
    (await server.client.get<KubeObject>(gadget('v2'), 'default', 'one')).apiVersion,
    'example.dev/v2',
  );
});

const API_SERVICES: ResourceRef = {
  group: 'apiregistration.k8s.io',
  version: 'v1',
  plural: 'apiservices',
  namespaced: false,
};

const METRICS_RESOURCES = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: 'metrics.example.dev/v1',
  resources: [
    { name: 'nodes', singularName: 'node', namespaced: false, kind: 'NodeMetrics', verbs: ['get', 'list'] },
  ],
};

/** Makes the service answer for metrics.example.dev/v1, and waits until it counts as there. */
async function aggregate(server: TestServer, service: HttpsService): Promise<void> {
  const at = (plural: string, group = ''): ResourceRef => ({
    group,
    version: 'v1',
    plural,
    namespaced: true,
  });
  await server.client.create(at('services'), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'metrics', namespace: 'default' },
    spec: { ports: [{ port: 443 }] },
  });
  await server.client.create(at('endpointslices', 'discovery.k8s.io'), {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'metrics', namespace: 'default', labels: { 'kubernetes.io/service-name': 'metrics' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'] }],
    ports: [{ port: service.port }],
  });
  await server.client.create(API_SERVICES, {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: 'v1.metrics.example.dev' },
    spec: {
      group: 'metrics.example.dev',
      version: 'v1',
      groupPriorityMinimum: 100,
      versionPriority: 100,
      caBundle: service.caBundle,
      service: { namespace: 'default', name: 'metrics', port: 443 },
    },
  });
  for await (const event of server.client.watch(API_SERVICES, {
    fieldSelector: 'metadata.name=v1.metrics.example.dev',
  })) {
    if (JSON.stringify(event.object['status'] ?? {}).includes('"status":"True"')) break;
  }
}

test('another API server is reached through an APIService, knows who asks, and never sees the token', async () => {
  await using server = await TestServer.start();
  await using service = await HttpsService.start('metrics.default.svc');
  service.answer = ({ path }) => ({
    body: path.includes('/nodes') ? { kind: 'NodeMetricsList', items: [] } : METRICS_RESOURCES,
  });
  await aggregate(server, service);
  const list = await server.client.raw<KubeObject>({
    method: 'GET',
    path: '/apis/metrics.example.dev/v1/nodes',
    headers: { authorization: 'Bearer secret', 'x-remote-user': 'forged' },
  });
  assert.equal(list.kind, 'NodeMetricsList');
  const call = service.received.find(({ path }) => path.endsWith('/nodes'));
  assert.equal(call?.headers['x-remote-user'], 'dispatch-admin');
  assert.equal(call?.headers.authorization, undefined);
  assert.equal(call?.clientName, 'dispatch-aggregator');
  const groups = await server.client.raw<{ groups: { name: string }[] }>({ method: 'GET', path: '/apis' });
  assert.ok(groups.groups.some((group) => group.name === 'metrics.example.dev'));
});

const NODE_METRICS = {
  type: 'object',
  description: 'What a node uses, as somebody else counts it.',
  properties: { usage: { type: 'object', description: 'By resource.' } },
  'x-kubernetes-group-version-kind': [{ group: 'metrics.example.dev', version: 'v1', kind: 'NodeMetrics' }],
};
/** Our own meta types have other fields: the same name means something else there. */
const THEIR_META = { type: 'object', description: 'Theirs.' };
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const NODES_PATH = '/apis/metrics.example.dev/v1/nodes';

function describedMetrics({ path }: Received): { status?: number; body: unknown } {
  const operation = {
    responses: {},
    'x-kubernetes-action': 'list',
    'x-kubernetes-group-version-kind': { group: 'metrics.example.dev', version: 'v1', kind: 'NodeMetrics' },
  };
  const definitions = (prefix: string) => ({
    [META]: THEIR_META,
    'dev.example.NodeMetrics': {
      ...NODE_METRICS,
      properties: { ...NODE_METRICS.properties, metadata: { $ref: `${prefix}${META}` } },
    },
  });
  if (path.startsWith('/openapi/v2'))
    return {
      body: {
        swagger: '2.0',
        paths: { [NODES_PATH]: { get: operation }, '/api/v1/pods': { get: { operationId: 'forged' } } },
        definitions: definitions('#/definitions/'),
      },
    };
  if (path.startsWith('/openapi/v3/apis/'))
    return {
      body: {
        openapi: '3.0.0',
        paths: { [NODES_PATH]: { get: operation } },
        components: { schemas: definitions('#/components/schemas/') },
      },
    };
  if (path.startsWith('/openapi/v3'))
    return {
      body: {
        paths: {
          'apis/metrics.example.dev/v1': { serverRelativeURL: 'https://elsewhere.example/?hash=AB12' },
          'api/v1': { serverRelativeURL: '/forged' },
        },
      },
    };
  return { body: METRICS_RESOURCES };
}

test('kinds of another API server are explained like its own, and it cannot speak for others', async () => {
  await using server = await TestServer.start();
  await using service = await HttpsService.start('metrics.default.svc');
  service.answer = describedMetrics;
  await aggregate(server, service);
  const get = <T>(path: string): Promise<T> => server.client.raw<T>({ method: 'GET', path });
  interface V2 {
    paths: Record<string, { get?: { operationId?: string } }>;
    definitions: Record<string, { description?: string; properties?: Record<string, { $ref?: string }> }>;
  }
  const v2 = await get<V2>('/openapi/v2');
  assert.ok(v2.paths[NODES_PATH]);
  assert.notEqual(v2.paths['/api/v1/pods']?.get?.operationId, 'forged');
  assert.equal(
    v2.definitions['dev.example.NodeMetrics']?.properties?.['metadata']?.$ref,
    `#/definitions/${META}_v2`,
  );
  assert.equal(v2.definitions[`${META}_v2`]?.description, 'Theirs.');
  assert.ok(v2.definitions[META]?.properties?.['name']);
  const v3 = await get<{ paths: Record<string, { serverRelativeURL: string }> }>('/openapi/v3');
  assert.equal(
    v3.paths['apis/metrics.example.dev/v1']?.serverRelativeURL,
    '/openapi/v3/apis/metrics.example.dev/v1?hash=AB12',
  );
  assert.match(v3.paths['api/v1']?.serverRelativeURL ?? '', /^\/openapi\/v3\/api\/v1\?hash=/);
  const document = await get<{ components: { schemas: Record<string, unknown> } }>(
    '/openapi/v3/apis/metrics.example.dev/v1',
  );
  assert.ok(document.components.schemas['dev.example.NodeMetrics']);
  // One that no longer answers takes nothing else along.
  service.answer = () => ({ status: 500, body: {} });
  assert.equal((await get<V2>('/openapi/v2')).paths[NODES_PATH], undefined);
});

test('a webhook decides on who connects, leaves, is bound and gets a token', async () => {
  await using server = await TestServer.start();
  await using service = await HttpsService.start();
  const { client } = server;
  const asked: string[] = [];
  service.answer = (received) => {
    const { request } = received.body as {
      request: {
        operation: string;
        subResource: string;
        kind: { kind: string };
        object: { command?: string[] };
      };
    };
    asked.push(
      `${request.operation} ${request.subResource} ${request.kind.kind} ${request.object.command ?? ''}`,
    );
    return respond(received, { allowed: false, status: { message: 'not now' } });
  };
  const pods: ResourceRef = { group: '', version: 'v1', plural: 'pods', namespaced: true };
  await client.create(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });
  await client.create(
    hooks('validatingwebhookconfigurations'),
    configuration('ValidatingWebhookConfiguration', service, {
      rules: [
        {
          operations: ['CONNECT', 'CREATE'],
          apiGroups: [''],
          apiVersions: ['v1'],
          resources: ['pods/*', 'services/proxy', 'serviceaccounts/token'],
        },
      ],
    }),
  );
  const root = '/api/v1/namespaces/default';
  const refused = async (method: string, path: string, body?: KubeObject): Promise<void> => {
    await assert.rejects(
      client.raw({ method, path: `${root}/${path}`, ...(body && { body }) }),
      /denied the request: not now/,
    );
  };
  const named = (apiVersion: string, kind: string): KubeObject => ({
    apiVersion,
    kind,
    metadata: { name: 'p' },
  });
  await refused('POST', 'pods/p/eviction', named('policy/v1', 'Eviction'));
  await refused('POST', 'pods/p/binding', { ...named('v1', 'Binding'), target: { kind: 'Node', name: 'n' } });
  await refused('GET', 'pods/p/proxy/x');
  await refused('POST', 'serviceaccounts/default/token', {
    ...named('authentication.k8s.io/v1', 'TokenRequest'),
    spec: {},
  });
  const exec = await upgrade(server, `${root}/pods/p/exec?command=ls&command=-l&container=c`);
  assert.equal(exec, 403);
  assert.deepEqual(asked, [
    'CREATE eviction Eviction ',
    'CREATE binding Binding ',
    'CONNECT proxy PodProxyOptions ',
    'CREATE token TokenRequest ',
    'CONNECT exec PodExecOptions ls,-l',
  ]);
});

/** The status that a request for a WebSocket gets when it gets none. */
function upgrade({ api }: TestServer, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(
      `${api.url}${path}`,
      {
        ca: api.pki.caCertificate,
        headers: {
          authorization: `Bearer ${api.pki.adminToken}`,
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': Buffer.alloc(16).toString('base64'),
          'sec-websocket-protocol': 'v5.channel.k8s.io',
        },
      },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    ).once('error', reject);
  });
}
