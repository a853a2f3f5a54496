import type { Pod } from '../../kube/index.ts';
import type { ContainerTrack } from './container-track.ts';

const SEQUENTIAL = 'dispatch.dev/sequential';
const CONTINUE = 'dispatch.dev/continue-on-failure';

export interface Step {
  /** Containers that may be started now. */
  start: ContainerTrack[];
  /** Containers that will never run. */
  skip: ContainerTrack[];
}

/** Which containers come next: init containers one after another, sidecars that stay, then the others. */
export function nextStep(pod: Pod, init: readonly ContainerTrack[], main: readonly ContainerTrack[]): Step {
  const policy = pod.spec.restartPolicy ?? 'Always';
  const start: ContainerTrack[] = [];
  for (const track of init) {
    if (isRunning(track)) {
      if (track.kind === 'sidecar' && track.started) continue;
      return { start, skip: [] };
    }
    if (track.kind === 'sidecar') {
      start.push(track);
      if (track.last === undefined && track.terminated === undefined) return { start, skip: [] };
      continue;
    }
    if (track.terminated?.exitCode === 0) continue;
    if (track.terminated === undefined || policy !== 'Never') start.push(track);
    return { start, skip: [] };
  }
  if (pod.metadata.annotations?.[SEQUENTIAL] === 'true') return sequential(pod, main, start);
  for (const track of main) if (!isRunning(track) && wantsStart(track, policy)) start.push(track);
  return { start, skip: [] };
}

/** One container after another, each when the one before has ended well. */
function sequential(pod: Pod, main: readonly ContainerTrack[], start: ContainerTrack[]): Step {
  const tolerant = new Set(
    (pod.metadata.annotations?.[CONTINUE] ?? '').split(',').map((name) => name.trim()),
  );
  for (const [at, track] of main.entries()) {
    if (isRunning(track)) return { start, skip: [] };
    if (track.terminated === undefined) return { start: [...start, track], skip: [] };
    if (track.terminated.exitCode !== 0 && !tolerant.has(track.spec.name)) {
      const rest = main.slice(at + 1).filter((item) => item.terminated === undefined && !isRunning(item));
      return { start, skip: rest };
    }
  }
  return { start, skip: [] };
}

function wantsStart(track: ContainerTrack, policy: string): boolean {
  if (track.terminated === undefined) return true;
  if (policy === 'Always') return true;
  return policy === 'OnFailure' && track.terminated.exitCode !== 0;
}

function isRunning(track: ContainerTrack): boolean {
  return track.current?.state === 'running';
}
