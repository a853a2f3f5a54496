import { randomBytes, randomUUID } from 'node:crypto';
import { ApiError, type KubeObject, type ManagedFieldsEntry } from '../../kube/index.ts';
import { checkManager, ownedBy, trackUpdate } from '../apply/index.ts';
import { apiVersionOf, qualified, type Resource } from '../kinds/index.ts';
import { checkObject, decodeObject, invalid, tidyMetadata } from './codec.ts';
import { type Attributes, type Call, objectKey } from './context.ts';
import {
  answer,
  commit,
  Outrun,
  type RegistryDeps,
  storedResource,
  timestamp,
  toStored,
  type Written,
} from './deps.ts';

const GENERATED_NAME_TRIES = 8;
const MAX_GENERATED_PREFIX = 58;
const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

export async function create(
  deps: RegistryDeps,
  resource: Resource,
  namespace: string,
  body: unknown,
  call: Call,
): Promise<Written> {
  const object = decodeObject(resource, body, call);
  return createObject(deps, resource, namespace, object, call);
}

/** Server-side apply to a name that does not exist yet. */
export async function createApplied(
  deps: RegistryDeps,
  resource: Resource,
  namespace: string,
  config: KubeObject,
  call: Call,
): Promise<Written> {
  const author = {
    manager: call.fieldManager,
    apiVersion: apiVersionOf(resource),
    subresource: '',
    time: timestamp(deps),
  };
  return createObject(deps, resource, namespace, config, call, [ownedBy(resource.schema, config, author)]);
}

async function createObject(
  deps: RegistryDeps,
  resource: Resource,
  namespace: string,
  decoded: KubeObject,
  call: Call,
  applied?: ManagedFieldsEntry[],
): Promise<Written> {
  checkManager(call.fieldManager);
  const { metadata } = decoded;
  refuseMismatch(resource, namespace, metadata.namespace);
  if (metadata.resourceVersion)
    throw new ApiError('BadRequest', 'resourceVersion should not be set on objects to be created');
  const generated = !metadata.name && metadata.generateName ? metadata.generateName : undefined;
  stampNew(deps, resource, namespace, decoded);
  const stored = storedResource(deps, resource);
  const object = await toStored(resource, decoded);
  for (let attempt = 0; ; attempt++) {
    if (generated !== undefined)
      object.metadata.name = generated.slice(0, MAX_GENERATED_PREFIX) + nameSuffix();
    try {
      return await admitAndWrite(deps, resource, stored, object, call, applied);
    } catch (error) {
      if (!(error instanceof Outrun)) throw error;
      if (generated === undefined || attempt === GENERATED_NAME_TRIES)
        throw alreadyExists(resource, object.metadata.name ?? '');
    }
  }
}

async function admitAndWrite(
  deps: RegistryDeps,
  resource: Resource,
  stored: Resource,
  object: KubeObject,
  call: Call,
  applied: ManagedFieldsEntry[] | undefined,
): Promise<Written> {
  const { metadata } = object;
  const key = objectKey(metadata.namespace ?? '', metadata.name ?? '');
  stored.strategy.prepare?.(object, undefined);
  const attributes: Attributes = {
    operation: 'CREATE',
    resource: stored,
    subresource: '',
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    object,
    before: undefined,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
    call,
  };
  await deps.admission.mutate(attributes);
  if (!metadata.name) {
    throw invalid(stored, '', [
      { kind: 'required', field: 'metadata.name', detail: 'name or generateName is required' },
    ]);
  }
  const errors = checkObject(stored, object, undefined);
  if (errors.length > 0) throw invalid(stored, metadata.name, errors);
  if (deps.store.latest(stored.collection, key) !== undefined) throw new Outrun();
  await deps.admission.validate(attributes);
  const author = {
    manager: call.fieldManager,
    apiVersion: apiVersionOf(resource),
    subresource: '',
    time: timestamp(deps),
  };
  metadata.managedFields = applied ?? trackUpdate(stored.schema, undefined, object, author);
  tidyMetadata(object);
  if (call.dryRun) return { object };
  const entry = await commit(deps, object, { collection: stored.collection, key, expected: 0 });
  return answer(resource, entry, object);
}

function stampNew(deps: RegistryDeps, resource: Resource, namespace: string, object: KubeObject): void {
  const { metadata } = object;
  if (resource.namespaced) metadata.namespace = namespace;
  else delete metadata.namespace;
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timestamp(deps);
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.managedFields;
  if (Object.hasOwn(object, 'spec')) metadata.generation = 1;
  else delete metadata.generation;
  if (resource.hasStatus && resource.definition !== undefined) delete object['status'];
}

function refuseMismatch(resource: Resource, namespace: string, stated: string | undefined): void {
  if (resource.namespaced && stated && stated !== namespace) {
    throw new ApiError(
      'BadRequest',
      `the namespace of the provided object does not match the namespace sent on the request (${stated} and ${namespace})`,
    );
  }
}

export function alreadyExists(resource: Resource, name: string): ApiError {
  return new ApiError('AlreadyExists', `${qualified(resource)} ${JSON.stringify(name)} already exists`, {
    name,
    ...(resource.group !== '' && { group: resource.group }),
    kind: resource.plural,
  });
}

export function nameSuffix(): string {
  return [...randomBytes(5)].map((byte) => SUFFIX_ALPHABET[byte % SUFFIX_ALPHABET.length]).join('');
}
