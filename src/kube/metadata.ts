import type { Condition, KubeObject, OwnerReference } from './object.ts';

/** A moment as objects have it: to the second. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** A reference that makes `owner` the controller of the object that carries it. */
export function controllerReference(owner: KubeObject): OwnerReference {
  const { name = '', uid = '' } = owner.metadata;
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  return (
    object.metadata.ownerReferences?.some(
      (item) => item.controller === true && item.uid === owner.metadata.uid,
    ) ?? false
  );
}

export function hasFinalizer(object: KubeObject, finalizer: string): boolean {
  return object.metadata.finalizers?.includes(finalizer) ?? false;
}

/** The finalizers with one more, or without one: the argument stays as it is. */
export function withFinalizer(object: KubeObject, finalizer: string): string[] {
  return [...new Set([...(object.metadata.finalizers ?? []), finalizer])];
}

export function withoutFinalizer(object: KubeObject, finalizer: string): string[] {
  return (object.metadata.finalizers ?? []).filter((item) => item !== finalizer);
}

/** The conditions with one set. The time of transition only moves when the status does. */
export function withCondition(
  conditions: readonly Condition[] | undefined,
  next: Omit<Condition, 'lastTransitionTime'>,
  now: number,
): Condition[] {
  const known = conditions?.find((item) => item.type === next.type);
  const time =
    known?.status === next.status && known.lastTransitionTime ? known.lastTransitionTime : timestamp(now);
  const condition: Condition = { ...next, lastTransitionTime: time };
  if (known === undefined) return [...(conditions ?? []), condition];
  return (conditions ?? []).map((item) => (item === known ? condition : item));
}

export function conditionOf(
  conditions: readonly Condition[] | undefined,
  type: string,
): Condition | undefined {
  return conditions?.find((item) => item.type === type);
}
