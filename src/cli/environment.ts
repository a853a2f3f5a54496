import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import {
  type ClusterAccess,
  HttpTransport,
  inClusterAccess,
  KubeClient,
  loadKubeconfig,
} from '../kube/index.ts';
import { accountToken, type Contexts, readContexts, type SavedContext } from './contexts.ts';
import { dataDir, runningServer, type ServerFile, UserError } from '../server/index.ts';

/** What the command line reads from the outside world, in one place. */
export interface Environment {
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  stdin: NodeJS.ReadableStream;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
}

export interface GlobalFlags {
  namespace?: string;
  context?: string;
  kubeconfig?: string;
  output?: string;
  dryRun?: boolean;
  verbose?: boolean;
  dataDir?: string;
  config?: string;
  organization?: string;
  host?: string;
  port?: string;
  scheme?: string;
  insecure?: boolean;
  token?: string;
  serviceAccount?: string;
  jwtPrivateKey?: string;
}

/** How to get in, as every command takes it. Some have options of that name that mean something else. */
export class CredentialOption extends Option {}

const CREDENTIALS = ['token', 'serviceAccount', 'jwtPrivateKey'] as const;

export function globalFlags(command: Command): GlobalFlags {
  const flags = { ...command.optsWithGlobals<GlobalFlags>() };
  for (const key of CREDENTIALS) {
    const option = command.options.find((item) => item.attributeName() === key);
    // A token for somebody else must never be sent to the server.
    if (!(option instanceof CredentialOption)) delete flags[key];
  }
  return flags;
}

export function dataRoot(environment: Environment, flags: GlobalFlags): string {
  return resolve(flags.dataDir ?? environment.env['DISPATCH_HOME'] ?? join(homedir(), '.dispatch'));
}

export function packageVersion(): string {
  const path = fileURLToPath(new URL('../../package.json', import.meta.url));
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

interface Target {
  access: ClusterAccess;
  /** The kubeconfig that leads there, where there is one. */
  kubeconfig: string | undefined;
  context: string | undefined;
}

/** The namespace of a command: an organisation of old is one too. */
export function namespaceOf(environment: Environment, flags: GlobalFlags): string {
  const { env } = environment;
  const said =
    flags.namespace ?? flags.organization ?? env['DISPATCH_NAMESPACE'] ?? env['DISPATCH_ORGANIZATION'];
  if (said !== undefined && said !== '') return said;
  return savedContext(configPath(environment, flags), flags.context)?.organization || 'default';
}

/** Where the contexts are: `--config`, $DISPATCH_CONFIG, or beside the data. */
export function configPath(environment: Environment, flags: GlobalFlags): string {
  const path = flags.config ?? environment.env['DISPATCH_CONFIG'];
  return path === undefined
    ? join(dataRoot(environment, flags), 'config.json')
    : resolve(environment.cwd, path);
}

/**
 * Which cluster a command means: flags, then DISPATCH_* variables, then the current context of
 * ~/.dispatch/config.json, then a running embedded server, then KUBECONFIG and ~/.kube/config.
 */
export async function findCluster(environment: Environment, flags: GlobalFlags): Promise<Target> {
  const target = (await hostTarget(environment, flags)) ?? (await clusterOf(environment, flags));
  const own = ownAuthorization(environment, flags);
  if (own === undefined) return target;
  const { cert: _, key: __, ...access } = target.access;
  return { access: { ...access, authorization: own }, kubeconfig: undefined, context: undefined };
}

async function clusterOf(environment: Environment, flags: GlobalFlags): Promise<Target> {
  const { env } = environment;
  const context = flags.context ?? env['DISPATCH_CONTEXT'];
  const explicit = flags.kubeconfig ?? env['DISPATCH_KUBECONFIG'];
  if (explicit !== undefined) return fromKubeconfig(explicit, context);
  const saved = savedContext(configPath(environment, flags), context);
  if (saved?.kubeconfig !== undefined) return fromKubeconfig(saved.kubeconfig, saved.context);
  if (saved?.host !== undefined) return atHost(saved);
  if (context === undefined) {
    const server = await runningServer(dataDir(dataRoot(environment, flags)).serverFile);
    if (server !== undefined) return fromKubeconfig(server.kubeconfig, undefined);
    const inCluster = env['KUBECONFIG'] === undefined ? inClusterAccess(env) : undefined;
    if (inCluster !== undefined) return { access: inCluster, kubeconfig: undefined, context: undefined };
  }
  return fromKubeconfig(userKubeconfig(env), context);
}

/** Where people have their clusters. */
export function userKubeconfig(env: Environment['env']): string {
  return env['KUBECONFIG']?.split(':')[0] ?? join(homedir(), '.kube', 'config');
}

function fromKubeconfig(path: string, context: string | undefined): Target {
  return {
    access: loadKubeconfig({ path, allowExec: true, ...(context !== undefined && { context }) }),
    kubeconfig: path,
    context,
  };
}

/** A context of ~/.dispatch/config.json. */
function savedContext(path: string, wanted: string | undefined): SavedContext | undefined {
  let contexts: Contexts;
  try {
    contexts = readContexts(path);
  } catch {
    return undefined;
  }
  return contexts.contexts[wanted ?? contexts.current];
}

/** A server that is named by its host: by flags, or by variables that say how to get in as well. */
async function hostTarget({ env }: Environment, flags: GlobalFlags): Promise<Target | undefined> {
  const says = env['DISPATCH_TOKEN'] ?? env['DISPATCH_SERVICE_ACCOUNT'] ?? env['DISPATCH_PORT'];
  const host = flags.host ?? (says === undefined ? undefined : env['DISPATCH_HOST']);
  if (host === undefined) return undefined;
  return atHost({
    host,
    port: flags.port ?? env['DISPATCH_PORT'] ?? 443,
    scheme: flags.scheme ?? env['DISPATCH_SCHEME'] ?? 'https',
    insecure: flags.insecure ?? env['DISPATCH_INSECURE'] === 'true',
  });
}

function atHost(context: SavedContext): Target {
  const { host = 'localhost', port = 443, scheme = 'https', insecure, ca } = context;
  const authorization = authorizationOf(context);
  return {
    access: {
      server: `${scheme}://${host}:${port}`,
      ...(insecure && { insecureSkipTlsVerify: true }),
      ...(ca !== undefined && { ca }),
      ...(authorization !== undefined && { authorization }),
    },
    kubeconfig: undefined,
    context: undefined,
  };
}

/** A token, or a key to write tokens with, from flags and variables. */
function ownAuthorization({ env }: Environment, flags: GlobalFlags): ClusterAccess['authorization'] {
  return authorizationOf({
    token: flags.token ?? env['DISPATCH_TOKEN'],
    serviceaccount: flags.serviceAccount ?? env['DISPATCH_SERVICE_ACCOUNT'],
    jwtprivatekey: flags.jwtPrivateKey ?? env['DISPATCH_JWT_PRIVATE_KEY'],
  });
}

function authorizationOf(
  context: Pick<SavedContext, 'token' | 'serviceaccount' | 'jwtprivatekey'>,
): ClusterAccess['authorization'] {
  const { token, serviceaccount, jwtprivatekey } = context;
  if (token) return async () => `Bearer ${token}`;
  if (!serviceaccount || !jwtprivatekey) return undefined;
  return async () => `Bearer ${await accountToken(serviceaccount, jwtprivatekey)}`;
}

export async function connect(environment: Environment, flags: GlobalFlags): Promise<KubeClient> {
  const { access } = await findCluster(environment, flags);
  return new KubeClient(new HttpTransport(access));
}

export async function requireServer(environment: Environment, flags: GlobalFlags): Promise<ServerFile> {
  const root = dataRoot(environment, flags);
  const server = await runningServer(dataDir(root).serverFile);
  if (server === undefined) throw new UserError(`No server runs on ${root}: start one with "dispatch up".`);
  return server;
}
