import { createHash } from 'node:crypto';
import { Agent, request } from 'undici';
import { ApiError, readLimited } from '../../kube/index.ts';
import { at, textAt } from '../kinds/index.ts';

const MAX_ANSWER = 3 * 1024 * 1024;
const MAX_AGENTS = 100;

export interface WebhookClientOptions {
  /** Where a service of the cluster can be reached from this process. */
  resolve: (namespace: string, name: string, port: number) => { host: string; port: number } | undefined;
}

/** Calls the webhooks of admission and conversion: HTTPS only, their own CA only, no redirects. */
export class WebhookClient {
  readonly #options: WebhookClientOptions;
  readonly #agents = new Map<string, Agent>();

  constructor(options: WebhookClientOptions) {
    this.#options = options;
  }

  /** Posts a review and gives the parsed answer. */
  async call(clientConfig: unknown, review: unknown, timeoutMs: number): Promise<unknown> {
    const { url, servername } = this.#target(clientConfig);
    const answer = await request(url, {
      method: 'POST',
      dispatcher: this.#agent(textAt(clientConfig, 'caBundle') ?? '', servername),
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(review),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = (await readLimited(answer.body, MAX_ANSWER))?.toString();
    if (text === undefined) throw new Error(`its answer is larger than ${MAX_ANSWER} bytes`);
    if (answer.statusCode !== 200) throw new Error(`it answered ${answer.statusCode}`);
    return JSON.parse(text);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
  }

  #target(clientConfig: unknown): { url: string; servername: string | undefined } {
    const url = textAt(clientConfig, 'url');
    if (url !== undefined) {
      if (!url.startsWith('https://'))
        throw new ApiError(
          'Invalid',
          `A webhook's url must begin with https://, not ${JSON.stringify(url)}.`,
        );
      return { url, servername: undefined };
    }
    const namespace = textAt(clientConfig, 'service.namespace') ?? '';
    const name = textAt(clientConfig, 'service.name') ?? '';
    const found = this.#options.resolve(namespace, name, Number(at(clientConfig, 'service.port') ?? 443));
    if (found === undefined) throw new Error(`no endpoints available for service "${namespace}/${name}"`);
    const path = textAt(clientConfig, 'service.path') ?? '/';
    return {
      url: `https://${found.host}:${found.port}${path.startsWith('/') ? path : `/${path}`}`,
      servername: `${name}.${namespace}.svc`,
    };
  }

  #agent(caBundle: string, servername: string | undefined): Agent {
    const key = createHash('sha256').update(`${servername}\n${caBundle}`).digest('hex');
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      const ca = Buffer.from(caBundle, 'base64').toString();
      agent = new Agent({ connect: { ...(ca !== '' && { ca }), ...(servername && { servername }) } });
      if (this.#agents.size >= MAX_AGENTS) this.#agents.clear();
      this.#agents.set(key, agent);
    }
    return agent;
  }
}
