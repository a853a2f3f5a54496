import type { Entry } from './collection.ts';
import { type LogRecord, RecordKind } from '../../journal/index.ts';
import type { ChangeEvent } from './history.ts';
import type { Shelf } from './store.ts';

const CHUNK_BYTES = 1024 * 1024;

type Seal = (collection: string, name: string, bytes: Buffer) => Buffer;

interface Item {
  kind: RecordKind;
  revision: number;
  collection: string;
  key: string;
  bytes: Buffer;
}

/**
 * What the log adds up to: the state as of the compacted revision, then every change since. References are
 * taken when this is called, so the result is of one moment; bytes are sealed and framed as it is consumed.
 */
export function snapshotRecords(
  shelves: ReadonlyMap<string, Shelf>,
  compacted: number,
  seal: Seal,
): Iterable<LogRecord[]> {
  const base: Item[] = [];
  const changes: Item[] = [];
  for (const [collection, shelf] of shelves) {
    const events = shelf.history.all();
    for (const entry of stateBefore(shelf, events)) {
      base.push({
        kind: RecordKind.base,
        revision: entry.revision,
        collection,
        key: entry.key,
        bytes: entry.bytes,
      });
    }
    for (const event of events) {
      const kind = event.removed ? RecordKind.remove : RecordKind.put;
      changes.push({ kind, revision: event.revision, collection, key: event.key, bytes: event.bytes });
    }
  }
  changes.sort((a, b) => a.revision - b.revision);
  return frames(compacted, [...base, ...changes], seal);
}

/** The state that the kept changes apply to. */
function* stateBefore(shelf: Shelf, events: readonly ChangeEvent[]): Generator<Entry> {
  const changed = new Map<string, Entry | undefined>();
  for (const event of events) if (!changed.has(event.key)) changed.set(event.key, event.previous);
  for (const entry of shelf.live.range('')) if (!changed.has(entry.key)) yield entry;
  for (const entry of changed.values()) if (entry !== undefined) yield entry;
}

function* frames(compacted: number, items: readonly Item[], seal: Seal): Generator<LogRecord[]> {
  const nothing = Buffer.alloc(0);
  let chunk: LogRecord[] = [{ kind: RecordKind.compacted, revision: compacted, key: '', value: nothing }];
  let bytes = 0;
  for (const { kind, revision, collection, key, bytes: plain } of items) {
    const name = `${collection}\0${key}`;
    const value = seal(collection, name, plain);
    chunk.push({ kind, revision, key: name, value });
    bytes += value.length;
    if (bytes < CHUNK_BYTES) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}
