import { conditionOf, durationMs } from '../../kube/index.ts';
import type { Compared } from '../engine/comparison.ts';
import { worse } from '../engine/health.ts';
import { healthByRules } from '../engine/health-rules.ts';
import { showKey } from '../engine/object-key.ts';
import type { HealthCode } from '../resources.ts';
import type { Kept } from './resources.ts';

const TIMEOUT_MS = 300_000;

/** How what it applied is, where that is not well. */
export function keptHealth(
  { spec }: Kept,
  { compared, all }: { compared: readonly Compared[]; all: boolean },
): { code: HealthCode; message: string } | undefined {
  const checks = spec.healthChecks ?? [];
  const looked = compared.filter(
    ({ key, requiresPruning }) =>
      !requiresPruning &&
      (all ||
        checks.some(
          (check) =>
            check.kind === key.kind &&
            check.name === key.name &&
            (check.namespace ?? key.namespace) === key.namespace,
        )),
  );
  const found = looked.map(({ key, live, health }) => ({
    key,
    health: (live && healthByRules(live, spec.healthCheckExprs ?? [])) ?? health,
  }));
  const code = found.reduce<HealthCode>(
    (worst, { health }) => (health === undefined ? worst : worse(worst, health.status)),
    'Healthy',
  );
  if (code === 'Healthy' || code === 'Suspended') return undefined;
  const item = found.find(({ health }) => health?.status === code);
  return {
    code,
    message: `${item === undefined ? '' : showKey(item.key)} is ${code}${item?.health?.message ? `: ${item.health.message}` : ''}`,
  };
}

/** What was applied has not become well in the time that it has. */
export function isLate({ kind, spec, status, metadata }: Kept, revision: string, now: number): boolean {
  const ready = conditionOf(status?.conditions, 'Ready');
  if (status?.lastAttemptedRevision !== revision || status.observedGeneration !== metadata.generation)
    return false;
  // Each try of a release has its own time.
  const isTriedOnce = kind !== 'HelmRelease';
  if (isTriedOnce && ready?.reason === 'HealthCheckFailed' && ready.message?.startsWith('timeout'))
    return true;
  const since = Date.parse(ready?.lastTransitionTime ?? '');
  return ready?.status === 'Unknown' && now - since > (durationMs(spec.timeout ?? '') ?? TIMEOUT_MS);
}
