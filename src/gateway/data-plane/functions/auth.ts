import { createHash, timingSafeEqual } from 'node:crypto';
import {
  createLocalJWKSet,
  importJWK,
  importSPKI,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose';
import type { EndpointAuth } from '../../functions/protocol.ts';
import { headerOf, type Request } from '../proxy.ts';

export interface Caller {
  /** "basic", "key", "jwt" */
  type: string;
  user?: string;
  claims?: JWTPayload;
}

export interface Refusal {
  status: number;
  message: string;
  challenge?: string;
}

type Verdict = { caller: Caller | undefined } | { refusal: Refusal };

/** What a key of that kind may sign with: a public key must never be taken for a secret. */
const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const CURVES = ['ES256', 'ES384', 'ES512', 'EdDSA'];
const SHARED = ['HS256', 'HS384', 'HS512'];

export async function authenticate(auth: EndpointAuth, request: Request, query: string): Promise<Verdict> {
  switch (auth.type) {
    case 'public':
      return { caller: undefined };
    case 'closed':
      return { refusal: { status: 503, message: auth.why } };
    case 'basic': {
      const text = /^Basic\s+(\S+)$/i.exec(headerOf(request, 'authorization') ?? '')?.[1];
      const pair = text === undefined ? undefined : Buffer.from(text, 'base64').toString();
      if (pair !== undefined && isOneOf(auth.digests, pair))
        return { caller: { type: 'basic', user: pair.slice(0, pair.indexOf(':')) } };
      return denied('A user and a password are needed.', 'Basic realm="function", charset="UTF-8"');
    }
    case 'key': {
      const key =
        headerOf(request, 'x-api-key') ??
        bearerOf(request) ??
        new URLSearchParams(query.slice(1)).get('apikey') ??
        undefined;
      if (key !== undefined && isOneOf(auth.digests, key)) return { caller: { type: 'key' } };
      return denied('A key is needed, in the header x-api-key.', 'Bearer');
    }
    case 'jwt': {
      const token = bearerOf(request);
      if (token === undefined) return denied('A token is needed.', 'Bearer');
      try {
        const claims = await verify(auth, token);
        return { caller: { type: 'jwt', claims, ...(claims.sub !== undefined && { user: claims.sub }) } };
      } catch {
        return denied('The token is not valid.', 'Bearer error="invalid_token"');
      }
    }
  }
}

async function verify(auth: Extract<EndpointAuth, { type: 'jwt' }>, token: string): Promise<JWTPayload> {
  const options: JWTVerifyOptions = {
    ...(auth.issuer !== undefined && { issuer: auth.issuer }),
    ...(auth.audience !== undefined && { audience: auth.audience }),
    clockTolerance: 30,
  };
  if (auth.jwks !== undefined) {
    const keys = createLocalJWKSet(JSON.parse(auth.jwks) as JSONWebKeySet);
    return (await jwtVerify(token, keys, { ...options, algorithms: [...RSA, ...CURVES] })).payload;
  }
  if (auth.secret !== undefined) {
    const key = await importJWK({ kty: 'oct', k: Buffer.from(auth.secret).toString('base64url') });
    return (await jwtVerify(token, key, { ...options, algorithms: SHARED })).payload;
  }
  const { alg } = JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { alg: string };
  if (![...RSA, ...CURVES].includes(alg)) throw new Error('another kind of key');
  const key = await importSPKI(auth.pem ?? '', alg);
  return (await jwtVerify(token, key, { ...options, algorithms: [alg] })).payload;
}

function bearerOf(request: Request): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(headerOf(request, 'authorization') ?? '')?.[1];
}

function denied(message: string, challenge: string): Verdict {
  return { refusal: { status: 401, message, challenge } };
}

/** All are compared, and each takes the same time: how long it takes tells nothing. */
function isOneOf(digests: readonly string[], text: string): boolean {
  const digest = createHash('sha256').update(text).digest();
  let found = false;
  for (const item of digests) {
    const known = Buffer.from(item, 'hex');
    if (known.length === digest.length && timingSafeEqual(known, digest)) found = true;
  }
  return found;
}
