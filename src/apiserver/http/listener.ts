import { createSecureServer, type Http2SecureServer, Http2ServerRequest } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { ApiError, drained, type Logger } from '../../kube/index.ts';
import type { Authenticator } from '../auth/index.ts';
import { ANONYMOUS } from '../auth/index.ts';
import type { Sink } from '../registry/index.ts';
import { MAX_BODY } from './body.ts';
import type { ApiCore } from './core.ts';
import { InFlight } from './in-flight.ts';
import type { ApiRequest, Reply } from './request.ts';

type Incoming = IncomingMessage | Http2ServerRequest;
/** HTTP/2 responses have the same methods as far as they are used here. */
type Outgoing = ServerResponse;

export interface ListenerOptions {
  core: ApiCore;
  authenticator: Authenticator;
  log: Logger;
  host: string;
  port: number;
  tls: { cert: string; key: string; ca: string };
  maxInFlight: number;
  observe: (method: string, code: number, seconds: number) => void;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const HEADERS_TIMEOUT_MS = 20_000;
const BODY_TIMEOUT_MS = 60_000;
/** A reader this far behind is slow: the watch stops feeding it until it has caught up. */
const HIGH_WATER = 256 * 1024;
const MAX_STREAMS = 1000;
const LARGE_BODY = 1024 * 1024;
const PIECE = 256 * 1024;
const REVALIDATE_MS = 2_000;

/** HTTP/1.1 and HTTP/2 over TLS, in front of the API. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Http2SecureServer;
  readonly #inFlight: InFlight;
  readonly #sockets = new Set<Duplex>();
  readonly #stopping = new AbortController();

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#inFlight = new InFlight(options.maxInFlight);
    const { cert, key, ca } = options.tls;
    this.#server = createSecureServer({
      cert,
      key,
      ca,
      allowHTTP1: true,
      // All three are strong; the first is the quickest.
      ciphers:
        'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384',
      honorCipherOrder: true,
      minVersion: 'TLSv1.2',
      // A client certificate is asked for, never demanded.
      requestCert: true,
      rejectUnauthorized: false,
      settings: { maxConcurrentStreams: MAX_STREAMS, initialWindowSize: 256 * 1024 },
    });
    Object.assign(this.#server, {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: 0,
      keepAliveTimeout: 180_000,
    });
    this.#server.on(
      'request',
      (request: Incoming, response: Outgoing) => void this.#serve(request, response),
    );
    this.#server.on(
      'upgrade',
      (request: IncomingMessage, socket: Duplex, head: Buffer) => void this.#upgrade(request, socket, head),
    );
    this.#server.on('secureConnection', (socket) => this.#track(socket));
    // A handshake or frame that is none is the peer's problem, not an exception here.
    this.#server.on('sessionError', () => undefined);
    this.#server.on('tlsClientError', () => undefined);
    this.#server.on('clientError', (_: Error, socket: Duplex) => void socket.destroy());
  }

  async listen(): Promise<AddressInfo> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.port, this.#options.host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    return this.#server.address() as AddressInfo;
  }

  /** New certificates for new connections. */
  reload(cert: string, key: string): void {
    this.#server.setSecureContext({ cert, key });
  }

  /** Stops taking connections, ends watches, and lets running requests finish for a moment. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#stopping.abort();
    const timer = setTimeout(() => this.#destroyAll(), graceMs);
    await Promise.race([
      this.#inFlight.idle(),
      new Promise((resolve) => setTimeout(resolve, graceMs).unref()),
    ]);
    this.#destroyAll();
    await closed;
    clearTimeout(timer);
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #track(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #serve(incoming: Incoming, outgoing: Outgoing): Promise<void> {
    const started = performance.now();
    const gone = new Departure(outgoing);
    outgoing.on('error', () => undefined);
    let code = 500;
    const method = incoming.method ?? 'GET';
    try {
      const request = await this.#requestOf(incoming, gone);
      const long = isLong(request);
      if (!long && !this.#inFlight.enter()) throw tooManyRequests();
      try {
        const reply = await this.#options.core.handle(request);
        code = await this.#send(reply, outgoing, gone, () => this.#stillGood(incoming, request));
      } finally {
        if (!long) this.#inFlight.leave();
      }
    } catch (error) {
      code = this.#refuse(error, outgoing);
    }
    this.#options.observe(method, code, (performance.now() - started) / 1000);
  }

  async #requestOf(incoming: Incoming, gone: Departure): Promise<ApiRequest> {
    const url = incoming.url ?? '/';
    const mark = url.indexOf('?');
    const user = await this.#options.authenticator.authenticate(
      incoming.headers.authorization ?? '',
      socketOf(incoming),
    );
    const method = incoming.method ?? 'GET';
    const request: ApiRequest = {
      method,
      path: mark < 0 ? url : url.slice(0, mark),
      query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)),
      headers: incoming.headers,
      user,
      get signal() {
        return gone.signal;
      },
    };
    // An upgrade has no body: what follows belongs to the other protocol.
    if (method === 'GET' || method === 'HEAD' || incoming.headers.upgrade !== undefined) return request;
    // Who may do nothing may not make the server buffer anything either.
    if (user === ANONYMOUS) return request;
    request.body = await readAll(incoming);
    return request;
  }

  async #send(
    reply: Reply,
    outgoing: Outgoing,
    gone: Departure,
    stillGood: () => Promise<boolean>,
  ): Promise<number> {
    if ('start' in reply) {
      this.#revalidate(outgoing, stillGood);
      return this.#stream(reply.status, reply.headers, reply.start, outgoing, gone.signal);
    }
    const headers = { ...reply.headers, 'content-length': Buffer.byteLength(reply.body) };
    outgoing.writeHead(reply.status, headers);
    if (reply.body.length > LARGE_BODY) await sendLarge(reply.body, outgoing);
    else outgoing.end(reply.body);
    return reply.status;
  }

  /** Whether the identity that opened a stream is the same still: its token may have been revoked. */
  async #stillGood(incoming: Incoming, request: ApiRequest): Promise<boolean> {
    try {
      const user = await this.#options.authenticator.authenticate(
        incoming.headers.authorization ?? '',
        socketOf(incoming),
      );
      return user.name === request.user.name;
    } catch {
      return false;
    }
  }

  /** What stays open outlives its first check: it is looked at again and again. */
  #revalidate(stream: Outgoing | Duplex, stillGood: () => Promise<boolean>): void {
    const timer = setInterval(() => {
      void stillGood().then((good) => {
        if (!good) stream.destroy();
      });
    }, REVALIDATE_MS);
    timer.unref();
    stream.once('close', () => clearInterval(timer));
  }

  async #stream(
    status: number,
    headers: Reply['headers'],
    start: (sink: Sink) => Promise<void>,
    outgoing: Outgoing,
    signal: AbortSignal,
  ): Promise<number> {
    const begin = (): void => {
      if (!outgoing.headersSent) outgoing.writeHead(status, headers);
    };
    const sink: Sink = {
      write: (chunk) => {
        begin();
        if (signal.aborted) return true;
        outgoing.write(chunk);
        return outgoing.writableLength < HIGH_WATER;
      },
      onDrain: (ready) => void drained(outgoing).then(ready),
      end: () => {
        begin();
        outgoing.end();
      },
      signal: AbortSignal.any([signal, this.#stopping.signal]),
    };
    await start(sink);
    begin();
    if (!outgoing.writableEnded) outgoing.flushHeaders();
    return status;
  }

  #refuse(error: unknown, outgoing: Outgoing): number {
    const refusal = this.#known(error);
    if (outgoing.headersSent || outgoing.destroyed) {
      outgoing.destroy();
      return refusal.code;
    }
    const retry = refusal.details?.retryAfterSeconds;
    const headers = {
      ...JSON_TYPE,
      ...(retry !== undefined && { 'retry-after': String(retry) }),
      ...(refusal.reason === 'Unauthorized' && { 'www-authenticate': 'Bearer' }),
    };
    const body = JSON.stringify(refusal.toStatus());
    outgoing.writeHead(refusal.code, { ...headers, 'content-length': Buffer.byteLength(body) });
    outgoing.end(body);
    return refusal.code;
  }

  #known(error: unknown): ApiError {
    if (error instanceof ApiError) {
      if (error.code >= 500) this.#options.log.warn({ err: error, cause: error.cause }, 'a request failed');
      return error;
    }
    this.#options.log.error({ err: error }, 'a request ended in an unexpected error');
    return new ApiError(
      'InternalError',
      'Internal error occurred: the server ran into an unexpected condition; its log has the details.',
    );
  }

  async #upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => undefined);
    try {
      const upgrade = await this.#options.core.upgrade(
        await this.#requestOf(incoming, new Departure(socket)),
      );
      await upgrade(socket, head);
    } catch (error) {
      const refusal = this.#known(error);
      const body = JSON.stringify(refusal.toStatus());
      socket.end(
        `HTTP/1.1 ${refusal.code} ${refusal.reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
    }
  }
}

/** In pieces, so that the other side reads while the rest is still being encrypted. */
async function sendLarge(body: Buffer | string, outgoing: Outgoing): Promise<void> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  for (let at = 0; at < bytes.length && !outgoing.destroyed; at += PIECE) {
    if (!outgoing.write(bytes.subarray(at, at + PIECE))) await drained(outgoing);
  }
  outgoing.end();
}

function socketOf(incoming: Incoming): TLSSocket | undefined {
  const socket = incoming instanceof Http2ServerRequest ? incoming.stream.session?.socket : incoming.socket;
  return socket as TLSSocket | undefined;
}

/** Requests that stay open do not count against the limit of those that answer at once. */
function isLong(request: ApiRequest): boolean {
  const watch = request.query.get('watch');
  return watch === 'true' || watch === '1' || request.query.get('follow') === 'true';
}

function tooManyRequests(): ApiError {
  return new ApiError('TooManyRequests', 'too many requests, please try again later', {
    retryAfterSeconds: 1,
  });
}

/** Tells when the other side has left; most requests never ask, and pay nothing. */
class Departure {
  readonly #stream: Duplex | Outgoing;
  #controller: AbortController | undefined;

  constructor(stream: Duplex | Outgoing) {
    this.#stream = stream;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      if (this.#stream.destroyed) controller.abort();
      else this.#stream.once('close', () => controller.abort());
    }
    return this.#controller.signal;
  }
}

function readAll(incoming: Incoming): Promise<Buffer> {
  const declared = Number(incoming.headers['content-length'] ?? 0);
  if (declared > MAX_BODY) throw tooLarge();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => incoming.destroy(), BODY_TIMEOUT_MS);
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY) chunks.push(chunk);
      else reject(tooLarge());
    });
    incoming.on('end', () => {
      clearTimeout(timer);
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
    });
    incoming.on('close', () => {
      clearTimeout(timer);
      if (!incoming.complete) reject(new ApiError('BadRequest', 'The body of the request ended early.'));
    });
    incoming.on('error', () => undefined);
  });
}

function tooLarge(): ApiError {
  return new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${MAX_BODY}`);
}
