import { createHash, createHmac } from 'node:crypto';

export interface S3Keys {
  id: string;
  secret: string;
  token?: string | undefined;
}

export interface S3Server {
  endpoint: URL;
  region: string;
  /** Buckets in the path, as every server but Amazon's own has them. */
  pathStyle: boolean;
  /** Without them requests are not signed: some buckets are for everybody. */
  keys: S3Keys | undefined;
  fetch: typeof fetch;
}

export interface S3Request {
  method: 'GET' | 'PUT';
  bucket: string;
  key?: string;
  query?: Readonly<Record<string, string>>;
  body?: Buffer;
  signal: AbortSignal;
}

const TIMEOUT_MS = 300_000;
const TRIES = 3;

/** Storage of any server that speaks S3, with requests signed as Amazon's version 4 asks. */
export class S3 {
  readonly #server: S3Server;

  constructor(server: S3Server) {
    this.#server = server;
  }

  /** What a request is answered with, when it is answered well. A server that is out of breath is asked again. */
  async send(request: S3Request): Promise<Response> {
    const { method, bucket, key = '', body, signal } = request;
    for (let attempt = 1; ; attempt += 1) {
      const { url, headers } = this.#signed(request);
      const response = await this.#server
        .fetch(url, {
          method,
          headers,
          ...(body !== undefined && { body: new Uint8Array(body) }),
          redirect: 'error',
          signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        })
        .catch((error: Error) => {
          const why = error.cause instanceof Error ? error.cause.message : error.message;
          throw new Error(`the storage ${url.host} cannot be reached: ${why}`, { cause: error });
        });
      if (response.ok) return response;
      const text = await response.text();
      if (response.status < 500 || attempt >= TRIES)
        throw new Error(
          `the storage ${url.host} refused ${key || bucket}: ${/<Message>([^<]*)</.exec(text)?.[1] ?? `it answered ${response.status}`}`,
        );
    }
  }

  #signed({ method, bucket, key = '', query = {}, body = Buffer.alloc(0) }: S3Request): {
    url: URL;
    headers: Record<string, string>;
  } {
    const { endpoint, pathStyle, region, keys } = this.#server;
    const url = new URL(endpoint);
    if (!pathStyle) url.hostname = `${bucket}.${url.hostname}`;
    url.pathname = `${pathStyle ? `/${bucket}` : ''}/${key.split('/').map(encode).join('/')}`;
    const words = Object.entries(query)
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join('&');
    url.search = words;
    if (keys === undefined) return { url, headers: {} };
    const time = new Date().toISOString().replaceAll(/[:-]|\.\d{3}/g, '');
    const date = time.slice(0, 8);
    const digest = createHash('sha256').update(body).digest('hex');
    const headers: Record<string, string> = {
      host: url.host,
      'x-amz-content-sha256': digest,
      'x-amz-date': time,
      ...(keys.token !== undefined && { 'x-amz-security-token': keys.token }),
    };
    const names = Object.keys(headers).sort();
    const canonical = [
      method,
      url.pathname,
      words,
      ...names.map((name) => `${name}:${headers[name]}`),
      '',
      names.join(';'),
      digest,
    ].join('\n');
    const scope = `${date}/${region}/s3/aws4_request`;
    const toSign = [
      'AWS4-HMAC-SHA256',
      time,
      scope,
      createHash('sha256').update(canonical).digest('hex'),
    ].join('\n');
    const signingKey = ['s3', 'aws4_request'].reduce(
      (sofar, part) => hmac(sofar, part),
      hmac(hmac(`AWS4${keys.secret}`, date), region),
    );
    const signature = createHmac('sha256', signingKey).update(toSign).digest('hex');
    const { host: _, ...sent } = headers;
    return {
      url,
      headers: {
        ...sent,
        authorization: `AWS4-HMAC-SHA256 Credential=${keys.id}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
      },
    };
  }
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function encode(part: string): string {
  return encodeURIComponent(part).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
