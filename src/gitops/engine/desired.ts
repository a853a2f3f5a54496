import { createHash } from 'node:crypto';
import { cloneJson } from '../../kube/index.ts';
import type { DesiredObject, Manifest } from '../../render/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { NOTES, type SyncPhase } from '../resources.ts';
import { type ObjectKey, keyOfObject, showKey, textOfKey } from './object-key.ts';

export interface HookInfo {
  phase: SyncPhase;
  /** When it is removed. */
  deletePolicies: readonly string[];
}

export interface Desired {
  key: ObjectKey;
  object: DesiredObject;
  file: string;
  wave: number;
  options: ReadonlySet<string>;
  /** Set where it is no part of the application, but runs while it is synchronised. */
  hooks: readonly HookInfo[];
  /** Stands for everything that Git says about it. */
  hash: string;
}

export interface Ownership {
  /** By which objects are known to belong to somebody. */
  mark: (key: ObjectKey) => { annotations?: Record<string, string>; labels?: Record<string, string> };
  /** Namespace of objects that name none. */
  namespace: string;
}

const HELM_PHASES: Readonly<Record<string, SyncPhase | undefined>> = {
  'pre-install': 'PreSync',
  'pre-upgrade': 'PreSync',
  'post-install': 'PostSync',
  'post-upgrade': 'PostSync',
  'pre-delete': 'PreDelete',
  'post-delete': 'PostDelete',
};
const HELM_POLICIES: Readonly<Record<string, string>> = {
  'before-hook-creation': 'BeforeHookCreation',
  'hook-succeeded': 'HookSucceeded',
  'hook-failed': 'HookFailed',
};
const PHASES: ReadonlySet<string> = new Set([
  'PreSync',
  'Sync',
  'PostSync',
  'SyncFail',
  'PreDelete',
  'PostDelete',
]);

/** The manifests of an owner as its cluster is to have them, and what is odd about them. */
export async function prepare(
  manifests: readonly Manifest[],
  owner: Ownership,
  cluster: Cluster,
): Promise<{ items: Desired[]; repeated: string[] }> {
  const scopes = scopesIn(manifests);
  const found = new Map<string, Desired>();
  const repeated: string[] = [];
  for (const manifest of manifests) {
    const item = await prepareOne(manifest, owner, { cluster, scopes });
    if (item === undefined) continue;
    const text = textOfKey(item.key);
    // Hooks may be made under a new name each time.
    const isNamed = item.object.metadata.name !== undefined;
    if (isNamed && found.has(text))
      repeated.push(`${showKey(item.key)} is there more than once: the last one counts`);
    found.set(isNamed ? text : `${text}#${found.size}`, item);
  }
  return { items: [...found.values()], repeated };
}

/** Kinds that come with the manifests themselves. */
function scopesIn(manifests: readonly Manifest[]): Map<string, boolean> {
  const scopes = new Map<string, boolean>();
  for (const { object } of manifests) {
    if (object.kind !== 'CustomResourceDefinition') continue;
    const { group, names, scope } = (object['spec'] ?? {}) as {
      group?: string;
      names?: { kind?: string };
      scope?: string;
    };
    scopes.set(`${group}/${names?.kind}`, scope !== 'Cluster');
  }
  return scopes;
}

async function prepareOne(
  { object: original, file }: Manifest,
  owner: Ownership,
  { cluster, scopes }: { cluster: Cluster; scopes: ReadonlyMap<string, boolean> },
): Promise<Desired | undefined> {
  const object = cloneJson(original);
  const annotations = object.metadata.annotations ?? {};
  const hooks = hooksOf(annotations);
  if (hooks === undefined) return undefined;
  const key = keyOfObject(object);
  const isNamespaced =
    scopes.get(`${key.group}/${key.kind}`) ?? (await cluster.resourceOf(key))?.namespaced ?? true;
  key.namespace = isNamespaced ? key.namespace || owner.namespace : '';
  const hash = createHash('sha256')
    .update(JSON.stringify(object))
    .update(key.namespace)
    .digest('hex')
    .slice(0, 16);
  const mark = owner.mark(key);
  const { namespace: _, ...metadata } = object.metadata;
  object.metadata = {
    ...metadata,
    ...(isNamespaced && { namespace: key.namespace }),
    annotations: {
      ...annotations,
      ...mark.annotations,
      [NOTES.applied]: hash,
      [NOTES.source]: file,
    },
    ...((object.metadata.labels ?? mark.labels) && { labels: { ...object.metadata.labels, ...mark.labels } }),
  };
  const wave = Number(annotations[NOTES.wave] ?? annotations[NOTES.helmHookWeight] ?? 0);
  return {
    key,
    object,
    file,
    wave: Number.isFinite(wave) ? Math.trunc(wave) : 0,
    options: optionsIn(annotations[NOTES.options]),
    hooks,
    hash,
  };
}

export function optionsIn(text: string | undefined): Set<string> {
  return new Set(
    (text ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );
}

/** In which phases it runs. Undefined for what is never applied. */
export function hooksOf(annotations: Readonly<Record<string, string>>): HookInfo[] | undefined {
  const own = annotations[NOTES.hook];
  if (own !== undefined) {
    const names = own.split(',').map((item) => item.trim());
    if (names.includes('Skip')) return undefined;
    const deletePolicies = policiesIn(annotations[NOTES.hookDeletePolicy], (name) => name);
    const phases = names.filter((name) => PHASES.has(name)) as SyncPhase[];
    return phases.length === 0 ? undefined : phases.map((phase) => ({ phase, deletePolicies }));
  }
  const helm = annotations[NOTES.helmHook];
  if (helm === undefined || helm.includes('crd-install')) return [];
  const phases = new Set(helm.split(',').flatMap((name) => HELM_PHASES[name.trim()] ?? []));
  const deletePolicies = policiesIn(
    annotations[NOTES.helmHookDeletePolicy],
    (name) => HELM_POLICIES[name] ?? '',
  );
  return phases.size === 0 ? undefined : [...phases].map((phase) => ({ phase, deletePolicies }));
}

function policiesIn(text: string | undefined, nameOf: (name: string) => string): string[] {
  const found = (text ?? '')
    .split(',')
    .map((item) => nameOf(item.trim()))
    .filter((item) => item !== '');
  return found.length === 0 ? ['BeforeHookCreation'] : found;
}
