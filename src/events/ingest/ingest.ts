import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../../kube/index.ts';
import type { Events } from '../events.ts';
import { BadEventError } from './cloud-event.ts';
import { eventsOf } from './http-binding.ts';

export interface IngestOptions {
  events: Events;
  /** Whether whoever shows these credentials may add events to a namespace. */
  authorize: (authorization: string | undefined, namespace: string) => Promise<'yes' | 'no' | 'who'>;
  defaultNamespace: string;
}

const MAX_BODY = 16 * 1024 * 1024;

/** Takes events over HTTP: at "/dispatch/events" for the first namespace, at "/dispatch/events/NAME" for others. */
export class Ingest {
  readonly #options: IngestOptions;

  constructor(options: IngestOptions) {
    this.#options = options;
  }

  handle = async (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> => {
    const { events, defaultNamespace } = this.#options;
    if (request.method === 'GET' || request.method === 'OPTIONS') {
      answer(response, 200, 'Events are posted here.', { allow: 'POST' });
      return;
    }
    if (request.method !== 'POST') {
      answer(response, 405, 'Events are posted.', { allow: 'POST' });
      return;
    }
    const query = new URL(request.url ?? '/', 'http://localhost').searchParams;
    const asked = path.replace(/^\/+|\/+$/g, '') || query.get('namespace') || undefined;
    const namespace = await this.#namespaceFor(request, query, asked);
    if (typeof namespace !== 'string') {
      answer(
        response,
        namespace.status,
        namespace.message,
        namespace.status === 401 ? { 'www-authenticate': 'Bearer' } : {},
      );
      return;
    }
    const body = await readBody(request, MAX_BODY);
    if (body === undefined) {
      answer(response, 413, `The body is larger than the ${MAX_BODY} bytes that are allowed.`, {
        connection: 'close',
      });
      return;
    }
    try {
      await events.emit(namespace || defaultNamespace, eventsOf(request.headers, body));
      answer(response, 202, 'accepted');
    } catch (error) {
      if (error instanceof BadEventError) answer(response, 400, error.message);
      else answer(response, 503, 'The events could not be kept: send them again.');
    }
  };

  async #namespaceFor(
    request: IncomingMessage,
    query: URLSearchParams,
    asked: string | undefined,
  ): Promise<string | { status: number; message: string }> {
    const { events, authorize, defaultNamespace } = this.#options;
    const header = request.headers.authorization;
    const token = query.get('authToken') ?? /^Bearer\s+(\S+)$/i.exec(header ?? '')?.[1];
    // A driver adds to its own namespace, whatever it asks for.
    const own = token === undefined ? undefined : events.drivers.namespaceOf(token);
    if (own !== undefined)
      return asked === undefined || asked === own
        ? own
        : { status: 403, message: 'A driver adds events to its own namespace.' };
    const namespace = asked ?? defaultNamespace;
    const verdict = await authorize(header, namespace);
    if (verdict === 'yes') return namespace;
    return verdict === 'who'
      ? { status: 401, message: 'A token is needed: send it as "Authorization: Bearer …".' }
      : {
          status: 403,
          message: `Adding events to the namespace ${namespace} is not allowed with this token.`,
        };
  }
}

function answer(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Record<string, string> = {},
): void {
  const body = JSON.stringify(status < 400 ? { message } : { code: status, message });
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}
