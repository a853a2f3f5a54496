import type { Normalized } from './normalize.ts';
import { formatPath, type Problem } from './problem.ts';

/** What works but is most likely not meant: unknown fields, unused resources, steps that cannot run. */
export function lint({ pipeline, unknown, placeOf }: Normalized): Problem[] {
  const problems = [...unknown];
  const say = (path: (string | number)[], message: string): void => {
    problems.push({ message: `${formatPath(path)} ${message}`, place: placeOf(path) });
  };
  const used = new Set(Object.values(pipeline.task).flatMap((task) => [...task.inputs, ...task.outputs]));
  for (const name of Object.keys(pipeline.resource))
    if (!used.has(name)) say(['resource', name], 'is used by no task');
  const started = new Set(pipeline.actions.flatMap((action) => action.tasks));
  for (const [name, task] of Object.entries(pipeline.task)) {
    if (task.steps.length === 0) say(['task', name], 'has no steps');
    for (const [at, step] of task.steps.entries()) {
      const path = ['task', name, 'steps', at];
      if (!step.image) say(path, 'has no image');
      if (
        step.args !== undefined &&
        step.command === undefined &&
        step.script === undefined &&
        !hasEntrypoint(step.image)
      )
        say(path, 'has args without a command: they are given to the entry point of the image');
    }
    if (task.deps.length > 0)
      say(['task', name, 'deps'], 'is the older spelling: name tasks among the inputs');
  }
  if (pipeline.actions.length > 0 && started.size === 0) say(['actions'], 'start no task');
  return problems;
}

/** Images that are made to be given arguments. */
function hasEntrypoint(image: string | undefined): boolean {
  return /kaniko|update-gitops-repo/.test(image ?? '');
}
