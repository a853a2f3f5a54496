import { randomUUID } from 'node:crypto';
import type { EndpointOptions, Invocation, Outcome } from '../../functions/protocol.ts';
import type { ClientInfo } from '../headers.ts';
import { requestHead } from '../headers.ts';
import { headerOf, type Request, type Response } from '../proxy.ts';
import { corsHeaders, isPreflight } from '../replies.ts';
import type { Found } from '../router.ts';
import { authenticate, type Caller } from './auth.ts';
import type { FunctionCalls } from './calls.ts';
import type { RawAnswer } from './exchange.ts';
import { ByteBudget } from './byte-budget.ts';
import { BadRequestError, inputOf, readBody } from './input.ts';
import { RateLimit } from './rate-limit.ts';

export interface EndpointCall {
  request: Request;
  response: Response;
  client: ClientInfo;
  found: Found;
  path: string;
  query: string;
  key: string;
  options: EndpointOptions;
}

interface Reply {
  status: number;
  body: string | Buffer;
  headers?: Record<string, string | string[]>;
}

const JSON_TYPE = 'application/json';
/** Of bodies that are read, and of calls that wait. */
const MAX_HELD = 512 * 1024 * 1024;
const NO_HEADERS: [string, string][] = [];
const HIDDEN = new Set(['authorization', 'cookie', 'proxy-authorization', 'x-api-key']);
/** What a function may not decide about the connection that its answer goes out on. */
const CONNECTION = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'trailer',
]);

/** Answers requests by calls of functions. */
export class FunctionEndpoints {
  readonly #calls: FunctionCalls;
  readonly #now: () => number;
  readonly #budget = new ByteBudget(MAX_HELD);
  /** By owner, so that a new configuration does not begin to count anew. */
  readonly #limits = new Map<string, RateLimit>();

  constructor(calls: FunctionCalls, now: () => number) {
    this.#calls = calls;
    this.#now = now;
  }

  /** Resolves to the status and the size of what was answered. */
  async handle(call: EndpointCall): Promise<{ status: number; sent: number }> {
    const { request, response, options } = call;
    const cors = options.cors === undefined ? NO_HEADERS : corsHeaders(options.cors as never, request);
    let reply: Reply;
    try {
      reply = await this.#answer(call);
    } catch (error) {
      if (!(error instanceof BadRequestError)) throw error;
      reply = problem(error.status, error.message);
      if (error.status === 413) reply.headers = { ...reply.headers, connection: 'close' };
    }
    return send(request, response, reply, cors);
  }

  async #answer(call: EndpointCall): Promise<Reply> {
    const { request, client, options, found, query, key } = call;
    if (options.httpsOnly && client.proto === 'http') return insecure(call);
    if (options.cors !== undefined && isPreflight(request)) return { status: 204, body: '' };
    const wait = this.#limitOf(found.route.owner, options)?.take(client.address);
    if (wait !== undefined)
      return {
        ...problem(429, 'Too many calls: try again later.'),
        headers: { 'content-type': JSON_TYPE, 'retry-after': String(wait) },
      };
    const verdict =
      options.auth.type === 'public'
        ? { caller: undefined }
        : await authenticate(options.auth, request, query);
    if ('refusal' in verdict) {
      const { status, message, challenge } = verdict.refusal;
      const reply = problem(status, message);
      if (challenge !== undefined) reply.headers = { ...reply.headers, 'www-authenticate': challenge };
      return reply;
    }
    if (this.#calls.kindOf(key) === 'http') return this.#forward(call);
    const body = await readBody(request, this.#budget);
    try {
      return await this.#withBody(call, body, verdict.caller);
    } finally {
      this.#budget.give(body.length);
    }
  }

  async #withBody(call: EndpointCall, body: Buffer, caller: Caller | undefined): Promise<Reply> {
    const { request, query, key } = call;
    const fields = query === '' ? [] : [...new URLSearchParams(query.slice(1))];
    const invocation: Invocation = {
      run: randomUUID(),
      key,
      payload: await inputOf(request, fields, body),
      httpContext: contextOf(call, fields, caller),
    };
    return headerOf(request, 'x-dispatch-blocking') === 'false'
      ? await this.#later(call, invocation)
      : await this.#invoke(call, invocation);
  }

  async #invoke({ options }: EndpointCall, invocation: Invocation): Promise<Reply> {
    const outcome = await this.#calls.call(invocation);
    this.#calls.ended({ invocation, outcome });
    const headers = { 'content-type': JSON_TYPE, 'x-dispatch-run': invocation.run };
    if (outcome.error !== undefined) return { ...failedReply(outcome), headers };
    if (options.fullResponse) return fullReply(outcome.output, headers);
    return { status: 200, body: outcome.output === 'null' ? '' : outcome.output, headers };
  }

  /** For functions that answer HTTP by themselves: everything as it is. */
  async #forward(call: EndpointCall): Promise<Reply> {
    const { request, client, path, query, key } = call;
    const run = randomUUID();
    const body = await readBody(request, this.#budget);
    const method = request.method ?? 'GET';
    const head = requestHead({
      method,
      path: path + query,
      rawHeaders: withoutLength(request.rawHeaders),
      client,
      change: { set: { 'x-dispatch-run': run } },
      rewriteHost: undefined,
      chunked: false,
      upgrade: undefined,
    }).slice(0, -2);
    const result = await this.#calls
      .forward({ run, key }, { method, head, body })
      .finally(() => this.#budget.give(body.length));
    if ('outcome' in result) return failedReply(result.outcome);
    return rawReply(result.answer, run);
  }

  async #later({ request, key }: EndpointCall, invocation: Invocation): Promise<Reply> {
    if (this.#calls.kindOf(key) === 'none') return problem(404, `The function ${key} is not READY.`);
    const wrong = this.#calls.problemOfInput(key, invocation.payload);
    if (wrong !== undefined)
      return failedReply({
        error: {
          type: 'InputError',
          message: `The input does not fit the schema of the function: ${wrong}.`,
          stacktrace: [],
          status: 422,
        },
      });
    const { run, problem: why } = await this.#calls.accept(invocation, headerOf(request, 'idempotency-key'));
    if (run === undefined) return problem(503, why ?? 'The call could not be taken.');
    return {
      status: 202,
      body: JSON.stringify({ name: run }),
      headers: {
        'content-type': JSON_TYPE,
        'x-dispatch-run': run,
        location: `/dispatch/runs/${key.split('/')[0]}/${run}`,
      },
    };
  }

  #limitOf(owner: string, { rate }: EndpointOptions): RateLimit | undefined {
    if (rate === undefined) return undefined;
    const known = this.#limits.get(owner);
    if (known?.rate.count === rate.count && known.rate.seconds === rate.seconds) return known;
    const limit = new RateLimit(rate, this.#now);
    this.#limits.set(owner, limit);
    return limit;
  }
}

function insecure({ request, client, options }: EndpointCall): Reply {
  if (request.method !== 'GET' && request.method !== 'HEAD') return problem(403, 'Please use HTTPS protocol');
  const host = client.host.replace(/:\d+$/, '');
  const port = options.httpsPort === 443 ? '' : `:${options.httpsPort}`;
  return { status: 301, body: '', headers: { location: `https://${host}${port}${request.url ?? '/'}` } };
}

function problem(status: number, message: string): Reply {
  return { status, body: JSON.stringify({ code: status, message }), headers: { 'content-type': JSON_TYPE } };
}

/** What a caller may know of a failed run. Its stack is for those who may read runs. */
function failedReply({ error }: Pick<Outcome, 'error'>): Reply {
  const { status = 503, type, message } = error ?? {};
  return {
    status,
    body: JSON.stringify({ code: status, type, message }),
    headers: { 'content-type': JSON_TYPE },
  };
}

/** {statusCode, headers, body}, where the endpoint lets its function say so. */
function fullReply(output: string, own: Record<string, string>): Reply {
  const value: unknown = JSON.parse(output);
  const { statusCode, headers, body, isBase64Encoded } = (value ?? {}) as {
    statusCode?: unknown;
    headers?: Record<string, unknown>;
    body?: unknown;
    isBase64Encoded?: boolean;
  };
  const status = Number(statusCode ?? 200);
  if (!Number.isInteger(status) || status < 200 || status > 599)
    return problem(502, 'The function gave a status that there is not.');
  const all: Record<string, string> = { 'x-dispatch-run': own['x-dispatch-run'] ?? '' };
  for (const [name, item] of Object.entries(headers ?? {})) {
    const lower = name.toLowerCase();
    if (CONNECTION.has(lower)) continue;
    if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(lower) || /[\r\n\0]/.test(String(item)))
      return problem(502, 'The function gave a header that cannot be sent.');
    all[lower] = String(item);
  }
  if (typeof body === 'string')
    return { status, body: isBase64Encoded ? Buffer.from(body, 'base64') : body, headers: all };
  all['content-type'] ??= JSON_TYPE;
  return { status, body: body === undefined || body === null ? '' : JSON.stringify(body), headers: all };
}

function rawReply({ status, headers, body }: RawAnswer, run: string): Reply {
  const all: Record<string, string | string[]> = { 'x-dispatch-run': run };
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!.toLowerCase();
    if (CONNECTION.has(name)) continue;
    const before = all[name];
    all[name] = before === undefined ? headers[at + 1]! : [...[before].flat(), headers[at + 1]!];
  }
  return { status, body, headers: all };
}

function send(
  request: Request,
  response: Response,
  { status, body, headers = {} }: Reply,
  cors: readonly [string, string][],
): { status: number; sent: number } {
  if (response.destroyed || response.headersSent) return { status: 499, sent: 0 };
  const all: Record<string, string | number | string[]> = headers;
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  for (const [name, value] of cors) all[name] = value;
  if (status !== 204 && status !== 304) all['content-length'] = length;
  if ('stream' in response) delete all['connection'];
  (response as { writeHead: (status: number, headers: object) => void }).writeHead(status, all);
  if (request.method === 'HEAD') response.end();
  else response.end(body);
  return { status, sent: length };
}

/** What the handler learns of the request, under its own names and under those of old. */
function contextOf(
  call: EndpointCall,
  fields: readonly [string, string][],
  caller: Caller | undefined,
): object {
  const { request, client, path, query } = call;
  const method = request.method ?? 'GET';
  const version = `HTTP/${request.httpVersion}`;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    // What lets a caller in is for the gateway; a public endpoint looks at it in its function.
    if (value === undefined || name[0] === ':' || (caller !== undefined && HIDDEN.has(name))) continue;
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return {
    method,
    path,
    query: Object.fromEntries(fields),
    headers,
    client: client.address,
    scheme: client.proto,
    host: client.host,
    ...(caller !== undefined && { caller }),
    uri: path,
    args: query.slice(1),
    request: `${method} ${request.url ?? '/'} ${version}`,
    'request-uri': request.url ?? '/',
    'server-protocol': version,
    'upstream-uri': path,
  };
}

function withoutLength(rawHeaders: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]!.toLowerCase() !== 'content-length') kept.push(rawHeaders[at]!, rawHeaders[at + 1]!);
  return kept;
}
