import type { DispatchfileRenderer } from '../dispatchfile/index.ts';
import type { ControllerContext } from '../kube/index.ts';
import type { Mirrors, SourceContext } from '../scm/index.ts';
import type { StepImages } from './compile/task.ts';

/** What the controllers of this room work with. */
export interface CiContext extends ControllerContext, SourceContext {
  mirrors: Mirrors;
  renderer: DispatchfileRenderer;
  images: StepImages;
  /** Drops the logs and artifacts of a run. */
  forgetRun: (namespace: string, run: string) => Promise<void>;
}
