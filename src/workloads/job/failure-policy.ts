import type { Pod } from '../../kube/index.ts';
import type { FailureRule, Job } from './job.ts';

export interface Verdict {
  action: FailureRule['action'];
  message: string;
}

/** What the job's policy says about a pod that has failed: the first rule that fits, or to count it. */
export function judge(job: Job, pod: Pod): Verdict {
  const rules = job.spec.podFailurePolicy?.rules ?? [];
  for (const [at, rule] of rules.entries()) {
    const why = rule.onExitCodes === undefined ? conditionOf(rule, pod) : exitCodeOf(rule.onExitCodes, pod);
    if (why !== undefined)
      return { action: rule.action, message: `${why} matching ${rule.action} rule at index ${at}` };
  }
  return { action: 'Count', message: '' };
}

function exitCodeOf(wanted: NonNullable<FailureRule['onExitCodes']>, pod: Pod): string | undefined {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  for (const { name, state } of statuses) {
    const code = state?.terminated?.exitCode;
    if (code === undefined || code === 0) continue;
    if (wanted.containerName !== undefined && wanted.containerName !== name) continue;
    if (wanted.values.includes(code) === (wanted.operator === 'In'))
      return `Container ${name} for pod ${pod.metadata.namespace}/${pod.metadata.name} failed with exit code ${code}`;
  }
  return undefined;
}

function conditionOf(rule: FailureRule, pod: Pod): string | undefined {
  const found = rule.onPodConditions?.find((wanted) =>
    pod.status?.conditions?.some(
      (item) => item.type === wanted.type && item.status === (wanted.status ?? 'True'),
    ),
  );
  return found && `Pod ${pod.metadata.namespace}/${pod.metadata.name} has condition ${found.type}`;
}
