import type { Functions } from '../functions/index.ts';
import type { TokenAccess } from './token-access.ts';
import type { WebHandler } from './web-server.ts';

const NAME = /^([a-z0-9-]+)\/([0-9a-f-]+)\/?$/;
const STATUS = { no: 403, who: 401 } as const;

/** What has become of a call that was accepted: "/dispatch/runs/NAMESPACE/RUN", for those who may read runs. */
export function functionWeb(functions: Functions, access: TokenAccess): WebHandler {
  return async (request, response, path) => {
    const [, namespace = '', name = ''] = NAME.exec(path) ?? [];
    const verdict = await access.may(request.headers.authorization, {
      verb: 'get',
      resource: 'functionruns',
      namespace,
      name,
    });
    const run = verdict === 'yes' ? functions.runs.get(namespace, name) : undefined;
    const status = verdict === 'yes' ? (run === undefined ? 404 : 200) : STATUS[verdict];
    const message = {
      401: 'A token is needed.',
      403: 'That is not allowed.',
      404: 'There is no such run.',
      200: '',
    };
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(run ?? { code: status, message: message[status] }));
  };
}
