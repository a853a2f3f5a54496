import {
  type Call,
  type CallResult,
  type CloudEvent,
  eventOf,
  type FunctionCaller,
} from '../events/index.ts';
import type { RunRequest, Runs } from '../functions/index.ts';
import { isApiError, isRecord } from '../kube/index.ts';

const HOPS = 'dispatchhops';
const MAX_HOPS = 16;

/** Lets events call functions: each event is a run, and is one run however often it comes. */
export function functionCaller(
  runs: () => Runs,
  emit: (namespace: string, event: CloudEvent) => Promise<void>,
): FunctionCaller {
  return {
    async call(call): Promise<CallResult> {
      try {
        const { error, output } = (await runs().execute(requestOf(call))).status;
        if (error === undefined) {
          if (runs().takesEvents(call.namespace, call.function)) await passOn(call, output, emit);
          return { ok: true };
        }
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

/** A function of events may answer with one, which goes the same way. In circles it goes a few times only. */
async function passOn(
  { namespace, event }: Call,
  output: unknown,
  emit: (namespace: string, event: CloudEvent) => Promise<void>,
): Promise<void> {
  if (!isRecord(output) || output['specversion'] === undefined) return;
  const hops = Number(event[HOPS] ?? 0) + 1;
  if (hops > MAX_HOPS)
    throw new Error(`The event ${String(event['id'])} has gone in a circle ${MAX_HOPS} times.`);
  // The same answer to the same event is the same event.
  const id = `${String(event['id'])}.${hops}`;
  await emit(namespace, eventOf({ id, source: 'function', ...output, [HOPS]: hops }));
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
