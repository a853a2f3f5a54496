import type { Catalog } from '../catalog.ts';
import { apiVersionOf, type Resource } from '../kinds/index.ts';

/** What clients read first: which groups, versions and resources there are. */
export interface ResourceEntry {
  name: string;
  singularName: string;
  namespaced: boolean;
  kind: string;
  verbs: readonly string[];
  shortNames?: readonly string[];
  categories?: readonly string[];
  group?: string;
  version?: string;
}

interface SubresourceRow {
  name: string;
  kind: string;
  group?: string;
  version?: string;
  verbs: string[];
}

const UPDATE_VERBS = ['get', 'patch', 'update'];
const CONNECT_VERBS = ['create', 'get'];
const PROXY_VERBS = ['create', 'delete', 'get', 'patch', 'update'];

/** Kinds and verbs of subresources that are not simply parts of their object. */
const SUBRESOURCES: Record<string, Omit<SubresourceRow, 'name'>> = {
  'namespaces/finalize': { kind: 'Namespace', verbs: ['update'] },
  'serviceaccounts/token': {
    kind: 'TokenRequest',
    group: 'authentication.k8s.io',
    version: 'v1',
    verbs: ['create'],
  },
  'pods/log': { kind: 'Pod', verbs: ['get'] },
  'pods/exec': { kind: 'PodExecOptions', verbs: CONNECT_VERBS },
  'pods/attach': { kind: 'PodAttachOptions', verbs: CONNECT_VERBS },
  'pods/portforward': { kind: 'PodPortForwardOptions', verbs: CONNECT_VERBS },
  'pods/proxy': { kind: 'PodProxyOptions', verbs: PROXY_VERBS },
  'pods/eviction': { kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
  'pods/binding': { kind: 'Binding', verbs: ['create'] },
  'pods/ephemeralcontainers': { kind: 'Pod', verbs: UPDATE_VERBS },
  'pods/resize': { kind: 'Pod', verbs: UPDATE_VERBS },
  'services/proxy': { kind: 'ServiceProxyOptions', verbs: PROXY_VERBS },
  'nodes/proxy': { kind: 'NodeProxyOptions', verbs: PROXY_VERBS },
};

export function subresourcesOf(resource: Resource): SubresourceRow[] {
  const rows: SubresourceRow[] = [];
  for (const name of resource.subresources) {
    const row = SUBRESOURCES[`${resource.plural}/${name}`];
    if (row !== undefined) rows.push({ name, ...row });
  }
  if (resource.hasStatus) rows.push({ name: 'status', kind: resource.kind, verbs: UPDATE_VERBS });
  if (resource.scale !== undefined)
    rows.push({ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: UPDATE_VERBS });
  return rows;
}

export function apiVersions(address: string): unknown {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }],
  };
}

/** Groups in the order in which clients shall prefer them. */
function groupsOf(catalog: Catalog, remote: ReadonlyMap<string, string[]>): [string, string[]][] {
  const merged = new Map(catalog.groups());
  merged.delete('');
  for (const [group, versions] of remote)
    merged.set(group, [...new Set([...(merged.get(group) ?? []), ...versions])]);
  const rank = (group: string): number =>
    group === 'apps' ? 0 : !group.includes('.') ? 1 : group.endsWith('.k8s.io') ? 2 : 3;
  return [...merged].sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function groupEntry(name: string, versions: readonly string[]): Record<string, unknown> {
  const rows = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: rows, preferredVersion: rows[0] };
}

export function groupList(catalog: Catalog, remote: ReadonlyMap<string, string[]>): unknown {
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: groupsOf(catalog, remote).map(([name, versions]) => groupEntry(name, versions)),
  };
}

export function groupDocument(
  catalog: Catalog,
  remote: ReadonlyMap<string, string[]>,
  name: string,
): unknown {
  const found = groupsOf(catalog, remote).find(([group]) => group === name);
  return found && { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(...found) };
}

export function resourceList(catalog: Catalog, group: string, version: string): unknown {
  const resources = catalog
    .all()
    .filter((resource) => resource.group === group && resource.version === version);
  if (resources.length === 0) return undefined;
  const entries: ResourceEntry[] = [];
  for (const resource of resources) {
    const { plural, singular, namespaced, kind, verbs, shortNames, categories } = resource;
    entries.push({
      name: plural,
      singularName: singular,
      namespaced,
      kind,
      verbs,
      ...(shortNames.length > 0 && { shortNames }),
      ...(categories.length > 0 && { categories }),
    });
    for (const row of subresourcesOf(resource)) {
      entries.push({
        name: `${plural}/${row.name}`,
        singularName: '',
        namespaced,
        kind: row.kind,
        verbs: row.verbs,
        ...(row.group !== undefined && { group: row.group, version: row.version ?? '' }),
      });
    }
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, version }),
    resources: entries,
  };
}

/** The aggregated form: everything of `/api` or `/apis` in one document. */
export function aggregated(
  catalog: Catalog,
  root: 'api' | 'apis',
  version: 'v2' | 'v2beta1',
  remote: readonly unknown[],
): unknown {
  const groups =
    root === 'api'
      ? [['', catalog.groups().get('') ?? []] as [string, string[]]]
      : groupsOf(catalog, new Map());
  const items = groups.map(([name, versions]) => ({
    metadata: { ...(name !== '' && { name }), creationTimestamp: null },
    versions: versions.map((item) => ({
      version: item,
      resources: aggregatedResources(catalog, name, item),
      freshness: 'Current',
    })),
  }));
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: root === 'apis' ? [...items, ...remote] : items,
  };
}

function aggregatedResources(catalog: Catalog, group: string, version: string): unknown[] {
  const resources = catalog
    .all()
    .filter((resource) => resource.group === group && resource.version === version);
  return resources
    .sort((a, b) => (a.plural < b.plural ? -1 : 1))
    .map((resource) => {
      const subresources = subresourcesOf(resource).map((row) => ({
        subresource: row.name,
        responseKind: { group: row.group ?? group, version: row.version ?? version, kind: row.kind },
        verbs: row.verbs,
      }));
      return {
        resource: resource.plural,
        responseKind: { group, version, kind: resource.kind },
        scope: resource.namespaced ? 'Namespaced' : 'Cluster',
        singularResource: resource.singular,
        verbs: resource.verbs,
        ...(resource.shortNames.length > 0 && { shortNames: resource.shortNames }),
        ...(resource.categories.length > 0 && { categories: resource.categories }),
        ...(subresources.length > 0 && { subresources }),
      };
    });
}
