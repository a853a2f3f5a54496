import type { Call, CallResult, FunctionCaller } from '../events/index.ts';
import type { RunRequest, Runs } from '../functions/index.ts';
import { isApiError } from '../kube/index.ts';

/** Lets events call functions: each event is a run, and is one run however often it comes. */
export function functionCaller(runs: () => Runs): FunctionCaller {
  return {
    async call(call): Promise<CallResult> {
      try {
        const { error } = (await runs().execute(requestOf(call))).status;
        if (error === undefined) return { ok: true };
        // An input that the function does not take now it will not take later.
        return { ok: false, mayRepeat: error.type !== 'InputError', why: error.message };
      } catch (error) {
        if (isApiError(error, 'NotFound')) return { ok: false, mayRepeat: true, why: error.message };
        throw error;
      }
    },
    bury: (call, why) => runs().bury(requestOf(call), why),
  };
}

function requestOf(call: Call): RunRequest {
  const { namespace, input, event, secrets, key } = call;
  return {
    namespace,
    function: call.function,
    input,
    event,
    secrets,
    idempotencyKey: key,
    again: true,
    isLater: true,
  };
}
