import type { ContainerState } from '../runtime/runtime.ts';
import type { Limits, Usage } from './cgroups.ts';
import type { LaunchSpec } from './launch-spec.ts';

/**
 * What the node agent and the keeper say to each other over the keeper's socket. A connection begins with one
 * line, an `Opening`. On a control connection lines of JSON follow in both directions; on the others, frames or
 * plain bytes.
 */
export type Opening =
  | { open: 'control' }
  | {
      open: 'command';
      container: string;
      launch: Omit<LaunchSpec, 'namespaces' | 'cgroups' | 'singleUser' | 'terminal'>;
      tty: boolean;
    }
  | { open: 'attach'; container: string }
  /** The files of a directory as a layer: for each a line of JSON, and its bytes. */
  | { open: 'layer'; dir: string }
  | DialOpening;

/** To the pod's own loopback address, or to a host as other pods see it. */
export interface DialOpening {
  open: 'dial';
  podUid: string;
  port: number;
  host?: string;
}

/** Raised with every change that an older end would misunderstand. */
export const PROTOCOL_VERSION = 3;

/** Frames of commands and attachments: one byte of kind, four of length, then the bytes. */
export const FRAME = { STDIN: 0, STDOUT: 1, STDERR: 2, RESIZE: 3, END: 4, STDIN_END: 5 } as const;

export interface CommandResult {
  exitCode?: number;
  error?: string;
}

export interface PodRecord {
  uid: string;
  ip: string;
}

export interface CreatePod {
  uid: string;
  hostname: string;
  isolated?: boolean;
  /** Its containers see each other's processes. */
  sharedProcesses?: boolean;
}

export interface StartContainer {
  id: string;
  podUid: string;
  name: string;
  attempt: number;
  /** Holds the writable layer; goes with `forget`. */
  dir: string;
  log: string;
  launch: Omit<LaunchSpec, 'namespaces' | 'cgroups' | 'singleUser' | 'terminal'>;
  tty: boolean;
  limits: Limits;
  storageBytes?: number;
  /** The container among whose processes this one lives. */
  joins?: string;
}

export interface KeeperInfo {
  version: number;
  cgroups: 'v1' | 'v2' | 'none';
}

/** One port of a service: where clients come, and who may answer. */
export interface ServiceRoute {
  address: string;
  port: number;
  protocol: 'TCP' | 'UDP';
  endpoints: Endpoint[];
  /** The same client goes to the same endpoint. */
  affinity: boolean;
}

export interface Endpoint {
  address: string;
  port: number;
  /** On the host's network, which only the agent reaches. */
  host?: boolean;
}

export interface NetworkTable {
  routes: ServiceRoute[];
  /** Names, fully qualified and in lower case without the last dot. */
  names: Record<string, NameEntry>;
}

export interface NameEntry {
  addresses?: string[];
  alias?: string;
  ports?: { name: string; protocol: string; port: number; target: string }[];
}

export interface Methods {
  hello: { params: object; result: KeeperInfo };
  list: { params: { podUid?: string }; result: { pods: PodRecord[]; containers: ContainerState[] } };
  createPod: { params: CreatePod; result: PodRecord };
  removePod: { params: { uid: string }; result: object };
  start: { params: StartContainer; result: ContainerState };
  kill: { params: { id: string; signal: number }; result: object };
  forget: { params: { id: string; dir: string }; result: object };
  stats: { params: object; result: { id: string; podUid: string; name: string; usage: Usage }[] };
  mountMemory: { params: { podUid: string; path: string; sizeBytes?: number }; result: object };
  own: { params: { path: string; group: number }; result: object };
  remove: { params: { path: string }; result: object };
  network: { params: NetworkTable; result: object };
  shutdown: { params: object; result: object };
}

export type Method = keyof Methods;

export interface ControlRequest {
  id: number;
  method: Method;
  params: unknown;
}

export interface ControlReply {
  id: number;
  result?: unknown;
  error?: { message: string; code?: number };
}

export type ControlEvent = { event: 'exited'; record: ContainerState } | { event: 'log'; id: string };
