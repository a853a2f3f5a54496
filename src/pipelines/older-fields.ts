import type { Resources } from '../kube/index.ts';
import type { PipelineRun, PipelineRunSpec, PodTemplate, TaskRun, TaskRunSpec } from './types.ts';

/** What v1beta1 called otherwise, or kept elsewhere. Both versions are one object; its fields are read in both places. */
interface OlderRunSpec {
  serviceAccountName?: string;
  podTemplate?: PodTemplate;
  timeout?: string;
}

interface Override {
  name: string;
  resources: Resources;
}

interface OlderTaskRunSpec {
  stepOverrides?: Override[];
  sidecarOverrides?: Override[];
}

interface OlderTaskRunOptions extends OlderTaskRunSpec {
  taskServiceAccountName?: string;
  taskPodTemplate?: PodTemplate;
}

export function pipelineRunToday(run: PipelineRun): PipelineRun {
  const { serviceAccountName, podTemplate, timeout, ...spec } = run.spec as PipelineRunSpec & OlderRunSpec;
  const options = spec.taskRunSpecs?.map(({ ...item }) => {
    const { taskServiceAccountName, taskPodTemplate, ...rest } = item as typeof item & OlderTaskRunOptions;
    return {
      ...(taskServiceAccountName !== undefined && { serviceAccountName: taskServiceAccountName }),
      ...(taskPodTemplate !== undefined && { podTemplate: taskPodTemplate }),
      ...withoutOverrides(rest),
    };
  });
  return {
    ...run,
    spec: {
      ...spec,
      ...((serviceAccountName !== undefined || podTemplate !== undefined) && {
        taskRunTemplate: {
          ...(serviceAccountName !== undefined && { serviceAccountName }),
          ...(podTemplate !== undefined && { podTemplate }),
          ...spec.taskRunTemplate,
        },
      }),
      ...(timeout !== undefined && { timeouts: { pipeline: timeout, ...spec.timeouts } }),
      ...(options !== undefined && { taskRunSpecs: options }),
    },
  };
}

export function taskRunToday(run: TaskRun): TaskRun {
  return { ...run, spec: withoutOverrides(run.spec as TaskRunSpec & OlderTaskRunSpec) };
}

function withoutOverrides<T extends OlderTaskRunSpec>(spec: T): Omit<T, keyof OlderTaskRunSpec> {
  const { stepOverrides, sidecarOverrides, ...rest } = spec;
  const renamed = (list: readonly Override[]) =>
    list.map(({ name, resources }) => ({ name, computeResources: resources }));
  return {
    ...(stepOverrides !== undefined && { stepSpecs: renamed(stepOverrides) }),
    ...(sidecarOverrides !== undefined && { sidecarSpecs: renamed(sidecarOverrides) }),
    ...rest,
  };
}
