import { createServer as createHttp, type IncomingMessage, type Server as HttpServer } from 'node:http';
import {
  createSecureServer,
  createServer as createHttp2,
  type Http2SecureServer,
  type Http2Server,
} from 'node:http2';
import type { Server, Socket } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { GatewayConfig } from '../config.ts';
import type { ClientInfo } from './headers.ts';
import { type HttpProxy, type Request, reply, type Response } from './proxy.ts';
import { hostOf } from './router.ts';
import { upgrade } from './upgrade.ts';

const PREFACE = 'PRI * HTTP/2.0';
const HEADERS_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 75_000;
const MAX_HEADER_BYTES = 64 * 1024;
const MAX_STREAMS = 250;

/** Takes connections: HTTP/1.1 and HTTP/2, with and without TLS. */
export class Listeners {
  readonly #proxy: HttpProxy;
  readonly #plain: HttpServer;
  readonly #plain2: Http2Server;
  readonly #secure: Http2SecureServer;
  readonly #ports: Server[] = [];
  readonly #contexts = new Map<string, SecureContext>();
  #draining = false;

  constructor(proxy: HttpProxy, fallback: { cert: string; key: string }) {
    this.#proxy = proxy;
    const limits = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Two Host headers, or a body with two lengths: whoever sends those means mischief.
      insecureHTTPParser: false,
      requireHostHeader: true,
      noDelay: true,
    };
    this.#plain = createHttp(limits, (request, response) => this.#handle(request, response, 'http'));
    this.#plain.on('upgrade', (request, socket, rest) =>
      this.#upgrade(request, socket as Socket, rest, 'http'),
    );
    this.#plain2 = createHttp2({ settings: { maxConcurrentStreams: MAX_STREAMS } }, (request, response) =>
      this.#handle(request, response, 'http'),
    );
    this.#secure = createSecureServer(
      {
        ...limits,
        allowHTTP1: true,
        settings: { maxConcurrentStreams: MAX_STREAMS },
        ...fallback,
        SNICallback: (name, callback) => callback(null, this.#contextOf(name)),
      },
      (request, response) => this.#handle(request, response, 'https'),
    );
    this.#secure.on('upgrade', (request: IncomingMessage, socket: Socket, rest: Buffer) =>
      this.#upgrade(request, socket, rest, 'https'),
    );
    for (const server of [this.#plain2, this.#secure]) server.on('sessionError', () => {});
    this.#secure.on('tlsClientError', (_, socket) => socket.destroy());
  }

  /** Serves a port that somebody else has opened. */
  listen(protocol: 'http' | 'https', port: Server): void {
    this.#ports.push(port);
    port.on('connection', (socket) => this.take(protocol, socket));
  }

  /** A connection that has been there before anybody could serve it. */
  take(protocol: 'http' | 'https', socket: Socket): void {
    socket.setNoDelay(true);
    if (protocol === 'http') this.#sort(socket);
    else this.#secure.emit('connection', socket);
  }

  configure(config: GatewayConfig): void {
    this.#secure.setSecureContext({ ...config.defaultCertificate });
    const hosts = new Set<string>();
    for (const { hosts: names, cert, key } of config.certificates) {
      try {
        const context = createSecureContext({ cert, key });
        for (const name of names) {
          hosts.add(name.toLowerCase());
          this.#contexts.set(name.toLowerCase(), context);
        }
      } catch {
        // A certificate that does not fit its key leaves its hosts to the default one.
      }
    }
    for (const name of this.#contexts.keys()) if (!hosts.has(name)) this.#contexts.delete(name);
  }

  /** No new connections; those that are there end with their requests. */
  drain(): void {
    this.#draining = true;
    for (const port of this.#ports) port.close();
    this.#plain.closeIdleConnections();
  }

  #contextOf(name: string): SecureContext | undefined {
    const lower = name.toLowerCase();
    return this.#contexts.get(lower) ?? this.#contexts.get(`*${lower.slice(lower.indexOf('.'))}`);
  }

  /** The first bytes tell which version of HTTP the client begins with. */
  #sort(socket: Socket): void {
    socket.once('error', () => socket.destroy());
    socket.once('readable', () => {
      const start = socket.read() as Buffer | null;
      if (start === null) return;
      socket.unshift(start);
      const isTwo =
        start.length >= 3 &&
        PREFACE.startsWith(start.toString('latin1', 0, Math.min(PREFACE.length, start.length)));
      (isTwo ? this.#plain2 : this.#plain).emit('connection', socket);
    });
  }

  #handle(request: Request, response: Response, proto: 'http' | 'https'): void {
    const client = clientOf(request, proto);
    if (client === undefined) {
      reply(response, 400, 'The request names no host.\n');
      return;
    }
    if (this.#draining && request.httpVersionMajor === 1) response.setHeader('connection', 'close');
    this.#proxy.handle(request, response, client);
  }

  #upgrade(request: IncomingMessage, socket: Socket, rest: Buffer, proto: 'http' | 'https'): void {
    const client = clientOf(request, proto);
    if (client === undefined) socket.destroy();
    else void upgrade(this.#proxy, request, socket, rest, client).catch(() => socket.destroy());
  }
}

function clientOf(request: Request, proto: 'http' | 'https'): ClientInfo | undefined {
  const host =
    request.httpVersionMajor === 2
      ? (request.headers[':authority'] ?? request.headers.host)
      : request.headers.host;
  if (typeof host !== 'string' || host === '' || hostOf(host) === '') return undefined;
  const { socket } = request;
  const address = socket.remoteAddress ?? '';
  return {
    address: address.startsWith('::ffff:') ? address.slice(7) : address,
    proto,
    host,
    port: Number(/:(\d+)$/.exec(host)?.[1] ?? (proto === 'http' ? 80 : 443)),
  };
}
