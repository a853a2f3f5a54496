import { RunProblem } from '../params.ts';
import { bindParams, paramReplacements } from '../params.ts';
import type { References } from '../resolve/resolver.ts';
import type { Replacements } from '../substitution.ts';
import type { ParamSpec, Step, Task, TaskRun, TaskRunStatus, TaskSpec } from '../types.ts';

interface StepActionSpec extends Step {
  params?: never[];
}

/** The task of a run: its own, or the one that it refers to, as it was when the run began. */
export async function taskSpecOf(
  run: TaskRun,
  status: TaskRunStatus,
  references: References,
  signal: AbortSignal,
): Promise<TaskSpec> {
  if (status.taskSpec !== undefined) return status.taskSpec;
  const namespace = run.metadata.namespace ?? '';
  const { taskRef } = run.spec;
  const taskSpec = run.spec.taskSpec ?? run.spec.TaskSpec;
  if (taskSpec === undefined && taskRef === undefined)
    throw new RunProblem('TaskRunValidationFailed', 'expected exactly one of taskRef, taskSpec');
  const found =
    taskSpec === undefined ? await references.get<Task>('Task', taskRef!, { namespace, signal }) : undefined;
  if (found?.provenance !== undefined) status.provenance = found.provenance;
  const spec = taskSpec ?? found!.object.spec;
  const steps: Step[] = [];
  const outer = (): Replacements =>
    paramReplacements(bindParams(spec.params, run.spec.params, 'TaskRunValidationFailed'));
  for (const step of spec.steps ?? [])
    steps.push(await withAction(step, outer, { references, namespace, signal }));
  return { ...spec, steps };
}

/** A step that refers to a StepAction is that action, under the step's name. */
async function withAction(
  step: Step,
  outer: () => Replacements,
  { references, namespace, signal }: { references: References; namespace: string; signal: AbortSignal },
): Promise<Step> {
  if (step.ref === undefined) return step;
  const { object } = await references.get('StepAction', step.ref, { namespace, signal });
  const {
    params: specs,
    description: _,
    ...action
  } = object['spec'] as StepActionSpec & { description?: string; params?: unknown };
  const values = bindParams(
    specs as unknown as ParamSpec[],
    // Its parameters are told in words of the task: a list has to be one before it is looked at.
    step.params && outer().apply(step.params),
    'TaskRunValidationFailed',
  );
  const { ref: _ref, params: _params, ...own } = step;
  return { ...paramReplacements(values).apply(action as Step), ...own };
}
