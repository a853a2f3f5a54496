import { createHash, createPrivateKey, createPublicKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { exportJWK, jwtVerify, SignJWT } from 'jose';
import { ApiError } from '../../kube/index.ts';
import { objectKey, parseEntry, type User } from '../registry/index.ts';
import type { Store } from '../store/index.ts';
import { type KeyedAccount, keyTokenUser } from './key-tokens.ts';

export const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const MIN_SECONDS = 600;
const MAX_SECONDS = 365 * 24 * 3600;
const CACHE = 4096;

export interface TokenRequest {
  namespace: string;
  name: string;
  uid: string;
  audiences: readonly string[];
  expirationSeconds: number;
  bound?: { kind: string; name: string; uid: string };
  /** It is kept in a Secret and ends with that: the limit for tokens that are asked for does not hold. */
  isLasting?: boolean;
}

interface Claims {
  exp: number;
  audiences: readonly string[];
  namespace: string;
  name: string;
  uid: string;
  bound: { collection: string; name: string; uid: string } | undefined;
}

/** Issues and checks the tokens of service accounts. A token dies with its account and what it is bound to. */
export class ServiceAccountTokens {
  readonly #private: KeyObject;
  readonly #public: KeyObject;
  readonly #store: Store;
  readonly #now: () => number;
  /** Verified tokens: checking a signature takes longer than most requests. */
  readonly #verified = new Map<string, Claims>();

  constructor(privateKeyPem: string, store: Store, now: () => number) {
    this.#private = createPrivateKey(privateKeyPem);
    this.#public = createPublicKey(this.#private);
    this.#store = store;
    this.#now = now;
  }

  async issue(request: TokenRequest): Promise<{ token: string; expires: string }> {
    const seconds = Math.min(
      Math.max(request.expirationSeconds, MIN_SECONDS),
      request.isLasting ? Number.POSITIVE_INFINITY : MAX_SECONDS,
    );
    const issued = Math.floor(this.#now() / 1000);
    const { namespace, name, uid, bound } = request;
    const kubernetes = {
      namespace,
      serviceaccount: { name, uid },
      ...(bound && { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } }),
    };
    const token = await new SignJWT({ 'kubernetes.io': kubernetes })
      .setProtectedHeader({ alg: 'ES256', kid: await this.#keyId() })
      .setIssuer(ISSUER)
      .setSubject(`system:serviceaccount:${namespace}:${name}`)
      .setAudience(request.audiences.length > 0 ? [...request.audiences] : [ISSUER])
      .setIssuedAt(issued)
      .setNotBefore(issued)
      .setExpirationTime(issued + seconds)
      .setJti(crypto.randomUUID())
      .sign(this.#private);
    return { token, expires: `${new Date((issued + seconds) * 1000).toISOString().slice(0, 19)}Z` };
  }

  /** The account that a token stands for, or undefined when it is not (or no longer) good here. */
  async authenticate(
    token: string,
    audiences: readonly string[] = [ISSUER],
  ): Promise<{ user: User; audiences: string[] } | undefined> {
    const claims = await this.#claims(token);
    if (claims === undefined && audiences.includes(ISSUER)) return this.#byKey(token);
    if (claims === undefined || claims.exp * 1000 <= this.#now()) return undefined;
    const common = claims.audiences.filter((audience) => audiences.includes(audience));
    if (common.length === 0 || !this.#isAlive(claims)) return undefined;
    const { namespace, name, uid, bound } = claims;
    const extra =
      bound?.collection === '/pods'
        ? {
            extra: {
              'authentication.kubernetes.io/pod-name': [bound.name],
              'authentication.kubernetes.io/pod-uid': [bound.uid],
            },
          }
        : {};
    return {
      user: {
        name: `system:serviceaccount:${namespace}:${name}`,
        uid,
        groups: accountGroups(namespace),
        ...extra,
      },
      audiences: common,
    };
  }

  /** Signed with a key of the account's own. */
  async #byKey(token: string): Promise<{ user: User; audiences: string[] } | undefined> {
    const find = (namespace: string, name: string): KeyedAccount | undefined => {
      const entry = this.#store.get('/serviceaccounts', objectKey(namespace, name));
      if (entry === undefined) return undefined;
      const { uid = '', annotations = {} } = parseEntry(entry).metadata;
      return { uid, annotations };
    };
    const found = await keyTokenUser(token, find, this.#now());
    if (found === undefined) return undefined;
    const { namespace, name, uid } = found;
    const user = {
      name: `system:serviceaccount:${namespace}:${name}`,
      uid,
      groups: accountGroups(namespace),
    };
    return { user, audiences: [ISSUER] };
  }

  /** The public keys as a JSON Web Key Set. */
  async keySet(): Promise<{ keys: object[] }> {
    return {
      keys: [{ ...(await exportJWK(this.#public)), use: 'sig', alg: 'ES256', kid: await this.#keyId() }],
    };
  }

  async #keyId(): Promise<string> {
    const { x = '' } = await exportJWK(this.#public);
    return createHash('sha256').update(x).digest('base64url').slice(0, 24);
  }

  async #claims(token: string): Promise<Claims | undefined> {
    const known = this.#verified.get(token);
    if (known !== undefined) return known;
    try {
      const { payload } = await jwtVerify(token, this.#public, {
        issuer: ISSUER,
        algorithms: ['ES256'],
        currentDate: new Date(this.#now()),
      });
      const claims = readClaims(payload['kubernetes.io'], payload.exp, payload.aud);
      if (claims === undefined) return undefined;
      if (this.#verified.size >= CACHE) this.#verified.clear();
      this.#verified.set(token, claims);
      return claims;
    } catch {
      return undefined;
    }
  }

  #isAlive({ namespace, name, uid, bound }: Claims): boolean {
    const exists = (collection: string, object: string, wanted: string): boolean => {
      const entry = this.#store.get(collection, objectKey(namespace, object));
      return entry !== undefined && parseEntry(entry).metadata.uid === wanted;
    };
    return (
      exists('/serviceaccounts', name, uid) &&
      (bound === undefined || exists(bound.collection, bound.name, bound.uid))
    );
  }
}

function readClaims(
  value: unknown,
  exp: number | undefined,
  aud: string | string[] | undefined,
): Claims | undefined {
  const claims = value as
    | {
        namespace?: string;
        serviceaccount?: { name: string; uid: string };
        pod?: { name: string; uid: string };
        secret?: { name: string; uid: string };
      }
    | undefined;
  if (claims?.namespace === undefined || claims.serviceaccount === undefined || exp === undefined)
    return undefined;
  const { pod, secret } = claims;
  const bound = pod
    ? { collection: '/pods', ...pod }
    : secret
      ? { collection: '/secrets', ...secret }
      : undefined;
  return { exp, audiences: [aud ?? []].flat(), namespace: claims.namespace, ...claims.serviceaccount, bound };
}

export function accountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
}

/** The one token of the administrator's kubeconfig, compared in constant time. */
export class AdminToken {
  readonly #hash: Buffer;

  constructor(token: string) {
    if (token.length < 32) throw new ApiError('InternalError', 'The admin token is too short to be safe.');
    this.#hash = createHash('sha256').update(token).digest();
  }

  matches(candidate: string): boolean {
    return timingSafeEqual(createHash('sha256').update(candidate).digest(), this.#hash);
  }
}
