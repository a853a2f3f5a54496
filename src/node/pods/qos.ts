import { type Container, type Pod, parseQuantity, quantityNumber } from '../../kube/index.ts';

const COUNTED = ['cpu', 'memory'] as const;

/** How dear a pod is when memory runs out, from what its containers ask for. */
export function qosClass(pod: Pod): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  let any = false;
  let guaranteed = true;
  for (const { resources = {} } of containers) {
    for (const name of COUNTED) {
      const limit = resources.limits?.[name];
      const request = resources.requests?.[name] ?? limit;
      if (isSome(limit) || isSome(request)) any = true;
      if (!isSome(limit) || parseQuantity(limit!)?.nano !== parseQuantity(request ?? '0')?.nano)
        guaranteed = false;
    }
  }
  if (!any) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function isSome(quantity: string | undefined): boolean {
  return quantity !== undefined && quantityNumber(quantity) > 0;
}

/** What a pod takes of its node: the sum of its containers, or its largest init container. */
export function requestsOf(pod: Pod): Record<string, number> {
  const total: Record<string, number> = {};
  const add = (into: Record<string, number>, container: Container): void => {
    const { requests, limits } = container.resources ?? {};
    for (const [name, text] of Object.entries({ ...limits, ...requests }))
      into[name] = (into[name] ?? 0) + quantityNumber(text);
  };
  for (const container of pod.spec.containers) add(total, container);
  const sidecars: Record<string, number> = {};
  for (const container of pod.spec.initContainers ?? []) {
    if (container.restartPolicy === 'Always') {
      add(total, container);
      add(sidecars, container);
      continue;
    }
    const one: Record<string, number> = { ...sidecars };
    add(one, container);
    for (const [name, value] of Object.entries(one)) total[name] = Math.max(total[name] ?? 0, value);
  }
  for (const [name, text] of Object.entries(pod.spec.overhead ?? {}))
    total[name] = (total[name] ?? 0) + quantityNumber(text);
  return total;
}
