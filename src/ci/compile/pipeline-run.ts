import { withNeeds } from '../../dispatchfile/index.ts';
import type { KubeObject } from '../../kube/index.ts';
import { type CompileOptions, compileTask } from './task.ts';

export interface RunOptions extends CompileOptions {
  name: string;
  namespace: string;
  /** What was asked for; everything that they depend on runs too. */
  tasks: readonly string[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  serviceAccount?: string | undefined;
  timeout?: string | undefined;
  podTemplate?: object | undefined;
}

/** The PipelineRun that runs some tasks of a Dispatchfile. */
export function compileRun(options: RunOptions): KubeObject {
  const tasks = withNeeds(options.pipeline, options.tasks);
  const { serviceAccount, podTemplate, timeout } = options;
  return {
    apiVersion: 'tekton.dev/v1',
    kind: 'PipelineRun',
    metadata: {
      name: options.name,
      namespace: options.namespace,
      ...(options.labels && { labels: options.labels }),
      annotations: { ...options.annotations, tasks: JSON.stringify(options.tasks) },
    },
    spec: {
      pipelineSpec: { tasks: tasks.map((task) => compileTask(task, options)) },
      ...((serviceAccount !== undefined || podTemplate !== undefined) && {
        taskRunTemplate: {
          ...(serviceAccount !== undefined && { serviceAccountName: serviceAccount }),
          ...(podTemplate !== undefined && { podTemplate }),
        },
      }),
      ...(timeout !== undefined && { timeouts: { pipeline: timeout } }),
    },
  };
}
