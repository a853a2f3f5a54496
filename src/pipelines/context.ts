import type { ControllerContext } from '../kube/index.ts';

/** Files that the containers of a pod of this machine have left in its volumes. */
export interface PodFiles {
  /** Undefined where there is no such file. Refuses what leads out of the volume, or is larger. */
  read: (podUid: string, volume: string, path: string, maxBytes: number) => Promise<Buffer | undefined>;
}

export interface PipelineContext extends ControllerContext {
  files: PodFiles;
  /** Where logs of runs are kept after their pods are gone. */
  logsDir: string;
}
