import { isDeepStrictEqual } from 'node:util';
import type { KubeClient, ResourceRef } from './client.ts';
import type { KubeObject } from './object.ts';
import { unlessGone } from './status.ts';

/** Writes a status if it says something new. What it does not say any more goes; an object that is gone needs none. */
export async function writeStatus<T extends KubeObject & { status?: object }>(
  client: KubeClient,
  resource: ResourceRef,
  object: T,
  status: NonNullable<T['status']>,
): Promise<void> {
  if (isDeepStrictEqual(object.status, status)) return;
  const { namespace = '', name = '' } = object.metadata;
  // A merge leaves what it is not told of.
  const patch = {
    ...Object.fromEntries(Object.keys(object.status ?? {}).map((key) => [key, null])),
    ...status,
  };
  await unlessGone(
    client.patch(resource, { namespace, name }, 'merge', { status: patch }, { subresource: 'status' }),
  );
}
