import { succeeded } from '../run-status.ts';
import type { Replacements } from '../substitution.ts';
import { referencesIn } from '../substitution.ts';
import type { ChildReference, ParamValue, PipelineSpec } from '../types.ts';
import type { Progress } from './state.ts';

/** The condition of a run, in Tekton's words. */
export function conditionOf(
  progress: Progress,
  interruption: { reason: string; message: string; runFinally: boolean } | undefined,
): ReturnType<typeof succeeded> {
  const names = [...progress.nodes.keys()];
  const [failed, cancelled] = [progress.count('failed'), progress.count('cancelled')];
  const completed = progress.count('succeeded') + failed + cancelled;
  const skipped = progress.skipped.size;
  const open = names.filter((name) => !progress.isDone(name)).length;
  const counts = `Tasks Completed: ${completed} (Failed: ${failed}, Cancelled ${cancelled})`;
  if (open > 0) {
    const running = `${counts}, Incomplete: ${open}, Skipped: ${skipped}`;
    if (interruption?.reason === 'Cancelled')
      return succeeded('Unknown', interruption.runFinally ? 'CancelledRunningFinally' : 'Running', running);
    return succeeded(
      'Unknown',
      names.some((name) => progress.hasFailed(name))
        ? 'Stopping'
        : completed === 0 && progress.running().length === 0
          ? 'Started'
          : 'Running',
      running,
    );
  }
  if (interruption !== undefined) return succeeded('False', interruption.reason, interruption.message);
  const summary = `${counts}, Skipped: ${skipped}`;
  const bad = names.filter((name) => progress.hasFailed(name));
  if (bad.length > 0) {
    const onlyCancelled = bad.every((name) => progress.stateOf(name) === 'cancelled');
    return succeeded('False', onlyCancelled ? 'Cancelled' : 'Failed', summary);
  }
  return succeeded('True', skipped > 0 ? 'Completed' : 'Succeeded', summary);
}

export function referencesOf(progress: Progress): ChildReference[] {
  return [...progress.nodes.values()].flatMap(({ task }) =>
    (progress.children.get(task.name) ?? []).map((child) => ({
      apiVersion: child.apiVersion,
      kind: child.kind,
      name: child.metadata.name ?? '',
      pipelineTaskName: task.name,
      ...(task.displayName && { displayName: task.displayName }),
      ...(task.when && { whenExpressions: task.when }),
    })),
  );
}

/** What the run as a whole gives back: results of tasks that did not run are left out. */
export function pipelineResults(
  spec: PipelineSpec,
  progress: Progress,
  replacements: Replacements,
): { name: string; value: ParamValue }[] {
  progress.addResults(replacements);
  return (spec.results ?? []).flatMap(({ name, value }) => {
    const replaced = replacements.apply(value);
    const open = referencesIn(replaced).some((reference) => /^(tasks|finally)\./.test(reference));
    return open ? [] : [{ name, value: replaced }];
  });
}
