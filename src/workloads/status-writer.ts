import { isApiError, type KubeClient, type KubeObject, type ResourceRef } from '../kube/index.ts';
import { stableText } from './names.ts';

/** Writes a status if it says something new. An object that is gone needs none. */
export async function writeStatus(
  client: KubeClient,
  resource: ResourceRef,
  object: KubeObject,
  status: object,
): Promise<void> {
  const before = (object['status'] as object | undefined) ?? {};
  if (stableText({ ...before, ...status }) === stableText(before)) return;
  const { namespace = '', name = '' } = object.metadata;
  try {
    await client.patch(resource, { namespace, name }, 'merge', { status }, { subresource: 'status' });
  } catch (error) {
    if (!isApiError(error, 'NotFound')) throw error;
  }
}

/** What is gone already need not be deleted. */
export async function deleteIfThere(
  client: KubeClient,
  resource: ResourceRef,
  object: KubeObject,
): Promise<void> {
  const { namespace = '', name = '', uid } = object.metadata;
  try {
    await client.delete(resource, namespace, name, uid === undefined ? {} : { uid });
  } catch (error) {
    if (!isApiError(error, 'NotFound') && !isApiError(error, 'Conflict')) throw error;
  }
}
