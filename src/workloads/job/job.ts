import type { Condition, KubeObject, LabelSelector, ObjectMeta, PodTemplate } from '../../kube/index.ts';

export interface Job extends KubeObject {
  spec: JobSpec;
  status?: JobStatus;
}

export interface JobSpec {
  parallelism?: number;
  completions?: number;
  completionMode?: 'NonIndexed' | 'Indexed';
  backoffLimit?: number;
  backoffLimitPerIndex?: number;
  maxFailedIndexes?: number;
  activeDeadlineSeconds?: number;
  ttlSecondsAfterFinished?: number;
  suspend?: boolean;
  selector?: LabelSelector;
  template: PodTemplate;
  podFailurePolicy?: { rules: FailureRule[] };
  successPolicy?: { rules: { succeededIndexes?: string; succeededCount?: number }[] };
  podReplacementPolicy?: string;
}

export interface FailureRule {
  action: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count';
  onExitCodes?: { containerName?: string; operator: 'In' | 'NotIn'; values: number[] };
  onPodConditions?: { type: string; status?: string }[];
}

export interface JobStatus {
  active?: number;
  ready?: number;
  succeeded?: number;
  failed?: number;
  terminating?: number;
  completedIndexes?: string;
  failedIndexes?: string;
  startTime?: string;
  completionTime?: string;
  conditions?: Condition[];
  uncountedTerminatedPods?: { succeeded?: string[]; failed?: string[] };
}

export interface CronJob extends KubeObject {
  spec: {
    schedule: string;
    timeZone?: string;
    startingDeadlineSeconds?: number;
    concurrencyPolicy?: 'Allow' | 'Forbid' | 'Replace';
    suspend?: boolean;
    successfulJobsHistoryLimit?: number;
    failedJobsHistoryLimit?: number;
    jobTemplate: { metadata?: ObjectMeta; spec: JobSpec };
  };
  status?: { lastScheduleTime?: string; lastSuccessfulTime?: string; active?: object[] };
}

export const INDEX = 'batch.kubernetes.io/job-completion-index';
export const TRACKING = 'batch.kubernetes.io/job-tracking';

export function isJobFinished(job: Job): boolean {
  return finishedAs(job) !== undefined;
}

export function finishedAs(job: Job): 'Complete' | 'Failed' | undefined {
  const found = job.status?.conditions?.find(
    (item) => (item.type === 'Complete' || item.type === 'Failed') && item.status === 'True',
  );
  return found?.type as 'Complete' | 'Failed' | undefined;
}

/** "0-2,5" for 0, 1, 2 and 5. */
export function formatIndexes(indexes: Iterable<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let at = 0; at < sorted.length; ) {
    let end = at;
    while (sorted[end + 1] === sorted[end]! + 1) end += 1;
    parts.push(end === at ? String(sorted[at]) : `${sorted[at]}${end === at + 1 ? ',' : '-'}${sorted[end]}`);
    at = end + 1;
  }
  return parts.join(',');
}

export function parseIndexes(text: string | undefined): Set<number> {
  const found = new Set<number>();
  for (const part of (text ?? '').split(',')) {
    const [from, to = from] = part.split('-').map(Number);
    if (part === '' || from === undefined || to === undefined) continue;
    for (let index = from; index <= to; index += 1) found.add(index);
  }
  return found;
}
