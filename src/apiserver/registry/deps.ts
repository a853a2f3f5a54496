import { ApiError, type KubeObject } from '../../kube/index.ts';
import type { Catalog } from '../catalog.ts';
import type { Resource } from '../kinds/index.ts';
import { ConflictError, type Entry, type Store, type Write, WriteFailedError } from '../store/index.ts';
import { encodeObject, parseEntry } from './codec.ts';
import type { Admission } from './context.ts';
import type { Turns } from './turns.ts';
import type { AppliedMemory } from './update.ts';
import type { ChunkCache } from './watch.ts';

/** What the operations on objects stand on. */
export interface RegistryDeps {
  store: Store;
  catalog: Catalog;
  admission: Admission;
  chunks: ChunkCache;
  applied: AppliedMemory;
  turns: Turns;
  /** Milliseconds since the epoch. */
  now: () => number;
}

/** An object as a call answers with it. */
export interface Written {
  object: KubeObject;
  /** The wire form, where it exists already. */
  bytes?: Buffer;
  /** The object did not exist before. */
  created?: boolean;
}

export function timestamp(deps: Pick<RegistryDeps, 'now'>): string {
  return secondsText(Math.floor(deps.now() / 1000));
}

/** Formatting a date costs more than most of what happens in one second. */
const secondsText = remembered(
  (seconds: number) => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`,
);

function remembered<A, R>(compute: (argument: A) => R): (argument: A) => R {
  let last: { argument: A; result: R } | undefined;
  return (argument) => {
    if (last?.argument !== argument) last = { argument, result: compute(argument) };
    return last.result;
  };
}

/** The version of the resource in which its objects are stored. */
export function storedResource(deps: RegistryDeps, resource: Resource): Resource {
  if (resource.conversion === undefined) return resource;
  return deps.catalog.storedIn(resource.collection) ?? resource;
}

export async function toStored(resource: Resource, object: KubeObject): Promise<KubeObject> {
  if (resource.conversion === undefined) return object;
  const [converted] = await resource.conversion.toStored([object]);
  return converted ?? object;
}

export async function fromStored(resource: Resource, object: KubeObject): Promise<KubeObject> {
  if (resource.conversion === undefined) return object;
  const [converted] = await resource.conversion.fromStored([object]);
  return converted ?? object;
}

/** The newest state to build a change on: includes writes that are still on their way to the disk. */
export function readLatest(
  deps: RegistryDeps,
  resource: Resource,
  key: string,
): { entry: Entry; object: KubeObject } | undefined {
  const entry = deps.store.latest(resource.collection, key);
  return entry && { entry, object: parseEntry(entry) };
}

/** Thrown inside an operation to make it start again from the newest state. */
export class Outrun extends Error {}

export async function commit(
  deps: RegistryDeps,
  object: KubeObject,
  write: Omit<Write, 'encode'>,
): Promise<Entry> {
  try {
    return await deps.store.write({ ...write, encode: (revision) => encodeObject(object, revision) });
  } catch (error) {
    if (error instanceof ConflictError) throw new Outrun();
    if (error instanceof WriteFailedError) throw diskError(error);
    throw error;
  }
}

function diskError(error: WriteFailedError): ApiError {
  if (error.cause === undefined)
    return new ApiError('ServiceUnavailable', 'The server is stopping: try again in a moment.');
  const code = (error.cause as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ApiError(
      'InsufficientStorage',
      'The disk of the store is full: free some space and try again. Nothing was changed.',
      undefined,
      error,
    );
  }
  return new ApiError(
    'InternalError',
    `The store could not be written (${code ?? 'unknown error'}). Nothing was changed.`,
    undefined,
    error,
  );
}

/** Answers with the requested version of what was just written. */
export async function answer(resource: Resource, entry: Entry, object: KubeObject): Promise<Written> {
  object.metadata.resourceVersion = String(entry.revision);
  if (resource.conversion === undefined) return { object, bytes: entry.bytes };
  return { object: await fromStored(resource, object) };
}
