import {
  type ClientHttp2Session,
  connect,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { Endpoint } from '../config.ts';
import type { ClientInfo } from './headers.ts';
import type { HttpProxy, Request, Response } from './proxy.ts';
import { headerOf, reply } from './proxy.ts';
import type { Found } from './router.ts';
import { rewritten } from './headers.ts';
import type { RouteAction } from '../config.ts';

export interface GrpcJob {
  request: Request;
  response: Response;
  client: ClientInfo;
  found: Found;
  action: Extract<RouteAction, { type: 'forward' }>;
  path: string;
  query: string;
}

const NOT_FORWARDED = new Set([
  'host',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

export function isGrpc(request: Request): boolean {
  return (
    request.httpVersionMajor === 2 &&
    (headerOf(request, 'content-type')?.startsWith('application/grpc') ?? false)
  );
}

/** A call of gRPC: HTTP/2 to the backend too, with its trailers. */
export async function grpcForward({
  job,
  proxy,
  done,
}: {
  job: GrpcJob;
  proxy: HttpProxy;
  done: (status: number) => void;
}): Promise<void> {
  const request = job.request as Http2ServerRequest;
  const response = job.response as Http2ServerResponse;
  const tried = new Set<Endpoint>();
  for (;;) {
    const picked = proxy.pick(job.action, job.found.route.owner, tried);
    if (picked === undefined) {
      reply(response, tried.size === 0 ? 503 : 502, 'The backend could not be reached.\n');
      done(tried.size === 0 ? 503 : 502);
      return;
    }
    try {
      const secure = picked.backend.protocol === 'https';
      const socket = await proxy.pool.open(picked.endpoint, secure ? 'https' : 'h2c');
      const session = connect(`http${secure ? 's' : ''}://${job.client.host}`, {
        createConnection: () => socket,
      });
      exchange(session, { job, request, response, done });
      return;
    } catch {
      tried.add(picked.endpoint);
    }
  }
}

function exchange(
  session: ClientHttp2Session,
  {
    job,
    request,
    response,
    done,
  }: {
    job: GrpcJob;
    request: Http2ServerRequest;
    response: Http2ServerResponse;
    done: (status: number) => void;
  },
): void {
  const { client, found, action } = job;
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined && !name.startsWith(':') && !NOT_FORWARDED.has(name)) headers[name] = value;
  const stream = session.request({
    ...headers,
    ':method': request.method,
    ':path': rewritten(job.path, job.query, found, action.filters?.rewritePath),
    ':authority': action.filters?.rewriteHost ?? client.host,
    'x-forwarded-for': client.address,
    'x-forwarded-proto': client.proto,
    'x-forwarded-host': client.host,
  });
  const fail = (): void => {
    session.destroy();
    if (response.headersSent) response.stream.destroy();
    else reply(response, 502, 'The backend ended the call without an answer.\n');
    done(502);
  };
  session.on('error', fail);
  stream.on('error', fail);
  stream.on('response', (answer) => {
    const { ':status': status = 200, ...rest } = answer;
    const known = Object.entries(rest).filter(
      ([name, value]) => !name.startsWith(':') && value !== undefined,
    );
    response.writeHead(Number(status), Object.fromEntries(known) as Record<string, string | string[]>);
  });
  stream.on('trailers', (found) => {
    const known = Object.entries(found).filter(
      ([name, value]) => !name.startsWith(':') && value !== undefined,
    );
    response.addTrailers(Object.fromEntries(known) as Record<string, string>);
  });
  stream.on('data', (chunk: Buffer) => {
    if (response.stream.destroyed || response.write(chunk)) return;
    stream.pause();
    response.once('drain', () => stream.resume());
  });
  stream.on('end', () => {
    if (!response.stream.destroyed) response.end();
    done(200);
    session.close();
  });
  request.stream.on('close', () => {
    if (!stream.closed) stream.close();
    session.close();
  });
  request.pipe(stream);
}
