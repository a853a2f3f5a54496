import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Endpoint } from '../config.ts';
import { type ClientInfo, requestHead, rewritten } from './headers.ts';
import type { HttpProxy } from './proxy.ts';

const MAX_TRIES = 3;

/** WebSockets and their like: after the request both sides speak their own language. */
export async function upgrade(
  proxy: HttpProxy,
  request: IncomingMessage,
  socket: Duplex,
  rest: Buffer,
  client: ClientInfo,
): Promise<void> {
  socket.on('error', () => socket.destroy());
  const target = proxy.find(request, client);
  const action = target?.found.route.action;
  if (target === undefined || action?.type !== 'forward') {
    refuse(socket, '404 Not Found');
    return;
  }
  const tried = new Set<Endpoint>();
  while (tried.size < MAX_TRIES) {
    const picked = proxy.pick(action, target.found.route.owner, tried);
    if (picked === undefined) break;
    const upstream = await proxy.pool.open(picked.endpoint, picked.backend.protocol).catch(() => undefined);
    if (upstream === undefined) {
      tried.add(picked.endpoint);
      continue;
    }
    upstream.on('error', () => socket.destroy());
    upstream.on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    const head = requestHead({
      method: request.method ?? 'GET',
      path: rewritten(target.path, target.query, target.found, action.filters?.rewritePath),
      rawHeaders: request.rawHeaders,
      client,
      change: action.filters?.request,
      rewriteHost: action.filters?.rewriteHost,
      chunked: false,
      upgrade: request.headers.upgrade,
    });
    upstream.write(head, 'latin1');
    if (rest.length > 0) upstream.write(rest);
    upstream.pipe(socket);
    socket.pipe(upstream);
    return;
  }
  refuse(socket, tried.size === 0 ? '503 Service Unavailable' : '502 Bad Gateway');
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
