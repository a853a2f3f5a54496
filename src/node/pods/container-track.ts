import type { Container, ContainerStateStatus, ContainerStatus, Pod } from '../../kube/index.ts';
import type { ContainerState } from '../runtime/runtime.ts';

export type Terminated = NonNullable<ContainerStateStatus['terminated']>;

/** What the agent knows of one container of a pod, over all its attempts. */
export interface ContainerTrack {
  spec: Container;
  kind: 'init' | 'sidecar' | 'main' | 'ephemeral';
  /** The attempt that runs or ran last, as the runtime knows it. */
  current: ContainerState | undefined;
  /** How the current attempt ended. */
  terminated: Terminated | undefined;
  /** How the attempt before ended. */
  last: Terminated | undefined;
  waiting: { reason: string; message?: string } | undefined;
  /** The next attempt's number is one more than the last one's; the first is 0. */
  attempts: number;
  restarts: number;
  imageId: string | undefined;
  started: boolean;
  ready: boolean;
  backoffMs: number;
  /** Not before this time, in milliseconds. */
  notBefore: number;
}

export function newTrack(spec: Container, kind: ContainerTrack['kind']): ContainerTrack {
  return {
    spec,
    kind,
    current: undefined,
    terminated: undefined,
    last: undefined,
    waiting: undefined,
    attempts: 0,
    restarts: 0,
    imageId: undefined,
    started: false,
    ready: false,
    backoffMs: 0,
    notBefore: 0,
  };
}

export function tracksOf(pod: Pod): { init: ContainerTrack[]; main: ContainerTrack[] } {
  return {
    init: (pod.spec.initContainers ?? []).map((spec) =>
      newTrack(spec, spec.restartPolicy === 'Always' ? 'sidecar' : 'init'),
    ),
    main: pod.spec.containers.map((spec) => newTrack(spec, 'main')),
  };
}

/** Goes on from what the API says and the runtime still has, after this agent was started anew. */
export function restoreTrack(
  track: ContainerTrack,
  status: ContainerStatus | undefined,
  known: readonly ContainerState[],
  lostAt: string,
): void {
  if (status !== undefined) {
    track.restarts = status.restartCount;
    track.attempts = status.containerID === undefined ? status.restartCount : status.restartCount + 1;
    track.last = status.lastState?.terminated;
    track.imageId = status.imageID || undefined;
    track.terminated = status.state?.terminated;
    track.waiting = status.state?.waiting as ContainerTrack['waiting'];
  }
  const latest = known.toSorted((a, b) => b.attempt - a.attempt)[0];
  if (latest !== undefined) {
    if (track.terminated !== undefined && latest.attempt >= track.attempts) track.last = track.terminated;
    track.current = latest;
    track.attempts = latest.attempt + 1;
    track.restarts = latest.attempt;
    track.waiting = undefined;
    if (latest.state === 'running') {
      track.terminated = undefined;
      track.started = status?.started ?? false;
      track.ready = status?.ready ?? false;
    }
    return;
  }
  const running = status?.state?.running;
  if (running === undefined) return;
  // It ran when somebody last looked, and nobody has it: all that is certain is that it is gone.
  track.terminated = {
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
    message: 'The container could not be located when the pod was restarted.',
    startedAt: running.startedAt,
    finishedAt: lostAt,
  };
}
