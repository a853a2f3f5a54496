import type { InstanceEnd, Outcome, RunError } from '../../functions/protocol.ts';

/** The ways in which a call can fail without the function saying so, and what is answered then. */
const SIGNALS: Record<number, string> = { 6: 'SIGABRT', 9: 'SIGKILL', 11: 'SIGSEGV', 15: 'SIGTERM' };

export const STATUS = { InputError: 422, FunctionError: 502, SystemError: 503 } as const;

export function failure(type: RunError['type'], message: string, status: number = STATUS[type]): RunError {
  return { type, message, stacktrace: [], status };
}

export function failed(
  error: RunError,
  at: { startedAt: number; finishedAt: number; revision: string },
): Outcome {
  return { output: 'null', error, ...at };
}

export function timedOut(timeoutMs: number): RunError {
  return failure('FunctionError', `The function did not end within ${timeoutMs} ms.`, 504);
}

/** What the end of a process means to the calls that it was working on. */
export function endedBy(end: InstanceEnd | undefined): RunError {
  if (end === undefined)
    return failure('SystemError', 'The connection to the function was lost: call it again.');
  if (end.outOfMemory)
    return failure('FunctionError', 'The function used more memory than it may: give it more with --memory.');
  if (end.signal !== undefined && end.signal !== 0)
    return failure(
      'FunctionError',
      `The process of the function was ended by ${SIGNALS[end.signal] ?? `signal ${end.signal}`}.`,
    );
  return failure('FunctionError', `The function ended its process with exit code ${end.exitCode ?? 0}.`);
}
