import type { DispatchfileRenderer } from '../dispatchfile/index.ts';
import type { ControllerContext } from '../kube/index.ts';
import type { ForgeRepositories, Mirrors } from '../scm/index.ts';
import type { StepImages } from './compile/task.ts';

/** What the controllers of this room work with. */
export interface CiContext extends ControllerContext {
  fetch: typeof fetch;
  mirrors: Mirrors;
  forge: ForgeRepositories;
  renderer: DispatchfileRenderer;
  images: StepImages;
  /** How people and providers reach this server: "http://127.0.0.1:8081". */
  publicUrl: () => string;
  /** Drops the logs and artifacts of a run. */
  forgetRun: (namespace: string, run: string) => Promise<void>;
  /** How pods do. */
  clusterUrl: string;
}
