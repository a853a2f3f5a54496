import { Readable } from 'node:stream';
import { ApiError, type Transport, type TransportRequest, type TransportResponse } from '../kube/index.ts';
import type { ApiCore, ApiRequest } from './http/index.ts';
import type { Sink, User } from './registry/index.ts';

const HIGH_WATER = 1024 * 1024;

/** Reaches the server of this process without a socket: same authorisation, same answers, same refusals. */
export class InProcessTransport implements Transport {
  readonly #core: ApiCore;
  readonly #user: User;
  readonly #closed = new AbortController();

  constructor(core: ApiCore, user: User) {
    this.#core = core;
    this.#user = user;
  }

  async request(request: TransportRequest): Promise<TransportResponse> {
    const signal =
      request.signal === undefined
        ? this.#closed.signal
        : AbortSignal.any([request.signal, this.#closed.signal]);
    signal.throwIfAborted();
    try {
      const reply = await this.#core.handle(this.#apiRequest(request, signal));
      if (!('start' in reply)) return whole(reply.status, reply.headers, reply.body);
      return await stream(reply.status, reply.headers, reply.start, signal);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return whole(error.code, { 'content-type': 'application/json' }, JSON.stringify(error.toStatus()));
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
  }

  #apiRequest(request: TransportRequest, signal: AbortSignal): ApiRequest {
    const { body } = request;
    const bytes =
      typeof body === 'string' ? Buffer.from(body) : body instanceof Uint8Array ? Buffer.from(body) : body;
    return {
      method: request.method,
      path: request.path,
      query: request.query ?? new URLSearchParams(),
      headers: { accept: 'application/json', 'user-agent': 'dispatch', ...request.headers },
      user: this.#user,
      signal,
      ...(bytes !== undefined && { body: bytes }),
    };
  }
}

function whole(
  status: number,
  headers: Record<string, string | string[]>,
  body: Buffer | string,
): TransportResponse {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return {
    status,
    headers,
    body: (async function* () {
      yield bytes;
    })(),
    discard: () => undefined,
  };
}

async function stream(
  status: number,
  headers: Record<string, string | string[]>,
  start: (sink: Sink) => Promise<void>,
  signal: AbortSignal,
): Promise<TransportResponse> {
  const gone = new AbortController();
  let drained: (() => void) | undefined;
  const readable = new Readable({
    highWaterMark: HIGH_WATER,
    read: () => {
      const ready = drained;
      drained = undefined;
      ready?.();
    },
    destroy: (_, callback) => {
      gone.abort();
      drained?.();
      callback(null);
    },
  });
  const sink: Sink = {
    write: (chunk) =>
      readable.destroyed || readable.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk),
    onDrain: (ready) => {
      drained = ready;
    },
    end: () => {
      if (!readable.destroyed) readable.push(null);
    },
    signal: AbortSignal.any([signal, gone.signal]),
  };
  await start(sink);
  return { status, headers, body: readable, discard: () => void readable.destroy() };
}
