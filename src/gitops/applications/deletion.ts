import { type KubeClient, type KubeObject, unlessGone } from '../../kube/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { hooksOf, optionsIn } from '../engine/desired.ts';
import { keyOfObject } from '../engine/object-key.ts';
import {
  APPLICATIONS,
  type Application,
  DELETION_FINALIZERS,
  FINALIZER,
  NOTES,
  type ResourceStatus,
} from '../resources.ts';

const FINALIZERS = [FINALIZER, `${FINALIZER}/foreground`, `${FINALIZER}/background`] as const;

/** How its objects go with an application; undefined where they stay. */
export function cascadeOf({ metadata }: Application): 'Foreground' | 'Background' | undefined {
  const found = FINALIZERS.find((name) => metadata.finalizers?.includes(name));
  if (found === undefined) return undefined;
  return found.endsWith('/background') ? 'Background' : 'Foreground';
}

/** Takes away what an application has kept. Gives how many objects are still there. */
export async function removeObjects(
  cluster: Cluster,
  owner: string,
  { known, propagation }: { known: readonly ResourceStatus[]; propagation: 'Foreground' | 'Background' },
): Promise<number> {
  await watchKinds(cluster, known);
  const mine = cluster.ownedBy(owner).filter((object) => !stays(object));
  for (const object of mine.filter(({ metadata }) => metadata.deletionTimestamp === undefined)) {
    const key = keyOfObject(object);
    const resource = await cluster.resourceOf(key);
    if (resource === undefined) continue;
    await unlessGone(
      cluster.call((client, signal) =>
        client.delete(resource, key.namespace, key.name, {
          propagationPolicy: propagation,
          signal,
          ...(object.metadata.uid && { uid: object.metadata.uid }),
        }),
      ),
    );
  }
  return cluster.ownedBy(owner).filter((object) => !stays(object)).length;
}

/** Kinds of which something was kept: what is there of them is known from then on. */
export async function watchKinds(cluster: Cluster, known: readonly ResourceStatus[]): Promise<void> {
  for (const item of known) {
    const resource = await cluster.resourceOf(item);
    if (resource !== undefined) await cluster.live(resource);
  }
}

/** Objects that go only when somebody has said so. */
export function waitingForWord(cluster: Cluster, owner: string): KubeObject[] {
  return cluster.ownedBy(owner).filter((object) => !stays(object) && optionsOf(object).has('Delete=confirm'));
}

function optionsOf({ metadata }: KubeObject): Set<string> {
  return optionsIn(metadata.annotations?.[NOTES.options]);
}

function stays(object: KubeObject): boolean {
  const { metadata } = object;
  return (
    optionsOf(object).has('Delete=false') ||
    // What runs after everything is gone is still needed then.
    hooksOf(metadata.annotations ?? {})?.some(({ phase }) => phase === 'PostDelete') === true ||
    (metadata.ownerReferences?.some(({ controller }) => controller) ?? false)
  );
}

/** Nothing of ours keeps it any more. */
export async function letGo(client: KubeClient, app: Application): Promise<void> {
  const { namespace = '', name = '' } = app.metadata;
  const ours = new Set<string>([...FINALIZERS, ...Object.values(DELETION_FINALIZERS)]);
  const finalizers = (app.metadata.finalizers ?? []).filter((finalizer) => !ours.has(finalizer));
  await unlessGone(client.patch(APPLICATIONS, { namespace, name }, 'merge', { metadata: { finalizers } }));
}
