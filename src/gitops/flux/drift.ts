import type { Compared } from '../engine/comparison.ts';
import { showKey } from '../engine/object-key.ts';
import type { IgnoreRule } from '../resources.ts';
import type { Kept } from './resources.ts';

/** What others may change about the objects of a release. */
export function driftRules({ spec }: Kept): IgnoreRule[] {
  return (spec.driftDetection?.ignore ?? []).map(({ paths, target = {} }) => ({
    ...target,
    group: target.group ?? '*',
    kind: target.kind ?? '*',
    jsonPointers: paths,
  }));
}

/** Whether what others change about a release stays until the release itself changes. */
export function leavesDrift({ spec }: Kept): boolean {
  const mode = spec.driftDetection?.mode;
  return mode === 'disabled' || mode === 'warn';
}

/** Where somebody wants to hear of it, in words. */
export function driftWarning({ spec }: Kept, compared: readonly Compared[]): string {
  if (spec.driftDetection?.mode !== 'warn') return '';
  const drifted = compared.filter(({ sync }) => sync === 'OutOfSync');
  if (drifted.length === 0) return '';
  const more = drifted.length === 1 ? '' : ` and ${drifted.length - 1} more`;
  return `; changed by others: ${showKey(drifted[0]!.key)}${more}`;
}
