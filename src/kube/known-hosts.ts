import type { KubeClient } from './client.ts';
import type { KubeObject } from './object.ts';
import { CONFIG_MAPS } from './resources.ts';
import { unlessGone } from './status.ts';

/** Where the SSH keys of servers are kept: one text with a line for each. */
export const SSH_KNOWN_HOSTS = 'argocd-ssh-known-hosts-cm';
export const KNOWN_HOSTS_KEY = 'ssh_known_hosts';
const SHARED_NAMESPACE = 'dispatch-system';

/** Servers that somebody has vouched for, in a namespace and everywhere. */
export async function knownHosts(client: KubeClient, namespace: string): Promise<string> {
  const texts = await Promise.all(
    [...new Set([namespace, SHARED_NAMESPACE])].map((place) =>
      unlessGone(
        client.get<KubeObject & { data?: Record<string, string> }>(CONFIG_MAPS, place, SSH_KNOWN_HOSTS),
      ),
    ),
  );
  return texts.map((item) => item?.data?.[KNOWN_HOSTS_KEY] ?? '').join('\n');
}
