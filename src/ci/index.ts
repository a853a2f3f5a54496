export { compileRun, type RunOptions } from './compile/pipeline-run.ts';
export { type CompileOptions, compileTask, OUTPUT, type StepImages, WORKSPACE } from './compile/task.ts';
export type { BuildContext } from './compile/variables.ts';
export { type ArtifactFile, type ArtifactPlace, ArtifactStore } from './artifacts/artifact-store.ts';
export { type Snapshot, snapshotOf, takeSnapshot } from './local/snapshot.ts';
