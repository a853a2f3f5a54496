export interface Call {
  namespace: string;
  function: string;
  input: unknown;
  /** The event without its data. */
  event: Record<string, unknown>;
  secrets: readonly string[];
  /** The same for every attempt: calls with the same key are one run. */
  key: string;
}

/** How a call has ended: whether it may be tried again, and why it should. */
export type CallResult = { ok: true } | { ok: false; mayRepeat: boolean; why: string };

/** Calls functions for events. */
export interface FunctionCaller {
  call: (call: Call) => Promise<CallResult>;
  /** No attempt is left: keeps the call where it can be found and tried again. */
  bury: (call: Call, why: string) => Promise<void>;
}
