import type { Command } from 'commander';
import type { KubeClient } from '../../../kube/index.ts';
import { connect, type Environment, globalFlags, namespaceOf } from '../../environment.ts';

/** Works with a client of the cluster that the flags mean, in the namespace that they name. */
export async function withClient<T>(
  environment: Environment,
  command: Command,
  work: (client: KubeClient, namespace: string) => Promise<T>,
): Promise<T> {
  const flags = globalFlags(command);
  const client = await connect(environment, flags);
  try {
    return await work(client, namespaceOf(environment, flags));
  } finally {
    await client.close();
  }
}

/** How long ago, as tables say it. */
export function age(time: string | null | undefined, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(time ?? '')) / 1000));
  if (Number.isNaN(seconds)) return '';
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)}h` : `${Math.round(seconds / 86_400)}d`;
}
