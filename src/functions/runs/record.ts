import { createHash } from 'node:crypto';
import type { Phase } from '../../api/index.ts';
import type { KubeObject } from '../../kube/index.ts';
import type { Invocation, Outcome, RunError, RunLogs } from '../../gateway/index.ts';

export const RUN_API_VERSION = 'run.dispatch.dev/v1alpha1';

/** A call of a function as it is kept, and as the API gives it. */
export interface FunctionRun extends KubeObject {
  apiVersion: typeof RUN_API_VERSION;
  kind: 'FunctionRun';
  metadata: { name: string; namespace: string; creationTimestamp: string; labels: Record<string, string> };
  spec: {
    function: string;
    blocking: boolean;
    input: unknown;
    secrets: string[];
    event?: object;
    httpContext?: object;
  };
  status: RunStatus;
}

export interface RunStatus {
  phase: Phase;
  functionId: string;
  revision?: string;
  output?: unknown;
  error?: RunError;
  logs?: RunLogs;
  /** Milliseconds since the epoch. */
  startedAt?: number;
  finishedAt?: number;
  attempts: number;
  /** When it is tried again. */
  nextAt?: number;
  /** It was given up. */
  dead?: boolean;
  reason?: string[];
}

export interface NewRun {
  name: string;
  namespace: string;
  function: string;
  functionId: string;
  blocking: boolean;
  input: unknown;
  secrets?: readonly string[];
  event?: object;
  httpContext?: object;
}

const MAX_OUTPUT = 1024 * 1024;
const MAX_LOG_BYTES = 256 * 1024;

export function newRun(run: NewRun, now: number): FunctionRun {
  return {
    apiVersion: RUN_API_VERSION,
    kind: 'FunctionRun',
    metadata: {
      name: run.name,
      namespace: run.namespace,
      creationTimestamp: new Date(now).toISOString(),
      labels: { function: run.function },
    },
    spec: {
      function: run.function,
      blocking: run.blocking,
      input: run.input,
      secrets: [...(run.secrets ?? [])],
      ...(run.event && { event: run.event }),
      ...(run.httpContext && { httpContext: run.httpContext }),
    },
    status: { phase: 'INITIALIZED', functionId: run.functionId, attempts: 0 },
  };
}

export function invocationOf(run: FunctionRun, secrets: string | undefined): Invocation {
  const { spec, metadata } = run;
  return {
    run: metadata.name,
    key: `${metadata.namespace}/${spec.function}`,
    payload: JSON.stringify(spec.input ?? null),
    ...(spec.event && { event: spec.event }),
    ...(spec.httpContext && { httpContext: spec.httpContext }),
    ...(secrets !== undefined && { secrets }),
  };
}

/** The run as its outcome leaves it. What is too large to be kept says so. */
export function finished(run: FunctionRun, outcome: Outcome): FunctionRun {
  const { output, error, logs, startedAt, finishedAt, revision } = outcome;
  const isLarge = output.length > MAX_OUTPUT;
  return {
    ...run,
    status: {
      phase: error === undefined ? 'READY' : 'ERROR',
      functionId: run.status.functionId,
      attempts: run.status.attempts + 1,
      revision,
      output: isLarge ? null : (JSON.parse(output) as unknown),
      ...(error && { error, reason: [error.message] }),
      ...(isLarge && { reason: [`The output has ${output.length} bytes, and was not kept.`] }),
      ...(logs && { logs: { stdout: tail(logs.stdout), stderr: tail(logs.stderr) } }),
      startedAt,
      finishedAt,
    },
  };
}

/** The same key of the same function is the same run. */
export function runName(namespace: string, fn: string, key: string): string {
  const hex = createHash('sha256')
    .update(JSON.stringify([namespace, fn, key]))
    .digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function tail(lines: readonly string[]): string[] {
  let bytes = 0;
  let at = lines.length;
  while (at > 0 && bytes <= MAX_LOG_BYTES) bytes += lines[--at]!.length + 1;
  return lines.slice(at);
}
