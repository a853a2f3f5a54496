import type { EventRecorder, Informers, KubeClient, Logger } from '../kube/index.ts';

/** What every controller here works with. */
export interface WorkloadContext {
  client: KubeClient;
  informers: Informers;
  log: Logger;
  now: () => number;
  events: (component: string) => EventRecorder;
}

/** Something that works until its signal aborts. */
export interface Runnable {
  run: (signal: AbortSignal) => Promise<void>;
}

export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
