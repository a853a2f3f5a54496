import type { Pod } from '../../kube/index.ts';
import type { Taint } from './node.ts';

/** Whether the pod bears the taint. */
export function isTolerated(pod: Pod, taint: Pick<Taint, 'key' | 'value' | 'effect'>): boolean {
  return tolerationsOf(pod, taint).length > 0;
}

/** How long the pod may stay under taints that drive pods out: undefined for ever, 0 not at all. */
export function graceUnder(pod: Pod, taints: readonly Taint[]): number | undefined {
  let shortest: number | undefined;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const tolerations = tolerationsOf(pod, taint);
    if (tolerations.length === 0) return 0;
    for (const { tolerationSeconds } of tolerations)
      if (tolerationSeconds !== undefined)
        shortest = Math.min(shortest ?? tolerationSeconds, Math.max(0, tolerationSeconds));
  }
  return shortest;
}

function tolerationsOf(pod: Pod, taint: Pick<Taint, 'key' | 'value' | 'effect'>) {
  return (pod.spec.tolerations ?? []).filter((item) => {
    if (item.effect && item.effect !== taint.effect) return false;
    if (item.key && item.key !== taint.key) return false;
    return item.operator === 'Exists' || (!!item.key && (item.value ?? '') === (taint.value ?? ''));
  });
}
