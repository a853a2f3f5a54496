import { ApiError } from '../../kube/index.ts';
import { qualified } from '../kinds/index.ts';
import { notFound, parseEntry } from '../registry/index.ts';
import type { Store } from '../store/index.ts';
import type { Plugin } from './chain.ts';

const IMMORTAL = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease']);

/** Objects live in namespaces that exist and are not on their way out. */
export function namespaceLifecycle(store: Store): Plugin {
  const active = new Set<string>();
  // Only durable namespaces count, and what is known is forgotten with every change.
  store.shelf('/namespaces').listeners.add(() => active.clear());
  return {
    validate: ({ operation, resource, namespace, name }) => {
      if (operation === 'DELETE' && resource.collection === '/namespaces' && IMMORTAL.has(name)) {
        throw new ApiError(
          'Forbidden',
          `namespaces ${JSON.stringify(name)} is forbidden: this namespace may not be deleted`,
          { name, kind: 'namespaces' },
        );
      }
      if (operation !== 'CREATE' || !resource.namespaced || active.has(namespace)) return;
      const entry = store.latest('/namespaces', `/${namespace}`);
      if (entry === undefined) throw notFound({ group: '', plural: 'namespaces' }, namespace);
      if (parseEntry(entry).metadata.deletionTimestamp !== undefined) {
        throw new ApiError(
          'Forbidden',
          `${qualified(resource)} ${JSON.stringify(name)} is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
          {
            name,
            kind: resource.plural,
            causes: [
              {
                reason: 'NamespaceTerminating',
                message: `namespace ${namespace} is being terminated`,
                field: 'metadata.namespace',
              },
            ],
          },
        );
      }
      active.add(namespace);
    },
  };
}
