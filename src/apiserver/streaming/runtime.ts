import type { Duplex, Readable, Writable } from 'node:stream';
import type { KubeObject } from '../../kube/index.ts';

export interface LogOptions {
  container: string;
  follow: boolean;
  previous: boolean;
  timestamps: boolean;
  tailLines: number | undefined;
  limitBytes: number | undefined;
  stream?: 'stdout' | 'stderr' | undefined;
  /** Milliseconds since the epoch. */
  since: number | undefined;
}

export interface CommandOptions {
  container: string;
  /** Absent for attach. */
  command: string[] | undefined;
  tty: boolean;
}

export interface TerminalSize {
  width: number;
  height: number;
}

/** The ends of a command's streams that its client holds; those that it did not ask for are absent. */
export interface CommandStreams {
  stdin: Readable | undefined;
  stdout: Writable | undefined;
  stderr: Writable | undefined;
  onResize: (listener: (size: TerminalSize) => void) => void;
  /** Aborted when the client is gone. */
  signal: AbortSignal;
}

/** How a command ended. */
export type CommandEnd = { exitCode: number } | { error: string };

/**
 * What runs the pods of this machine, as the API reaches it. Calls may overlap. A pod that is not there any
 * more is refused with an `ApiError`.
 */
export interface PodRuntime {
  logs: (
    pod: KubeObject,
    options: LogOptions,
    signal: AbortSignal,
  ) => Promise<AsyncIterable<Buffer | string>>;
  /** Resolves when the command has ended and its output is written. */
  run: (pod: KubeObject, options: CommandOptions, streams: CommandStreams) => Promise<CommandEnd>;
  /** A connection to a port of the pod. */
  dial: (pod: KubeObject, port: number, signal: AbortSignal) => Promise<Duplex>;
}
