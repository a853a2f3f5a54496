import { controllerReference, durationMs, type KubeObject } from '../../kube/index.ts';
import { formatDuration } from '../duration.ts';
import { childName } from '../names.ts';
import { RunProblem } from '../params.ts';
import { GROUP, LABELS } from '../resources.ts';
import { referencesIn, Replacements } from '../substitution.ts';
import { claimOf } from '../task-run/workspaces.ts';
import type {
  CustomRun,
  Param,
  PipelineRun,
  PipelineSpec,
  PipelineTask,
  PodTemplate,
  TaskRun,
  TaskSpec,
  WorkspaceBinding,
} from '../types.ts';
import { combinationsOf } from './matrix.ts';
import type { Start } from './next.ts';

export interface ChildOptions {
  run: PipelineRun;
  spec: PipelineSpec;
  pipelineName: string;
  /** Until the run, or this part of it, must have ended. */
  remainingMs: number;
}

/** The runs by which a task of a pipeline is done: several where it is fanned out. */
export function childrenOf(start: Start, options: ChildOptions): (TaskRun | CustomRun)[] {
  const { node, replacements } = start;
  const task = withReplacements(node.task, replacements);
  const name = childName(options.run.metadata.name ?? '', `-${task.name}`);
  if (task.matrix === undefined) return [childOf(task, name, start, options)];
  return combinationsOf(task.matrix).map((params, at) =>
    childOf(
      { ...task, params: joined(task.params, params) },
      childName(options.run.metadata.name ?? '', `-${task.name}-${at}`),
      start,
      options,
    ),
  );
}

function joined(params: readonly Param[] | undefined, more: readonly Param[]): Param[] {
  return [...new Map([...(params ?? []), ...more].map((item) => [item.name, item])).values()];
}

/** An embedded task keeps the variables of its own: its parameters, workspaces and results. */
function withReplacements(task: PipelineTask, replacements: Replacements): PipelineTask {
  const { taskSpec, ...rest } = task;
  const replaced = replacements.apply(rest);
  if (taskSpec === undefined) return replaced;
  const own = new Set((taskSpec.params ?? []).map((param) => `params.${param.name}`));
  const outer = new Replacements();
  for (const name of replacements.names())
    if (!own.has(name) && !name.startsWith('workspaces.')) outer.set(name, replacements.get(name)!);
  return { ...replaced, taskSpec: outer.apply(taskSpec) };
}

function childOf(
  task: PipelineTask,
  name: string,
  { node }: Start,
  options: ChildOptions,
): TaskRun | CustomRun {
  const { run } = options;
  const own = run.spec.taskRunSpecs?.find((item) => item.pipelineTaskName === task.name);
  const metadata = {
    name,
    namespace: run.metadata.namespace ?? '',
    labels: {
      ...run.metadata.labels,
      ...task.taskSpec?.metadata?.labels,
      ...own?.metadata?.labels,
      [LABELS.managedBy]: 'tekton-pipelines',
      [LABELS.pipeline]: options.pipelineName,
      [LABELS.pipelineRun]: run.metadata.name ?? '',
      [LABELS.pipelineRunUid]: run.metadata.uid ?? '',
      [LABELS.pipelineTask]: task.name,
      [LABELS.memberOf]: node.isFinally ? 'finally' : 'tasks',
      ...(task.taskRef?.name && { [LABELS.task]: task.taskRef.name }),
    },
    annotations: {
      ...inherited(run),
      ...task.taskSpec?.metadata?.annotations,
      ...own?.metadata?.annotations,
    },
    ownerReferences: [controllerReference(run)],
  };
  const timeout = own?.timeout ?? task.timeout;
  const asked =
    timeout === undefined
      ? Number.POSITIVE_INFINITY
      : (durationMs(timeout) ?? Number.POSITIVE_INFINITY) || Number.POSITIVE_INFINITY;
  const limit = Math.min(asked, Math.max(1000, options.remainingMs));
  const times = { timeout: Number.isFinite(limit) ? formatDuration(Math.ceil(limit / 1000) * 1000) : '0' };
  if (isCustom(task)) return customRun(task, metadata, times);
  const { metadata: _metadata, ...taskSpec } = task.taskSpec ?? {};
  const podTemplate = mergeTemplates(run.spec.taskRunTemplate?.podTemplate, own?.podTemplate);
  const serviceAccountName = own?.serviceAccountName ?? run.spec.taskRunTemplate?.serviceAccountName;
  return {
    apiVersion: `${GROUP}/v1`,
    kind: 'TaskRun',
    metadata,
    spec: {
      ...times,
      ...(task.params && { params: task.params.filter((param) => declared(task, param.name)) }),
      ...(task.taskSpec === undefined ? { taskRef: task.taskRef ?? {} } : { taskSpec: taskSpec as TaskSpec }),
      ...(serviceAccountName && { serviceAccountName }),
      ...(task.retries && { retries: task.retries }),
      ...(podTemplate && { podTemplate }),
      ...(own?.stepSpecs && { stepSpecs: own.stepSpecs }),
      ...(own?.sidecarSpecs && { sidecarSpecs: own.sidecarSpecs }),
      ...(own?.computeResources && { computeResources: own.computeResources }),
      workspaces: workspacesOf(task, options),
    },
  };
}

/** Surplus parameters harm nobody, as long as the task is not there to be asked. */
function declared(task: PipelineTask, name: string): boolean {
  return task.taskSpec === undefined || task.taskSpec.params?.some((param) => param.name === name) !== false;
}

function inherited(run: PipelineRun): Record<string, string> {
  return Object.fromEntries(
    Object.entries(run.metadata.annotations ?? {}).filter(
      ([key]) => !key.startsWith('kubectl.kubernetes.io/'),
    ),
  );
}

function isCustom(task: PipelineTask): boolean {
  const apiVersion = task.taskRef?.apiVersion ?? task.taskSpec?.apiVersion;
  return apiVersion !== undefined && apiVersion !== '' && !apiVersion.startsWith(`${GROUP}/`);
}

function customRun(
  task: PipelineTask,
  metadata: KubeObject['metadata'],
  times: { timeout: string },
): CustomRun {
  const { apiVersion, kind, spec } = task.taskSpec ?? {};
  return {
    apiVersion: `${GROUP}/v1beta1`,
    kind: 'CustomRun',
    metadata,
    spec: {
      ...times,
      ...(task.taskSpec === undefined
        ? { customRef: task.taskRef ?? {} }
        : { customSpec: { apiVersion, kind, spec } }),
      ...(task.params && { params: task.params }),
      ...(task.retries && { retries: task.retries }),
    },
  };
}

function mergeTemplates(
  general: PodTemplate | undefined,
  own: PodTemplate | undefined,
): PodTemplate | undefined {
  if (general === undefined || own === undefined) return own ?? general;
  return {
    ...general,
    ...own,
    volumes: [...(general.volumes ?? []), ...(own.volumes ?? [])],
    env: [...(general.env ?? []), ...(own.env ?? [])],
  };
}

/** An embedded task has the workspaces of the run that it speaks of, without being given them. */
function propagated(
  task: PipelineTask,
  run: PipelineRun,
): { name: string; workspace?: string; subPath?: string }[] {
  if (task.taskSpec === undefined) return [];
  const used = new Set(
    referencesIn([task.taskSpec.steps, task.taskSpec.sidecars, task.taskSpec.stepTemplate]).flatMap(
      (reference) => /^workspaces\.([^.]+)\./.exec(reference)?.[1] ?? [],
    ),
  );
  for (const { name } of task.workspaces ?? []) used.delete(name);
  return (run.spec.workspaces ?? []).filter(({ name }) => used.has(name)).map(({ name }) => ({ name }));
}

function workspacesOf(task: PipelineTask, { run, spec }: ChildOptions): WorkspaceBinding[] {
  return [...(task.workspaces ?? []), ...propagated(task, run)].flatMap((usage): WorkspaceBinding[] => {
    const wanted = usage.workspace ?? usage.name;
    const binding = run.spec.workspaces?.find((item) => item.name === wanted);
    if (binding === undefined) {
      if (spec.workspaces?.find((item) => item.name === wanted)?.optional) return [];
      throw new RunProblem(
        'InvalidWorkspaceBindings',
        `pipeline task ${JSON.stringify(task.name)} expects workspace ${JSON.stringify(wanted)} but none is provided by the run`,
      );
    }
    const subPath = [binding.subPath, usage.subPath].filter(Boolean).join('/');
    const { volumeClaimTemplate, subPath: _, ...source } = binding;
    return [
      {
        ...source,
        name: usage.name,
        ...(volumeClaimTemplate && {
          persistentVolumeClaim: { claimName: claimOf(run, binding).metadata.name ?? '' },
        }),
        ...(subPath !== '' && { subPath }),
      },
    ];
  });
}
