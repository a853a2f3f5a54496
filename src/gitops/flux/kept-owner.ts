import type { Informer, ResourceRef } from '../../kube/index.ts';
import { projectOf, refusalOf } from '../applications/project.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { Ownership } from '../engine/desired.ts';
import type { ObjectKey } from '../engine/object-key.ts';
import { fluxMark } from '../engine/owner.ts';
import { type AppProject, IN_CLUSTER } from '../resources.ts';
import type { Kept } from './resources.ts';

export function ownerIdOf({ group }: ResourceRef, { metadata }: Kept): string {
  return `${group}/${metadata.namespace}_${metadata.name}`;
}

export function ownershipOf({ group }: ResourceRef, { metadata, spec }: Kept): Ownership {
  const { namespace = '', name = '' } = metadata;
  return { mark: fluxMark(group, namespace, name), namespace: spec.targetNamespace ?? namespace };
}

/** Why something may not be put on a cluster. Where it acts as an account, the cluster itself says so. */
export function refusalFor(
  kept: Kept,
  projects: Informer<AppProject>,
  { server, name }: Cluster,
): (key: ObjectKey) => string | undefined {
  if (kept.spec.serviceAccountName !== undefined) return () => undefined;
  const rules = projectOf(asApplication(kept), projects);
  const isShared = kept.spec.kubeConfig === undefined;
  return (key) => refusalOf(rules, key, { server, name, isShared });
}

/** The rules of projects are made for applications: this is one, as far as they look. */
function asApplication({ apiVersion, kind, metadata, spec }: Kept): Parameters<typeof projectOf>[0] {
  const namespace = spec.targetNamespace ?? metadata.namespace ?? '';
  return {
    apiVersion,
    kind,
    metadata,
    spec: { project: 'default', destination: { server: IN_CLUSTER, namespace } },
  };
}
