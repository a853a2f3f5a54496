import type { KubeObject } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { commonOf, compact, type Flat, flag, list, metadataOf, number, required, text } from './flat.ts';
import { API_VERSION, type CliKind, type Making, ours } from './cli-kind.ts';
import { unixDate } from './old-table.ts';
import { filesOf, readText, unpack } from './source-files.ts';
import { sourceOf } from './upload.ts';

type Spec = Record<string, unknown>;

export const created = (flat: Flat): string => unixDate(Number(flat['createdTime']) * 1000);
export const cell =
  (...keys: string[]) =>
  (flat: Flat): string => {
    const value = keys.map((key) => flat[key]).find((item) => item !== undefined && item !== null);
    return Array.isArray(value) ? value.map(String).join('\n') : String(value ?? '');
  };

export function specOf(object: KubeObject): Spec {
  return (object['spec'] as Spec | undefined) ?? {};
}

export function statusOf(object: KubeObject): Flat {
  const status = (object['status'] as Spec | undefined) ?? {};
  return compact({ status: status['phase'] ?? 'INITIALIZED', reason: status['reason'] });
}

export const codeKinds: readonly CliKind[] = [
  {
    kind: 'BaseImage',
    names: ['base-image', 'base-images', 'baseimage', 'baseimages'],
    resource: ours('baseimages'),
    columns: { Name: cell('name'), URL: cell('dockerUrl'), Status: cell('status'), 'Created Date': created },
    show: (object) => {
      const { image, language } = specOf(object);
      return compact({ ...commonOf(object, 'BaseImage'), dockerUrl: image, language, ...statusOf(object) });
    },
    make: (flat, { namespace }) => ({
      apiVersion: API_VERSION,
      kind: 'BaseImage',
      metadata: metadataOf(flat, namespace),
      spec: compact({
        image: required(flat, 'dockerUrl', 'imageURL', 'imageUrl', 'image'),
        language: text(flat, 'language'),
      }),
    }),
  },
  {
    kind: 'Image',
    names: ['image', 'images'],
    resource: ours('images'),
    columns: {
      Name: cell('name'),
      URL: cell('dockerUrl'),
      BaseImage: cell('baseImageName'),
      Status: cell('status'),
      'Created Date': created,
    },
    show: (object) => {
      const { baseImage, runtimeDependencies, systemDependencies } = specOf(object);
      const { image, language } = (object['status'] as Spec | undefined) ?? {};
      return compact({
        ...commonOf(object, 'Image'),
        baseImageName: baseImage,
        dockerUrl: image,
        language,
        runtimeDependencies,
        systemDependencies,
        ...statusOf(object),
      });
    },
    make: imageFrom,
  },
  {
    kind: 'Function',
    names: ['function', 'functions'],
    resource: ours('functions'),
    columns: { Name: cell('name'), Image: cell('image'), Status: cell('status'), 'Created Date': created },
    show: (object) => {
      const { source: _, ...spec } = specOf(object);
      const { image: functionImageURL, revision } = (object['status'] as Spec | undefined) ?? {};
      return compact({
        ...commonOf(object, 'Function'),
        ...spec,
        functionImageURL,
        revision,
        ...statusOf(object),
      });
    },
    make: functionFrom,
  },
  {
    kind: 'API',
    names: ['api', 'apis', 'endpoint', 'endpoints'],
    documents: ['Endpoint'],
    resource: ours('endpoints'),
    columns: {
      Name: cell('name'),
      Function: cell('function'),
      Protocol: cell('protocols'),
      Method: cell('methods'),
      Domain: cell('hosts'),
      Path: cell('uris'),
      Auth: cell('authentication'),
      Status: cell('status'),
      Enabled: cell('enabled'),
    },
    show: (object) => {
      const {
        function: fn,
        methods,
        paths,
        hosts,
        httpsOnly,
        enabled = true,
        cors,
        auth = 'public',
        ...rest
      } = specOf(object);
      const { urls } = (object['status'] as Spec | undefined) ?? {};
      return compact({
        ...commonOf(object, 'API'),
        function: fn,
        methods: methods ?? ['GET'],
        uris: paths ?? ['/'],
        hosts,
        protocols: httpsOnly === true ? ['https'] : ['http', 'https'],
        enabled,
        cors: cors ?? false,
        authentication: auth,
        ...rest,
        urls,
        ...statusOf(object),
      });
    },
    make: (flat, { namespace }) => ({
      apiVersion: API_VERSION,
      kind: 'Endpoint',
      metadata: metadataOf(flat, namespace),
      spec: endpointSpec(flat),
    }),
  },
];

async function imageFrom(flat: Flat, making: Making): Promise<KubeObject> {
  const runtime = (flat['runtimeDependencies'] ?? {}) as Flat;
  let manifest = text(runtime, 'manifest');
  if (manifest?.startsWith('@')) manifest = await readText(making, manifest.slice(1));
  const packages = ((flat['systemDependencies'] ?? {}) as Flat)['packages'];
  return {
    apiVersion: API_VERSION,
    kind: 'Image',
    metadata: metadataOf(flat, making.namespace),
    spec: compact({
      baseImage: required(flat, 'baseImageName', 'baseImage'),
      runtimeDependencies: manifest === undefined ? undefined : { manifest },
      systemDependencies: Array.isArray(packages) ? { packages } : undefined,
    }),
  };
}

async function functionFrom(flat: Flat, making: Making): Promise<KubeObject> {
  const schema = await schemaOf(flat, making);
  const metadata = metadataOf(flat, making.namespace);
  return {
    apiVersion: API_VERSION,
    kind: 'Function',
    metadata,
    spec: compact({
      image: required(flat, 'image'),
      handler: text(flat, 'handler', 'main'),
      http: flag(flat, 'http'),
      cloudEvents: flag(flat, 'cloudEvents'),
      source: await sourceFrom(flat, making),
      schema,
      secrets: list(flat, 'secrets'),
      services: list(flat, 'services'),
      env: flat['env'] as object | undefined,
      timeout: number(flat, 'timeout'),
      memory: text(flat, 'memory'),
      cpu: text(flat, 'cpu'),
      minScale: number(flat, 'minScale'),
      maxScale: number(flat, 'maxScale'),
      concurrency: number(flat, 'concurrency'),
      idleTimeout: text(flat, 'idleTimeout'),
      traffic: flat['traffic'] as object[] | undefined,
    }),
  };
}

async function sourceFrom(flat: Flat, making: Making): Promise<object | undefined> {
  const path = text(flat, 'sourcePath', 'functionPath', 'sourceURL');
  if (path !== undefined) return sourceOf(await filesOf(making, path), making);
  const source = flat['source'];
  if (typeof source === 'string') return sourceOf(await unpack(Buffer.from(source, 'base64')), making);
  if (typeof source === 'object' && source !== null) return source;
  const code = text(flat, 'code');
  return code === undefined
    ? undefined
    : sourceOf([{ path: 'function', data: Buffer.from(code).toString('base64') }], making);
}

async function schemaOf(flat: Flat, making: Making): Promise<object | undefined> {
  const schema = (flat['schema'] ?? {}) as Flat;
  const read = async (value: unknown, path: string | undefined): Promise<unknown> => {
    const file = typeof value === 'string' && value.startsWith('@') ? value.slice(1) : path;
    if (file === undefined) return value;
    const content = await readText(making, file);
    try {
      return JSON.parse(content) as unknown;
    } catch (error) {
      throw new UserError(`${file} is no JSON: ${(error as Error).message}.`, { cause: error });
    }
  };
  const [inSchema, outSchema] = [
    await read(schema['in'], text(flat, 'schemaInPath')),
    await read(schema['out'], text(flat, 'schemaOutPath')),
  ];
  const found = compact({ in: inSchema ?? undefined, out: outSchema ?? undefined });
  return Object.keys(found).length === 0 ? undefined : found;
}

function endpointSpec(flat: Flat): Spec {
  const protocols = list(flat, 'protocols');
  const httpsOnly =
    flag(flat, 'httpsOnly') ?? (protocols?.length === 1 && protocols[0] === 'https' ? true : undefined);
  const auth = text(flat, 'authentication', 'auth');
  if (auth !== undefined && !['public', 'basic', 'jwt', 'key'].includes(auth))
    throw new UserError(`The endpoint cannot let callers in by ${auth}: choose public, basic, jwt or key.`);
  return compact({
    function: required(flat, 'function'),
    methods: list(flat, 'methods'),
    paths: list(flat, 'uris', 'paths'),
    hosts: list(flat, 'hosts'),
    httpsOnly,
    enabled: flag(flat, 'enabled'),
    cors: flag(flat, 'cors'),
    corsOrigins: list(flat, 'corsOrigins'),
    auth,
    authSecret: text(flat, 'authSecret'),
    rateLimit: text(flat, 'rateLimit'),
    fullResponse: flag(flat, 'fullResponse'),
  });
}
