import type { KubeObject } from '../../kube/index.ts';

const REQUESTED_AT = 'reconcile.fluxcd.io/requestedAt';
const RESET_AT = 'reconcile.fluxcd.io/resetAt';

/** What was asked for by a note of an object, and done. */
export interface Handled {
  lastHandledReconcileAt?: string;
  lastHandledResetAt?: string;
}

type Asked = Pick<KubeObject, 'metadata'> & { status?: Handled };

/** Somebody wants it to be looked at now. */
export function isRequested({ metadata, status }: Asked): boolean {
  const at = metadata.annotations?.[REQUESTED_AT];
  return at !== undefined && at !== status?.lastHandledReconcileAt;
}

/** What has failed before does not count any more. */
export function isReset({ metadata, status }: Asked): boolean {
  const at = metadata.annotations?.[RESET_AT];
  return at !== undefined && at === metadata.annotations?.[REQUESTED_AT] && at !== status?.lastHandledResetAt;
}

/** For the status of what was looked at. */
export function handled({ metadata }: Asked): Handled {
  const { [REQUESTED_AT]: requested, [RESET_AT]: reset } = metadata.annotations ?? {};
  return {
    ...(requested !== undefined && { lastHandledReconcileAt: requested }),
    ...(reset !== undefined && reset === requested && { lastHandledResetAt: reset }),
  };
}
