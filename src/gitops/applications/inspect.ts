import { isRecord, type KubeObject, type ResourceRef } from '../../kube/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { comparable, type FieldChange, fieldChanges } from '../engine/compare.ts';
import { changesTo, type Compared } from '../engine/comparison.ts';
import { rulesFor } from '../engine/ignore.ts';
import { type ObjectKey, showKey } from '../engine/object-key.ts';
import { type Application, type Health, NOTES } from '../resources.ts';
import type { ApplicationReconciler } from './application.reconcile.ts';

export interface ObjectDifference {
  key: ObjectKey;
  /** Where Git has it. */
  file?: string;
  change: 'create' | 'update' | 'delete';
  fields: FieldChange[];
}

export interface TreeNode {
  group: string;
  version: string;
  kind: string;
  namespace: string;
  name: string;
  uid: string;
  health?: Health;
  created?: string;
  children: TreeNode[];
}

const MASKED = '••••••••';
const MAX_DEPTH = 6;
/** Kinds that controllers make for others, and that people look for. */
const CHILDREN: readonly ResourceRef[] = [
  { group: 'apps', version: 'v1', plural: 'replicasets', namespaced: true },
  { group: '', version: 'v1', plural: 'pods', namespaced: true },
  { group: 'batch', version: 'v1', plural: 'jobs', namespaced: true },
  { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices', namespaced: true },
  { group: '', version: 'v1', plural: 'persistentvolumeclaims', namespaced: true },
];

/** What Git has, as it would be applied. */
export async function manifestsOf(
  reconciler: ApplicationReconciler,
  app: Application,
  revisions?: readonly string[],
): Promise<{ object: KubeObject; file: string }[]> {
  const { items } = await reconciler.wanted(app, reconciler.find(app), revisions);
  return items.map(({ object, file }) => ({ object: withoutNotes(object as KubeObject), file }));
}

function withoutNotes(object: KubeObject): KubeObject {
  const { annotations, ...metadata } = object.metadata;
  const left = Object.entries(annotations ?? {}).filter(([key]) => !OWN.has(key));
  return {
    ...object,
    metadata: { ...metadata, ...(left.length > 0 && { annotations: Object.fromEntries(left) }) },
  };
}

const OWN: ReadonlySet<string> = new Set([NOTES.applied, NOTES.source, NOTES.tracking]);

/** Everything in which a cluster differs from Git, field by field. Values of Secrets are not told. */
export async function differencesOf(
  reconciler: ApplicationReconciler,
  app: Application,
  revisions?: readonly string[],
): Promise<ObjectDifference[]> {
  const found = reconciler.find(app);
  const wanted = await reconciler.wanted(app, found, revisions);
  const compared = await reconciler.compare(app, found, wanted);
  const differing = compared.filter(({ sync }) => sync === 'OutOfSync');
  const differences = await Promise.all(differing.map((item) => differenceOf(item, found.cluster, app)));
  return differences.filter(({ change, fields }) => change !== 'update' || fields.length > 0);
}

async function differenceOf(item: Compared, cluster: Cluster, app: Application): Promise<ObjectDifference> {
  const { key, desired, live } = item;
  const base = { key, ...(desired !== undefined && { file: desired.file }) };
  const masked = (fields: FieldChange[]): FieldChange[] =>
    key.kind === 'Secret' && key.group === '' ? fields.map(maskSecret) : fields;
  if (desired === undefined) return { ...base, change: 'delete', fields: [] };
  if (live === undefined)
    return {
      ...base,
      change: 'create',
      fields: masked(fieldChanges(undefined, withoutNotes(comparable(desired.object)), '')),
    };
  const resource = await cluster.resourceOf(key);
  if (resource === undefined) return { ...base, change: 'update', fields: [] };
  const rules = rulesFor(app.spec.ignoreDifferences ?? [], key);
  const fields = await changesTo(desired, live, { resource, cluster, rules });
  return {
    ...base,
    change: 'update',
    fields: masked(fields.filter(({ path }) => !path.includes('argocd.argoproj.io/tracking-id'))),
  };
}

function maskSecret({ path, from, to }: FieldChange): FieldChange {
  if (!/^(?:data|stringData)\b/.test(path)) {
    if (path !== '' || !isRecord(to)) return { path, from, to };
    return { path, from, to: { ...to, ...(isRecord(to['data']) && { data: maskAll(to['data']) }) } };
  }
  const mask = (value: unknown): unknown =>
    value === undefined ? undefined : isRecord(value) ? maskAll(value) : MASKED;
  return { path, from: mask(from), to: mask(to) };
}

function maskAll(data: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.keys(data).map((key) => [key, MASKED]));
}

/** The objects of an application, and everything that was made for them. */
export async function treeOf(reconciler: ApplicationReconciler, app: Application): Promise<TreeNode[]> {
  const found = reconciler.find(app);
  const compared = await reconciler.compare(app, found, await reconciler.wanted(app, found));
  const namespaces = new Set(compared.flatMap(({ live }) => live?.metadata.namespace ?? []));
  const children = await childrenIn(found.cluster, namespaces);
  return compared.flatMap(({ live }) =>
    live === undefined ? [] : [nodeOf(live, { children, cluster: found.cluster }, 0)],
  );
}

async function childrenIn(
  cluster: Cluster,
  namespaces: ReadonlySet<string>,
): Promise<Map<string, KubeObject[]>> {
  const byOwner = new Map<string, KubeObject[]>();
  const lists = await Promise.all(
    [...namespaces].flatMap((namespace) =>
      CHILDREN.map((resource) =>
        cluster
          .call((client, signal) => client.list<KubeObject>(resource, { namespace, signal }))
          .then(({ items, kind, apiVersion }) =>
            items.map((item) => ({
              ...item,
              kind: item.kind ?? kind.replace(/List$/, ''),
              apiVersion: item.apiVersion ?? apiVersion,
            })),
          ),
      ),
    ),
  );
  for (const object of lists.flat())
    for (const owner of object.metadata.ownerReferences ?? [])
      byOwner.set(owner.uid, [...(byOwner.get(owner.uid) ?? []), object]);
  return byOwner;
}

function nodeOf(
  object: KubeObject,
  all: { children: ReadonlyMap<string, KubeObject[]>; cluster: Cluster },
  depth: number,
): TreeNode {
  const { namespace = '', name = '', uid = '', creationTimestamp } = object.metadata;
  const at = object.apiVersion.lastIndexOf('/');
  const health = all.cluster.healthOf(object);
  const below = depth > MAX_DEPTH ? [] : (all.children.get(uid) ?? []);
  return {
    group: at < 0 ? '' : object.apiVersion.slice(0, at),
    version: object.apiVersion.slice(at + 1),
    kind: object.kind,
    namespace,
    name,
    uid,
    ...(health && { health }),
    ...(creationTimestamp && { created: creationTimestamp }),
    children: below.map((child) => nodeOf(child, all, depth + 1)),
  };
}

/** A difference as people read it, a line for each field. */
export function showDifference({ key, file, change, fields }: ObjectDifference): string {
  const title = `${{ create: '+', update: '~', delete: '-' }[change]} ${showKey(key)}${file === undefined ? '' : `  (${file})`}`;
  if (change !== 'update') return `${title}\n`;
  const lines = fields.map(({ path, from, to }) => `    ${path}: ${showValue(from)} → ${showValue(to)}`);
  return `${[title, ...lines].join('\n')}\n`;
}

function showValue(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
