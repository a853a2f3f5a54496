import type { InstanceAddress, InstanceEnd, RunLogs } from '../../gateway/index.ts';
import type { SourceFile } from '../sources/source-store.ts';

export interface ProcessSpec {
  /** Never the same twice. */
  id: string;
  /** Name of the image, as it is looked up. */
  image: string;
  /** Decides which of our programs answers in it; one that it has itself where the language is none of ours. */
  language: string;
  memoryBytes: number;
  cpuMillis: number | undefined;
  env: Record<string, string>;
  /** It answers by itself, here, instead of on the socket. */
  port?: number;
  /** Whether it says at /healthz when it can be called. */
  hasHealth?: boolean;
}

/** What a process is given to become a function. */
export interface LoadRequest {
  files: readonly SourceFile[];
  handler: string | undefined;
  env: Record<string, string>;
  cloudEvents: boolean;
}

/** Why a function could not be loaded, in the words of its runtime. */
export class LoadError extends Error {
  override name = 'LoadError';
}

/** A process in a sandbox of its own. */
export interface HostedProcess {
  id: string;
  at: InstanceAddress;
  /** Resolves when it has ended, whatever the reason. */
  ended: Promise<InstanceEnd>;
  /** Makes it a function, once. Throws a LoadError when the function is at fault. */
  load: (request: LoadRequest) => Promise<void>;
  /** Ends it at once. */
  stop: () => Promise<void>;
  /** What was printed by a call so far; without a name, what no call has printed. */
  logsOf: (run?: string) => Promise<RunLogs>;
}

/** What runs processes of functions. */
export interface InstanceHost {
  /** Resolves when the process answers. Throws an Error in words for users when it cannot be started. */
  start: (spec: ProcessSpec, signal: AbortSignal) => Promise<HostedProcess>;
  /** Whether there is a program of ours for a language. Images of others bring one along. */
  speaks: (language: string) => boolean;
  /** The digest that a name stands for now; fetches the image where it is not here. */
  resolve: (image: string, namespace: string, signal: AbortSignal) => Promise<string>;
  /** Ends what an earlier server has left running. */
  clear: () => Promise<void>;
}
