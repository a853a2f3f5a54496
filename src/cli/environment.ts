import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import {
  type ClusterAccess,
  HttpTransport,
  inClusterAccess,
  isRecord,
  KubeClient,
  loadKubeconfig,
} from '../kube/index.ts';
import { dataDir, runningServer, type ServerFile, UserError } from '../server/index.ts';

/** What the command line reads from the outside world, in one place. */
export interface Environment {
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
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
}

export function globalFlags(command: Command): GlobalFlags {
  return command.optsWithGlobals<GlobalFlags>();
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

/**
 * Which cluster a command means: flags, then DISPATCH_* variables, then the current context of
 * ~/.dispatch/config.json, then a running embedded server, then KUBECONFIG and ~/.kube/config.
 */
export async function findCluster(environment: Environment, flags: GlobalFlags): Promise<Target> {
  const { env } = environment;
  const context = flags.context ?? env['DISPATCH_CONTEXT'];
  const explicit = flags.kubeconfig ?? env['DISPATCH_KUBECONFIG'];
  if (explicit !== undefined) return fromKubeconfig(explicit, context);
  const saved = savedContext(dataRoot(environment, flags), context);
  if (saved !== undefined) return fromKubeconfig(saved.kubeconfig, saved.context);
  if (context === undefined) {
    const server = await runningServer(dataDir(dataRoot(environment, flags)).serverFile);
    if (server !== undefined) return fromKubeconfig(server.kubeconfig, undefined);
    const inCluster = env['KUBECONFIG'] === undefined ? inClusterAccess(env) : undefined;
    if (inCluster !== undefined) return { access: inCluster, kubeconfig: undefined, context: undefined };
  }
  return fromKubeconfig(env['KUBECONFIG']?.split(':')[0] ?? join(homedir(), '.kube', 'config'), context);
}

function fromKubeconfig(path: string, context: string | undefined): Target {
  return {
    access: loadKubeconfig({ path, allowExec: true, ...(context !== undefined && { context }) }),
    kubeconfig: path,
    context,
  };
}

/** A context of ~/.dispatch/config.json that names a kubeconfig. */
function savedContext(
  root: string,
  wanted: string | undefined,
): { kubeconfig: string; context: string | undefined } | undefined {
  let config: unknown;
  try {
    config = JSON.parse(readFileSync(join(root, 'config.json'), 'utf8'));
  } catch {
    return undefined;
  }
  const contexts = isRecord(config) && isRecord(config['contexts']) ? config['contexts'] : {};
  const found = contexts[wanted ?? String(isRecord(config) ? (config['current'] ?? '') : '')];
  if (!isRecord(found) || typeof found['kubeconfig'] !== 'string') return undefined;
  return {
    kubeconfig: found['kubeconfig'],
    context: typeof found['context'] === 'string' ? found['context'] : undefined,
  };
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
