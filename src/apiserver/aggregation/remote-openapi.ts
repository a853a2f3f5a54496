import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../../kube/index.ts';
import type { ApiRequest, Reply } from '../http/request.ts';
import { at } from '../kinds/index.ts';
import { SYSTEM_USER } from '../registry/index.ts';
import type { Aggregation } from './aggregation.ts';

type Fields = Record<string, unknown>;

const PATIENCE_MS = 5_000;

/**
 * What servers outside this process say about their kinds, beside what this one says of its own. A server that
 * does not answer in time is left out: nobody shall wait for it to learn about a Pod.
 */
export class RemoteOpenApi {
  readonly #aggregation: Aggregation;

  constructor(aggregation: Aggregation) {
    this.#aggregation = aggregation;
  }

  /** `own`, with the paths and definitions of the groups that are served elsewhere. */
  async v2(own: Fields): Promise<Fields> {
    const merged = { ...own, paths: { ...fieldsAt(own, 'paths') }, definitions: definitionsOf(own) };
    const remote = this.#aggregation.remote();
    const documents = await Promise.all(
      remote.map(({ group, version }) => this.#document(group, version, '/openapi/v2')),
    );
    for (const [index, { group, version }] of remote.entries()) {
      const document = documents[index];
      if (!isRecord(document)) continue;
      const renamed = withoutClashes(document, merged.definitions);
      Object.assign(merged.definitions, definitionsOf(renamed));
      for (const [path, item] of Object.entries(fieldsAt(renamed, 'paths')))
        if (path.startsWith(`/apis/${group}/${version}/`)) merged.paths[path] = item;
    }
    return merged;
  }

  /** The entries of the version 3 index that are other servers'. */
  async v3Index(): Promise<Fields> {
    const paths: Fields = {};
    await Promise.all(
      this.#aggregation.remote().map(async ({ group, version }) => {
        const key = `apis/${group}/${version}`;
        const entry = at(await this.#document(group, version, '/openapi/v3'), 'paths');
        if (isRecord(entry) && isRecord(entry[key]))
          paths[key] = { ...entry[key], ...placeOf(entry[key], key) };
      }),
    );
    return paths;
  }

  /** A version 3 document of a group that is served elsewhere, as that server gives it. */
  async v3(request: ApiRequest, groupVersion: string): Promise<Reply | undefined> {
    const [group = '', version = ''] = groupVersion.split('/');
    return this.#aggregation.remote().some((item) => item.group === group && item.version === version)
      ? this.#aggregation.handleGroupVersion(request, group, version)
      : undefined;
  }

  #document(group: string, version: string, path: string): Promise<unknown> {
    const asker = { user: SYSTEM_USER, signal: AbortSignal.timeout(PATIENCE_MS) };
    return this.#aggregation.document(group, version, path, asker).catch(() => undefined);
  }
}

function fieldsAt(document: Fields, key: string): Fields {
  const value = document[key];
  return isRecord(value) ? value : {};
}

function definitionsOf(document: Fields): Fields {
  return { ...fieldsAt(document, 'definitions') };
}

/** Only the hash of an entry is the other server's to say: where it points is this server's. */
function placeOf(entry: Fields, key: string): Fields {
  const [, query = ''] = String(entry['serverRelativeURL']).split('?');
  const hash = new URLSearchParams(query).get('hash') ?? '';
  return { serverRelativeURL: `/openapi/v3/${key}${hash && `?hash=${encodeURIComponent(hash)}`}` };
}

/** The document with other names for definitions that mean something else here. */
function withoutClashes(document: Fields, known: Fields): Fields {
  const renamed = new Map<string, string>();
  for (const [name, definition] of Object.entries(definitionsOf(document))) {
    if (!Object.hasOwn(known, name) || isDeepStrictEqual(known[name], definition)) continue;
    let count = 2;
    while (Object.hasOwn(known, `${name}_v${count}`)) count += 1;
    renamed.set(name, `${name}_v${count}`);
  }
  if (renamed.size === 0) return document;
  const pointed = pointElsewhere(document, renamed) as Fields;
  const definitions = Object.entries(definitionsOf(pointed)).map(([name, item]) => [
    renamed.get(name) ?? name,
    item,
  ]);
  return { ...pointed, definitions: Object.fromEntries(definitions) };
}

const REFERENCE = '#/definitions/';

function pointElsewhere(value: unknown, renamed: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((item) => pointElsewhere(item, renamed));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const isReference = key === '$ref' && typeof item === 'string' && item.startsWith(REFERENCE);
      if (!isReference) return [key, pointElsewhere(item, renamed)];
      const name = item.slice(REFERENCE.length);
      return [key, `${REFERENCE}${renamed.get(name) ?? name}`];
    }),
  );
}
