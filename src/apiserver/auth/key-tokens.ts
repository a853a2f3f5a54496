import { createPublicKey, type KeyObject } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';

/** Where a service account keeps the public key of those who speak for it. */
const PUBLIC_KEY = 'dispatch.dev/public-key';
const ALGORITHMS = ['RS256', 'RS384', 'RS512'];
const DEFAULT_NAMESPACE = 'default';
const MAX_SECONDS = 3600;
const CLOCK_SECONDS = 60;
const ISSUER = /^(?:([a-z0-9]([-a-z0-9]*[a-z0-9])?)\/)?([a-z0-9]([-a-z0-9.]*[a-z0-9])?)$/;

export interface KeyedAccount {
  uid: string;
  annotations: Readonly<Record<string, string>>;
}

/**
 * Tokens that the holder of a private key writes for itself, for an hour at most: "iss" names the account, as
 * "namespace/account" or in the first namespace. They are good as long as the account has that key.
 */
export async function keyTokenUser(
  token: string,
  find: (namespace: string, name: string) => KeyedAccount | undefined,
  now: number,
): Promise<{ namespace: string; name: string; uid: string } | undefined> {
  try {
    const { alg } = decodeProtectedHeader(token);
    const { iss = '' } = decodeJwt(token);
    const match = ISSUER.exec(iss);
    if (match === null || alg === undefined || !ALGORITHMS.includes(alg)) return undefined;
    const [namespace, name] = [match[1] ?? DEFAULT_NAMESPACE, match[3]!];
    const account = find(namespace, name);
    const key = account && publicKeyOf(account.annotations[PUBLIC_KEY]);
    if (account === undefined || key === undefined) return undefined;
    const { payload } = await jwtVerify(token, key, {
      issuer: iss,
      algorithms: ALGORITHMS,
      currentDate: new Date(now),
      clockTolerance: CLOCK_SECONDS,
      requiredClaims: ['exp', 'iat'],
    });
    const isShort = payload.exp! - payload.iat! <= MAX_SECONDS + 2 * CLOCK_SECONDS;
    return isShort ? { namespace, name, uid: account.uid } : undefined;
  } catch {
    return undefined;
  }
}

/** PEM, or that in base64 as it was sent of old. Only RSA: another kind of key would sign in another way. */
function publicKeyOf(text: string | undefined): KeyObject | undefined {
  if (text === undefined) return undefined;
  const pem = text.includes('-----BEGIN') ? text : Buffer.from(text, 'base64').toString();
  const key = createPublicKey(pem);
  return key.asymmetricKeyType === 'rsa' ? key : undefined;
}
