import { ApiError, type KubeObject } from '../../kube/index.ts';
import type { Resource } from '../kinds/index.ts';
import { CompactedError, type Entry } from '../store/index.ts';
import { notFound, parseEntry } from './codec.ts';
import { objectKey } from './context.ts';
import type { RegistryDeps } from './deps.ts';
import {
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  pinned,
  type Selector,
} from './selectors.ts';
import { type ListMeta, renderEntry, renderList, type View } from './views.ts';

export interface ListQuery {
  labels: Selector;
  fields: Selector;
  limit: number;
  continue: string;
  resourceVersion: string;
  resourceVersionMatch: string;
}

export function parseListQuery(query: URLSearchParams, resource: Resource): ListQuery {
  const limit = Number(query.get('limit') ?? 0);
  const match = query.get('resourceVersionMatch') ?? '';
  const resourceVersion = query.get('resourceVersion') ?? '';
  if (!Number.isInteger(limit) || limit < 0)
    throw new ApiError('BadRequest', 'limit must be a whole number, 0 or more.');
  if (match !== '' && match !== 'Exact' && match !== 'NotOlderThan')
    throw new ApiError(
      'Invalid',
      `resourceVersionMatch must be Exact or NotOlderThan, not ${JSON.stringify(match)}.`,
    );
  if (
    match !== '' &&
    resourceVersion === '' &&
    query.get('watch') === null &&
    query.get('sendInitialEvents') === null
  )
    throw new ApiError('Invalid', 'resourceVersionMatch is forbidden unless resourceVersion is provided.');
  parseRevision(resourceVersion);
  return {
    labels: parseLabelSelector(query.get('labelSelector') ?? ''),
    fields: parseFieldSelector(query.get('fieldSelector') ?? '', resource),
    limit,
    continue: query.get('continue') ?? '',
    resourceVersion,
    resourceVersionMatch: match,
  };
}

export function parseRevision(text: string): number {
  if (text === '') return 0;
  if (!/^\d{1,15}$/.test(text))
    throw new ApiError(
      'BadRequest',
      `Invalid value: ${JSON.stringify(text)}: resourceVersion must be a number.`,
    );
  return Number(text);
}

export async function get(
  deps: RegistryDeps,
  resource: Resource,
  namespace: string,
  name: string,
  view: View,
): Promise<Buffer | string> {
  const entry = deps.store.get(resource.collection, objectKey(namespace, name));
  if (entry === undefined) throw notFound(resource, name);
  return renderEntry(resource, entry, view);
}

export async function list(
  deps: RegistryDeps,
  resource: Resource,
  namespace: string,
  query: ListQuery,
  view: View,
): Promise<Buffer | string> {
  const { entries, meta } = select(deps, resource, namespace, query);
  return renderList(resource, entries, meta, view);
}

/** Decides which objects, as of which revision, a list answers with. */
export function select(
  deps: RegistryDeps,
  resource: Resource,
  namespace: string,
  query: ListQuery,
): { entries: Entry[]; meta: ListMeta } {
  const { revision, after } = position(deps, query);
  const name = pinned(query.fields, 'metadata.name');
  const scope = namespace || pinned(query.fields, 'metadata.namespace') || '';
  const prefix = scope === '' ? '' : name === undefined ? `${scope}/` : objectKey(scope, name);
  const filter = filterOf(query);
  const all = past(() => deps.store.listAt(resource.collection, revision, prefix, after));
  const meta: ListMeta = { resourceVersion: String(revision) };
  if (query.limit === 0) return { entries: filter === undefined ? all : all.filter(filter), meta };
  const entries: Entry[] = [];
  for (const [index, entry] of all.entries()) {
    if (filter?.(entry) === false) continue;
    if (entries.length === query.limit) {
      meta.continue = encodeContinue({ revision, after: entries.at(-1)!.key });
      if (filter === undefined) meta.remainingItemCount = all.length - index;
      break;
    }
    entries.push(entry);
  }
  return { entries, meta };
}

function filterOf(query: ListQuery): ((entry: Entry) => boolean) | undefined {
  if (query.labels.length === 0 && query.fields.length === 0) return undefined;
  return (entry) => matches(query, parseEntry(entry));
}

export function matches(query: Pick<ListQuery, 'labels' | 'fields'>, object: KubeObject): boolean {
  return matchesLabels(query.labels, object.metadata.labels) && matchesFields(query.fields, object);
}

interface Continue {
  revision: number;
  after: string;
}

function position(deps: RegistryDeps, query: ListQuery): Continue {
  const current = deps.store.revision;
  if (query.continue !== '') {
    if (query.resourceVersion !== '' && query.resourceVersion !== '0')
      throw new ApiError('BadRequest', 'specifying resource version is not allowed when using continue');
    return decodeContinue(query.continue);
  }
  const asked = parseRevision(query.resourceVersion);
  if (asked > current) throw tooNew(asked, current);
  const exact =
    query.resourceVersionMatch === 'Exact' ||
    (query.limit > 0 && asked > 0 && query.resourceVersionMatch === '');
  if (exact && asked === 0)
    throw new ApiError('Invalid', 'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
  return { revision: exact ? asked : current, after: '' };
}

export function tooNew(asked: number, current: number): ApiError {
  return new ApiError('Timeout', `Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

function encodeContinue(token: Continue): string {
  return Buffer.from(
    JSON.stringify({ v: 'meta.k8s.io/v1', rv: token.revision, start: token.after }),
  ).toString('base64url');
}

function decodeContinue(text: string): Continue {
  try {
    const token = JSON.parse(Buffer.from(text, 'base64url').toString()) as { rv?: unknown; start?: unknown };
    if (Number.isSafeInteger(token.rv) && typeof token.start === 'string')
      return { revision: token.rv as number, after: token.start };
  } catch {
    // Falls through: whatever it was, it is no token of ours.
  }
  throw new ApiError('BadRequest', 'continue key is not valid: start the list again without it.');
}

/** Turns the loss of history into the answer that clients know how to handle. */
export function past<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
    throw new ApiError(
      'Expired',
      'The resourceVersion for the provided list or watch is too old: start again without it.',
      undefined,
      error,
    );
  }
}
