/** One call on its way to an API server. */
export interface TransportRequest {
  method: string;
  /** Path without the query. */
  path: string;
  query?: URLSearchParams;
  headers?: Record<string, string>;
  body?: string | Uint8Array | object;
  signal?: AbortSignal;
}

export interface TransportResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** May be read once. Not reading it to the end needs `discard`. */
  body: AsyncIterable<Uint8Array>;
  discard: () => void;
}

/**
 * The way to an API server: over HTTPS, or straight into a server of this process. Calls may overlap. A
 * response is delivered for every status; only a failure to reach the server throws.
 */
export interface Transport {
  request: (request: TransportRequest) => Promise<TransportResponse>;
  close: () => Promise<void>;
}
