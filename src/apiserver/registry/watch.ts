import { ApiError, type KubeObject } from '../../kube/index.ts';
import { apiVersionOf, type Resource } from '../kinds/index.ts';
import type { ChangeEvent, Entry } from '../store/index.ts';
import { isOfVersion, parseEntry } from './codec.ts';
import type { RegistryDeps } from './deps.ts';
import { type ListQuery, matches, parseRevision, past, select, tooNew } from './read.ts';
import { objectsOf, type View, viewOf } from './views.ts';

/**
 * Where a watch writes. `write` returns false when the reader is slow; `onDrain` calls back when it is ready
 * for more, or gone.
 */
export interface Sink {
  write: (chunk: Buffer | string) => boolean;
  onDrain: (ready: () => void) => void;
  end: () => void;
  /** Aborted when the reader is gone or the server stops. */
  signal: AbortSignal;
}

export interface WatchQuery extends ListQuery {
  bookmarks: boolean;
  /** Undefined when the client leaves it to the version that it names. */
  sendInitialEvents: boolean | undefined;
  timeoutMs: number;
}

const BOOKMARK_INTERVAL_MS = 60_000;
const DEFAULT_TIMEOUT_MS = 30 * 60_000;
const CROWD = 50;
const CROWD_PATIENCE_MS = 4;
const MAX_EVENTS_A_TURN = 1000;

export function parseWatchQuery(query: URLSearchParams, listQuery: ListQuery): WatchQuery {
  const timeout = Number(query.get('timeoutSeconds') ?? 0);
  const initial = query.get('sendInitialEvents');
  const sendInitialEvents = initial === null ? undefined : initial === 'true';
  const bookmarks = query.get('allowWatchBookmarks') === 'true' || query.get('allowWatchBookmarks') === '1';
  if (sendInitialEvents && listQuery.resourceVersionMatch !== 'NotOlderThan') {
    throw new ApiError('Invalid', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  }
  // Spread over a range, so that watches that began together do not all come back together.
  const timeoutMs = timeout > 0 ? timeout * 1000 : DEFAULT_TIMEOUT_MS * (1 + Math.random());
  return { ...listQuery, bookmarks, sendInitialEvents, timeoutMs };
}

/**
 * One open watch. It keeps no queue: it remembers the revision it has sent and reads on from the store's
 * history when there is news and the reader is ready. A reader that falls behind what history keeps gets 410.
 */
export class Watch {
  readonly #deps: RegistryDeps;
  readonly #resource: Resource;
  readonly #prefix: string;
  readonly #query: WatchQuery;
  readonly #view: View;
  readonly #sink: Sink;
  readonly #plain: boolean;
  #sent = 0;
  #busy = false;
  #blocked = false;
  #soon: NodeJS.Timeout | undefined;
  #cleanUp: (() => void)[] = [];

  constructor(
    deps: RegistryDeps,
    resource: Resource,
    namespace: string,
    query: WatchQuery,
    view: View,
    sink: Sink,
  ) {
    this.#deps = deps;
    this.#resource = resource;
    this.#prefix = namespace === '' ? '' : `${namespace}/`;
    this.#query = query;
    this.#view = view;
    this.#sink = sink;
    this.#plain =
      view.form === 'object' &&
      query.labels.length === 0 &&
      query.fields.length === 0 &&
      resource.conversion === undefined;
  }

  /** Throws before anything is sent when the watch cannot start. */
  async start(namespace: string): Promise<void> {
    const { store } = this.#deps;
    const asked = parseRevision(this.#query.resourceVersion);
    if (asked > store.revision) throw tooNew(asked, store.revision);
    const fromNow = this.#query.sendInitialEvents === true || asked === 0;
    this.#sent = fromNow ? store.revision : asked;
    past(() => store.changes(this.#resource.collection, this.#sent, 0));
    if (fromNow && this.#query.sendInitialEvents !== false) await this.#sendInitial(namespace);
    this.#listen();
    void this.#pump();
  }

  async #sendInitial(namespace: string): Promise<void> {
    // Objects that exist are new to a watch that names no version.
    const { entries } = select(this.#deps, this.#resource, namespace, {
      ...this.#query,
      limit: 0,
      continue: '',
      resourceVersion: '',
      resourceVersionMatch: '',
    });
    for (const entry of entries) {
      if (!this.#sink.write(await this.#line('ADDED', entry)))
        await new Promise<void>((ready) => this.#sink.onDrain(ready));
      if (this.#sink.signal.aborted) return;
    }
    if (this.#query.sendInitialEvents && this.#query.bookmarks)
      this.#bookmark({ 'k8s.io/initial-events-end': 'true' });
  }

  #listen(): void {
    const { listeners } = this.#deps.store.shelf(this.#resource.collection);
    // In a crowd, a little patience sends the same events in far fewer writes.
    const wake = (): void => (listeners.size > CROWD ? this.#pumpSoon() : void this.#pump());
    listeners.add(wake);
    const timeout = setTimeout(() => this.#close(), this.#query.timeoutMs);
    const bookmark = this.#query.bookmarks
      ? setInterval(() => this.#idleBookmark(), BOOKMARK_INTERVAL_MS)
      : undefined;
    const stop = (): void => this.#close();
    this.#sink.signal.addEventListener('abort', stop, { once: true });
    this.#cleanUp.push(() => {
      listeners.delete(wake);
      clearTimeout(this.#soon);
      clearTimeout(timeout);
      clearInterval(bookmark);
      this.#sink.signal.removeEventListener('abort', stop);
    });
    if (this.#sink.signal.aborted) this.#close();
  }

  #close(): void {
    if (this.#cleanUp.length === 0) return;
    for (const undo of this.#cleanUp.splice(0)) undo();
    this.#sink.end();
  }

  #pumpSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.#pump();
    }, CROWD_PATIENCE_MS);
  }

  /** Sends what is new, for as long as the reader takes it. */
  async #pump(): Promise<void> {
    if (this.#busy || this.#blocked || this.#cleanUp.length === 0) return;
    this.#busy = true;
    try {
      for (;;) {
        const events = this.#deps.store.changes(this.#resource.collection, this.#sent, MAX_EVENTS_A_TURN);
        if (events.length === 0 || this.#cleanUp.length === 0) break;
        const chunk = this.#plain ? this.#plainChunk(events) : await this.#filteredChunk(events);
        this.#sent = events.at(-1)!.revision;
        if (chunk.length === 0 || this.#sink.write(chunk)) continue;
        this.#blocked = true;
        this.#sink.onDrain(() => {
          this.#blocked = false;
          void this.#pump();
        });
        break;
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#busy = false;
    }
  }

  #fail(error: unknown): void {
    let status: ApiError;
    try {
      status = past<ApiError>(() => {
        throw error;
      });
    } catch (mapped) {
      status =
        mapped instanceof ApiError
          ? mapped
          : new ApiError('InternalError', 'The watch could not go on.', undefined, mapped);
    }
    this.#sink.write(`${JSON.stringify({ type: 'ERROR', object: status.toStatus() })}\n`);
    this.#close();
  }

  #plainChunk(events: readonly ChangeEvent[]): Buffer {
    if (this.#prefix === '') return this.#deps.chunks.chunk(events);
    const own = events.filter((event) => event.key.startsWith(this.#prefix));
    return own.length === events.length
      ? this.#deps.chunks.chunk(events)
      : Buffer.concat(own.flatMap(plainParts));
  }

  async #filteredChunk(events: readonly ChangeEvent[]): Promise<string> {
    let chunk = '';
    for (const event of events) {
      if (!event.key.startsWith(this.#prefix)) continue;
      const entry: Entry = { key: event.key, revision: event.revision, bytes: event.bytes };
      const type = this.#typeFor(event, entry);
      if (type !== undefined) chunk += await this.#line(type, entry);
    }
    return chunk;
  }

  /** An object that starts or stops matching the selectors appears or disappears for this watch. */
  #typeFor(event: ChangeEvent, entry: Entry): string | undefined {
    const { previous, removed } = event;
    if (this.#query.labels.length === 0 && this.#query.fields.length === 0) return eventType(event);
    const now = !removed && matches(this.#query, parseEntry(entry));
    const before = previous !== undefined && matches(this.#query, parseEntry(previous));
    if (now) return before ? 'MODIFIED' : 'ADDED';
    return before ? 'DELETED' : undefined;
  }

  async #line(type: string, entry: Entry): Promise<string> {
    if (
      this.#view.form === 'object' &&
      (this.#resource.conversion === undefined || isOfVersion(entry, this.#resource))
    ) {
      return `{"type":"${type}","object":${entry.bytes.toString()}}\n`;
    }
    const [object] = await objectsOf(this.#resource, [entry]);
    return `${JSON.stringify({ type, object: viewOf(this.#resource, object!, { ...this.#view, now: this.#deps.now() }) })}\n`;
  }

  #idleBookmark(): void {
    if (this.#busy || this.#blocked) return;
    this.#sent = Math.max(this.#sent, this.#deps.store.revision);
    this.#bookmark();
  }

  #bookmark(annotations?: Record<string, string>): void {
    const object: KubeObject = {
      kind: this.#resource.kind,
      apiVersion: apiVersionOf(this.#resource),
      metadata: {
        resourceVersion: String(this.#sent),
        creationTimestamp: null,
        ...(annotations && { annotations }),
      },
    };
    const shown =
      this.#view.form === 'object' ? object : viewOf({ ...this.#resource, columns: [] }, object, this.#view);
    this.#sink.write(`${JSON.stringify({ type: 'BOOKMARK', object: shown })}\n`);
  }
}

function eventType(event: ChangeEvent): 'ADDED' | 'MODIFIED' | 'DELETED' {
  if (event.removed) return 'DELETED';
  return event.previous === undefined ? 'ADDED' : 'MODIFIED';
}

const LINE_STARTS = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
};
const LINE_END = Buffer.from('}\n');

function plainParts(event: ChangeEvent): Buffer[] {
  return [LINE_STARTS[eventType(event)], event.bytes, LINE_END];
}

/** Watches of one collection that are equally far get the same bytes, made once. */
export class ChunkCache {
  #first: ChangeEvent | undefined;
  #count = 0;
  #chunk: Buffer = LINE_END;

  chunk(events: readonly ChangeEvent[]): Buffer {
    if (this.#first !== events[0] || this.#count !== events.length) {
      this.#first = events[0];
      this.#count = events.length;
      this.#chunk = Buffer.concat(events.flatMap(plainParts));
    }
    return this.#chunk;
  }
}
