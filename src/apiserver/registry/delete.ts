import { ApiError, isRecord, type KubeObject } from '../../kube/index.ts';
import type { Resource } from '../kinds/index.ts';
import type { Entry } from '../store/index.ts';
import { notFound } from './codec.ts';
import { type Attributes, type Call, objectKey } from './context.ts';
import {
  answer,
  commit,
  fromStored,
  Outrun,
  type RegistryDeps,
  readLatest,
  storedResource,
  type Written,
} from './deps.ts';
import { conflict } from './update.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

export interface DeleteOptions {
  propagation: 'Background' | 'Foreground' | 'Orphan' | undefined;
  gracePeriodSeconds: number | undefined;
  uid: string | undefined;
  resourceVersion: string | undefined;
}

export interface Deleted extends Written {
  /** The object is gone, not only marked. */
  gone: boolean;
}

/** Options come in the body; the query may carry them too. */
export function parseDeleteOptions(body: unknown, query: URLSearchParams): DeleteOptions {
  const options = isRecord(body) ? body : {};
  const preconditions = isRecord(options['preconditions']) ? options['preconditions'] : {};
  const grace = options['gracePeriodSeconds'] ?? numberOf(query.get('gracePeriodSeconds'));
  const orphan = options['orphanDependents'] ?? query.get('orphanDependents');
  const policy =
    options['propagationPolicy'] ??
    query.get('propagationPolicy') ??
    (String(orphan) === 'true' ? 'Orphan' : undefined);
  if (policy !== undefined && policy !== 'Background' && policy !== 'Foreground' && policy !== 'Orphan') {
    throw new ApiError(
      'BadRequest',
      `propagationPolicy must be Background, Foreground or Orphan, not ${JSON.stringify(policy)}.`,
    );
  }
  if (grace !== undefined && grace !== null && (!Number.isInteger(grace) || (grace as number) < 0)) {
    throw new ApiError('BadRequest', 'gracePeriodSeconds must be a whole number of seconds, 0 or more.');
  }
  return {
    propagation: policy,
    gracePeriodSeconds: typeof grace === 'number' ? grace : undefined,
    uid: typeof preconditions['uid'] === 'string' ? preconditions['uid'] : undefined,
    resourceVersion:
      typeof preconditions['resourceVersion'] === 'string' ? preconditions['resourceVersion'] : undefined,
  };
}

function numberOf(text: string | null): number | undefined {
  return text === null ? undefined : Number(text);
}

const RETRIES = 32;

export async function remove(
  deps: RegistryDeps,
  resource: Resource,
  namespace: string,
  name: string,
  options: DeleteOptions,
  call: Call,
): Promise<Deleted> {
  const stored = storedResource(deps, resource);
  for (let attempt = 0; ; attempt++) {
    const found = readLatest(deps, stored, objectKey(namespace, name));
    if (found === undefined) throw notFound(resource, name);
    checkPreconditions(resource, found.entry, found.object, options);
    await admit(deps, stored, found.object, call);
    try {
      return await removeOnce(deps, resource, stored, found.entry, found.object, options, call);
    } catch (error) {
      if (!(error instanceof Outrun)) throw error;
      if (attempt === RETRIES) throw conflict({ resource, name });
    }
  }
}

async function removeOnce(
  deps: RegistryDeps,
  resource: Resource,
  stored: Resource,
  entry: Entry,
  object: KubeObject,
  options: DeleteOptions,
  call: Call,
): Promise<Deleted> {
  const { metadata } = object;
  const wasDeleted = metadata.deletionTimestamp !== undefined;
  const finalizers = withPropagation(metadata.finalizers ?? [], options);
  const grace = gracePeriod(stored, object, options);
  const waits = finalizers.length > 0 || isNamespaceWithContent(object) || grace > 0;
  const changesNothing =
    wasDeleted &&
    waits &&
    sameList(finalizers, metadata.finalizers ?? []) &&
    grace >= (metadata.deletionGracePeriodSeconds ?? 0);
  if (changesNothing) return { object: await fromStored(resource, object), gone: false };
  if (waits) markDeleted(deps, object, finalizers, grace);
  if (call.dryRun) return { object: await fromStored(resource, object), gone: !waits };
  const written = await commit(deps, object, {
    collection: stored.collection,
    key: entry.key,
    expected: entry.revision,
    remove: !waits,
  });
  return { ...(await answer(resource, written, object)), gone: !waits };
}

function markDeleted(deps: RegistryDeps, object: KubeObject, finalizers: string[], grace: number): void {
  const { metadata } = object;
  if (metadata.deletionTimestamp === undefined && metadata.generation !== undefined) metadata.generation += 1;
  metadata.deletionTimestamp ??= `${new Date(deps.now() + grace * 1000).toISOString().slice(0, 19)}Z`;
  metadata.deletionGracePeriodSeconds = grace;
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  if (object.kind === 'Namespace' && object.apiVersion === 'v1') {
    object['status'] = { ...(isRecord(object['status']) ? object['status'] : {}), phase: 'Terminating' };
  }
}

function gracePeriod(stored: Resource, object: KubeObject, options: DeleteOptions): number {
  const usual = stored.strategy.gracePeriod?.(object) ?? 0;
  if (usual === 0) return 0;
  const wanted = options.gracePeriodSeconds ?? usual;
  const running = object.metadata.deletionGracePeriodSeconds;
  return running === undefined ? wanted : Math.min(wanted, running);
}

function withPropagation(finalizers: readonly string[], options: DeleteOptions): string[] {
  if (options.propagation === undefined) return [...finalizers];
  const others = finalizers.filter((item) => item !== FOREGROUND && item !== ORPHAN);
  if (options.propagation === 'Foreground') return [...others, FOREGROUND];
  if (options.propagation === 'Orphan') return [...others, ORPHAN];
  return others;
}

function isNamespaceWithContent(object: KubeObject): boolean {
  if (object.kind !== 'Namespace' || object.apiVersion !== 'v1') return false;
  const spec = object['spec'] as { finalizers?: unknown[] } | undefined;
  return (spec?.finalizers?.length ?? 0) > 0;
}

function checkPreconditions(
  resource: Resource,
  entry: Entry,
  object: KubeObject,
  options: DeleteOptions,
): void {
  const name = object.metadata.name ?? '';
  if (options.uid !== undefined && options.uid !== object.metadata.uid) {
    throw conflict(
      { resource, name },
      `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${object.metadata.uid}`,
    );
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== String(entry.revision)) {
    throw conflict(
      { resource, name },
      `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${entry.revision}`,
    );
  }
}

async function admit(deps: RegistryDeps, stored: Resource, before: KubeObject, call: Call): Promise<void> {
  const attributes: Attributes = {
    operation: 'DELETE',
    resource: stored,
    subresource: '',
    namespace: before.metadata.namespace ?? '',
    name: before.metadata.name ?? '',
    object: undefined,
    before,
    options: { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1' },
    call,
  };
  await deps.admission.mutate(attributes);
  await deps.admission.validate(attributes);
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

/** What a deletion answers with when the object is gone. */
export function deletedStatus(resource: Resource, object: KubeObject): Record<string, unknown> {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name: object.metadata.name,
      ...(resource.group !== '' && { group: resource.group }),
      kind: resource.plural,
      uid: object.metadata.uid,
    },
  };
}
