import { createHash, createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Keys {
  id: string;
  secret: string;
  token: string | undefined;
  endpoint: URL;
  region: string;
  /** Buckets in the path, as every server but Amazon's own has them. */
  pathStyle: boolean;
}

const TIMEOUT_MS = 300_000;
const TRIES = 3;

/** A bucket of any server that speaks S3, with requests signed as Amazon's version 4 asks. */
export class S3Bucket {
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #keys: Keys;
  readonly #fetch: typeof fetch;

  constructor(bucket: string, prefix: string, parts: { keys: Keys; fetch: typeof fetch }) {
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#keys = parts.keys;
    this.#fetch = parts.fetch;
  }

  /** Undefined where no keys for a bucket are given: then files of this machine are the storage. */
  static from(
    { location, env }: { location: string | undefined; env: Readonly<Record<string, string>> },
    send: typeof fetch,
  ): S3Bucket | undefined {
    const found = /^s3:\/\/([a-z0-9.-]+)\/?(.*)$/.exec(location ?? '');
    const keys = keysFrom(env);
    if (found === null || keys === undefined) return undefined;
    return new S3Bucket(found[1]!, found[2]!.replace(/\/$/, ''), { keys, fetch: send });
  }

  async upload(
    name: string,
    directory: string,
    files: readonly { path: string }[],
    signal: AbortSignal,
  ): Promise<void> {
    for (const { path } of files) {
      const key = [this.#prefix, name, path].filter((part) => part !== '').join('/');
      await this.#put(key, await readFile(join(directory, path)), signal);
    }
  }

  async #put(key: string, body: Buffer, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const { url, headers } = this.#signed('PUT', key, body);
      const response = await this.#fetch(url, {
        method: 'PUT',
        headers,
        body: new Uint8Array(body),
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      const text = await response.text();
      if (response.ok) return;
      if (response.status < 500 || attempt >= TRIES)
        throw new Error(
          `the storage ${url.host} refused ${key}: ${/<Message>([^<]*)</.exec(text)?.[1] ?? `it answered ${response.status}`}`,
        );
    }
  }

  #signed(method: string, key: string, body: Buffer): { url: URL; headers: Record<string, string> } {
    const { endpoint, pathStyle, region, id, secret, token } = this.#keys;
    const path = key.split('/').map(encode).join('/');
    const url = new URL(endpoint);
    if (!pathStyle) url.hostname = `${this.#bucket}.${url.hostname}`;
    url.pathname = `${pathStyle ? `/${this.#bucket}` : ''}/${path}`;
    const time = new Date().toISOString().replaceAll(/[:-]|\.\d{3}/g, '');
    const date = time.slice(0, 8);
    const digest = createHash('sha256').update(body).digest('hex');
    const headers: Record<string, string> = {
      host: url.host,
      'x-amz-content-sha256': digest,
      'x-amz-date': time,
      ...(token !== undefined && { 'x-amz-security-token': token }),
    };
    const names = Object.keys(headers).sort();
    const canonical = [
      method,
      url.pathname,
      '',
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
      (key2, part) => hmac(key2, part),
      hmac(hmac(`AWS4${secret}`, date), region),
    );
    const signature = createHmac('sha256', signingKey).update(toSign).digest('hex');
    const { host: _, ...sent } = headers;
    return {
      url,
      headers: {
        ...sent,
        authorization: `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
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

/** Keys of the environment: those of Amazon's tools, or a configuration of boto. */
function keysFrom(env: Readonly<Record<string, string>>): Keys | undefined {
  const boto = botoConfig(env['BOTO_CONFIG'] ?? '');
  const id = env['AWS_ACCESS_KEY_ID'] ?? boto['aws_access_key_id'];
  const secret = env['AWS_SECRET_ACCESS_KEY'] ?? boto['aws_secret_access_key'];
  if (!id || !secret) return undefined;
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? boto['region'] ?? 'us-east-1';
  const host = boto['s3_host'] ?? boto['host'];
  const port = boto['s3_port'];
  const plain = boto['is_secure']?.toLowerCase() === 'false';
  const given =
    env['AWS_ENDPOINT_URL_S3'] ??
    env['AWS_ENDPOINT_URL'] ??
    (host === undefined
      ? undefined
      : `${plain ? 'http' : 'https'}://${host}${port === undefined ? '' : `:${port}`}`);
  return {
    id,
    secret,
    token: env['AWS_SESSION_TOKEN'],
    region,
    endpoint: new URL(given ?? `https://s3.${region}.amazonaws.com`),
    pathStyle: given !== undefined,
  };
}

function botoConfig(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split('\n').flatMap((line): [string, string][] => {
      const found = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line);
      return found === null ? [] : [[found[1]!.toLowerCase(), found[2]!]];
    }),
  );
}
