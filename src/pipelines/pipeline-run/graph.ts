import { RunProblem } from '../params.ts';
import { referencesIn, resultReference } from '../substitution.ts';
import type { PipelineSpec, PipelineTask } from '../types.ts';

export interface Node {
  task: PipelineTask;
  isFinally: boolean;
  /** Tasks that have to end first. */
  needs: ReadonlySet<string>;
  /** Those of them whose results it uses. */
  uses: ReadonlySet<string>;
}

const INVALID = 'PipelineValidationFailed';

/** The tasks of a pipeline with what each waits for. Throws where they cannot be put in order. */
export function graphOf(spec: PipelineSpec): Map<string, Node> {
  const nodes = new Map<string, Node>();
  const tasks = spec.tasks ?? [];
  if (tasks.length === 0) throw new RunProblem(INVALID, 'the pipeline has no tasks');
  const names = new Set(tasks.map((task) => task.name));
  for (const [list, isFinally] of [
    [tasks, false],
    [spec.finally ?? [], true],
  ] as const)
    for (const task of list) {
      if (nodes.has(task.name))
        throw new RunProblem(INVALID, `expected exactly one task named ${JSON.stringify(task.name)}`);
      const uses = usedTasks(task);
      const needs = new Set(isFinally ? [] : [...(task.runAfter ?? []), ...uses]);
      for (const need of [...needs, ...uses])
        if (!names.has(need))
          throw new RunProblem(
            INVALID,
            `task ${JSON.stringify(task.name)} depends on ${JSON.stringify(need)}, but ${JSON.stringify(need)} is not among the tasks`,
          );
      nodes.set(task.name, { task, isFinally, needs, uses });
    }
  checkCircles(nodes);
  return nodes;
}

function usedTasks(task: PipelineTask): Set<string> {
  const { params, matrix, when, taskSpec, workspaces } = task;
  return new Set(
    referencesIn([params, matrix, when, workspaces, taskSpec?.steps]).flatMap(
      (reference) => resultReference(reference)?.task ?? [],
    ),
  );
}

function checkCircles(nodes: ReadonlyMap<string, Node>): void {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (name: string): void => {
    if (done.has(name)) return;
    if (path.includes(name))
      throw new RunProblem(
        INVALID,
        `cycle detected; task ${JSON.stringify(name)} depends on ${JSON.stringify(path.at(-1))}`,
      );
    path.push(name);
    for (const need of nodes.get(name)?.needs ?? []) visit(need);
    path.pop();
    done.add(name);
  };
  for (const name of nodes.keys()) visit(name);
}
