import type { KubeClient } from '../kube/index.ts';
import { isAllowed } from './access-review.ts';

interface Review {
  status?: {
    authenticated?: boolean;
    user?: { username: string; uid?: string; groups?: string[] };
  };
}

export interface Asked {
  verb: string;
  resource: string;
  namespace?: string;
  name?: string;
}

export type Verdict = 'yes' | 'no' | 'who';

const CACHE_MS = 10_000;
const REFUSAL_MS = 1_000;
const MAX_CACHED = 1_000;
const GROUP = 'run.dispatch.dev';

/** Who may do what outside of the API: the tokens are those of the API, and so are the rights. */
export class TokenAccess {
  readonly #client: KubeClient;
  readonly #now: () => number;
  readonly #cache = new Map<string, { verdict: Verdict; until: number }>();

  constructor(client: KubeClient, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  /** `also` may allow what no rule does, by the name of the user. */
  async may(
    header: string | undefined,
    asked: Asked,
    also: (username: string) => boolean = () => false,
  ): Promise<Verdict> {
    const token = tokenOf(header);
    if (token === undefined) return 'who';
    const key = `${token} ${asked.verb} ${asked.resource} ${asked.namespace ?? ''}/${asked.name ?? ''}`;
    const known = this.#cache.get(key);
    if (known !== undefined && known.until > this.#now()) return known.verdict;
    const verdict = await this.#decide(token, asked, also);
    if (this.#cache.size >= MAX_CACHED) this.#cache.clear();
    // A right that is given has to be felt soon.
    this.#cache.set(key, { verdict, until: this.#now() + (verdict === 'yes' ? CACHE_MS : REFUSAL_MS) });
    return verdict;
  }

  async #decide(token: string, asked: Asked, also: (username: string) => boolean): Promise<Verdict> {
    const review = await this.#client.raw<Review>({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      headers: { 'content-type': 'application/json' },
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } },
    });
    const user = review.status?.user;
    if (review.status?.authenticated !== true || user === undefined) return 'who';
    const isGiven = await isAllowed(this.#client, user, { group: GROUP, ...asked });
    return isGiven || also(user.username) ? 'yes' : 'no';
  }
}

function tokenOf(header: string | undefined): string | undefined {
  const bearer = /^Bearer\s+(\S+)$/i.exec(header ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const basic = /^Basic\s+(\S+)$/i.exec(header ?? '')?.[1];
  if (basic === undefined) return undefined;
  const text = Buffer.from(basic, 'base64').toString();
  return text.slice(text.indexOf(':') + 1) || undefined;
}
