import { typeOf } from '../params.ts';
import { outcomeOf, reasonOf } from '../run-status.ts';
import type { Replacements } from '../substitution.ts';
import type { CustomRun, ParamValue, SkippedTask, TaskRun } from '../types.ts';
import type { Node } from './graph.ts';

export type Child = TaskRun | CustomRun;
export type TaskState = 'running' | 'succeeded' | 'failed' | 'cancelled';

/** How far a pipeline has come: the runs of each of its tasks, and the tasks that do not run. */
export class Progress {
  readonly nodes: ReadonlyMap<string, Node>;
  readonly children: ReadonlyMap<string, readonly Child[]>;
  readonly skipped = new Map<string, SkippedTask>();

  constructor(
    nodes: ReadonlyMap<string, Node>,
    children: ReadonlyMap<string, readonly Child[]>,
    skipped: readonly SkippedTask[],
  ) {
    this.nodes = nodes;
    this.children = children;
    for (const item of skipped) this.skipped.set(item.name, item);
  }

  stateOf(name: string): TaskState | undefined {
    const runs = this.children.get(name);
    if (runs === undefined || runs.length === 0) return undefined;
    const outcomes = runs.map((run) => outcomeOf(run));
    if (outcomes.includes(undefined)) return 'running';
    if (!outcomes.includes('failed')) return 'succeeded';
    return runs.some((run) => /Cancelled$/.test(reasonOf(run))) ? 'cancelled' : 'failed';
  }

  isDone(name: string): boolean {
    const state = this.stateOf(name);
    return this.skipped.has(name) || (state !== undefined && state !== 'running');
  }

  /** Failed in a way that ends the pipeline. */
  hasFailed(name: string): boolean {
    const state = this.stateOf(name);
    if (state !== 'failed' && state !== 'cancelled') return false;
    return this.nodes.get(name)?.task.onError !== 'continue';
  }

  names(isFinally: boolean): string[] {
    return [...this.nodes.values()]
      .filter((node) => node.isFinally === isFinally)
      .map((node) => node.task.name);
  }

  count(state: TaskState): number {
    return [...this.nodes.keys()].filter((name) => this.stateOf(name) === state).length;
  }

  running(isFinally?: boolean): Child[] {
    return [...this.nodes.values()]
      .filter((node) => isFinally === undefined || node.isFinally === isFinally)
      .flatMap((node) => this.children.get(node.task.name) ?? [])
      .filter((child) => outcomeOf(child) === undefined);
  }

  /** Results of tasks that have gone well, under the names by which others use them. */
  addResults(into: Replacements): void {
    for (const [name, node] of this.nodes) {
      const runs = this.children.get(name) ?? [];
      const prefix = `${node.isFinally ? 'finally' : 'tasks'}.${name}`;
      if (node.task.matrix === undefined)
        for (const { name: result, value } of runs[0]?.status?.results ?? [])
          into.set(`${prefix}.results.${result}`, value);
      else for (const [result, values] of collected(runs)) into.set(`${prefix}.results.${result}`, values);
      if (node.task.matrix !== undefined) into.set(`${prefix}.matrix.length`, String(runs.length));
    }
  }

  /** What tasks that run at the end may ask about the others. */
  addStates(into: Replacements): void {
    const words = { succeeded: 'Succeeded', failed: 'Failed', cancelled: 'Failed', running: 'None' } as const;
    for (const name of this.names(false)) {
      const state = this.stateOf(name);
      into.set(`tasks.${name}.status`, state === undefined ? 'None' : words[state]);
      into.set(`tasks.${name}.reason`, reasonOf(this.children.get(name)?.[0] ?? {}));
    }
    into.set('tasks.status', this.#aggregate());
  }

  #aggregate(): string {
    const names = this.names(false);
    if (names.some((name) => this.hasFailed(name))) return 'Failed';
    if (names.some((name) => !this.isDone(name))) return 'None';
    return names.some((name) => this.skipped.has(name)) ? 'Completed' : 'Succeeded';
  }
}

function collected(runs: readonly Child[]): Map<string, ParamValue> {
  const values = new Map<string, string[]>();
  for (const run of runs)
    for (const { name, value } of run.status?.results ?? [])
      if (typeOf(value) === 'string') values.set(name, [...(values.get(name) ?? []), value as string]);
  return values;
}
