import { bindParams, paramReplacements, RunProblem, withUndeclared } from '../params.ts';
import { Replacements } from '../substitution.ts';
import type { TaskRun, TaskSpec } from '../types.ts';
import { CREDENTIALS_PATH, RESULTS_PATH, stepNames, STEPS_PATH } from './pod.ts';
import { bindWorkspaces, type BoundWorkspace, workspaceReplacements } from './workspaces.ts';

export interface PreparedTask {
  /** Every variable replaced. */
  spec: TaskSpec;
  workspaces: BoundWorkspace[];
}

/** Checks a task run against its task, and replaces every variable. */
export function prepareTask(run: TaskRun, spec: TaskSpec): PreparedTask {
  if ((spec.steps ?? []).length === 0)
    throw new RunProblem('TaskRunValidationFailed', 'the task has no steps');
  const context = contextReplacements(run, spec);
  const given = context.apply(run.spec.params ?? []);
  const bound = bindParams(spec.params, given, 'TaskRunValidationFailed');
  const params = withUndeclared(bound, given, run.spec.taskRef === undefined);
  const replacements = paramReplacements(params, context);
  const withParams = replacements.apply({ ...spec, params: [], workspaces: workspacesIn(run, spec) });
  const workspaces = bindWorkspaces(withParams, replacements.apply(run.spec.workspaces ?? []));
  workspaceReplacements(withParams, workspaces, replacements);
  const names = stepNames(spec);
  const replaced = replacements.apply({ ...spec, params: [], results: [] }) as TaskSpec;
  const steps = (replaced.steps ?? []).map((step, at) => {
    const own = new Replacements();
    for (const result of step.results ?? [])
      own.set(`step.results.${result.name}.path`, `${STEPS_PATH}/${names[at]}/results/${result.name}`);
    return own.apply(step);
  });
  for (const step of steps)
    if (!(step.image ?? replaced.stepTemplate?.image))
      throw new RunProblem('TaskRunValidationFailed', `step ${JSON.stringify(step.name ?? '')} has no image`);
  return { spec: { ...replaced, steps, results: spec.results ?? [] }, workspaces };
}

/** What an embedded task does not declare and its run has is there as well. */
function workspacesIn(run: TaskRun, spec: TaskSpec): NonNullable<TaskSpec['workspaces']> {
  const declared = spec.workspaces ?? [];
  if (run.spec.taskRef !== undefined) return declared;
  const names = new Set(declared.map(({ name }) => name));
  const others = (run.spec.workspaces ?? []).filter(({ name }) => !names.has(name));
  return [...declared, ...others.map(({ name }) => ({ name }))];
}

function contextReplacements(run: TaskRun, spec: TaskSpec): Replacements {
  const into = new Replacements();
  into.set('context.taskRun.name', run.metadata.name ?? '');
  into.set('context.taskRun.namespace', run.metadata.namespace ?? '');
  into.set('context.taskRun.uid', run.metadata.uid ?? '');
  into.set(
    'context.task.name',
    run.spec.taskRef?.name ?? run.metadata.labels?.['tekton.dev/pipelineTask'] ?? '',
  );
  into.set('context.task.retry-count', String(run.status?.retriesStatus?.length ?? 0));
  into.set('credentials.path', CREDENTIALS_PATH);
  for (const { name } of spec.results ?? []) into.set(`results.${name}.path`, `${RESULTS_PATH}/${name}`);
  for (const name of stepNames(spec))
    into.set(`steps.step-${name}.exitCode.path`, `${STEPS_PATH}/step-${name}/exitCode`);
  return into;
}
