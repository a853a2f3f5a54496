import type { KubeObject } from '../../kube/index.ts';
import { apiVersionOf, type Resource } from '../kinds/index.ts';
import type { Entry } from '../store/index.ts';
import { isOfVersion, parseEntry } from './codec.ts';
import type { Written } from './deps.ts';

/** The forms in which a client can ask for objects. */
export interface View {
  form: 'object' | 'table' | 'metadata';
  /** What a table's rows carry along. */
  rowObject: 'None' | 'Metadata' | 'Object';
  now: number;
}

export interface ListMeta {
  resourceVersion: string;
  continue?: string;
  remainingItemCount?: number;
}

const COMMA = Buffer.from(',');
const LIST_END = Buffer.from(']}\n');

/** Objects in the version of the resource. */
export async function objectsOf(resource: Resource, entries: readonly Entry[]): Promise<KubeObject[]> {
  const objects = entries.map((entry) => withVersion(parseEntry(entry), entry.revision));
  if (resource.conversion === undefined || entries.every((entry) => isOfVersion(entry, resource)))
    return objects;
  return resource.conversion.fromStored(objects);
}

function withVersion(object: KubeObject, revision: number): KubeObject {
  object.metadata.resourceVersion = String(revision);
  return object;
}

function needsObjects(resource: Resource, entries: readonly Entry[], view: View): boolean {
  return (
    view.form !== 'object' ||
    (resource.conversion !== undefined && !entries.every((entry) => isOfVersion(entry, resource)))
  );
}

export async function renderEntry(resource: Resource, entry: Entry, view: View): Promise<Buffer | string> {
  if (!needsObjects(resource, [entry], view)) return entry.bytes;
  const [object] = await objectsOf(resource, [entry]);
  return JSON.stringify(viewOf(resource, object!, view));
}

export function renderWritten(resource: Resource, written: Written, view: View): Buffer | string {
  if (view.form === 'object') return written.bytes ?? JSON.stringify(written.object);
  return JSON.stringify(viewOf(resource, written.object, view));
}

export async function renderList(
  resource: Resource,
  entries: readonly Entry[],
  meta: ListMeta,
  view: View,
): Promise<Buffer | string> {
  if (needsObjects(resource, entries, view))
    return renderObjects(resource, await objectsOf(resource, entries), meta, view);
  const head = JSON.stringify({
    kind: resource.listKind,
    apiVersion: apiVersionOf(resource),
    metadata: meta,
  });
  const parts: Buffer[] = [Buffer.from(`${head.slice(0, -1)},"items":[`)];
  for (const [index, entry] of entries.entries()) {
    if (index > 0) parts.push(COMMA);
    parts.push(entry.bytes);
  }
  parts.push(LIST_END);
  return Buffer.concat(parts);
}

/** A list of objects that are at hand as values. */
export function renderObjects(
  resource: Pick<Resource, 'group' | 'version' | 'listKind' | 'columns'>,
  objects: readonly KubeObject[],
  meta: ListMeta,
  view: View,
): string {
  if (view.form === 'table') return JSON.stringify(tableOf(resource, objects, meta, view));
  const list =
    view.form === 'metadata'
      ? { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' }
      : { kind: resource.listKind, apiVersion: apiVersionOf(resource) };
  const items = view.form === 'metadata' ? objects.map(metadataOf) : objects;
  return JSON.stringify({ ...list, metadata: meta, items });
}

/** The JSON value that stands for one object in a view. */
export function viewOf(resource: Pick<Resource, 'columns'>, object: KubeObject, view: View): unknown {
  if (view.form === 'metadata') return metadataOf(object);
  if (view.form === 'table')
    return tableOf(resource, [object], { resourceVersion: object.metadata.resourceVersion ?? '' }, view);
  return object;
}

function metadataOf(object: KubeObject): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

function tableOf(
  resource: Pick<Resource, 'columns'>,
  objects: readonly KubeObject[],
  meta: ListMeta,
  view: View,
): Record<string, unknown> {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: meta,
    columnDefinitions: resource.columns.map(({ name, type, format, description, priority }) => ({
      name,
      type,
      format: format ?? '',
      description,
      priority,
    })),
    rows: objects.map((object) => ({
      cells: resource.columns.map((column) => column.cell(object, view.now)),
      ...(view.rowObject !== 'None' && { object: view.rowObject === 'Object' ? object : metadataOf(object) }),
    })),
  };
}
