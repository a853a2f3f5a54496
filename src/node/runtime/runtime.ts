import type { LayerPart } from '../../images/index.ts';
import type { Duplex, Readable, Writable } from 'node:stream';

/** How much a runtime keeps apart. */
export type RuntimeName = 'sandbox' | 'none';

export interface PodSandbox {
  uid: string;
  namespace: string;
  name: string;
  hostname: string;
  hostNetwork: boolean;
  /** It has no network but its own loopback. */
  isolated?: boolean;
  /** Its containers see each other's processes. */
  sharedProcesses?: boolean;
}

export type Mount =
  | { type: 'bind'; source: string; subPath?: string; target: string; readOnly: boolean }
  | { type: 'overlay'; lower: string[]; scratch: string; target: string; readOnly: boolean }
  | { type: 'tmpfs'; target: string; sizeBytes?: number; mode?: string };

export interface ContainerImage {
  /** Directories with the files of the image, top first, for runtimes that put roots together themselves. */
  layers: string[];
  /** The name by which others pull it. */
  reference: string;
}

export interface ContainerSpec {
  /** Pod, container and attempt: the same id is never started twice. */
  id: string;
  podUid: string;
  name: string;
  attempt: number;
  image: ContainerImage;
  argv: string[];
  env: Record<string, string>;
  cwd: string;
  user: string;
  groups: number[];
  capabilities: string[];
  noNewPrivileges: boolean;
  seccomp: boolean;
  privileged: boolean;
  readOnlyRoot: boolean;
  hostNetwork: boolean;
  stdin: boolean;
  tty: boolean;
  mounts: Mount[];
  /** Holds what belongs to this attempt; goes with `removeContainer`. */
  dir: string;
  log: string;
  /** The container among whose processes this one lives. */
  joins?: string;
  limits: { memoryBytes?: number; cpuMillis?: number; pids?: number; storageBytes?: number };
}

export interface ContainerState {
  id: string;
  podUid: string;
  name: string;
  attempt: number;
  state: 'running' | 'exited';
  /** Milliseconds since the epoch. */
  startedAt: number;
  finishedAt?: number;
  exitCode?: number;
  signal?: number;
  oomKilled?: boolean;
  /** It wrote more outside of its volumes than it may, and was ended for that. */
  storageExceeded?: boolean;
}

/** A program that could not be started: 127 no such program, 126 not runnable, 128 anything else. */
export class StartError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.name = 'StartError';
    this.exitCode = exitCode;
  }
}

export interface Streams {
  stdin: Readable | undefined;
  stdout: Writable | undefined;
  stderr: Writable | undefined;
  onResize: (listener: (size: { width: number; height: number }) => void) => void;
  signal: AbortSignal;
}

export type CommandEnd = { exitCode: number } | { error: string };

export interface Command {
  argv: string[];
  env: Record<string, string>;
  cwd: string;
  user: string;
  groups: number[];
  capabilities: string[];
  noNewPrivileges: boolean;
  seccomp: boolean;
  tty: boolean;
}

export interface ContainerUsage {
  id: string;
  podUid: string;
  name: string;
  cpuNanos: number;
  memoryBytes: number;
}

export interface RuntimeListener {
  /** A container ended, or printed something. */
  changed: (podUid: string) => void;
  logged: (id: string) => void;
  /** Everything that ran is gone: the next call to `list` tells. */
  lost: () => void;
}

/**
 * What runs containers. Calls may overlap; each is idempotent by its id, so that a caller that was killed
 * repeats it.
 */
export interface Runtime extends AsyncDisposable {
  readonly name: RuntimeName;
  createPod: (pod: PodSandbox) => Promise<{ ip: string }>;
  /** Ends everything of the pod at once. */
  removePod: (uid: string) => Promise<void>;
  startContainer: (spec: ContainerSpec) => Promise<ContainerState>;
  kill: (id: string, signal: number) => Promise<void>;
  /** Forgets a container that has ended, with what it wrote outside of volumes. */
  removeContainer: (id: string, dir: string) => Promise<void>;
  /** Of one pod, or of all. */
  list: (podUid?: string) => Promise<{ pods: { uid: string; ip: string }[]; containers: ContainerState[] }>;
  run: (id: string, command: Command, streams: Streams) => Promise<CommandEnd>;
  attach: (id: string, streams: Streams) => Promise<CommandEnd>;
  /** To the pod's own loopback address, or to `host` as other pods see it. */
  dial: (podUid: string, to: { port: number; host?: string }, signal: AbortSignal) => Promise<Duplex>;
  stats: () => Promise<ContainerUsage[]>;
  /** Puts a file system in memory at a directory that containers of the pod mount. */
  mountMemory: (podUid: string, path: string, sizeBytes: number | undefined) => Promise<void>;
  /** Gives files to a group, as the containers see groups. */
  own: (path: string, group: number) => Promise<void>;
  /** Deletes files that containers may have made under other identities. */
  removeFiles: (path: string) => Promise<void>;
  /** The files of a layer that a container has written, each followed by its bytes. */
  readLayer: (
    dir: string,
    handle: (file: LayerPart, content: AsyncIterable<Buffer>) => Promise<void>,
  ) => Promise<void>;
  listen: (listener: RuntimeListener) => void;
}
