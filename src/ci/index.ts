export { contentsOf } from './compile/contents.ts';
export { compileRun, type RunOptions } from './compile/pipeline-run.ts';
export { type CompileOptions, compileTask, OUTPUT, type StepImages, WORKSPACE } from './compile/task.ts';
export type { BuildContext } from './compile/variables.ts';
export { type ArtifactFile, type ArtifactPlace, ArtifactStore } from './artifacts/artifact-store.ts';
export { type Snapshot, snapshotOf, takeSnapshot } from './local/snapshot.ts';
export { ciControllers } from './ci.ts';
export type { CiContext } from './context.ts';
export { EventSink, recordBuild } from './hooks/event-sink.ts';
export { formatLock, GitModules, parseLock } from './repositories/modules.ts';
export {
  type Build,
  BUILDS,
  IMAGE_REPOSITORIES,
  type ImageRepository,
  REPOSITORIES,
  type Repository,
} from './resources.ts';
export { UNTRUSTED } from './builds/untrusted.ts';
export { BuildCollector } from './collect/build-collector.ts';
