import type { KubeList, KubeObject } from './object.ts';
import { readLines } from './lines.ts';
import { ApiError } from './status.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';

/** A kind as the client addresses it. */
export interface ResourceRef {
  group: string;
  version: string;
  plural: string;
  namespaced: boolean;
}

export interface WatchEvent<T extends KubeObject = KubeObject> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: T;
}

export interface ListOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  signal?: AbortSignal;
}

export interface WatchOptions extends Omit<ListOptions, 'limit' | 'continue'> {
  allowBookmarks?: boolean;
  sendInitialEvents?: boolean;
  timeoutSeconds?: number;
}

export interface WriteOptions {
  fieldManager?: string;
  dryRun?: boolean;
  subresource?: string;
  signal?: AbortSignal;
}

export interface DeleteOptions {
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  gracePeriodSeconds?: number;
  uid?: string;
  resourceVersion?: string;
  signal?: AbortSignal;
}

export type PatchType = 'json' | 'merge' | 'strategic';

const PATCH_TYPES: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

/** The API of a cluster, or of the server in this process: the caller cannot tell. Refusals are `ApiError`s. */
export class KubeClient {
  readonly #transport: Transport;
  readonly #manager: string;

  constructor(transport: Transport, manager = 'dispatch') {
    this.#transport = transport;
    this.#manager = manager;
  }

  /** The same server, asked in the name of somebody else. */
  as(user: string): KubeClient {
    const { request, close } = this.#transport;
    const transport: Transport = {
      request: (asked) =>
        request.call(this.#transport, {
          ...asked,
          headers: { ...asked.headers, 'impersonate-user': user },
        }),
      close: () => close.call(this.#transport),
    };
    return new KubeClient(transport, this.#manager);
  }

  get<T extends KubeObject>(
    ref: ResourceRef,
    namespace: string,
    name: string,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#json<T>({
      method: 'GET',
      path: objectPath(ref, namespace, name),
      ...(signal && { signal }),
    });
  }

  list<T extends KubeObject>(ref: ResourceRef, options: ListOptions = {}): Promise<KubeList<T>> {
    return this.#json<KubeList<T>>({
      method: 'GET',
      path: objectPath(ref, options.namespace ?? ''),
      query: listQuery(options),
      ...(options.signal && { signal: options.signal }),
    });
  }

  create<T extends KubeObject>(ref: ResourceRef, object: T, options: WriteOptions = {}): Promise<T> {
    return this.#write<T>(
      'POST',
      objectPath(ref, object.metadata.namespace ?? ''),
      object,
      'application/json',
      options,
    );
  }

  update<T extends KubeObject>(ref: ResourceRef, object: T, options: WriteOptions = {}): Promise<T> {
    return this.#write<T>('PUT', this.#pathOf(ref, object, options), object, 'application/json', options);
  }

  patch<T extends KubeObject>(
    ref: ResourceRef,
    target: { namespace?: string; name: string },
    type: PatchType,
    patch: object,
    options: WriteOptions = {},
  ): Promise<T> {
    const path = withSubresource(objectPath(ref, target.namespace ?? '', target.name), options);
    return this.#write<T>('PATCH', path, patch, PATCH_TYPES[type], options);
  }

  /** Server-side apply: says what this manager wants, and takes over what others set only with `force`. */
  apply<T extends KubeObject>(
    ref: ResourceRef,
    object: T,
    options: WriteOptions & { force?: boolean } = {},
  ): Promise<T> {
    return this.#write<T>(
      'PATCH',
      this.#pathOf(ref, object, options),
      object,
      'application/apply-patch+yaml',
      options,
      options.force,
    );
  }

  async delete(
    ref: ResourceRef,
    namespace: string,
    name: string,
    options: DeleteOptions = {},
  ): Promise<void> {
    const { propagationPolicy, gracePeriodSeconds, uid, resourceVersion, signal } = options;
    const body = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      ...(propagationPolicy && { propagationPolicy }),
      ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
      ...((uid ?? resourceVersion) && {
        preconditions: { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) },
      }),
    };
    await this.#json({
      method: 'DELETE',
      path: objectPath(ref, namespace, name),
      headers: { 'content-type': 'application/json' },
      body,
      ...(signal && { signal }),
    });
  }

  /** Events until the server ends the watch or the signal aborts. An ERROR event is thrown. */
  async *watch<T extends KubeObject>(ref: ResourceRef, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const query = listQuery(options);
    query.set('watch', 'true');
    if (options.allowBookmarks) query.set('allowWatchBookmarks', 'true');
    if (options.timeoutSeconds !== undefined) query.set('timeoutSeconds', String(options.timeoutSeconds));
    if (options.sendInitialEvents) {
      query.set('sendInitialEvents', 'true');
      query.set('resourceVersionMatch', 'NotOlderThan');
    }
    const response = await this.#call({
      method: 'GET',
      path: objectPath(ref, options.namespace ?? ''),
      query,
      ...(options.signal && { signal: options.signal }),
    });
    try {
      for await (const line of readLines(response.body)) {
        const event = JSON.parse(line) as WatchEvent<T>;
        if (event.type === 'ERROR') throw ApiError.from(500, event.object);
        yield event;
      }
    } finally {
      response.discard();
    }
  }

  /** Any other path of the server, as JSON. */
  raw<T>(request: TransportRequest): Promise<T> {
    return this.#json<T>(request);
  }

  /** Any other path, as bytes. */
  async stream(request: TransportRequest): Promise<AsyncIterable<Uint8Array>> {
    return (await this.#call(request)).body;
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  #pathOf(ref: ResourceRef, object: KubeObject, options: WriteOptions): string {
    return withSubresource(
      objectPath(ref, object.metadata.namespace ?? '', object.metadata.name ?? ''),
      options,
    );
  }

  #write<T>(
    method: string,
    path: string,
    body: object,
    contentType: string,
    options: WriteOptions,
    force?: boolean,
  ): Promise<T> {
    const query = new URLSearchParams({ fieldManager: options.fieldManager ?? this.#manager });
    if (options.dryRun) query.set('dryRun', 'All');
    if (force) query.set('force', 'true');
    return this.#json<T>({
      method,
      path,
      query,
      headers: { 'content-type': contentType },
      body,
      ...(options.signal && { signal: options.signal }),
    });
  }

  async #json<T>(request: TransportRequest): Promise<T> {
    return JSON.parse(await readText(await this.#call(request))) as T;
  }

  async #call(request: TransportRequest): Promise<TransportResponse> {
    const response = await this.#transport.request(request);
    if (response.status < 400) return response;
    const text = await readText(response);
    throw ApiError.from(response.status, parseOr(text));
  }
}

async function readText(response: TransportResponse): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function objectPath(ref: ResourceRef, namespace: string, name = ''): string {
  const root = ref.group === '' ? `/api/${ref.version}` : `/apis/${ref.group}/${ref.version}`;
  const scope = ref.namespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${ref.plural}${name === '' ? '' : `/${encodeURIComponent(name)}`}`;
}

function withSubresource(path: string, options: WriteOptions): string {
  return options.subresource === undefined ? path : `${path}/${options.subresource}`;
}

function listQuery(options: ListOptions): URLSearchParams {
  const query = new URLSearchParams();
  for (const key of ['labelSelector', 'fieldSelector', 'limit', 'continue', 'resourceVersion'] as const) {
    const value = options[key];
    if (value !== undefined) query.set(key, String(value));
  }
  return query;
}
