import type { Condition, KubeObject } from '../../kube/index.ts';

export interface Taint {
  key: string;
  value?: string;
  effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
  timeAdded?: string;
}

/** The parts of core/v1 Node that scheduling looks at. */
export interface Node extends KubeObject {
  spec: { taints?: Taint[]; unschedulable?: boolean; providerID?: string; podCIDR?: string };
  status?: {
    capacity?: Record<string, string>;
    allocatable?: Record<string, string>;
    conditions?: Condition[];
    images?: unknown[];
  };
}
