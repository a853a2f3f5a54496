import { ApiError, isRecord, type KubeObject } from '../../kube/index.ts';
import {
  AGE_COLUMN,
  at,
  type Column,
  count,
  NAME_COLUMN,
  numberAt,
  type Resource,
  selectorText,
} from '../kinds/index.ts';
import { parseEntry } from './codec.ts';
import { type Call, objectKey } from './context.ts';
import type { RegistryDeps } from './deps.ts';
import { notFound } from './codec.ts';
import { modify, type Target } from './update.ts';

/** What `kubectl get --subresource=scale` shows. */
export const SCALE_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  count('Desired', 'spec.replicas'),
  count('Available', 'status.replicas'),
  AGE_COLUMN,
];

/** The scale subresource: replicas of any scalable kind in one shape. */
export function readScale(deps: RegistryDeps, target: Target): KubeObject {
  const entry = deps.store.get(target.resource.collection, objectKey(target.namespace, target.name));
  if (entry === undefined) throw notFound(target.resource, target.name);
  const object = parseEntry(entry);
  object.metadata.resourceVersion = String(entry.revision);
  return scaleOf(target.resource, object);
}

export function scaleOf(resource: Resource, object: KubeObject): KubeObject {
  const paths = resource.scale;
  if (paths === undefined) throw new ApiError('NotFound', `${resource.plural} have no scale.`);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = paths.selector === undefined ? undefined : at(object, dotted(paths.selector));
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: Object.fromEntries(
      Object.entries({ name, namespace, uid, resourceVersion, creationTimestamp }).filter(
        ([, value]) => value !== undefined,
      ),
    ),
    spec: { replicas: numberAt(object, dotted(paths.specReplicas)) },
    status: {
      replicas: numberAt(object, dotted(paths.statusReplicas)),
      ...(selector !== undefined && {
        selector: typeof selector === 'string' ? selector : selectorText(selector),
      }),
    },
  };
}

/** `change` gets the current scale and gives the wanted one. */
export async function writeScale(
  deps: RegistryDeps,
  target: Target,
  change: (scale: KubeObject) => unknown,
  call: Call,
): Promise<KubeObject> {
  const { resource } = target;
  const path = dotted(resource.scale?.specReplicas ?? '').split('.');
  const written = await modify(deps, target, call, (object) => {
    const wanted = change(scaleOf(resource, object));
    const replicas = at(wanted, 'spec.replicas') ?? 0;
    if (!Number.isInteger(replicas) || (replicas as number) < 0) {
      throw new ApiError(
        'Invalid',
        `Scale.autoscaling ${JSON.stringify(target.name)} is invalid: spec.replicas: Invalid value: ${JSON.stringify(replicas)}: must be greater than or equal to 0`,
      );
    }
    const version = at(wanted, 'metadata.resourceVersion');
    if (typeof version === 'string' && version !== '') object.metadata.resourceVersion = version;
    else delete object.metadata.resourceVersion;
    setPath(object, path, replicas);
    return { object };
  });
  return scaleOf(resource, written.object);
}

function dotted(path: string): string {
  return path.replace(/^\./, '');
}

function setPath(object: KubeObject, path: readonly string[], value: unknown): void {
  let at: Record<string, unknown> = object;
  for (const key of path.slice(0, -1)) {
    if (!isRecord(at[key])) at[key] = {};
    at = at[key] as Record<string, unknown>;
  }
  at[path.at(-1)!] = value;
}
