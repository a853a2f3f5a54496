import type { Pipeline } from './pipeline.ts';

/** The tasks that have to end before a task: those named, and those that write what it reads. */
export function needsOf(pipeline: Pipeline, name: string): string[] {
  const task = pipeline.task[name];
  if (task === undefined) return [];
  const needs = new Set(task.deps);
  for (const input of task.inputs) {
    if (Object.hasOwn(pipeline.task, input) && !Object.hasOwn(pipeline.resource, input)) needs.add(input);
    else
      for (const [other, { outputs }] of Object.entries(pipeline.task))
        if (other !== name && outputs.includes(input)) needs.add(other);
  }
  return [...needs];
}

/** The named tasks with everything that they depend on, in the order of the file. */
export function withNeeds(pipeline: Pipeline, names: Iterable<string>): string[] {
  const wanted = new Set<string>();
  const open = [...names];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (wanted.has(name)) continue;
    wanted.add(name);
    open.push(...needsOf(pipeline, name));
  }
  return Object.keys(pipeline.task).filter((name) => wanted.has(name));
}
