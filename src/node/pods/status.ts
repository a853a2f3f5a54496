import type { Condition, ContainerStatus, Pod, PodStatus } from '../../kube/index.ts';
import { withCondition } from '../../kube/index.ts';
import type { ContainerTrack } from './container-track.ts';
import { qosClass } from './qos.ts';

export interface StatusInput {
  pod: Pod;
  init: readonly ContainerTrack[];
  main: readonly ContainerTrack[];
  ephemeral: readonly ContainerTrack[];
  podIp: string | undefined;
  hostIp: string;
  startTime: string;
  sandboxReady: boolean;
  /** The pod has ended for a reason of its own, and stays so. */
  verdict: { phase: 'Failed' | 'Succeeded'; reason?: string; message?: string } | undefined;
  now: number;
}

/** The status of a pod, from what its containers do. */
export function podStatus(input: StatusInput): PodStatus {
  const { pod, init, main, ephemeral, podIp, hostIp, verdict } = input;
  const phase = verdict?.phase ?? phaseOf(input);
  const finished = phase === 'Succeeded' || phase === 'Failed';
  return {
    phase,
    conditions: conditionsOf(input, phase),
    ...(verdict?.reason !== undefined && { reason: verdict.reason }),
    ...(verdict?.message !== undefined && { message: verdict.message }),
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    ...(podIp !== undefined && { podIP: podIp, podIPs: [{ ip: podIp }] }),
    startTime: input.startTime,
    ...(init.length > 0 && { initContainerStatuses: init.map((track) => statusOf(track, finished)) }),
    containerStatuses: main.map((track) => statusOf(track, finished)),
    ...(ephemeral.length > 0 && {
      ephemeralContainerStatuses: ephemeral.map((track) => statusOf(track, finished)),
    }),
    qosClass: qosClass(pod),
  };
}

function statusOf(track: ContainerTrack, finished: boolean): ContainerStatus {
  const { spec, current } = track;
  const running = current?.state === 'running';
  const waiting = track.waiting ?? { reason: finished ? 'ContainerStatusUnknown' : 'ContainerCreating' };
  const state = running
    ? { running: { startedAt: timeText(current.startedAt) } }
    : track.terminated !== undefined && track.waiting === undefined
      ? { terminated: track.terminated }
      : { waiting };
  return {
    name: spec.name,
    state,
    lastState: track.last === undefined ? {} : { terminated: track.last },
    ready: track.kind === 'init' ? track.terminated?.exitCode === 0 : running && track.ready,
    started: track.kind === 'init' ? running : running && track.started,
    restartCount: Math.max(0, track.restarts),
    image: spec.image,
    imageID: track.imageId ?? '',
    ...(current !== undefined && { containerID: containerId(current.id) }),
  };
}

export function containerId(id: string): string {
  return `dispatch://${id}`;
}

export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function phaseOf({ pod, init, main }: StatusInput): NonNullable<PodStatus['phase']> {
  const policy = pod.spec.restartPolicy ?? 'Always';
  const failedInit = init.find(
    (track) => track.kind === 'init' && track.terminated !== undefined && track.terminated.exitCode !== 0,
  );
  if (failedInit !== undefined && policy === 'Never') return 'Failed';
  if (!isInitialized(init)) return 'Pending';
  const ended = main.filter(
    (track) =>
      track.terminated !== undefined && track.waiting === undefined && track.current?.state !== 'running',
  );
  const begun = main.some(
    (track) => track.current !== undefined || track.terminated !== undefined || track.last !== undefined,
  );
  if (ended.length === main.length && policy !== 'Always') {
    const failed = ended.some((track) => track.terminated!.exitCode !== 0);
    if (!failed) return 'Succeeded';
    if (policy === 'Never') return 'Failed';
  }
  return begun ? 'Running' : 'Pending';
}

export function isInitialized(init: readonly ContainerTrack[]): boolean {
  return init.every((track) =>
    track.kind === 'sidecar'
      ? track.started && (track.current !== undefined || track.last !== undefined)
      : track.terminated?.exitCode === 0,
  );
}

function conditionsOf(input: StatusInput, phase: string): Condition[] {
  const { pod, init, main, now } = input;
  const initialized = isInitialized(init);
  const done = phase === 'Succeeded';
  const unready = [...main, ...init.filter((track) => track.kind === 'sidecar')].filter(
    (track) => track.current?.state !== 'running' || !track.ready,
  );
  const waiting = init.filter((track) => track.kind === 'init' && track.terminated?.exitCode !== 0);
  const containersReady: Omit<Condition, 'lastTransitionTime'> =
    phase === 'Succeeded'
      ? { type: 'ContainersReady', status: 'False', reason: 'PodCompleted' }
      : phase === 'Failed'
        ? { type: 'ContainersReady', status: 'False', reason: 'PodFailed' }
        : unready.length > 0
          ? {
              type: 'ContainersReady',
              status: 'False',
              reason: 'ContainersNotReady',
              message: `containers with unready status: [${unready.map((track) => track.spec.name).join(' ')}]`,
            }
          : { type: 'ContainersReady', status: 'True' };
  const gates = (pod.spec.readinessGates ?? []).filter(
    ({ conditionType }) =>
      !pod.status?.conditions?.some((item) => item.type === conditionType && item.status === 'True'),
  );
  const ready: Omit<Condition, 'lastTransitionTime'> =
    containersReady.status === 'True' && gates.length > 0
      ? {
          type: 'Ready',
          status: 'False',
          reason: 'ReadinessGatesNotReady',
          message: gates
            .map(
              ({ conditionType }) =>
                `corresponding condition of pod readiness gate "${conditionType}" does not exist.`,
            )
            .join(', '),
        }
      : { ...containersReady, type: 'Ready' };
  const next: Omit<Condition, 'lastTransitionTime'>[] = [
    {
      type: 'PodReadyToStartContainers',
      status: input.sandboxReady ? 'True' : 'False',
    },
    initialized
      ? { type: 'Initialized', status: 'True', ...(done && { reason: 'PodCompleted' }) }
      : {
          type: 'Initialized',
          status: 'False',
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${waiting.map((track) => track.spec.name).join(' ')}]`,
        },
    ready,
    containersReady,
    { type: 'PodScheduled', status: 'True' },
  ];
  let conditions = pod.status?.conditions ?? [];
  for (const condition of next) conditions = withCondition(conditions, condition, now);
  return conditions;
}
