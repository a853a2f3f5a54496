import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { importPKCS8, SignJWT } from 'jose';
import { createPrivateKey } from 'node:crypto';
import { isRecord } from '../kube/index.ts';
import { UserError } from '../server/index.ts';

/** How a server is reached and entered, as the configuration keeps it. */
export interface SavedContext {
  kubeconfig?: string;
  context?: string;
  host?: string;
  port?: number | string;
  scheme?: string;
  insecure?: boolean;
  ca?: string;
  organization?: string;
  token?: string | undefined;
  serviceaccount?: string | undefined;
  jwtprivatekey?: string | undefined;
  [other: string]: unknown;
}

export interface Contexts {
  current: string;
  contexts: Record<string, SavedContext>;
}

const SECONDS = 3600;
const EARLY_SECONDS = 60;

/** The contexts of a file; none where there is no file. A file of the oldest form is one context. */
export function readContexts(path: string): Contexts {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return { current: '', contexts: {} };
  }
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path} is no JSON: mend it, or delete it.`, { cause: error });
  }
  if (!isRecord(config)) throw new UserError(`${path} holds no contexts: mend it, or delete it.`);
  if (!isRecord(config['contexts'])) {
    if (typeof config['host'] !== 'string') return { current: '', contexts: {} };
    const name = contextName(config['host']);
    return { current: name, contexts: { [name]: config as SavedContext } };
  }
  return {
    current: String(config['current'] ?? ''),
    contexts: config['contexts'] as Record<string, SavedContext>,
  };
}

/** In the place of what was there, whole or not at all; nobody else may read it. */
export function writeContexts(path: string, contexts: Contexts): void {
  writeConfig(path, contexts);
}

export function writeConfig(path: string, config: object): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(config, undefined, 4)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

export function contextName(host: string): string {
  return host.toLowerCase().replaceAll('.', '-');
}

/** A token that the account writes for itself, for an hour. */
export async function accountToken(account: string, keyFile: string): Promise<string> {
  let pem: string;
  try {
    pem = readFileSync(keyFile, 'utf8');
  } catch (error) {
    throw new UserError(`The key ${keyFile} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
  try {
    // Keys come in two forms of PEM; the library wants the newer one.
    const key = await importPKCS8(
      createPrivateKey(pem).export({ type: 'pkcs8', format: 'pem' }).toString(),
      'RS256',
    );
    const now = Math.floor(Date.now() / 1000);
    return await new SignJWT()
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
      .setIssuer(account)
      .setIssuedAt(now - EARLY_SECONDS)
      .setExpirationTime(now - EARLY_SECONDS + SECONDS)
      .sign(key);
  } catch (error) {
    throw new UserError(`${keyFile} is no RSA key: give the private key of the account as PEM.`, {
      cause: error,
    });
  }
}
