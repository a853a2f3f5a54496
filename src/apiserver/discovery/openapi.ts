import { createHash } from 'node:crypto';
import type { Catalog } from '../catalog.ts';
import { apiVersionOf, type Resource } from '../kinds/index.ts';
import { type Definition, DefinitionWriter, gvk } from './schema-document.ts';

/** OpenAPI documents, made from the catalog when somebody asks and kept until it changes. */
export class OpenApi {
  readonly #catalog: Catalog;
  readonly #described: () => readonly Resource[];
  readonly #version: string;
  #generation = -1;
  #documents = new Map<string, string>();

  /** `described` are kinds beside the catalog; they do not change while the server runs. */
  constructor(catalog: Catalog, version: string, described: () => readonly Resource[]) {
    this.#catalog = catalog;
    this.#described = described;
    this.#version = version;
  }

  /** The version 2 document as a value. */
  v2(): Definition {
    return JSON.parse(this.#cached('v2', () => this.#makeV2())) as Definition;
  }

  v2Json(): string {
    return this.#cached('v2', () => this.#makeV2());
  }

  /** Which version 3 documents there are; the hash lets clients keep what they have. */
  v3Index(): Definition {
    const paths: Definition = {};
    for (const groupVersion of this.#groupVersions()) {
      const path = groupVersion.includes('/') ? `apis/${groupVersion}` : `api/${groupVersion}`;
      const hash = createHash('sha256')
        .update(this.v3(groupVersion) ?? '')
        .digest('hex')
        .slice(0, 32)
        .toUpperCase();
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
    }
    return paths;
  }

  v3(groupVersion: string): string | undefined {
    if (!this.#groupVersions().has(groupVersion)) return undefined;
    return this.#cached(`v3/${groupVersion}`, () => {
      const writer = new DefinitionWriter(3);
      const paths: Definition = {};
      for (const resource of this.#all())
        if (apiVersionOf(resource) === groupVersion) addPaths(paths, resource, writer, 3);
      return {
        openapi: '3.0.0',
        info: { title: 'Kubernetes', version: this.#version },
        paths,
        components: { schemas: Object.fromEntries(writer.definitions) },
      };
    });
  }

  #makeV2(): Definition {
    const writer = new DefinitionWriter(2);
    const paths: Definition = {};
    for (const resource of this.#all()) addPaths(paths, resource, writer, 2);
    return {
      swagger: '2.0',
      info: { title: 'Kubernetes', version: this.#version },
      paths,
      definitions: Object.fromEntries(writer.definitions),
    };
  }

  #groupVersions(): Set<string> {
    return new Set(this.#all().map(apiVersionOf));
  }

  #all(): Resource[] {
    return [...this.#catalog.all(), ...this.#described()];
  }

  #cached(key: string, make: () => Definition): string {
    if (this.#generation !== this.#catalog.generation) {
      this.#generation = this.#catalog.generation;
      this.#documents = new Map();
    }
    let document = this.#documents.get(key);
    if (document === undefined) {
      document = JSON.stringify(make());
      this.#documents.set(key, document);
    }
    return document;
  }
}

const STRATEGIC = 'application/strategic-merge-patch+json';
const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  STRATEGIC,
  'application/apply-patch+yaml',
];

/** Clients read here which patches a kind takes. */
function patchTypes(resource: Resource): string[] {
  return PATCH_TYPES.filter((type) => type !== STRATEGIC || resource.definition === undefined);
}

interface Operation {
  method: string;
  action: string;
  many: boolean;
}

const OPERATIONS: Record<string, Operation> = {
  list: { method: 'get', action: 'list', many: true },
  create: { method: 'post', action: 'post', many: true },
  deletecollection: { method: 'delete', action: 'deletecollection', many: true },
  get: { method: 'get', action: 'get', many: false },
  update: { method: 'put', action: 'put', many: false },
  patch: { method: 'patch', action: 'patch', many: false },
  delete: { method: 'delete', action: 'delete', many: false },
};

function addPaths(paths: Definition, resource: Resource, writer: DefinitionWriter, version: 2 | 3): void {
  const names = writer.addResource(resource);
  const root = `/${resource.group === '' ? 'api' : 'apis'}/${apiVersionOf(resource)}${resource.namespaced ? '/namespaces/{namespace}' : ''}/${resource.plural}`;
  const many: Definition = {};
  const one: Definition = {};
  for (const verb of resource.verbs) {
    const operation = OPERATIONS[verb];
    if (operation === undefined) continue;
    (operation.many ? many : one)[operation.method] = describe(operation, resource, names, writer, version);
  }
  paths[root] = { ...many, parameters: pathParameters(resource.namespaced, false, version) };
  if (Object.keys(one).length > 0)
    paths[`${root}/{name}`] = { ...one, parameters: pathParameters(resource.namespaced, true, version) };
}

function describe(
  operation: Operation,
  resource: Resource,
  names: { name: string; listName: string },
  writer: DefinitionWriter,
  version: 2 | 3,
): Definition {
  const answer = writer.reference(operation.action === 'list' ? names.listName : names.name);
  const writes = ['post', 'put', 'patch'].includes(operation.method);
  const parameters = (writes ? ['dryRun', 'fieldManager', 'fieldValidation'] : []).map((name) =>
    queryParameter(name, version),
  );
  const group = resource.group === '' ? 'core' : resource.group.split('.')[0]!;
  const body = operation.method === 'patch' ? { type: 'object' } : writer.reference(names.name);
  return {
    operationId: `${operation.action}${group[0]!.toUpperCase()}${group.slice(1)}${resource.version.toUpperCase()}${resource.namespaced ? 'Namespaced' : ''}${resource.kind}`,
    ...(version === 2 && {
      produces: ['application/json'],
      consumes: operation.method === 'patch' ? patchTypes(resource) : ['*/*'],
    }),
    parameters:
      version === 2 && writes
        ? [...parameters, { in: 'body', name: 'body', required: true, schema: body }]
        : parameters,
    ...(version === 3 &&
      writes && {
        requestBody: {
          content: contentOf(operation.method === 'patch' ? patchTypes(resource) : ['*/*'], body),
        },
      }),
    responses: {
      '200':
        version === 2
          ? { description: 'OK', schema: answer }
          : { description: 'OK', content: contentOf(['application/json'], answer) },
    },
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': gvk(resource, resource.kind),
  };
}

function contentOf(types: readonly string[], schema: Definition): Definition {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}

function queryParameter(name: string, version: 2 | 3): Definition {
  const type = { type: 'string', uniqueItems: true };
  return { name, in: 'query', ...(version === 2 ? type : { schema: type }) };
}

function pathParameters(namespaced: boolean, named: boolean, version: 2 | 3): Definition[] {
  const names = [...(namespaced ? ['namespace'] : []), ...(named ? ['name'] : [])];
  const type = { type: 'string', uniqueItems: true };
  return names.map((name) => ({
    name,
    in: 'path',
    required: true,
    ...(version === 2 ? type : { schema: type }),
  }));
}
