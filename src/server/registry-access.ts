import type { Access, Authorize } from '../images/index.ts';
import type { KubeClient } from '../kube/index.ts';

const CACHE_MS = 10_000;
const REFUSAL_MS = 1_000;
const MAX_CACHED = 1_000;
const GROUP = 'run.dispatch.dev';
const VERBS: Record<Access, string> = { pull: 'get', push: 'update', delete: 'delete' };

interface Review {
  status?: {
    authenticated?: boolean;
    allowed?: boolean;
    user?: { username: string; uid?: string; groups?: string[] };
  };
}

/**
 * Who may do what in the registry: the tokens are those of the API, and so are the rights. A repository
 * "team/app" belongs to the namespace "team", one without a slash to "default".
 */
export function registryAccess(client: KubeClient, now: () => number): Authorize {
  const cache = new Map<string, { verdict: 'yes' | 'no' | 'who'; until: number }>();
  return async (header, access, repository) => {
    const token = tokenOf(header);
    if (token === undefined) return 'who';
    const key = `${token} ${access} ${repository ?? ''}`;
    const known = cache.get(key);
    if (known !== undefined && known.until > now()) return known.verdict;
    const verdict = await decide(client, token, access, repository);
    if (cache.size >= MAX_CACHED) cache.clear();
    // A right that is given has to be felt soon.
    cache.set(key, { verdict, until: now() + (verdict === 'yes' ? CACHE_MS : REFUSAL_MS) });
    return verdict;
  };
}

async function decide(
  client: KubeClient,
  token: string,
  access: Access,
  repository: string | undefined,
): Promise<'yes' | 'no' | 'who'> {
  const review = await post(client, '/apis/authentication.k8s.io/v1/tokenreviews', {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token },
  });
  const user = review.status?.user;
  if (review.status?.authenticated !== true || user === undefined) return 'who';
  const { username, uid, groups } = user;
  const slash = repository?.indexOf('/') ?? -1;
  const allowed = await post(client, '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: {
      user: username,
      ...(uid && { uid }),
      groups: groups ?? [],
      resourceAttributes: {
        group: GROUP,
        resource: 'images',
        verb: repository === undefined ? 'list' : VERBS[access],
        ...(repository !== undefined && {
          namespace: slash < 0 ? 'default' : repository.slice(0, slash),
          name: repository.slice(slash + 1),
        }),
      },
    },
  });
  // Everybody who is known may ask whether the registry is there.
  return repository === undefined || allowed.status?.allowed === true ? 'yes' : 'no';
}

function post(client: KubeClient, path: string, body: object): Promise<Review> {
  return client.raw<Review>({ method: 'POST', path, headers: { 'content-type': 'application/json' }, body });
}

function tokenOf(header: string | undefined): string | undefined {
  const bearer = /^Bearer\s+(\S+)$/i.exec(header ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const basic = /^Basic\s+(\S+)$/i.exec(header ?? '')?.[1];
  if (basic === undefined) return undefined;
  const text = Buffer.from(basic, 'base64').toString();
  return text.slice(text.indexOf(':') + 1) || undefined;
}
