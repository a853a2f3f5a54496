import { isDeepStrictEqual } from 'node:util';
import { ApiError, type KubeObject, type ManagedFieldsEntry, cloneJson } from '../../kube/index.ts';
import { applyConfiguration, checkManager, trackUpdate } from '../apply/index.ts';
import { apiVersionOf, qualified, type Resource } from '../kinds/index.ts';
import type { Entry } from '../store/index.ts';
import { checkObject, decodeObject, invalid, notFound, parseEntry, tidyMetadata } from './codec.ts';
import { type Attributes, type Call, objectKey } from './context.ts';
import { createApplied } from './create.ts';
import {
  answer,
  commit,
  fromStored,
  Outrun,
  type RegistryDeps,
  readLatest,
  storedResource,
  timestamp,
  toStored,
  type Written,
} from './deps.ts';

const RETRIES = 32;

/** One object, or a part of one. */
export interface Target {
  resource: Resource;
  namespace: string;
  name: string;
  /** '' for the object itself. */
  subresource: string;
}

export interface Change {
  object: KubeObject;
  /** Given by server-side apply; a plain change is recorded for its manager otherwise. */
  managedFields?: ManagedFieldsEntry[];
}

/** Makes the new object from the current one, in the version that was asked for. */
export type Changer = (current: KubeObject) => Change;

export async function update(
  deps: RegistryDeps,
  target: Target,
  body: unknown,
  call: Call,
): Promise<Written> {
  const wanted = decodeObject(target.resource, body, call);
  const { metadata } = wanted;
  if (metadata.name !== undefined && metadata.name !== target.name) {
    throw new ApiError(
      'BadRequest',
      `the name of the object (${metadata.name}) does not match the name on the URL (${target.name})`,
    );
  }
  if (target.resource.namespaced && metadata.namespace && metadata.namespace !== target.namespace) {
    throw new ApiError(
      'BadRequest',
      `the namespace of the object (${metadata.namespace}) does not match the namespace on the URL (${target.namespace})`,
    );
  }
  // What a plain update replaces need not be read.
  return modifyLazily(deps, target, call, () => ({ object: cloneJson(wanted) }));
}

/** Applies a patch function and brings the result into shape. */
export async function patch(
  deps: RegistryDeps,
  target: Target,
  apply: (current: KubeObject) => unknown,
  call: Call,
): Promise<Written> {
  return modify(deps, target, call, (current) => ({
    object: decodeObject(target.resource, apply(current), call),
  }));
}

export interface ApplyOptions {
  /** Take over fields that other managers set to something else. */
  force: boolean;
  /** Stands for everything that was sent: equal fingerprints mean equal requests. */
  fingerprint: string;
}

/**
 * Remembers which configuration led to an object as it is. The same configuration on the same state changes
 * nothing, and the tools that apply do that most of the time.
 */
export class AppliedMemory {
  readonly #known = new WeakMap<Entry, string>();

  leadsTo(entry: Entry, fingerprint: string): boolean {
    return this.#known.get(entry) === fingerprint;
  }

  remember(entry: Entry | undefined, written: Written, fingerprint: string): void {
    const isResult =
      entry !== undefined && String(entry.revision) === written.object.metadata.resourceVersion;
    if (isResult) this.#known.set(entry, fingerprint);
  }
}

export async function applyObject(
  deps: RegistryDeps,
  target: Target,
  body: unknown,
  call: Call,
  options: ApplyOptions,
): Promise<Written> {
  const { resource, namespace, name, subresource } = target;
  const { collection } = storedResource(deps, resource);
  const key = objectKey(namespace, name);
  const current = deps.store.latest(collection, key);
  const remembers = subresource === '' && !call.dryRun && !deps.admission.asksOthers();
  const isDurable = current !== undefined && deps.store.get(collection, key) === current;
  if (remembers && isDurable && deps.applied.leadsTo(current, options.fingerprint)) {
    return answer(resource, current, parseEntry(current));
  }
  const written = await applyAnew(deps, target, body, call, options.force);
  if (remembers) deps.applied.remember(deps.store.latest(collection, key), written, options.fingerprint);
  return written;
}

async function applyAnew(
  deps: RegistryDeps,
  target: Target,
  body: unknown,
  call: Call,
  force: boolean,
): Promise<Written> {
  const { resource, namespace, name, subresource } = target;
  const config = decodeConfiguration(resource, body, call);
  if (config.metadata.managedFields !== undefined)
    throw new ApiError('BadRequest', 'metadata.managedFields must be nil');
  config.metadata.name ??= name;
  if (config.metadata.name !== name) {
    throw new ApiError(
      'BadRequest',
      `the name of the object (${config.metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  if (resource.namespaced) config.metadata.namespace ??= namespace;
  const change = changeByApply(deps, target, config, call, force);
  for (let attempt = 0; ; attempt++) {
    const exists = deps.store.latest(resource.collection, objectKey(namespace, name)) !== undefined;
    try {
      if (exists || subresource !== '') return await modify(deps, target, call, change);
      const object = decodeObject(resource, cloneJson(config), call);
      return { ...(await createApplied(deps, resource, namespace, object, call)), created: true };
    } catch (error) {
      // Created or deleted in between: what this apply means has to be decided anew.
      if (attempt === 2 || !(error instanceof ApiError)) throw error;
      if (!(exists ? error.reason === 'NotFound' && subresource === '' : error.reason === 'AlreadyExists'))
        throw error;
    }
  }
}

function changeByApply(
  deps: RegistryDeps,
  target: Target,
  config: KubeObject,
  call: Call,
  force: boolean,
): Changer {
  const { resource, subresource } = target;
  const author = {
    manager: call.fieldManager,
    apiVersion: apiVersionOf(resource),
    subresource,
    time: timestamp(deps),
  };
  return (current) => {
    const applied = applyConfiguration(resource.schema, current, config, author, force);
    const object = decodeObject(resource, applied.object, { ...call, fieldValidation: 'Ignore' });
    if (config.metadata.resourceVersion) object.metadata.resourceVersion = config.metadata.resourceVersion;
    return { object, managedFields: applied.managedFields };
  };
}

/** An applied configuration says what its manager wants: no defaults are added to it. */
function decodeConfiguration(resource: Resource, body: unknown, call: Call): KubeObject {
  const config = cloneJson(body) as KubeObject;
  decodeObject(resource, body, call);
  config.metadata ??= {};
  return pruneLike(config, body) as KubeObject;
}

/** Keeps of `value` what is left in `decoded`: unknown fields and nulls are gone, defaults are not added. */
function pruneLike(value: unknown, decoded: unknown): unknown {
  if (Array.isArray(value) && Array.isArray(decoded))
    return value.map((item, index) => pruneLike(item, decoded[index]));
  if (typeof value !== 'object' || value === null || typeof decoded !== 'object' || decoded === null)
    return decoded;
  const shaped = decoded as Record<string, unknown>;
  const kept = Object.entries(value).filter(([key]) => Object.hasOwn(shaped, key));
  return Object.fromEntries(kept.map(([key, item]) => [key, pruneLike(item, shaped[key])]));
}

/** Reads, changes and writes until nobody came in between. */
export function modify(deps: RegistryDeps, target: Target, call: Call, change: Changer): Promise<Written> {
  return modifyLazily(deps, target, call, (read) => change(read()));
}

type LazyChanger = (read: () => KubeObject) => Change;

async function modifyLazily(
  deps: RegistryDeps,
  target: Target,
  call: Call,
  change: LazyChanger,
): Promise<Written> {
  checkManager(call.fieldManager);
  const stored = storedResource(deps, target.resource);
  const key = objectKey(target.namespace, target.name);
  let endTurn: (() => void) | undefined;
  try {
    for (let attempt = 0; ; attempt++) {
      const found = readLatest(deps, stored, key);
      if (found === undefined) throw notFound(target.resource, target.name);
      try {
        return await modifyOnce(deps, target, stored, found.entry, found.object, call, change);
      } catch (error) {
        if (!(error instanceof Outrun)) throw error;
        if (attempt === RETRIES) throw conflict(target);
      }
      endTurn ??= await deps.turns.take(`${stored.collection}\0${key}`);
    }
  } finally {
    endTurn?.();
  }
}

async function modifyOnce(
  deps: RegistryDeps,
  target: Target,
  stored: Resource,
  entry: Entry,
  before: KubeObject,
  call: Call,
  change: LazyChanger,
): Promise<Written> {
  const { resource } = target;
  const converted = resource.conversion && (await fromStored(resource, parseEntry(entry)));
  const result = change(() => converted ?? parseEntry(entry));
  const wanted = await toStored(resource, result.object);
  const { resourceVersion, uid } = wanted.metadata;
  if (uid && uid !== before.metadata.uid)
    throw conflict(
      target,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${before.metadata.uid}`,
    );
  if (resourceVersion && resourceVersion !== String(entry.revision)) throw conflict(target);
  const object = merged(stored, target.subresource, before, wanted);
  stored.strategy.prepare?.(object, before);
  const attributes: Attributes = {
    operation: 'UPDATE',
    resource: stored,
    subresource: target.subresource,
    namespace: target.namespace,
    name: target.name,
    object,
    before,
    options: { kind: 'UpdateOptions', apiVersion: 'meta.k8s.io/v1' },
    call,
  };
  await deps.admission.mutate(attributes);
  const errors = checkObject(stored, object, before, target.subresource);
  if (errors.length > 0) throw invalid(stored, target.name, errors);
  await deps.admission.validate(attributes);
  if (specChanged(before, object)) object.metadata.generation = (before.metadata.generation ?? 0) + 1;
  const author = {
    manager: call.fieldManager,
    apiVersion: apiVersionOf(resource),
    subresource: target.subresource,
    time: timestamp(deps),
  };
  object.metadata.managedFields = result.managedFields ?? trackUpdate(stored.schema, before, object, author);
  return write(deps, target, stored, { entry, before, object, dryRun: call.dryRun });
}

interface PendingUpdate {
  entry: Entry;
  before: KubeObject;
  object: KubeObject;
  dryRun: boolean;
}

async function write(
  deps: RegistryDeps,
  target: Target,
  stored: Resource,
  pending: PendingUpdate,
): Promise<Written> {
  const { entry, before, object, dryRun } = pending;
  object.metadata.resourceVersion = String(entry.revision);
  tidyMetadata(object);
  const unchanged =
    isDeepStrictEqual(object, before) && deps.store.get(stored.collection, entry.key) === entry;
  if (dryRun || unchanged)
    return unchanged
      ? answer(target.resource, entry, object)
      : { object: await fromStored(target.resource, object) };
  const remove = isReadyToGo(object);
  const written = await commit(deps, object, {
    collection: stored.collection,
    key: entry.key,
    expected: entry.revision,
    remove,
  });
  return answer(target.resource, written, object);
}

/** A deleted object goes with its last finalizer. */
function isReadyToGo(object: KubeObject): boolean {
  const { deletionTimestamp, finalizers, deletionGracePeriodSeconds } = object.metadata;
  if (deletionTimestamp === undefined || (finalizers?.length ?? 0) > 0) return false;
  const spec = object['spec'] as { finalizers?: unknown[] } | undefined;
  if (object.kind === 'Namespace' && object.apiVersion === 'v1') return (spec?.finalizers?.length ?? 0) === 0;
  return (deletionGracePeriodSeconds ?? 0) === 0;
}

/** The new object with everything that this kind of update may not touch as it was. */
function merged(stored: Resource, subresource: string, before: KubeObject, wanted: KubeObject): KubeObject {
  const object: KubeObject = subresource === '' ? wanted : { ...before };
  if (subresource === 'status') object['status'] = wanted['status'];
  else if (subresource !== '')
    object['spec'] = stored.strategy.part?.(subresource, before, wanted) ?? wanted['spec'];
  if (subresource === '' && stored.hasStatus) {
    if (before['status'] === undefined) delete object['status'];
    else object['status'] = before['status'];
  }
  const {
    uid,
    creationTimestamp,
    generation,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    name,
    namespace,
  } = before.metadata;
  const base =
    subresource === ''
      ? wanted.metadata
      : {
          ...before.metadata,
          ...(wanted.metadata.managedFields && { managedFields: wanted.metadata.managedFields }),
        };
  const metadata = Object.fromEntries(
    Object.entries({
      ...base,
      uid,
      creationTimestamp,
      generation,
      deletionTimestamp,
      deletionGracePeriodSeconds,
      name,
      namespace,
    }).filter(([, value]) => value !== undefined),
  );
  if (deletionTimestamp !== undefined)
    metadata['finalizers'] = (base.finalizers ?? []).filter((item) =>
      before.metadata.finalizers?.includes(item),
    );
  object.metadata = metadata;
  return object;
}

const NOT_SPEC = new Set(['apiVersion', 'kind', 'metadata', 'status']);

function specChanged(before: KubeObject, after: KubeObject): boolean {
  if (before.metadata.generation === undefined) return false;
  const spec = (object: KubeObject): unknown =>
    Object.entries(object)
      .filter(([key]) => !NOT_SPEC.has(key))
      .sort();
  return !isDeepStrictEqual(spec(before), spec(after));
}

export function conflict(target: Pick<Target, 'resource' | 'name'>, why?: string): ApiError {
  const { resource, name } = target;
  const reason =
    why ?? 'the object has been modified; please apply your changes to the latest version and try again';
  return new ApiError(
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(resource)} ${JSON.stringify(name)}: ${reason}`,
    {
      name,
      ...(resource.group !== '' && { group: resource.group }),
      kind: resource.plural,
    },
  );
}
