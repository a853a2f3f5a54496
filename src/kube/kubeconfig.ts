import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { isRecord } from './object.ts';

/** How to reach one cluster as one user. */
export interface ClusterAccess {
  server: string;
  namespace?: string;
  ca?: string;
  cert?: string;
  key?: string;
  insecureSkipTlsVerify?: boolean;
  tlsServerName?: string;
  /** The Authorization header, fetched anew when it may have run out. */
  authorization?: () => Promise<string | undefined>;
}

/** The file is missing, or does not say how to reach a cluster. */
export class KubeconfigError extends Error {
  override readonly name = 'KubeconfigError';
}

type Fields = Record<string, unknown>;

const ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';
const EXEC_TIMEOUT_MS = 60_000;

export interface LoadOptions {
  path: string;
  context?: string;
  /** Whether programs named in the file may run. Never for files that come from somebody else. */
  allowExec: boolean;
  /** Whether files of this machine that it names are read. Never for files that come from somebody else. */
  allowFiles?: boolean;
}

export function loadKubeconfig(options: LoadOptions): ClusterAccess {
  const { path } = options;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new KubeconfigError(
      `The kubeconfig ${path} cannot be read: check the path, or start a server with "dispatch up".`,
      { cause },
    );
  }
  return parseKubeconfig(text, { ...options, path });
}

export function parseKubeconfig(text: string, options: LoadOptions): ClusterAccess {
  const config: unknown = parse(text);
  if (!isRecord(config)) throw new KubeconfigError(`${options.path} is not a kubeconfig.`);
  const contextName = options.context ?? String(config['current-context'] ?? '');
  const context = named(config, 'contexts', contextName, 'context', options.path);
  const cluster = named(config, 'clusters', String(context['cluster']), 'cluster', options.path);
  const user = named(config, 'users', String(context['user']), 'user', options.path);
  const base = dirname(resolve(options.path));
  if (options.allowFiles === false) refuseFiles(options.path, cluster, user);
  const ca = material(cluster, 'certificate-authority', base);
  const cert = material(user, 'client-certificate', base);
  const key = material(user, 'client-key', base);
  const authorization = authorizationOf(user, base, options);
  return {
    server: String(cluster['server']),
    ...(typeof context['namespace'] === 'string' && { namespace: context['namespace'] }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(cluster['insecure-skip-tls-verify'] === true && { insecureSkipTlsVerify: true }),
    ...(typeof cluster['tls-server-name'] === 'string' && { tlsServerName: cluster['tls-server-name'] }),
    ...(authorization && { authorization }),
  };
}

/** The account that a pod runs as. */
export function inClusterAccess(
  environment: Readonly<Record<string, string | undefined>>,
  dir = ACCOUNT_DIR,
): ClusterAccess | undefined {
  const host = environment['KUBERNETES_SERVICE_HOST'];
  const port = environment['KUBERNETES_SERVICE_PORT'];
  if (host === undefined || port === undefined || !existsSync(`${dir}/token`)) return undefined;
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    namespace: readFileSync(`${dir}/namespace`, 'utf8').trim(),
    ca: readFileSync(`${dir}/ca.crt`, 'utf8'),
    // Tokens are rotated in place: the file is read for every call.
    authorization: async () => `Bearer ${readFileSync(`${dir}/token`, 'utf8').trim()}`,
  };
}

function refuseFiles(path: string, ...holders: readonly Fields[]): void {
  const files = ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile'];
  const found = holders.flatMap((holder) => files.filter((name) => holder[name] !== undefined))[0];
  if (found !== undefined)
    throw new KubeconfigError(
      `${path} names a file of this machine (${found}), which is not read: put what it holds into the kubeconfig.`,
    );
}

function named(config: Fields, list: string, name: string, field: string, path: string): Fields {
  const items = Array.isArray(config[list]) ? config[list] : [];
  const found = items.find((item): item is Fields => isRecord(item) && item['name'] === name);
  const value = found?.[field];
  if (!isRecord(value))
    throw new KubeconfigError(
      `${path} has no ${field} ${JSON.stringify(name)}: choose another with --context.`,
    );
  return value;
}

function material(holder: Fields, name: string, base: string): string | undefined {
  const data = holder[`${name}-data`];
  if (typeof data === 'string' && data !== '') return Buffer.from(data, 'base64').toString();
  const file = holder[name];
  return typeof file === 'string' && file !== '' ? readFileSync(resolve(base, file), 'utf8') : undefined;
}

function authorizationOf(
  user: Fields,
  base: string,
  options: LoadOptions,
): (() => Promise<string | undefined>) | undefined {
  const { token, tokenFile, username, password, exec } = user;
  if (typeof token === 'string') return async () => `Bearer ${token}`;
  if (typeof tokenFile === 'string')
    return async () => `Bearer ${readFileSync(resolve(base, tokenFile), 'utf8').trim()}`;
  if (typeof username === 'string')
    return async () => `Basic ${Buffer.from(`${username}:${String(password ?? '')}`).toString('base64')}`;
  if (!isRecord(exec) && !isRecord(user['auth-provider'])) return undefined;
  if (!options.allowExec || !isRecord(exec)) {
    throw new KubeconfigError(
      `${options.path} wants to run a program to log in, which is not allowed here: use a kubeconfig with a token or a certificate.`,
    );
  }
  return execCredential(exec);
}

/** A credential plugin: a program of the user's own that prints a token. */
function execCredential(exec: Fields): () => Promise<string | undefined> {
  let known: { token: string; expires: number } | undefined;
  return async () => {
    if (known !== undefined && known.expires > Date.now() + 10_000) return `Bearer ${known.token}`;
    const env = Array.isArray(exec['env'])
      ? exec['env'].filter(isRecord).map((item) => [String(item['name']), String(item['value'])] as const)
      : [];
    const info = JSON.stringify({
      apiVersion: exec['apiVersion'] ?? 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      spec: { interactive: false },
    });
    const { stdout } = await promisify(execFile)(
      String(exec['command']),
      (Array.isArray(exec['args']) ? exec['args'] : []).map(String),
      {
        timeout: EXEC_TIMEOUT_MS,
        env: { ...process.env, ...Object.fromEntries(env), KUBERNETES_EXEC_INFO: info },
      },
    );
    const answer = JSON.parse(stdout) as { status?: { token?: string; expirationTimestamp?: string } };
    const token = answer.status?.token;
    if (token === undefined) return undefined;
    const expires = answer.status?.expirationTimestamp;
    known = { token, expires: expires === undefined ? Number.POSITIVE_INFINITY : Date.parse(expires) };
    return `Bearer ${token}`;
  };
}
