import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Backend, Endpoint, GatewayConfig, Route, RouteAction } from '../config.ts';
import type { AccessLog } from './access-log.ts';
import type { FunctionsFromDataPlane } from '../functions/protocol.ts';
import { compressorFor } from './compression.ts';
import { FunctionCalls } from './functions/calls.ts';
import { type EndpointCall, FunctionEndpoints } from './functions/endpoint.ts';
import { grpcForward, isGrpc } from './grpc.ts';
import { type ClientInfo, requestHead, responseHeaders, rewritten } from './headers.ts';
import type { Metrics } from './metrics.ts';
import { cleanPath } from './paths.ts';
import { corsHeaders, isPreflight, locationOf } from './replies.ts';
import { type Found, Router } from './router.ts';
import { type Connection, keyOf, UpstreamPool } from './upstream.ts';

export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

export interface ProxyOptions {
  hostSocket: string | undefined;
  /** Tells the server what concerns functions. */
  tell: (message: FunctionsFromDataPlane) => void;
  accessLog: AccessLog;
  metrics: Metrics;
  now: () => number;
}

interface Attempts {
  hasBody: boolean;
  tried: Set<Endpoint>;
  count: number;
}

type Forward = Extract<RouteAction, { type: 'forward' }>;

/** What an answer and a compressor have in common. */
interface ChunkSink {
  write: (chunk: Buffer) => boolean;
  once: (event: 'drain', listener: () => void) => unknown;
}

const MAX_TRIES = 6;
const SMALL_BODY = 16 * 1024;
const RETRY_PAUSE_MS = 20;
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);
const BODYLESS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

interface Job {
  request: Request;
  response: Response;
  client: ClientInfo;
  found: Found;
  action: Forward;
  path: string;
  query: string;
  startedAt: number;
  length: number | undefined;
  sent: number;
}

/** Carries requests to backends and answers back. The configuration can change between any two requests. */
export class HttpProxy {
  readonly pool: UpstreamPool;
  readonly functions: FunctionCalls;
  readonly #endpoints: FunctionEndpoints;
  readonly #options: ProxyOptions;
  #config: GatewayConfig | undefined;
  #router = new Router({ routes: [] });
  readonly #turns = new Map<string, number>();

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.pool = new UpstreamPool(options.hostSocket);
    this.functions = new FunctionCalls({ pool: this.pool, tell: options.tell, now: options.now });
    this.#endpoints = new FunctionEndpoints(this.functions, options.now);
  }

  configure(config: GatewayConfig): void {
    this.#config = config;
    this.#router = new Router(config);
    const endpoints = new Set<string>();
    for (const { action } of config.routes)
      if (action.type === 'forward')
        for (const backend of action.backends)
          for (const endpoint of backend.endpoints) endpoints.add(keyOf(endpoint, backend.protocol));
    this.pool.retain(endpoints);
  }

  find(request: Request, client: ClientInfo): { found: Found; path: string; query: string } | undefined {
    const url = request.url ?? '/';
    const at = url.indexOf('?');
    const path = cleanPath(at < 0 ? url : url.slice(0, at));
    const query = at < 0 ? '' : url.slice(at);
    const found = this.#router.find({
      host: client.host,
      path,
      query: query.slice(1),
      method: request.method ?? 'GET',
      header: (name) => headerOf(request, name),
    });
    return found && { found, path, query };
  }

  handle(request: Request, response: Response, client: ClientInfo): void {
    const startedAt = this.#options.now();
    const url = request.url ?? '/';
    if (url.charCodeAt(0) !== 0x2f && url !== '*') {
      reply(response, 400, 'The target of the request is malformed.\n');
      return;
    }
    const found = this.find(request, client);
    if (found === undefined) {
      reply(response, 404, 'Nothing is served here.\n');
      this.#log({ request, client, status: 404, startedAt, sent: 0, route: undefined });
      return;
    }
    const { action } = found.found.route;
    if (action.type === 'redirect') {
      const location = locationOf(action.redirect, found, client);
      reply(response, action.redirect.status, '', { location });
      this.#log({
        request,
        client,
        status: action.redirect.status,
        startedAt,
        sent: 0,
        route: found.found.route,
      });
      return;
    }
    if (action.type === 'function') {
      void this.#call({ request, response, client, ...found, ...action }, startedAt);
      return;
    }
    this.#forward({ request, response, client, ...found, action, startedAt, length: undefined, sent: 0 });
  }

  async #call(call: EndpointCall, startedAt: number): Promise<void> {
    const { request, response, client, found } = call;
    let answered = { status: 500, sent: 0 };
    try {
      answered = await this.#endpoints.handle(call);
    } catch {
      reply(response, 500, 'The call could not be answered.\n');
    }
    this.#log({ request, client, ...answered, startedAt, route: found.route });
  }

  /** The next endpoint of a route, by the weights of its backends, and none of those that have failed. */
  pick(
    action: Forward,
    owner: string,
    tried: ReadonlySet<Endpoint>,
    wanted?: string,
  ): { backend: Backend; endpoint: Endpoint } | undefined {
    const usable = action.backends.filter(
      (item) => item.weight > 0 && item.endpoints.some((endpoint) => !tried.has(endpoint)),
    );
    const backend = usable.length <= 1 ? usable[0] : byWeight(usable);
    if (backend === undefined) return undefined;
    const open =
      tried.size === 0 ? backend.endpoints : backend.endpoints.filter((endpoint) => !tried.has(endpoint));
    const sticky =
      wanted === undefined
        ? undefined
        : open.find((endpoint) => `${endpoint.address}:${endpoint.port}` === wanted);
    const key = `${owner} ${backend.name}`;
    const turn = (this.#turns.get(key) ?? 0) + 1;
    this.#turns.set(key, turn >= 1_000_000 ? 0 : turn);
    return { backend, endpoint: sticky ?? open[turn % open.length]! };
  }

  #forward(job: Job): void {
    const { request, response, action, client } = job;
    const { options } = action;
    if (options?.httpsOnly && client.proto === 'http') {
      reply(response, 308, '', {
        location: `https://${client.host.replace(/:\d+$/, '')}${request.url ?? '/'}`,
      });
      this.#done(job, 308);
      return;
    }
    if (options?.cors !== undefined && isPreflight(request)) {
      reply(response, 204, '', Object.fromEntries(corsHeaders(options.cors, request)));
      this.#done(job, 204);
      return;
    }
    const length = headerOf(request, 'content-length');
    if (length !== undefined) job.length = Number(length);
    const limit = options?.bodyBytes ?? this.#config!.limits.bodyBytes;
    if ((job.length ?? 0) > limit) {
      reply(response, 413, `The body is larger than the ${limit} bytes that are allowed here.\n`, {
        connection: 'close',
      });
      this.#done(job, 413);
      return;
    }
    if (isGrpc(request)) {
      void grpcForward({ job, proxy: this, done: (status) => this.#done(job, status) });
      return;
    }
    const hasBody = job.length !== undefined ? job.length > 0 : hasChunkedBody(request);
    if (hasBody) limitBody(request, response, limit);
    this.#try(job, { hasBody, tried: new Set(), count: 0 });
  }

  #try(job: Job, state: Attempts): void {
    const { action, found, request } = job;
    const cookie = action.options?.affinityCookie;
    const wanted = cookie === undefined ? undefined : cookieOf(request, cookie);
    const picked = this.pick(action, found.route.owner, state.tried, wanted);
    if (picked === undefined) {
      const none = state.tried.size === 0;
      reply(
        job.response,
        none ? 503 : 502,
        none ? 'No backend is ready to answer.\n' : 'The backend could not be reached.\n',
      );
      this.#done(job, none ? 503 : 502);
      return;
    }
    const { backend, endpoint } = picked;
    const idle = this.pool.take(endpoint, backend.protocol);
    if (idle !== undefined) {
      this.#exchange(job, state, picked, idle);
      return;
    }
    this.pool.connect(endpoint, backend.protocol).then(
      (connection) => this.#exchange(job, state, picked, connection),
      () => this.#again(job, state, endpoint),
    );
  }

  /** Nothing was done: another endpoint may be asked, or one that a newer configuration knows. */
  #again(job: Job, state: Attempts, endpoint: Endpoint): void {
    state.tried.add(endpoint);
    state.count += 1;
    if (state.count >= MAX_TRIES) {
      reply(job.response, 502, 'The backend could not be reached.\n');
      this.#done(job, 502);
      return;
    }
    const retry = (): void => {
      if (job.response.destroyed) return;
      const now = this.find(job.request, job.client);
      if (now?.found.route.action.type === 'forward') job.action = now.found.route.action;
      // When all have failed, those that are left may have been replaced in the meantime.
      const open = job.action.backends.some((item) =>
        item.endpoints.some((other) => !state.tried.has(other)),
      );
      if (!open) state.tried.clear();
      this.#try(job, state);
    };
    if (state.count === 1) retry();
    else setTimeout(retry, RETRY_PAUSE_MS * state.count);
  }

  #exchange(
    job: Job,
    state: Attempts,
    { backend, endpoint }: { backend: Backend; endpoint: Endpoint },
    connection: Connection,
  ): void {
    const { request, response, action, client, found } = job;
    if (response.destroyed) {
      connection.abandon();
      return;
    }
    const method = request.method ?? 'GET';
    const chunked = state.hasBody && job.length === undefined;
    const head = requestHead({
      method,
      path: rewritten(job.path, job.query, found, action.filters?.rewritePath),
      rawHeaders: request.rawHeaders,
      client,
      change: action.filters?.request,
      rewriteHost: action.filters?.rewriteHost,
      chunked,
      upgrade: undefined,
    });
    let finished = false;
    const timeoutMs = action.options?.timeoutMs ?? this.#config!.limits.requestTimeoutMs;
    const timer = setTimeout(() => {
      finished = true;
      connection.abandon();
      if (response.headersSent) response.destroy();
      else reply(response, 504, 'The backend did not answer in time.\n');
      this.#done(job, 504);
    }, timeoutMs);
    const onClose = (): void => {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      connection.abandon();
      this.#done(job, 499);
    };
    response.once('close', onClose);
    const settle = (): void => {
      finished = true;
      clearTimeout(timer);
      response.off('close', onClose);
    };
    const stale = connection.uses > 0;
    let compressor: ReturnType<typeof compressorFor>;
    // A small answer that comes in one piece goes out in one piece, its head included.
    let held: Buffer | undefined;
    let flushed = false;
    const flush = (): void => {
      flushed = true;
      if (held !== undefined) (response as ServerResponse).write(held);
      held = undefined;
    };
    connection.start({
      method,
      head,
      body: state.hasBody ? (request as unknown as NodeJS.ReadableStream) : undefined,
      chunkedBody: chunked,
      onHead: ({ status, reason, headers }) => {
        clearTimeout(timer);
        const changed = this.#answerHeaders(job, headers, { backend, endpoint });
        compressor = compressorFor(request, status, changed);
        writeHead(response, status, reason, compressor?.headers ?? changed);
        compressor?.stream.on('data', (chunk: Buffer) => (response as ServerResponse).write(chunk));
        compressor?.stream.on('end', () => response.end());
      },
      onData: (chunk) => {
        job.sent += chunk.length;
        if (compressor === undefined && held === undefined && chunk.length <= SMALL_BODY && !flushed) {
          held = chunk;
          queueMicrotask(flush);
          return true;
        }
        flush();
        const target = (compressor?.stream ?? response) as unknown as ChunkSink;
        if (target.write(chunk)) return true;
        target.once('drain', () => connection.resume());
        return false;
      },
      onEnd: () => {
        if (finished) return;
        settle();
        if (compressor !== undefined) compressor.stream.end();
        else if (held === undefined) response.end();
        else endWith(response, held);
        held = undefined;
        this.#done(job, response.statusCode);
      },
      onError: (_, { answered }) => {
        if (finished) return;
        settle();
        // A connection that was idle may have been closed just when it was used: that is nobody's failure.
        const mayRepeat = !answered && !state.hasBody && REPEATABLE.has(method);
        if (mayRepeat && stale) this.#try(job, state);
        else if (mayRepeat) this.#again(job, state, endpoint);
        else {
          if (response.headersSent) response.destroy();
          else reply(response, 502, 'The backend ended the connection without an answer.\n');
          this.#done(job, 502);
        }
      },
    });
  }

  #answerHeaders(
    job: Job,
    headers: string[],
    { endpoint }: { backend: Backend; endpoint: Endpoint },
  ): string[] {
    const { filters, options } = job.action;
    let changed = responseHeaders(headers, filters?.response);
    if (options?.cors !== undefined) changed = [...changed, ...corsHeaders(options.cors, job.request).flat()];
    if (options?.affinityCookie !== undefined) {
      const value = `${endpoint.address}:${endpoint.port}`;
      if (cookieOf(job.request, options.affinityCookie) !== value)
        changed = [...changed, 'set-cookie', `${options.affinityCookie}=${value}; Path=/; HttpOnly`];
    }
    return changed;
  }

  #done(job: Job, status: number): void {
    const { request, client, startedAt, sent, found } = job;
    this.#log({ request, client, status, startedAt, sent, route: found.route });
  }

  #log(entry: {
    request: Request;
    client: ClientInfo;
    status: number;
    startedAt: number;
    sent: number;
    route: Route | undefined;
  }): void {
    const { request, client, status, startedAt, sent, route } = entry;
    const seconds = (this.#options.now() - startedAt) / 1000;
    if (route !== undefined) this.#options.metrics.observe(route, status, seconds);
    this.#options.accessLog.write({
      client: client.address,
      method: request.method ?? '',
      host: client.host,
      path: request.url ?? '',
      status,
      bytes: sent,
      seconds,
      route: route?.owner,
    });
  }
}

export function reply(
  response: Response,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const all: Record<string, string | number> = {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    ...headers,
  };
  if ('stream' in response) delete all['connection'];
  (response as ServerResponse).writeHead(status, all);
  response.end(text);
}

/** As a string the body joins the head in one write; every byte is one character of latin1. */
function endWith(response: Response, body: Buffer): void {
  if ('stream' in response) response.end(body);
  else response.end(body.toString('latin1'), 'latin1');
}

function writeHead(response: Response, status: number, reason: string, headers: string[]): void {
  if (!('stream' in response)) {
    (response as ServerResponse).writeHead(status, reason, headers);
    return;
  }
  // HTTP/2 takes names in lower case, each once.
  const grouped: Record<string, string | string[]> = {};
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!.toLowerCase();
    const known = grouped[name];
    grouped[name] =
      known === undefined
        ? headers[at + 1]!
        : [...(Array.isArray(known) ? known : [known]), headers[at + 1]!];
  }
  (response as Http2ServerResponse).writeHead(status, grouped);
}

export function headerOf(request: Request, name: string): string | undefined {
  const value = request.headers[name.toLowerCase()];
  return Array.isArray(value) ? value.join(', ') : value;
}

function hasChunkedBody(request: Request): boolean {
  if (request.httpVersionMajor === 2)
    return !(request as Http2ServerRequest).stream.endAfterHeaders && !BODYLESS.has(request.method ?? '');
  return request.headers['transfer-encoding'] !== undefined;
}

/** Bodies without a declared length are counted while they go by. */
function limitBody(request: Request, response: Response, limit: number): void {
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limit) return;
    reply(response, 413, `The body is larger than the ${limit} bytes that are allowed here.\n`, {
      connection: 'close',
    });
    request.destroy();
  });
  // Until there is a connection to send it on, nothing of it may go by.
  request.pause();
}

function byWeight(backends: readonly Backend[]): Backend {
  const total = backends.reduce((sum, item) => sum + item.weight, 0);
  let at = Math.random() * total;
  for (const backend of backends) {
    at -= backend.weight;
    if (at < 0) return backend;
  }
  return backends.at(-1)!;
}

function cookieOf(request: Request, name: string): string | undefined {
  const text = headerOf(request, 'cookie');
  if (text === undefined) return undefined;
  for (const part of text.split(';')) {
    const at = part.indexOf('=');
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return undefined;
}
