import { Agent, request as httpRequest } from 'undici';
import type { ClusterAccess } from './kubeconfig.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';

const CONNECT_TIMEOUT_MS = 10_000;

/** Talks to an API server over HTTP(S). Redirects are not followed: a credential goes to its host only. */
export class HttpTransport implements Transport {
  readonly #access: ClusterAccess;
  readonly #agent: Agent;

  constructor(access: ClusterAccess) {
    this.#access = access;
    const { ca, cert, key, insecureSkipTlsVerify, tlsServerName } = access;
    this.#agent = new Agent({
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: {
        timeout: CONNECT_TIMEOUT_MS,
        rejectUnauthorized: !insecureSkipTlsVerify,
        ...(ca !== undefined && { ca }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
        ...(tlsServerName !== undefined && { servername: tlsServerName }),
      },
    });
  }

  async request(request: TransportRequest): Promise<TransportResponse> {
    const query = request.query !== undefined && request.query.size > 0 ? `?${request.query}` : '';
    const authorization = await this.#access.authorization?.();
    const { body } = request;
    const isRaw = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
    const answer = await httpRequest(`${this.#access.server.replace(/\/$/, '')}${request.path}${query}`, {
      dispatcher: this.#agent,
      method: request.method as 'GET',
      headers: {
        accept: 'application/json',
        'user-agent': 'dispatch',
        ...request.headers,
        ...(authorization && { authorization }),
      },
      body: isRaw ? (body ?? null) : JSON.stringify(body),
      ...(request.signal && { signal: request.signal }),
    });
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: answer.body as AsyncIterable<Uint8Array>,
      discard: () => void answer.body.destroy(),
    };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}
