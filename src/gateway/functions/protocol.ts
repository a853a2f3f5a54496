/** What the server and the data plane say to each other about functions. */

export interface FunctionConfig {
  /** "namespace/name" */
  key: string;
  /** Newest first. */
  revisions: RevisionConfig[];
  /** The function's secrets, as the text of a JSON object. */
  secrets: string;
  /** The credentials of services, by their names, as the text of a JSON object. */
  services: string;
  /** Secrets that it names and that are not there. */
  missing: string[];
}

export interface RevisionConfig {
  name: string;
  weight: number;
  timeoutMs: number;
  concurrency: number;
  schemaIn?: object;
  schemaOut?: object;
  /** Its instances answer HTTP by themselves. */
  http?: boolean;
}

/** A call, wherever it comes from. */
export interface Invocation {
  run: string;
  key: string;
  /** The JSON text of the input. */
  payload: string;
  /** Of the context of the handler. */
  event?: object;
  httpContext?: object;
  /** Instead of the function's own secrets: the text of a JSON object. */
  secrets?: string;
}

export type RunErrorType = 'InputError' | 'FunctionError' | 'SystemError';

export interface RunError {
  type: RunErrorType;
  message: string;
  stacktrace: string[];
  /** What is answered over HTTP. */
  status: number;
}

export interface RunLogs {
  stdout: string[];
  stderr: string[];
}

export interface Outcome {
  /** The JSON text of the output. */
  output: string;
  error?: RunError;
  logs?: RunLogs;
  /** Milliseconds since the epoch. */
  startedAt: number;
  finishedAt: number;
  revision: string;
  /** Where it ran: what a call had printed that did not end by itself is found there. */
  instance?: string;
}

/** A call that came through an endpoint, as it is kept. */
export interface EndpointRun {
  invocation: Invocation;
  outcome: Outcome;
}

export type InstanceAddress = { socket: string } | { address: string; port: number };

/** How an instance has ended. */
export interface InstanceEnd {
  exitCode?: number;
  signal?: number;
  outOfMemory?: boolean;
}

/** How busy the instances of a revision are. */
export interface Load {
  key: string;
  revision: string;
  waiting: number;
  inFlight: number;
  /** The most at a time since the last report. */
  peak: number;
}

export type FunctionsToDataPlane =
  | { type: 'functions'; set: FunctionConfig[]; removed: string[] }
  | { type: 'instance'; key: string; revision: string; id: string; at: InstanceAddress }
  /** No new calls; told when the last one has ended. */
  | { type: 'drain-instance'; id: string }
  | { type: 'instance-gone'; id: string; end: InstanceEnd }
  /** Nothing can be started: whoever waits is told why. */
  | { type: 'unavailable'; key: string; revision: string; message: string }
  | { type: 'call'; id: number; invocation: Invocation }
  | { type: 'accepted'; id: number; run?: string; problem?: string };

export type FunctionsFromDataPlane =
  | { type: 'load'; loads: Load[] }
  | { type: 'drained'; id: string }
  /** It does not do what it should, and has to be ended at once. */
  | { type: 'kill'; id: string }
  | { type: 'result'; id: number; outcome: Outcome }
  | { type: 'runs'; runs: EndpointRun[] }
  /** To be done later: answered with `accepted` when it is on disk. */
  | { type: 'accept'; id: number; invocation: Invocation; idempotencyKey?: string };

/** How an endpoint lets callers in and what it answers. */
export interface EndpointOptions {
  httpsOnly: boolean;
  /** Where HTTPS is served. */
  httpsPort: number;
  cors?: { origins: string[]; methods?: string; credentials: boolean };
  auth: EndpointAuth;
  rate?: { count: number; seconds: number };
  fullResponse: boolean;
}

export type EndpointAuth =
  | { type: 'public' }
  /** Digests of "user:password". */
  | { type: 'basic'; digests: string[] }
  | { type: 'key'; digests: string[] }
  | { type: 'jwt'; pem?: string; secret?: string; jwks?: string; issuer?: string; audience?: string }
  /** It cannot be told who may: nobody may. */
  | { type: 'closed'; why: string };
