import { isRecord, type KubeObject, timestamp } from '../../kube/index.ts';
import type { Compared } from '../engine/comparison.ts';
import { worse } from '../engine/health.ts';
import type {
  Application,
  ApplicationCondition,
  ApplicationStatus,
  HealthCode,
  HistoryEntry,
  OperationState,
  ResourceStatus,
  SyncCode,
} from '../resources.ts';

const HISTORY = 10;

export function resourceStatuses(compared: readonly Compared[]): ResourceStatus[] {
  return compared
    .map(
      ({ key, sync, health, requiresPruning, desired, problem }): ResourceStatus => ({
        group: key.group,
        version: key.version,
        kind: key.kind,
        ...(key.namespace !== '' && { namespace: key.namespace }),
        name: key.name,
        status: sync,
        ...(health && { health: problem === undefined ? health : { ...health, message: problem } }),
        ...(requiresPruning && { requiresPruning }),
        ...(desired !== undefined && desired.wave !== 0 && { syncWave: desired.wave }),
      }),
    )
    .sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1));
}

function textOf({ group, kind, namespace = '', name }: ResourceStatus): string {
  return `${group}/${kind}/${namespace}/${name}`;
}

export function syncOf(compared: readonly Compared[]): SyncCode {
  return compared.some(({ sync }) => sync === 'OutOfSync') ? 'OutOfSync' : 'Synced';
}

export function healthOfAll(compared: readonly Compared[]): HealthCode {
  return compared
    .filter(({ requiresPruning }) => !requiresPruning)
    .reduce<HealthCode>(
      (health, item) => (item.health === undefined ? health : worse(health, item.health.status)),
      'Healthy',
    );
}

/** Conditions with the time since when each of them is so. */
export function withTimes(
  conditions: readonly ApplicationCondition[],
  before: readonly ApplicationCondition[] | undefined,
  now: number,
): ApplicationCondition[] {
  return conditions.map(({ type, message }) => {
    const known = before?.find((item) => item.type === type && item.message === message);
    return { type, message, lastTransitionTime: known?.lastTransitionTime ?? timestamp(now) };
  });
}

export function withHistory(app: Application, state: OperationState, now: number): HistoryEntry[] {
  const history = app.status?.history ?? [];
  const { syncResult, operation, startedAt } = state;
  if (syncResult === undefined || operation.sync?.dryRun || operation.sync?.resources !== undefined)
    return history;
  const last = history.at(-1);
  const isSame =
    last?.revision === syncResult.revision &&
    JSON.stringify(last.source) === JSON.stringify(syncResult.source);
  if (isSame && JSON.stringify(last.revisions) === JSON.stringify(syncResult.revisions)) return history;
  const entry: HistoryEntry = {
    id: (last?.id ?? -1) + 1,
    revision: syncResult.revision,
    ...(syncResult.revisions && { revisions: syncResult.revisions }),
    deployedAt: timestamp(now),
    deployStartedAt: startedAt,
    source: syncResult.source,
    ...(syncResult.sources && { sources: syncResult.sources }),
    ...(operation.initiatedBy && { initiatedBy: operation.initiatedBy }),
  };
  return [...history, entry].slice(-(app.spec.revisionHistoryLimit ?? HISTORY) || history.length + 1);
}

export function summaryOf(
  compared: readonly Compared[],
  gateway: string,
): NonNullable<ApplicationStatus['summary']> {
  const images = new Set<string>();
  const urls = new Set<string>();
  for (const { live } of compared) {
    if (live === undefined) continue;
    for (const image of imagesIn(live['spec'])) images.add(image);
    if (live.kind === 'Ingress') for (const path of pathsOf(live)) urls.add(`${gateway}${path}`);
  }
  return {
    ...(images.size > 0 && { images: [...images].sort() }),
    ...(urls.size > 0 && { externalURLs: [...urls].sort() }),
  };
}

function imagesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(imagesIn);
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if ((key === 'containers' || key === 'initContainers') && Array.isArray(inner))
      return inner.flatMap((item: unknown) =>
        isRecord(item) && typeof item['image'] === 'string' ? [item['image']] : [],
      );
    return key === 'template' || key === 'spec' || key === 'jobTemplate' ? imagesIn(inner) : [];
  });
}

function pathsOf({ spec }: KubeObject): string[] {
  const rules =
    isRecord(spec) && Array.isArray(spec['rules'])
      ? (spec['rules'] as { host?: string; http?: { paths?: { path?: string }[] } }[])
      : [];
  return rules
    .filter(({ host }) => host === undefined)
    .flatMap(({ http }) => (http?.paths ?? []).map(({ path = '/' }) => path));
}

/** Whether two statuses say the same; when they were written does not count. */
export function sameStatus(a: ApplicationStatus | undefined, b: ApplicationStatus): boolean {
  return (
    JSON.stringify(sorted({ ...a, reconciledAt: undefined })) ===
    JSON.stringify(sorted({ ...b, reconciledAt: undefined }))
  );
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .filter((key) => value[key] !== undefined)
      .map((key) => [key, sorted(value[key])]),
  );
}

/** The merge patch that makes one of the other: what is not there any more is taken away. */
export function patchBetween(before: unknown, after: unknown): unknown {
  if (!isRecord(before) || !isRecord(after)) return after;
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(before)) if (after[key] === undefined) patch[key] = null;
  for (const [key, value] of Object.entries(after)) {
    if (value === undefined || JSON.stringify(before[key]) === JSON.stringify(value)) continue;
    patch[key] = patchBetween(before[key], value);
  }
  return patch;
}
