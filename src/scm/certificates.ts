import { CONFIG_MAPS, type KubeClient, type KubeObject, unlessGone } from '../kube/index.ts';

/** Where certificates are kept by which servers are known: a key for each host. */
export const TLS_CERTIFICATES = 'argocd-tls-certs-cm';
const SHARED_NAMESPACE = 'dispatch-system';

/** The certificates that a server of repositories is known by, besides those that everybody trusts. */
export async function certificateFor(
  client: KubeClient,
  namespace: string,
  url: string,
): Promise<string | undefined> {
  if (!url.startsWith('https:') || !URL.canParse(url)) return undefined;
  const { host, hostname } = new URL(url);
  for (const place of new Set([namespace, SHARED_NAMESPACE])) {
    const known = await unlessGone(
      client.get<KubeObject & { data?: Record<string, string> }>(CONFIG_MAPS, place, TLS_CERTIFICATES),
    );
    // A colon cannot be part of a key.
    const found = known?.data?.[host.replace(':', '_')] ?? known?.data?.[hostname];
    if (found !== undefined) return found;
  }
  return undefined;
}
