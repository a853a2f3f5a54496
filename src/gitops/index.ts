export type { Adoption } from './applications/adopt.ts';
export { GITOPS_REPOSITORIES, type GitopsRepository } from './applications/gitops-repository.controller.ts';
export { ApplicationProblem, problemOf } from './applications/application.reconcile.ts';
export { DEFAULT_PROJECT } from './applications/project.ts';
export {
  differencesOf,
  manifestsOf,
  type ObjectDifference,
  showDifference,
  type TreeNode,
  treeOf,
} from './applications/inspect.ts';
export { accessOf, CLUSTER_LABEL, CONTROL_NAMESPACES } from './clusters/clusters.ts';
export type { Artifact, ChartPlace, ChartSource, GitopsContext } from './context.ts';
export { gitopsDefinitions } from './definitions.ts';
export { type FieldChange, fieldChanges } from './engine/compare.ts';
export { Gitops } from './gitops.ts';
export {
  APP_PROJECTS,
  APPLICATIONS,
  type Application,
  type AppProject,
  FINALIZER,
  type HealthCode,
  IN_CLUSTER,
  NOTES,
  type ResourceStatus,
  type SyncCode,
} from './resources.ts';
