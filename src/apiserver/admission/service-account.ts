import { ApiError, isRecord } from '../../kube/index.ts';
import { at, listAt, textAt } from '../kinds/index.ts';
import { nameSuffix, objectKey, parseEntry } from '../registry/index.ts';
import type { Store } from '../store/index.ts';
import type { Plugin } from './chain.ts';

const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const TOKEN_SECONDS = 3607;

/** Gives every pod the identity of a service account, and its token as files. */
export function serviceAccount(store: Store): Plugin {
  return {
    collections: ['/pods'],
    mutate: ({ operation, object, namespace, name }) => {
      const spec = object?.['spec'];
      if (operation !== 'CREATE' || !isRecord(spec)) return;
      const account =
        typeof spec['serviceAccountName'] === 'string' && spec['serviceAccountName'] !== ''
          ? spec['serviceAccountName']
          : 'default';
      spec['serviceAccountName'] = account;
      spec['serviceAccount'] = account;
      const entry = store.latest('/serviceaccounts', objectKey(namespace, account));
      if (entry === undefined) {
        throw new ApiError(
          'Forbidden',
          `pods ${JSON.stringify(name)} is forbidden: error looking up service account ${namespace}/${account}: serviceaccount ${JSON.stringify(account)} not found`,
          { name, kind: 'pods' },
        );
      }
      const found = parseEntry(entry);
      const pullSecrets = listAt(found, 'imagePullSecrets');
      if (listAt(spec, 'imagePullSecrets').length === 0 && pullSecrets.length > 0)
        spec['imagePullSecrets'] = pullSecrets;
      if ((at(spec, 'automountServiceAccountToken') ?? at(found, 'automountServiceAccountToken')) !== false)
        mountToken(spec);
    },
  };
}

function mountToken(spec: Record<string, unknown>): void {
  const containers = [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')].filter(isRecord);
  const without = containers.filter(
    (container) =>
      !listAt(container, 'volumeMounts').some((mount) => textAt(mount, 'mountPath') === MOUNT_PATH),
  );
  if (without.length === 0) return;
  const volume = `kube-api-access-${nameSuffix()}`;
  for (const container of without) {
    container['volumeMounts'] = [
      ...listAt(container, 'volumeMounts'),
      { name: volume, readOnly: true, mountPath: MOUNT_PATH },
    ];
  }
  const sources = [
    { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    {
      downwardAPI: {
        items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
      },
    },
  ];
  spec['volumes'] = [...listAt(spec, 'volumes'), { name: volume, projected: { sources, defaultMode: 420 } }];
}
