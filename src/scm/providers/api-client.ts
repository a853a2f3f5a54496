import { ScmError } from './types.ts';

export interface ApiClientOptions {
  base: URL;
  headers: Readonly<Record<string, string>>;
  fetch: typeof fetch;
}

const TIMEOUT_MS = 20_000;
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_PAGES = 50;
const MAX_TRIES = 3;
const MAX_PAUSE_MS = 60_000;
const PAUSE_MS = 250;
const MAX_KNOWN = 500;

/** Speaks JSON to one provider. Redirects are not followed: credentials go to the host that they are for, and no other. */
export class ApiClient {
  readonly #options: ApiClientOptions;
  /** What was answered before, so that it need not be sent again while it is the same. */
  readonly #known = new Map<string, { tag: string; text: string }>();

  constructor(options: ApiClientOptions) {
    this.#options = options;
  }

  async call<T>(method: string, path: string, body?: object): Promise<T> {
    return (await this.#send<T>(method, this.#url(path), body)).value;
  }

  /** What may not be there. */
  async find<T>(path: string): Promise<T | undefined> {
    try {
      return await this.call<T>('GET', path);
    } catch (error) {
      if (error instanceof ScmError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Every page of a list: the next one is named by the answer. */
  async all<T>(
    path: string,
    pageOf: (value: unknown) => { items: T[]; next?: string | undefined },
  ): Promise<T[]> {
    const items: T[] = [];
    let url: URL | undefined = this.#url(path);
    for (let page = 0; url !== undefined && page < MAX_PAGES; page += 1) {
      const { value, next }: { value: unknown; next: string | undefined } = await this.#send<unknown>(
        'GET',
        url,
      );
      const found = pageOf(value);
      items.push(...found.items);
      const following: string | undefined = found.next ?? next;
      url = following === undefined ? undefined : new URL(following, url);
      if (url !== undefined && url.host !== this.#options.base.host)
        throw new ScmError(`${this.#options.base.host} names another host for its next page`, 502);
    }
    return items;
  }

  #url(path: string): URL {
    const url = new URL(this.#options.base);
    const [pathname = '', search = ''] = path.split('?');
    url.pathname = `${url.pathname.replace(/\/$/, '')}${pathname}`;
    url.search = search;
    return url;
  }

  /** Waits and asks again where the provider says so, or where it is not well and asking twice does no harm. */
  async #send<T>(method: string, url: URL, body?: object): Promise<{ value: T; next: string | undefined }> {
    for (let tries = 1; ; tries += 1) {
      const response = await this.#once(method, url, body);
      const waitMs = tries < MAX_TRIES ? pauseBefore(method, response, tries) : undefined;
      if (waitMs === undefined) return this.#read<T>(method, url, response);
      await response.body?.cancel();
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  async #once(method: string, url: URL, body?: object): Promise<Response> {
    const { headers, fetch: send } = this.#options;
    const known = method === 'GET' ? this.#known.get(url.href) : undefined;
    try {
      return await send(url, {
        method,
        headers: {
          accept: 'application/json',
          'user-agent': 'dispatch',
          ...(body && { 'content-type': 'application/json' }),
          ...(known && { 'if-none-match': known.tag }),
          ...headers,
        },
        ...(body && { body: JSON.stringify(body) }),
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (error) {
      throw new ScmError(
        `${url.host} does not answer: ${((error as Error).cause as Error | undefined)?.message ?? (error as Error).message}`,
        503,
      );
    }
  }

  async #read<T>(
    method: string,
    url: URL,
    response: Response,
  ): Promise<{ value: T; next: string | undefined }> {
    const isKnown = response.status === 304 && this.#known.has(url.href);
    const text = isKnown ? this.#known.get(url.href)!.text : await limitedText(response);
    if (!response.ok && !isKnown)
      throw new ScmError(`${url.host} answered ${response.status}${messageIn(text)}`, response.status);
    const tag = response.headers.get('etag');
    if (method === 'GET' && tag !== null && response.ok) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(url.href, { tag, text });
    }
    const next = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
    return { value: (text === '' ? undefined : JSON.parse(text)) as T, next };
  }
}

/** How long to wait before the same is asked again; undefined where the answer stands. */
function pauseBefore(method: string, { status, headers }: Response, tries: number): number | undefined {
  const isLimited = status === 429 || (status === 403 && headers.get('x-ratelimit-remaining') === '0');
  if (isLimited || status === 503) {
    const after = Number(headers.get('retry-after') ?? Number.NaN) * 1000;
    const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN) * 1000 - Date.now();
    const told = Number.isNaN(after) ? reset : after;
    if (!Number.isNaN(told)) return told <= MAX_PAUSE_MS ? Math.max(told, 0) : undefined;
  }
  const isHarmless = method === 'GET' || method === 'PUT' || method === 'DELETE';
  return isHarmless && (status >= 500 || status === 429) ? PAUSE_MS * 2 ** tries : undefined;
}

async function limitedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new ScmError('the answer is too large', 502);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function messageIn(text: string): string {
  try {
    const body = JSON.parse(text) as {
      message?: unknown;
      error?: { message?: unknown } | string;
      errors?: { message?: unknown }[];
    };
    const found =
      body.message ??
      (typeof body.error === 'object' ? body.error.message : body.error) ??
      body.errors?.[0]?.message;
    return typeof found === 'string' ? `: ${found.slice(0, 200)}` : '';
  } catch {
    return '';
  }
}

export function basic(username: string, secret: string): string {
  return `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`;
}
