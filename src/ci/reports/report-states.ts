import type { StatusState } from '../../scm/index.ts';
import type { Build, Run } from '../resources.ts';

export interface Report {
  state: StatusState;
  description: string;
}

const ORDER: readonly StatusState[] = ['pending', 'running'];
const PHASES: Record<string, StatusState> = {
  Waiting: 'pending',
  Running: 'running',
  Succeeded: 'success',
  Failed: 'failure',
  Cancelled: 'cancelled',
};

/** What the provider should know now: of the build as a whole, and of each of its tasks. */
export function wantedReports(
  build: Build,
  run: Run | undefined,
  taskRuns: readonly Run[],
): Map<string, Report> {
  const reports = new Map<string, Report>();
  const state = PHASES[build.status?.phase ?? ''];
  if (state === undefined) return reports;
  const [firstLine = ''] = (build.status?.message ?? '').split('\n');
  reports.set('dispatch', { state, description: firstLine || `Build ${build.status?.number ?? ''}`.trim() });
  for (const { name } of run?.spec.pipelineSpec?.tasks ?? []) {
    const task = taskRuns.find((item) => item.metadata.labels?.['tekton.dev/pipelineTask'] === name);
    reports.set(`dispatch/${name}`, taskReport(task, run, name));
  }
  return reports;
}

function taskReport(task: Run | undefined, run: Run | undefined, name: string): Report {
  const condition = task?.status?.conditions?.find((item) => item.type === 'Succeeded');
  if (condition?.status === 'True') return { state: 'success', description: condition.message ?? '' };
  if (condition?.status === 'False')
    return {
      state: condition.reason === 'TaskRunCancelled' ? 'cancelled' : 'failure',
      description: condition.message ?? '',
    };
  if (condition !== undefined) return { state: 'running', description: 'Running' };
  const skipped = run?.status?.skippedTasks?.some((item) => item.name === name);
  const outcome = outcomeOf(run);
  if (skipped && outcome === 'success') return { state: 'success', description: 'Not needed' };
  if (skipped || outcome !== undefined) return { state: 'cancelled', description: 'It did not run' };
  return { state: 'pending', description: 'Waiting' };
}

export function outcomeOf(run: Run | undefined): 'success' | 'failure' | 'cancelled' | undefined {
  const condition = run?.status?.conditions?.find((item) => item.type === 'Succeeded');
  if (condition === undefined || condition.status === 'Unknown') return undefined;
  if (condition.status === 'True') return 'success';
  return condition.reason === 'Cancelled' ? 'cancelled' : 'failure';
}

/** The states that are still to be told, in their order: none is left out, none is told twice. */
export function missingStates(told: string | undefined, wanted: StatusState): StatusState[] {
  const rank = (state: string): number =>
    ORDER.includes(state as StatusState) ? ORDER.indexOf(state as StatusState) : ORDER.length;
  const toldRank = told === undefined ? -1 : rank(told);
  // It only goes forward, and what has ended stays ended.
  return [...ORDER.slice(0, rank(wanted)), wanted].filter((state) => rank(state) > toldRank);
}
