import { ApiError, isRecord } from '../../kube/index.ts';
import { at, listAt, textAt } from '../kinds/index.ts';
import { objectKey, parseEntry } from '../registry/index.ts';
import type { Store } from '../store/index.ts';
import type { Plugin } from './chain.ts';

const BUILTIN_PRIORITIES: Record<string, number> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
};

/** A pod's priority is the number that its class stands for. */
export function priority(store: Store): Plugin {
  return {
    collections: ['/pods'],
    mutate: ({ operation, object, name }) => {
      const spec = object?.['spec'];
      if (operation !== 'CREATE' || !isRecord(spec)) return;
      const className = textAt(spec, 'priorityClassName') ?? defaultClass(store);
      if (className === undefined) {
        spec['priority'] = 0;
        spec['preemptionPolicy'] ??= 'PreemptLowerPriority';
        return;
      }
      const entry = store.latest('scheduling.k8s.io/priorityclasses', objectKey('', className));
      const value = entry === undefined ? BUILTIN_PRIORITIES[className] : at(parseEntry(entry), 'value');
      if (value === undefined) {
        throw new ApiError(
          'Forbidden',
          `pods ${JSON.stringify(name)} is forbidden: no PriorityClass with name ${className} was found`,
          { name, kind: 'pods' },
        );
      }
      spec['priorityClassName'] = className;
      spec['priority'] = value;
      spec['preemptionPolicy'] ??=
        entry === undefined
          ? 'PreemptLowerPriority'
          : (at(parseEntry(entry), 'preemptionPolicy') ?? 'PreemptLowerPriority');
    },
  };
}

function defaultClass(store: Store): string | undefined {
  for (const entry of store.shelf('scheduling.k8s.io/priorityclasses').live.range('')) {
    const found = parseEntry(entry);
    if (found['globalDefault'] === true) return found.metadata.name;
  }
  return undefined;
}

const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';

/** A claim that names no storage class gets the default one. */
export function storageClass(store: Store): Plugin {
  return {
    collections: ['/persistentvolumeclaims'],
    mutate: ({ operation, object }) => {
      const spec = object?.['spec'];
      if (operation !== 'CREATE' || !isRecord(spec) || spec['storageClassName'] !== undefined) return;
      const classes = [...store.shelf('storage.k8s.io/storageclasses').live.range('')].map(parseEntry);
      const found = classes.find((item) => item.metadata.annotations?.[DEFAULT_CLASS] === 'true');
      if (found !== undefined) spec['storageClassName'] = found.metadata.name;
    },
  };
}

/** NoExecute taints for unready and unreachable nodes are tolerated for a while. */
export function tolerations(): Plugin {
  const keys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
  return {
    collections: ['/pods'],
    mutate: ({ operation, object }) => {
      const spec = object?.['spec'];
      if (operation !== 'CREATE' || !isRecord(spec)) return;
      const own = listAt(spec, 'tolerations');
      const missing = keys.filter(
        (key) =>
          !own.some(
            (item) => (at(item, 'key') ?? key) === key && (at(item, 'effect') ?? 'NoExecute') === 'NoExecute',
          ),
      );
      const added = missing.map((key) => ({
        key,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 300,
      }));
      if (added.length > 0) spec['tolerations'] = [...own, ...added];
    },
  };
}
