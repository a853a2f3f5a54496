import { at, listAt, textAt } from './kinds/index.ts';
import { objectKey, parseEntry } from './registry/index.ts';
import type { Store } from './store/index.ts';

/** Finds an address of a service that this process can connect to: one of its ready endpoints. */
export function serviceResolver(store: Store) {
  return (namespace: string, name: string, port: number): { host: string; port: number } | undefined => {
    const entry = store.get('/services', objectKey(namespace, name));
    if (entry === undefined) return undefined;
    const service = parseEntry(entry);
    if (textAt(service, 'spec.type') === 'ExternalName')
      return { host: textAt(service, 'spec.externalName') ?? '', port };
    const wanted = listAt(service, 'spec.ports').find((item) => at(item, 'port') === port);
    if (wanted === undefined) return undefined;
    for (const item of store.shelf('discovery.k8s.io/endpointslices').live.range(`${namespace}/`)) {
      const slice = parseEntry(item);
      if (slice.metadata.labels?.['kubernetes.io/service-name'] !== name) continue;
      const target = listAt(slice, 'ports').find(
        (candidate) => (textAt(candidate, 'name') ?? '') === (textAt(wanted, 'name') ?? ''),
      );
      const ready = listAt(slice, 'endpoints').find((endpoint) => at(endpoint, 'conditions.ready') !== false);
      const host = listAt(ready, 'addresses')[0];
      if (target !== undefined && typeof host === 'string') return { host, port: Number(at(target, 'port')) };
    }
    return undefined;
  };
}
