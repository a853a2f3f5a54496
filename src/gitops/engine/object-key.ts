import type { KubeObject } from '../../kube/index.ts';
import type { DesiredObject } from '../../render/index.ts';

export interface ObjectKey {
  group: string;
  version: string;
  kind: string;
  /** '' for objects of the cluster. */
  namespace: string;
  name: string;
}

export function keyOfObject({ apiVersion, kind, metadata }: KubeObject | DesiredObject): ObjectKey {
  const at = apiVersion.lastIndexOf('/');
  return {
    group: at < 0 ? '' : apiVersion.slice(0, at),
    version: apiVersion.slice(at + 1),
    kind,
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? metadata.generateName ?? '',
  };
}

/** The same for every version of a kind. */
export function textOfKey({ group, kind, namespace, name }: Omit<ObjectKey, 'version'>): string {
  return `${group}/${kind}:${namespace}/${name}`;
}

/** As people read it: "apps/Deployment shop/web". */
export function showKey({ group, kind, namespace, name }: Omit<ObjectKey, 'version'>): string {
  return `${group === '' ? '' : `${group}/`}${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}
