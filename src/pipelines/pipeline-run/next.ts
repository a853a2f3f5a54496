import { RunProblem } from '../params.ts';
import { referencesIn, type Replacements, resultReference } from '../substitution.ts';
import type { Matrix, WhenExpression } from '../types.ts';
import type { Node } from './graph.ts';
import { combinationsOf } from './matrix.ts';
import type { Progress } from './state.ts';
import { isWanted } from './when.ts';

export const SKIPPED = {
  when: 'When Expressions evaluated to false',
  parents: 'Parent Tasks were skipped',
  results: 'Results were missing',
  matrix: 'Matrix Parameters have an empty array',
  stopping: 'PipelineRun was stopping',
  gracefullyCancelled: 'PipelineRun was gracefully cancelled',
  gracefullyStopped: 'PipelineRun was gracefully stopped',
  tasksTimeout: 'PipelineRun Tasks timeout has been reached',
} as const;

export interface Start {
  node: Node;
  replacements: Replacements;
  when: WhenExpression[];
}

export interface NextOptions {
  /** Parameters and context of the pipeline. */
  base: () => Replacements;
  /** Why no task may be started any more, those at the end aside. */
  stopped: string | undefined;
}

/** Which tasks start now. Those that never will are added to what is skipped. */
export function nextTasks(progress: Progress, { base, stopped }: NextOptions): Start[] {
  const starts: Start[] = [];
  const failing = progress.names(false).some((name) => progress.hasFailed(name));
  const stop = stopped ?? (failing ? SKIPPED.stopping : undefined);
  // A task that is skipped may decide about others: look again until nothing changes.
  for (let before = -1; before !== progress.skipped.size; ) {
    before = progress.skipped.size;
    starts.length = 0;
    for (const name of progress.names(false)) {
      const node = progress.nodes.get(name)!;
      if (progress.stateOf(name) !== undefined || progress.skipped.has(name)) continue;
      if (stop !== undefined) progress.skipped.set(name, { name, reason: stop });
      else if ([...node.needs].every((need) => progress.isDone(need)))
        decide(node, progress, replacementsFor(node, progress, base()), starts);
    }
  }
  if (progress.names(false).every((name) => progress.isDone(name))) finallyTasks(progress, base, starts);
  return starts;
}

function finallyTasks(progress: Progress, base: () => Replacements, starts: Start[]): void {
  for (const name of progress.names(true)) {
    if (progress.stateOf(name) !== undefined || progress.skipped.has(name)) continue;
    const node = progress.nodes.get(name)!;
    decide(node, progress, replacementsFor(node, progress, base()), starts);
  }
}

function replacementsFor(node: Node, progress: Progress, replacements: Replacements): Replacements {
  progress.addResults(replacements);
  progress.addStates(replacements);
  replacements.set('context.pipelineTask.retries', String(node.task.retries ?? 0));
  return replacements;
}

function decide(node: Node, progress: Progress, replacements: Replacements, starts: Start[]): void {
  const { task } = node;
  const skip = (reason: string, when?: WhenExpression[]): void =>
    void progress.skipped.set(task.name, { name: task.name, reason, ...(when && { whenExpressions: when }) });
  const parentSkipped = [...node.needs].some((need) => {
    const reason = progress.skipped.get(need)?.reason;
    // Whoever only comes after a task runs although its conditions did not hold.
    return reason !== undefined && reason !== SKIPPED.when;
  });
  const missing = parentSkipped ? undefined : missingResult(node, progress, replacements);
  if (missing !== undefined && !missing.optional)
    throw new RunProblem(
      'InvalidTaskResultReference',
      `invalid task result reference: could not find result with name ${missing.result} for task ${missing.task}`,
    );
  const when = replacements.apply(task.when ?? []);
  if (parentSkipped) skip(SKIPPED.parents);
  else if (missing !== undefined) skip(SKIPPED.results);
  else if (!isWanted(when)) skip(SKIPPED.when, when);
  else if (isEmpty(replacements.apply(task.matrix))) skip(SKIPPED.matrix);
  else starts.push({ node, replacements, when });
}

/** Fanned out into nothing: what has no run would never end. */
function isEmpty(matrix: Matrix | undefined): boolean {
  return matrix !== undefined && combinationsOf(matrix).length === 0;
}

/** A result that is used and not there. It may be missing where its task did not go well. */
function missingResult(
  node: Node,
  progress: Progress,
  replacements: Replacements,
): { task: string; result: string; optional: boolean } | undefined {
  const { params, matrix, when, taskSpec } = node.task;
  for (const reference of referencesIn([params, matrix, when, taskSpec?.steps])) {
    const found = resultReference(reference);
    if (found === undefined || replacements.get(`tasks.${found.task}.results.${found.result}`) !== undefined)
      continue;
    const inMap = found.result.split('.').slice(0, -1).join('.');
    if (inMap !== '' && replacements.get(`tasks.${found.task}.results.${inMap}`) !== undefined) continue;
    return { ...found, optional: node.isFinally || progress.stateOf(found.task) !== 'succeeded' };
  }
  return undefined;
}
