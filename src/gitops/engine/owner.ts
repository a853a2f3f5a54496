import type { KubeObject } from '../../kube/index.ts';
import { NOTES } from '../resources.ts';
import { type ObjectKey, textOfKey } from './object-key.ts';

export const FLUX_GROUP = 'kustomize.toolkit.fluxcd.io';
export const FLUX_HELM_GROUP = 'helm.toolkit.fluxcd.io';

/** Who an object belongs to: the name by which its owner is known here. Undefined for what belongs to nobody. */
export function ownerOf({ metadata, apiVersion, kind }: KubeObject): string | undefined {
  const tracking = metadata.annotations?.[NOTES.tracking];
  if (tracking !== undefined) {
    const at = tracking.indexOf(':');
    const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.lastIndexOf('/')) : '';
    // A controller that copies the annotations of an object to another does not give that away as well.
    const own = textOfKey({ group, kind, namespace: metadata.namespace ?? '', name: metadata.name ?? '' });
    return at > 0 && tracking.slice(at + 1) === own ? `app/${tracking.slice(0, at)}` : undefined;
  }
  for (const group of [FLUX_GROUP, FLUX_HELM_GROUP]) {
    const [name, namespace] = [metadata.labels?.[`${group}/name`], metadata.labels?.[`${group}/namespace`]];
    if (name !== undefined && namespace !== undefined) return `${group}/${namespace}_${name}`;
  }
  return undefined;
}

export function applicationOwner(namespace: string, name: string): string {
  return `app/${namespace}_${name}`;
}

/** How objects of an application are marked. */
export function applicationMark(
  namespace: string,
  name: string,
): (key: ObjectKey) => { annotations: Record<string, string> } {
  return (key) => ({ annotations: { [NOTES.tracking]: `${namespace}_${name}:${textOfKey(key)}` } });
}

/** How objects of a Kustomization or HelmRelease are marked. */
export function fluxMark(
  group: string,
  namespace: string,
  name: string,
): () => { labels: Record<string, string> } {
  return () => ({ labels: { [`${group}/name`]: name, [`${group}/namespace`]: namespace } });
}
