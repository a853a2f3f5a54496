import type { Events } from '../events/index.ts';
import { readBody } from '../kube/index.ts';
import type { WebHandler } from './web-server.ts';

const MAX_BODY = 1024 * 1024;
const NAME = /^([a-z0-9-]+)\/([a-z0-9.-]+)\/?$/;

/** Drivers of this process that are reached from outside: "/dispatch/driver/NAMESPACE/NAME". */
export function driverWeb(events: Events): WebHandler {
  return async (request, response, path) => {
    const [, namespace, name] = NAME.exec(path) ?? [];
    const body = await readBody(request, MAX_BODY);
    const query = new URL(request.url ?? '/', 'http://localhost').searchParams;
    const answer =
      body === undefined
        ? { status: 413, message: 'The body is too large.' }
        : namespace === undefined || name === undefined
          ? undefined
          : await events.drivers.handle(namespace, name, {
              method: request.method ?? 'GET',
              headers: request.headers,
              query,
              body,
            });
    const { status, message } = answer ?? { status: 404, message: 'There is no such driver.' };
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(status < 400 ? { message } : { code: status, message }));
  };
}
