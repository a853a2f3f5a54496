import type { Static } from 'typebox';
import { type BUILD, GROUP, type IMAGE_REPOSITORY, type REPOSITORY, VERSION } from '../api/index.ts';
import type { Condition, KubeObject, ResourceRef } from '../kube/index.ts';

export const REPOSITORIES: ResourceRef = {
  group: GROUP,
  version: VERSION,
  plural: 'repositories',
  namespaced: true,
};
export const BUILDS: ResourceRef = { group: GROUP, version: VERSION, plural: 'builds', namespaced: true };
export const IMAGE_REPOSITORIES: ResourceRef = { ...BUILDS, plural: 'imagerepositories' };
export const PIPELINE_RUNS: ResourceRef = {
  group: 'tekton.dev',
  version: 'v1',
  plural: 'pipelineruns',
  namespaced: true,
};
export const TASK_RUNS: ResourceRef = {
  group: 'tekton.dev',
  version: 'v1',
  plural: 'taskruns',
  namespaced: true,
};

export type Repository = KubeObject & {
  spec: Static<typeof REPOSITORY.spec>;
  status?: Static<typeof REPOSITORY.status>;
};
export type Build = KubeObject & { spec: Static<typeof BUILD.spec>; status?: Static<typeof BUILD.status> };
export type ImageRepository = KubeObject & {
  spec: Static<typeof IMAGE_REPOSITORY.spec>;
  status?: Static<typeof IMAGE_REPOSITORY.status>;
};
export type BuildEvent = Build['spec']['event'];

/** What this room reads of Tekton's runs. */
export interface Run extends KubeObject {
  spec: { status?: string; pipelineSpec?: { tasks?: { name: string }[] } };
  status?: {
    conditions?: Condition[];
    startTime?: string;
    completionTime?: string;
    skippedTasks?: { name: string }[];
  };
}

export const LABELS = {
  repository: 'repository',
  owner: 'owner',
  commit: 'commit',
  build: 'build',
  /** The Build that a run comes from. */
  buildObject: 'dispatch.dev/build',
  /** Runs with the same one stand in for each other: a branch, or a pull request. */
  line: 'dispatch.dev/line',
} as const;

/** What stands in a label: what does not fit is cut. */
export function labelValue(text: string): string {
  return text
    .replaceAll(/[^\w.-]+/g, '-')
    .slice(0, 63)
    .replaceAll(/^[-._]+|[-._]+$/g, '');
}
