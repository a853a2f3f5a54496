/** What a new process of a container is told. The keeper writes it as one line of JSON on descriptor 3. */
export interface LaunchSpec {
  /** Absent for a command in a container that runs. */
  root?: RootSpec;
  /** The namespaces to enter, as files: those of the pod, or of the container that a command joins. */
  namespaces: { net?: string; ipc: string; uts: string; mnt?: string; cgroup?: string };
  argv: string[];
  env: string[];
  cwd: string;
  /** "user", "user:group", by number or as the image names them. */
  user: string;
  groups: number[];
  capabilities: string[];
  noNewPrivileges: boolean;
  seccomp: boolean;
  /** A terminal of the container's own is to be its three streams. */
  terminal: boolean;
  /** Whether descriptor 0 stays what it is; otherwise it reads nothing. */
  stdin: boolean;
  /** `cgroup.procs` files that the process enters. */
  cgroups: string[];
  /** Whether ids other than 0 exist here: without them everybody is the same user. */
  singleUser: boolean;
}

/** Said to a process that is to become nothing: it only keeps a process namespace, as its first process. */
export interface HoldSpec {
  hold: true;
}

export interface RootSpec {
  /** Directories of the image, top first, for an overlay; or none when `dir` already is the whole root. */
  lower: string[];
  upper: string;
  work: string;
  /** Where the root is put together. */
  dir: string;
  readOnly: boolean;
  mounts: MountSpec[];
  /** The pod shares the host's network: its /sys is the host's, read-only. */
  hostNetwork: boolean;
  privileged: boolean;
}

export type MountSpec =
  | { type: 'bind'; source: string; subPath?: string; target: string; readOnly: boolean; file?: boolean }
  | { type: 'overlay'; lower: string[]; scratch: string; target: string; readOnly: boolean }
  | { type: 'tmpfs'; target: string; sizeBytes?: number; mode?: string };

/** What the process says when it has opened a terminal: take this descriptor, and answer with a line. */
export interface TerminalOffer {
  terminal: number;
}

/** What a launch that failed says, on the same descriptor; nothing is said when the program took over. */
export interface LaunchFailure {
  message: string;
  /** 127 when there is no such program, 126 when it cannot be run, 128 otherwise. */
  code: number;
}
