import {
  cloneJson,
  type Condition,
  isApiError,
  type KubeClient,
  type KubeObject,
  type ResourceRef,
} from '../kube/index.ts';

/** Whether a run has ended, and how: undefined while it goes on. */
export function outcomeOf(run: {
  status?: { conditions?: Condition[] };
}): 'succeeded' | 'failed' | undefined {
  const found = run.status?.conditions?.find((item) => item.type === 'Succeeded');
  if (found === undefined || found.status === 'Unknown') return undefined;
  return found.status === 'True' ? 'succeeded' : 'failed';
}

export function reasonOf(run: { status?: { conditions?: Condition[] } }): string {
  return run.status?.conditions?.find((item) => item.type === 'Succeeded')?.reason ?? '';
}

/** The one condition that runs have. */
export function succeeded(
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
): Omit<Condition, 'lastTransitionTime'> {
  return { type: 'Succeeded', status, reason, message };
}

/**
 * Writes a status if it says something new. It is written onto the version that was read: a pass that worked on an
 * older one is told so, and comes again.
 */
export async function commitStatus<T extends KubeObject>(
  client: KubeClient,
  resource: ResourceRef,
  run: T,
  status: object,
): Promise<T> {
  if (stable(status) === stable(run['status'] ?? {})) return run;
  try {
    return await client.update<T>(resource, { ...run, status: cloneJson(status) } as T, {
      subresource: 'status',
    });
  } catch (error) {
    if (isApiError(error, 'NotFound')) return run;
    throw error;
  }
}

function stable(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(
          Object.entries(item)
            .filter(([, field]) => field !== undefined)
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        )
      : item,
  );
}
