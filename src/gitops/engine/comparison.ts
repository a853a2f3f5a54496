import { isApiError, type KubeObject, type ResourceRef } from '../../kube/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { FIELD_MANAGER, type Health, type IgnoreRule, NOTES, type SyncCode } from '../resources.ts';
import { comparable, contains, type FieldChange, fieldChanges } from './compare.ts';
import type { Desired } from './desired.ts';
import { rulesFor, withoutIgnored } from './ignore.ts';
import { keyOfObject, type ObjectKey, textOfKey } from './object-key.ts';
import { ownerOf } from './owner.ts';

/** An object as Git has it, as the cluster has it, and how the two go together. */
export interface Compared {
  key: ObjectKey;
  desired: Desired | undefined;
  live: KubeObject | undefined;
  sync: SyncCode;
  health: Health | undefined;
  /** It is there and Git does not have it any more. */
  requiresPruning: boolean;
  /** Where it belongs to somebody else as well. */
  claimedBy: string | undefined;
  /** Why it cannot be brought in line. */
  problem?: string;
}

export interface Owned {
  owner: string;
  cluster: Cluster;
  rules: readonly IgnoreRule[];
}

/** The notes of this room on an object are no difference that anybody should see. */
const OWN_NOTES = [NOTES.applied, NOTES.source] as const;

/** Compares what is wanted with what is there, object by object. */
export async function compareAll(desired: readonly Desired[], owned: Owned): Promise<Compared[]> {
  const found = await Promise.all(desired.map((item) => compareOne(item, owned)));
  const wanted = new Set(desired.map(({ key }) => textOfKey(key)));
  const extra = owned.cluster
    .ownedBy(owned.owner)
    .filter((object) => !wanted.has(textOfKey(keyOfObject(object))) && !isHook(object) && !isChild(object))
    .map(
      (live): Compared => ({
        key: keyOfObject(live),
        desired: undefined,
        live,
        sync: isExtraneous(live) ? 'Synced' : 'OutOfSync',
        health: owned.cluster.healthOf(live),
        requiresPruning: true,
        claimedBy: undefined,
      }),
    );
  extra.sort((a, b) => compareTexts(textOfKey(a.key), textOfKey(b.key)));
  return [...found, ...extra];
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isHook({ metadata }: KubeObject): boolean {
  return (
    metadata.annotations?.[NOTES.hook] !== undefined || metadata.annotations?.[NOTES.helmHook] !== undefined
  );
}

/** What a controller has made of something that is kept here follows it by itself. */
function isChild({ metadata }: KubeObject): boolean {
  return metadata.ownerReferences?.some(({ controller }) => controller === true) ?? false;
}

function isExtraneous({ metadata }: KubeObject): boolean {
  return (metadata.annotations?.[NOTES.compare] ?? '').includes('IgnoreExtraneous');
}

async function compareOne(desired: Desired, owned: Owned): Promise<Compared> {
  const { cluster } = owned;
  const { key } = desired;
  const base = { key, desired, requiresPruning: false, claimedBy: undefined };
  const resource = await cluster.resourceOf(key);
  if (resource === undefined)
    return {
      ...base,
      live: undefined,
      sync: 'OutOfSync',
      health: { status: 'Missing' },
      problem: `The cluster does not know ${key.kind} of ${key.group || 'v1'}/${key.version}: install its definition.`,
    };
  const live = (await cluster.live(resource)).get(key.namespace, key.name);
  if (live === undefined) return { ...base, live, sync: 'OutOfSync', health: { status: 'Missing' } };
  const claimedBy = otherOwner(live, owned.owner);
  const isSame = claimedBy === undefined && (await isInLine(desired, live, { resource, owned }));
  return { ...base, live, claimedBy, sync: isSame ? 'Synced' : 'OutOfSync', health: cluster.healthOf(live) };
}

function otherOwner(live: KubeObject, owner: string): string | undefined {
  const other = ownerOf(live);
  return other === owner ? undefined : other;
}

async function isInLine(
  desired: Desired,
  live: KubeObject,
  { resource, owned }: { resource: ResourceRef; owned: Owned },
): Promise<boolean> {
  const { cluster, owner, rules } = owned;
  if (ownerOf(live) !== owner) return false;
  if (cluster.isVerified(live, desired.hash)) return true;
  const mine = rulesFor(rules, desired.key);
  if (live.metadata.annotations?.[NOTES.applied] === desired.hash) {
    const [there, wanted] = [comparable(live), comparable(desired.object)];
    for (const object of [there, wanted]) withoutIgnored(object, mine, live);
    if (contains(there, wanted)) {
      cluster.verify(live, desired.hash);
      return true;
    }
  }
  // What looks different may be the same to the server, which writes some values in its own way.
  const changes = await changesTo(desired, live, { resource, cluster, rules: mine });
  if (changes.length > 0) return false;
  cluster.verify(live, desired.hash);
  return true;
}

/** What an object would become, and every field that would change, without changing it. */
export async function changesTo(
  desired: Desired,
  live: KubeObject,
  { resource, cluster, rules }: { resource: ResourceRef; cluster: Cluster; rules: readonly IgnoreRule[] },
): Promise<FieldChange[]> {
  let predicted: KubeObject;
  try {
    predicted = await cluster.call((client, signal) =>
      client.apply(resource, desired.object as KubeObject, {
        fieldManager: FIELD_MANAGER,
        force: true,
        dryRun: true,
        signal,
      }),
    );
  } catch (error) {
    // What the server refuses is a difference: applying it will tell why.
    if (!isApiError(error)) throw error;
    predicted = desired.object as KubeObject;
  }
  const [from, to] = [comparable(live), comparable(predicted)];
  for (const object of [from, to]) {
    withoutIgnored(object, rules, live);
    for (const note of OWN_NOTES) delete object.metadata.annotations?.[note];
  }
  return fieldChanges(from, to);
}
