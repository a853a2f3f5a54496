import {
  ApiError,
  type KubeObject,
  type ManagedFieldsEntry,
  type ObjectMeta,
  type StatusCause,
} from '../../kube/index.ts';
import type { Schema } from '../schema/index.ts';
import { difference, type FieldSet, intersection, isEmptySet, memberPaths, union } from './field-set.ts';
import { compare, mergeApplied, pruneFields } from './merge.ts';
import { fieldsOf } from './walk.ts';

/** Who writes, in terms of managedFields. */
export interface Author {
  manager: string;
  apiVersion: string;
  subresource: string;
  /** RFC 3339, whole seconds. */
  time: string;
}

const MAX_MANAGER = 128;
/** Fields that the server itself owns. */
const SERVER_FIELDS: FieldSet = {
  'f:apiVersion': {},
  'f:kind': {},
  'f:metadata': {
    'f:name': {},
    'f:namespace': {},
    'f:uid': {},
    'f:resourceVersion': {},
    'f:generation': {},
    'f:creationTimestamp': {},
    'f:deletionTimestamp': {},
    'f:deletionGracePeriodSeconds': {},
    'f:selfLink': {},
    'f:managedFields': {},
  },
};

export function checkManager(manager: string): void {
  if (manager.length > MAX_MANAGER) {
    throw new ApiError('BadRequest', `The field manager's name may have at most ${MAX_MANAGER} characters.`);
  }
}

/** Records who changed what in a plain create or update. Returns the entries of the new object. */
export function trackUpdate(
  schema: Schema,
  before: KubeObject | undefined,
  after: KubeObject,
  author: Author,
): ManagedFieldsEntry[] {
  const { changed, removed } = compareOwned(schema, before, after);
  const entries = keepOf(before?.metadata, after.metadata);
  if (isEmptySet(changed) && isEmptySet(removed)) return entries;
  const others: ManagedFieldsEntry[] = [];
  let own: FieldSet = {};
  for (const entry of entries) {
    const left = difference(difference(setOf(entry), changed), removed);
    if (isSame(entry, author, 'Update')) own = left;
    else if (!isEmptySet(left)) others.push({ ...entry, fieldsV1: left });
  }
  const mine = union(own, changed);
  if (!isEmptySet(mine)) others.push(entryOf(author, 'Update', mine));
  return others;
}

/** What a manager owns that applies an object into existence: all that it says. */
export function ownedBy(schema: Schema, config: KubeObject, author: Author): ManagedFieldsEntry {
  return entryOf(author, 'Apply', difference(fieldsOf(schema, config), SERVER_FIELDS));
}

export interface Applied {
  object: KubeObject;
  managedFields: ManagedFieldsEntry[];
}

/** Server-side apply: merges, prunes what the manager no longer wants, and finds conflicts. */
export function applyConfiguration(
  schema: Schema,
  live: KubeObject,
  config: KubeObject,
  author: Author,
  force: boolean,
): Applied {
  const wanted = difference(fieldsOf(schema, config), SERVER_FIELDS);
  const entries = live.metadata.managedFields ?? [];
  const previous = entries.find((entry) => isSame(entry, author, 'Apply'));
  const others = entries.filter((entry) => entry !== previous);
  const last = previous === undefined ? {} : setOf(previous);
  const kept = others.map(setOf).reduce(union, wanted);
  const merged = mergeApplied(schema, withoutManagers(live), withoutManagers(config));
  const isStill = isEmptySet(difference(last, kept));
  const object = (isStill ? merged : pruneFields(schema, merged, last, kept)) as KubeObject;
  const { changed, removed } = compareOwned(schema, live, object);
  if (!force) refuseConflicts(others, changed, author);
  const left: ManagedFieldsEntry[] = [];
  for (const entry of others) {
    const set = difference(difference(setOf(entry), changed), removed);
    if (!isEmptySet(set)) left.push({ ...entry, fieldsV1: set });
  }
  const same = previous !== undefined && sameSet(last, wanted) && isEmptySet(changed) && isEmptySet(removed);
  left.push(same ? previous : entryOf(author, 'Apply', wanted));
  return { object, managedFields: left };
}

function refuseConflicts(others: readonly ManagedFieldsEntry[], changed: FieldSet, author: Author): void {
  const causes: StatusCause[] = [];
  for (const entry of others) {
    const using = entry.operation === 'Apply' ? '' : ` using ${entry.apiVersion}`;
    const who = `conflict with "${entry.manager}"${entry.subresource ? ` with subresource "${entry.subresource}"` : ''}${using}`;
    for (const field of memberPaths(intersection(setOf(entry), changed))) {
      causes.push({ reason: 'FieldManagerConflict', message: who, field });
    }
  }
  if (causes.length === 0) return;
  const count = causes.length === 1 ? '1 conflict' : `${causes.length} conflicts`;
  const list = causes.map((cause) => `${cause.message}: ${cause.field}`).join('\n- ');
  const separator = causes.length === 1 ? ': ' : ':\n- ';
  throw new ApiError(
    'Conflict',
    `Apply failed with ${count} for manager ${JSON.stringify(author.manager)}${separator}${list}`,
    {
      causes,
    },
  );
}

function compareOwned(
  schema: Schema,
  before: KubeObject | undefined,
  after: KubeObject,
): { changed: FieldSet; removed: FieldSet } {
  const { changed, removed } = compare(schema, before && withoutManagers(before), withoutManagers(after));
  return { changed: difference(changed, SERVER_FIELDS), removed: difference(removed, SERVER_FIELDS) };
}

/** A client may clear all entries by sending an empty one; otherwise what the server knows stands. */
function keepOf(before: ObjectMeta | undefined, after: ObjectMeta): ManagedFieldsEntry[] {
  const sent = after.managedFields;
  if (sent !== undefined && sent.length === 1 && Object.keys(sent[0] ?? {}).length === 0) return [];
  return before?.managedFields ?? [];
}

function withoutManagers(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function setOf(entry: ManagedFieldsEntry): FieldSet {
  return (entry.fieldsV1 ?? {}) as FieldSet;
}

function isSame(entry: ManagedFieldsEntry, author: Author, operation: 'Apply' | 'Update'): boolean {
  return (
    entry.manager === author.manager &&
    entry.operation === operation &&
    (entry.subresource ?? '') === author.subresource &&
    entry.apiVersion === author.apiVersion
  );
}

function sameSet(a: FieldSet, b: FieldSet): boolean {
  return isEmptySet(difference(a, b)) && isEmptySet(difference(b, a));
}

function entryOf(author: Author, operation: 'Apply' | 'Update', set: FieldSet): ManagedFieldsEntry {
  return {
    manager: author.manager,
    operation,
    apiVersion: author.apiVersion,
    time: author.time,
    fieldsType: 'FieldsV1',
    fieldsV1: set,
    ...(author.subresource && { subresource: author.subresource }),
  };
}
