import { type ContainerStatus, isPodFinished, type Pod } from '../../kube/index.ts';
import type { StepState, TaskRunStatus, TaskSpec } from '../types.ts';
import { stepNames } from './pod.ts';

/** The steps and sidecars as the pod tells of them. */
export function stepStates(pod: Pod, spec: TaskSpec): Pick<TaskRunStatus, 'steps' | 'sidecars'> {
  const statuses = new Map((pod.status?.containerStatuses ?? []).map((item) => [item.name, item]));
  const steps = stepNames(spec).flatMap((name): StepState[] => {
    const status = statuses.get(`step-${name}`);
    return status === undefined ? [] : [stateOf(name, status)];
  });
  const sidecars = (pod.status?.initContainerStatuses ?? [])
    .filter((item) => item.name.startsWith('sidecar-'))
    .map((item) => ({
      ...item.state,
      name: item.name.slice('sidecar-'.length),
      container: item.name,
      imageID: item.imageID,
    }));
  return { ...(steps.length > 0 && { steps }), ...(sidecars.length > 0 && { sidecars }) } as Pick<
    TaskRunStatus,
    'steps' | 'sidecars'
  >;
}

function stateOf(name: string, status: ContainerStatus): StepState {
  const { terminated } = status.state ?? {};
  return {
    name,
    container: status.name,
    ...(status.imageID && { imageID: status.imageID }),
    ...status.state,
    ...(terminated && { terminationReason: terminationReason(terminated) }),
  };
}

function terminationReason({ exitCode, reason }: { exitCode: number; reason?: string }): string {
  if (reason === 'Skipped') return 'Skipped';
  if (exitCode === 0) return 'Completed';
  return reason === undefined || reason === '' ? 'Error' : reason;
}

export type PodVerdict =
  | { state: 'running' | 'pending'; reason: string; message: string }
  | { state: 'succeeded' }
  | { state: 'failed'; reason: string; message: string }
  /** Not the user's doing: it is run again. */
  | { state: 'lost' };

const FATAL_WAITS: Record<string, string> = {
  ImagePullBackOff: 'TaskRunImagePullFailed',
  InvalidImageName: 'TaskRunImagePullFailed',
  ErrImageNeverPull: 'TaskRunImagePullFailed',
  CreateContainerConfigError: 'CreateContainerConfigError',
};

/** What the state of a pod means for its task run. */
export function verdictOf(pod: Pod, spec: TaskSpec, runName: string): PodVerdict {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  if (isPodFinished(pod)) return endOf(pod, spec, statuses);
  for (const { name, image, state } of statuses) {
    const { reason = '', message = '' } = state?.waiting ?? {};
    const fatal = FATAL_WAITS[reason];
    if (fatal === undefined) continue;
    const text =
      fatal === 'TaskRunImagePullFailed'
        ? `the step "${name.replace(/^step-/, '')}" in TaskRun "${runName}" failed to pull the image "${image}". The pod errored with the message: "${message}."`
        : `Failed to create pod due to config error: ${message}`;
    return { state: 'failed', reason: fatal, message: text };
  }
  if (pod.status?.phase === 'Running')
    return {
      state: 'running',
      reason: 'Running',
      message: 'Not all Steps in the Task have finished executing',
    };
  const unscheduled = pod.status?.conditions?.find(
    (item) => item.type === 'PodScheduled' && item.status === 'False',
  );
  return {
    state: 'pending',
    reason: 'Pending',
    message:
      unscheduled === undefined
        ? 'Pending'
        : `pod status "PodScheduled":"False"; message: "${unscheduled.message ?? ''}"`,
  };
}

function endOf(pod: Pod, spec: TaskSpec, statuses: readonly ContainerStatus[]): PodVerdict {
  if (statuses.some((item) => item.state?.terminated?.reason === 'ContainerStatusUnknown'))
    return { state: 'lost' };
  if (pod.status?.reason === 'Evicted' || pod.status?.reason === 'DeadlineExceeded')
    return { state: 'failed', reason: 'Failed', message: pod.status.message ?? pod.status.reason };
  const names = stepNames(spec);
  for (const [at, step] of (spec.steps ?? []).entries()) {
    const terminated = statuses.find((item) => item.name === `step-${names[at]}`)?.state?.terminated;
    if (terminated === undefined || terminated.exitCode === 0 || step.onError === 'continue') continue;
    const why =
      terminated.reason === 'OOMKilled'
        ? ': OOMKilled'
        : terminated.message && terminated.reason === 'StartError'
          ? `: ${terminated.message}`
          : '';
    return {
      state: 'failed',
      reason: 'Failed',
      message: `"step-${names[at]}" exited with code ${terminated.exitCode}${why}`,
    };
  }
  const failed = statuses.find(
    (item) => item.name.startsWith('sidecar-') && item.state?.terminated?.reason === 'StartError',
  );
  if (failed !== undefined)
    return {
      state: 'failed',
      reason: 'Failed',
      message: `sidecar "${failed.name}" could not be started: ${failed.state?.terminated?.message}`,
    };
  return { state: 'succeeded' };
}
