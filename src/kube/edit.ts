import type { KubeClient, ResourceRef } from './client.ts';
import type { KubeObject } from './object.ts';
import { isApiError } from './status.ts';

interface Place {
  namespace: string;
  name: string;
}

const MAX_TRIES = 10;

/** Changes an object by what it says now; where somebody else was faster, by what it says after that. */
export function editObject<T extends KubeObject>(
  client: KubeClient,
  ref: ResourceRef,
  place: Place,
  patchOf: (object: T) => object,
): Promise<T> {
  return withNewest<T>(client, ref, place, (found) => {
    const { resourceVersion } = found.metadata;
    return client.patch<T>(ref, place, 'merge', { ...patchOf(found), metadata: { resourceVersion } });
  });
}

/** The same for all of it: what the new one does not say goes. */
export function replaceObject<T extends KubeObject>(
  client: KubeClient,
  ref: ResourceRef,
  place: Place,
  next: (object: T) => T,
): Promise<T> {
  return withNewest<T>(client, ref, place, (found) => client.update<T>(ref, next(found)));
}

async function withNewest<T extends KubeObject>(
  client: KubeClient,
  ref: ResourceRef,
  { namespace, name }: Place,
  write: (found: T) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const found = await client.get<T>(ref, namespace, name);
    try {
      return await write(found);
    } catch (error) {
      if (!isApiError(error, 'Conflict') || tries >= MAX_TRIES) throw error;
    }
  }
}
