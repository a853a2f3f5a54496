import { Agent, type Dispatcher, request } from 'undici';
import type { Credential, Keychain } from './credentials.ts';

export interface RegistrySettings {
  /** Other places that have the images of a registry: "docker.io" → URLs, asked first. */
  mirrors: Readonly<Record<string, readonly string[]>>;
  /** Registries besides those on this machine that may be spoken to without TLS, or with any certificate. */
  insecure: readonly string[];
  /** Nothing leaves this machine. */
  offline?: boolean;
}

export class RegistryError extends Error {
  readonly status: number;

  constructor(message: string, status: number, cause?: unknown) {
    super(message, { cause });
    this.name = 'RegistryError';
    this.status = status;
  }
}

type Response = Dispatcher.ResponseData;

interface Call {
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  headers?: Record<string, string>;
  body?: Dispatcher.DispatchOptions['body'];
  signal?: AbortSignal | undefined;
  /** What of the repository the call needs. */
  actions: 'pull' | 'pull,push';
}

const HOSTS: Record<string, string> = { 'docker.io': 'registry-1.docker.io' };
const MAX_REDIRECTS = 5;
const MAX_ERROR_BYTES = 64 * 1024;
const HEADERS_TIMEOUT_MS = 30_000;

/** Speaks with registries, one repository at a time, and lets no credential go to a host it is not for. */
export class RegistryClient {
  readonly #settings: RegistrySettings;
  readonly #agent = new Agent({ headersTimeout: HEADERS_TIMEOUT_MS, connect: { timeout: 10_000 } });
  readonly #careless = new Agent({
    headersTimeout: HEADERS_TIMEOUT_MS,
    connect: { rejectUnauthorized: false },
  });
  readonly #tokens = new Map<string, string>();

  constructor(settings: RegistrySettings) {
    this.#settings = settings;
  }

  async close(): Promise<void> {
    await Promise.all([this.#agent.close(), this.#careless.close()]);
  }

  /** Base addresses in the order in which they are asked: mirrors, then the registry itself. */
  bases(host: string): string[] {
    const mirrors = this.#settings.mirrors[host] ?? [];
    const own = HOSTS[host] ?? host;
    const schemes = isLoopback(own) || this.#settings.insecure.includes(own) ? ['https', 'http'] : ['https'];
    const all = [
      ...mirrors.map((url) => url.replace(/\/+$/, '')),
      ...schemes.map((scheme) => `${scheme}://${own}`),
    ];
    return this.#settings.offline ? all.filter((base) => isLoopback(new URL(base).host)) : all;
  }

  /** A call below /v2/ of the repository. An answer of 400 or more is an error, but for 404 to HEAD. */
  async call(
    base: string,
    repository: string,
    path: string,
    keychain: Keychain,
    call: Call,
  ): Promise<Response> {
    const url = path.startsWith('http') ? path : `${base}/v2/${repository}/${path}`;
    const key = `${base} ${repository} ${call.actions}`;
    const first = await this.#send(url, call, this.#tokens.get(key));
    if (first.statusCode !== 401) return this.#checked(first, url);
    await first.body.dump();
    const challenge = first.headers['www-authenticate'];
    const credential = keychain.find(hostOf(base), repository);
    const authorization = await this.#authorize(String(challenge ?? ''), {
      base,
      repository,
      credential,
      call,
    });
    if (authorization === undefined)
      throw new RegistryError(
        `${hostOf(base)} wants credentials for ${repository}, and there are none.`,
        401,
      );
    this.#tokens.set(key, authorization);
    return this.#checked(await this.#send(url, call, authorization), url);
  }

  async #authorize(
    challenge: string,
    {
      base,
      repository,
      credential,
      call,
    }: { base: string; repository: string; credential: Credential | undefined; call: Call },
  ): Promise<string | undefined> {
    if (/^basic/i.test(challenge)) return credential && basic(credential);
    if (!/^bearer/i.test(challenge)) return undefined;
    const fields = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1], match[2]]),
    );
    const realm = URL.parse(fields['realm'] ?? '');
    if (realm === null) return undefined;
    // Without TLS the password goes to a server of this machine only, and only for a registry of this machine.
    const bothHere = isLoopback(realm.host) && isLoopback(new URL(base).host);
    if (realm.protocol !== 'https:' && !bothHere && !this.#settings.insecure.includes(realm.host))
      throw new RegistryError(
        `${hostOf(base)} wants credentials to be sent to ${realm.host} without TLS.`,
        401,
      );
    if (fields['service']) realm.searchParams.set('service', fields['service']);
    realm.searchParams.set('scope', fields['scope'] ?? `repository:${repository}:${call.actions}`);
    const response = await request(realm, {
      dispatcher: this.#dispatcher(realm.host),
      headers: credential === undefined ? {} : { authorization: basic(credential) },
      signal: call.signal ?? null,
    });
    if (response.statusCode !== 200) {
      await response.body.dump();
      throw new RegistryError(`${realm.host} refuses access to ${repository} (${response.statusCode}).`, 401);
    }
    const { token, access_token: accessToken } = (await response.body.json()) as {
      token?: string;
      access_token?: string;
    };
    const value = token ?? accessToken;
    return value === undefined ? undefined : `Bearer ${value}`;
  }

  async #send(url: string, call: Call, authorization: string | undefined): Promise<Response> {
    let target = new URL(url);
    let credentials = authorization;
    for (let hops = 0; ; hops += 1) {
      const response = await request(target, {
        method: call.method ?? 'GET',
        dispatcher: this.#dispatcher(target.host),
        headers: {
          'user-agent': 'dispatch',
          ...call.headers,
          ...(credentials && { authorization: credentials }),
        },
        body: call.body ?? null,
        signal: call.signal ?? null,
      });
      const location = response.headers['location'];
      if (![301, 302, 303, 307, 308].includes(response.statusCode) || typeof location !== 'string')
        return response;
      await response.body.dump();
      if (hops >= MAX_REDIRECTS) throw new RegistryError(`${target.host} redirects in circles.`, 502);
      const next = new URL(location, target);
      if (next.host !== target.host) credentials = undefined;
      if (next.protocol !== 'https:' && target.protocol === 'https:')
        throw new RegistryError(`${target.host} redirects to ${next.host} without TLS.`, 502);
      target = next;
    }
  }

  #dispatcher(host: string): Agent {
    return this.#settings.insecure.includes(host) ? this.#careless : this.#agent;
  }

  async #checked(response: Response, url: string): Promise<Response> {
    if (response.statusCode < 400) return response;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_ERROR_BYTES) break;
      chunks.push(chunk);
    }
    throw new RegistryError(
      `${new URL(url).host} answered ${response.statusCode}${reasonIn(Buffer.concat(chunks).toString())}.`,
      response.statusCode,
    );
  }
}

function reasonIn(text: string): string {
  try {
    const [error] = (JSON.parse(text) as { errors?: { code?: string; message?: string }[] }).errors ?? [];
    return error === undefined ? '' : ` (${[error.code, error.message].filter((item) => item).join(': ')})`;
  } catch {
    return '';
  }
}

function basic({ username, password }: Credential): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function hostOf(base: string): string {
  const { host } = new URL(base);
  return host === 'registry-1.docker.io' ? 'docker.io' : host;
}

export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return name === 'localhost' || name === '::1' || /^127(?:\.\d{1,3}){3}$/.test(name);
}
