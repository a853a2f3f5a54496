export type { ControllerContext as WorkloadContext } from '../kube/index.ts';

/** Something that works until its signal aborts. */
export interface Runnable {
  run: (signal: AbortSignal) => Promise<void>;
}
