import { readFile } from 'node:fs/promises';
import type { Pod } from '../../kube/index.ts';
import { hostnameOf } from './environment.ts';

export interface DnsSettings {
  /** The name server of the cluster. */
  server: string;
  domain: string;
}

const MARK = '# Made by the node agent: changes are lost with the pod.';
const HOST_RESOLV = '/etc/resolv.conf';

export function hostsFile(pod: Pod, ip: string): string {
  const lines = [MARK, '127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback'];
  const { hostname, subdomain } = pod.spec;
  const name = hostname ?? hostnameOf(pod);
  const full =
    subdomain === undefined ? undefined : `${name}.${subdomain}.${pod.metadata.namespace}.svc.cluster.local`;
  lines.push(`${ip}\t${full === undefined ? '' : `${full}\t`}${name}`);
  for (const alias of pod.spec.hostAliases ?? [])
    lines.push(`${alias.ip}\t${(alias.hostnames ?? []).join('\t')}`);
  return `${lines.join('\n')}\n`;
}

/** What name servers the pod asks, by its policy. */
export async function resolvFile(pod: Pod, dns: DnsSettings): Promise<string> {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst';
  const config = pod.spec.dnsConfig ?? {};
  const inCluster = policy === 'ClusterFirst' && pod.spec.hostNetwork !== true;
  const settings =
    policy === 'None'
      ? { servers: [], searches: [], options: [] }
      : inCluster
        ? clusterSettings(pod.metadata.namespace ?? 'default', dns)
        : await hostSettings();
  const servers = [...new Set([...settings.servers, ...(config.nameservers ?? [])])];
  const searches = [...new Set([...settings.searches, ...(config.searches ?? [])])];
  const options = new Map(settings.options.map((option) => [option.split(':')[0]!, option]));
  for (const { name, value } of config.options ?? [])
    options.set(name, value === undefined ? name : `${name}:${value}`);
  const lines = servers.map((server) => `nameserver ${server}`);
  if (searches.length > 0) lines.unshift(`search ${searches.join(' ')}`);
  if (options.size > 0) lines.push(`options ${[...options.values()].join(' ')}`);
  return `${lines.join('\n')}\n`;
}

interface Settings {
  servers: string[];
  searches: string[];
  options: string[];
}

function clusterSettings(namespace: string, { server, domain }: DnsSettings): Settings {
  return {
    servers: [server],
    searches: [`${namespace}.svc.${domain}`, `svc.${domain}`, domain],
    options: ['ndots:5'],
  };
}

async function hostSettings(): Promise<Settings> {
  const text = await readFile(HOST_RESOLV, 'utf8').catch(() => '');
  const words = text.split('\n').map((line) => line.trim().split(/\s+/));
  return {
    servers: words.filter(([key]) => key === 'nameserver').map(([, value = '']) => value),
    searches: words.findLast(([key]) => key === 'search')?.slice(1) ?? [],
    options: words.filter(([key]) => key === 'options').flatMap((line) => line.slice(1)),
  };
}
