import { isDeepStrictEqual } from 'node:util';
import { type KubeClient, type KubeObject, type ResourceRef, unlessGone } from '../../kube/index.ts';
import type { PhaseStatus } from '../resources.ts';

/** Writes a status if it says something new; what it does not say any more goes. */
export async function commitStatus<T extends KubeObject & { status?: PhaseStatus }>(
  client: KubeClient,
  resource: ResourceRef,
  object: T,
  status: NonNullable<T['status']>,
): Promise<void> {
  if (isDeepStrictEqual(object.status, status)) return;
  const { namespace = '', name = '' } = object.metadata;
  const patch = {
    ...Object.fromEntries(Object.keys(object.status ?? {}).map((key) => [key, null])),
    ...status,
  };
  await unlessGone(
    client.patch(resource, { namespace, name }, 'merge', { status: patch }, { subresource: 'status' }),
  );
}
