export {
  type ClusterForm,
  type ClusterObject,
  type ClusterPlan,
  clusterObjects,
  KNATIVE_SERVICES,
} from './cluster/objects.ts';
export type {
  BuiltImage,
  FunctionImageRequest,
  ImageMaker,
  ImageRequest,
  PushTarget,
  StandaloneImage,
} from './context.ts';
export { Functions, type FunctionsOptions } from './functions.ts';
export {
  type HostedProcess,
  type InstanceHost,
  LoadError,
  type LoadRequest,
  type ProcessSpec,
} from './instances/host.ts';
export {
  BASE_IMAGES,
  type BaseImageObject,
  FUNCTIONS,
  type FunctionObject,
  type FunctionSpec,
  IMAGES,
  type ImageObject,
  plainLanguage,
  type RevisionInfo,
  type RevisionObject,
} from './resources.ts';
export { type FunctionRun, RUN_API_VERSION, type RunStatus } from './runs/record.ts';
export type { RunQuery } from './runs/run-store.ts';
export type { RunRequest, Runs } from './runs/runs.ts';
export { BadSourceError, type SourceFile, type SourceStore } from './sources/source-store.ts';
