import { ScmError } from './types.ts';

export interface ApiClientOptions {
  base: URL;
  headers: Readonly<Record<string, string>>;
  fetch: typeof fetch;
}

const TIMEOUT_MS = 20_000;
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_PAGES = 50;

/** Speaks JSON to one provider. Redirects are not followed: credentials go to the host that they are for, and no other. */
export class ApiClient {
  readonly #options: ApiClientOptions;

  constructor(options: ApiClientOptions) {
    this.#options = options;
  }

  async call<T>(method: string, path: string, body?: object): Promise<T> {
    return (await this.#send<T>(method, this.#url(path), body)).value;
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

  async #send<T>(method: string, url: URL, body?: object): Promise<{ value: T; next: string | undefined }> {
    const { headers, fetch: send } = this.#options;
    let response: Response;
    try {
      response = await send(url, {
        method,
        headers: {
          accept: 'application/json',
          'user-agent': 'dispatch',
          ...(body && { 'content-type': 'application/json' }),
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
    const text = await limitedText(response);
    if (!response.ok)
      throw new ScmError(`${url.host} answered ${response.status}${messageIn(text)}`, response.status);
    const next = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
    return { value: (text === '' ? undefined : JSON.parse(text)) as T, next };
  }
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
