import type { ResourceRef } from '../kube/index.ts';

export const GROUP = 'tekton.dev';

function tekton(version: string, plural: string): ResourceRef {
  return { group: GROUP, version, plural, namespaced: true };
}

export const PIPELINES = tekton('v1', 'pipelines');
export const TASKS = tekton('v1', 'tasks');
export const PIPELINE_RUNS = tekton('v1', 'pipelineruns');
export const TASK_RUNS = tekton('v1', 'taskruns');
export const STEP_ACTIONS = tekton('v1beta1', 'stepactions');
export const CUSTOM_RUNS = tekton('v1beta1', 'customruns');

export const LABELS = {
  pipeline: 'tekton.dev/pipeline',
  pipelineRun: 'tekton.dev/pipelineRun',
  pipelineRunUid: 'tekton.dev/pipelineRunUID',
  pipelineTask: 'tekton.dev/pipelineTask',
  task: 'tekton.dev/task',
  taskRun: 'tekton.dev/taskRun',
  taskRunUid: 'tekton.dev/taskRunUID',
  memberOf: 'tekton.dev/memberOf',
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

/** What the node does for pods of task runs. */
export const POD_ANNOTATIONS = {
  sequential: 'dispatch.dev/sequential',
  continueOnFailure: 'dispatch.dev/continue-on-failure',
  keepVolumes: 'dispatch.dev/keep-volumes',
  stepResults: 'dispatch.dev/step-results',
  stepWhen: 'dispatch.dev/step-when',
} as const;
