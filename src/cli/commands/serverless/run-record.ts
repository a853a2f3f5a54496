import type { FunctionRun } from '../../../functions/index.ts';
import { compact, type Flat } from './flat.ts';
import { unixDate } from './old-table.ts';

/** A run in the words of old, in the order of the alphabet. */
export function runRecord({ metadata, spec, status }: FunctionRun): Flat {
  const seconds = (ms: number | undefined): number | undefined =>
    ms === undefined ? undefined : Math.floor(ms / 1000);
  const { error } = status;
  return compact({
    blocking: spec.blocking,
    error: error && { message: error.message, stacktrace: error.stacktrace, type: error.type },
    event: spec.event,
    executedTime: seconds(status.startedAt ?? Date.parse(metadata.creationTimestamp)),
    finishedTime: seconds(status.finishedAt) ?? (spec.blocking ? 0 : undefined),
    functionId: status.functionId,
    functionName: spec.function,
    httpContext: spec.httpContext,
    input: spec.input,
    logs: status.logs === undefined ? null : { stderr: status.logs.stderr, stdout: status.logs.stdout },
    name: metadata.name,
    output: status.output ?? null,
    reason: status.reason ?? null,
    secrets: spec.secrets,
    status: status.phase,
  });
}

export const RUN_COLUMNS: Record<string, (run: FunctionRun) => string> = {
  ID: ({ metadata }) => metadata.name,
  Function: ({ spec }) => spec.function,
  Status: ({ status }) => (status.dead ? 'DEAD' : status.phase),
  Started: ({ metadata, status }) => unixDate(status.startedAt ?? Date.parse(metadata.creationTimestamp)),
  Finished: ({ status }) => unixDate(status.finishedAt),
};
