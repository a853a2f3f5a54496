import { FUNCTIONS, type FunctionObject } from '../functions/index.ts';
import type { EndpointObject, Gateway } from '../gateway/index.ts';
import type { Informers } from '../kube/index.ts';
import type { WebHandler } from './web-server.ts';

type Schemas = { in?: object; out?: object } | undefined;

const SCHEMES: Readonly<Record<string, object>> = {
  basic: { type: 'http', scheme: 'basic' },
  jwt: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
  key: { type: 'apiKey', in: 'header', name: 'x-api-key' },
};
const BODYLESS = new Set(['get', 'head', 'delete']);

/** What every endpoint takes and gives: "/dispatch/openapi.json". */
export function endpointOpenApi(gateway: () => Gateway, informers: Informers, version: string): WebHandler {
  const functions = informers.for<FunctionObject>(FUNCTIONS);
  return async (_, response) => {
    const paths: Record<string, Record<string, object>> = {};
    for (const [endpoint, { urls = [] }] of gateway().endpoints().statuses) {
      const schemas = functions.get(endpoint.metadata.namespace ?? '', endpoint.spec.function)?.spec.schema;
      for (const url of urls) {
        const path = decodeURI(new URL(url).pathname).replace(/\/\*$/, '/{rest}');
        for (const method of endpoint.spec.methods ?? ['GET'])
          paths[path] = {
            ...paths[path],
            [method.toLowerCase()]: operationOf(endpoint, method.toLowerCase(), schemas),
          };
      }
    }
    const document = {
      openapi: '3.1.0',
      info: { title: 'Endpoints of Dispatch', version },
      paths,
      components: { securitySchemes: SCHEMES },
    };
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache' });
    response.end(JSON.stringify(document));
  };
}

function operationOf({ metadata, spec }: EndpointObject, method: string, schemas: Schemas): object {
  const json = (schema: object | undefined): object => ({ 'application/json': { schema: schema ?? {} } });
  const auth = spec.auth ?? 'public';
  return {
    operationId: `${metadata.namespace}.${metadata.name}.${method}`,
    tags: [metadata.namespace ?? ''],
    ...(spec.paths?.some((path) => path.endsWith('/*')) && {
      parameters: [{ name: 'rest', in: 'path', required: true, schema: { type: 'string' } }],
    }),
    ...(!BODYLESS.has(method) && { requestBody: { content: json(schemas?.in) } }),
    responses: {
      200: { description: 'What the function gives.', content: json(schemas?.out) },
      422: { description: 'The input is not what the function takes.' },
      502: { description: 'The function has failed.' },
      504: { description: 'The function has taken too long.' },
    },
    ...(auth !== 'public' && { security: [{ [auth]: [] }] }),
  };
}
