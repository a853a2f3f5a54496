import type { RunError, RunLogs } from '../../functions/protocol.ts';
import type { Connection, UpstreamPool } from '../upstream.ts';
import type { ResponseHead } from '../response-parser.ts';
import type { Instance } from './instance.ts';

export interface RawAnswer {
  status: number;
  /** Names and values in turn. */
  headers: readonly string[];
  body: Buffer;
}

export interface RawRequest {
  method: string;
  /** Everything up to the empty line, without it and without a length. In ASCII, where the body is text. */
  head: string;
  body: Buffer | string;
}

/** What an instance says at the end of a call. */
export interface Answer {
  output: string;
  error?: RunError;
  logs?: RunLogs;
  /** It wants to be replaced. */
  retires: boolean;
}

export class LostConnectionError extends Error {
  override name = 'LostConnectionError';
}

/** Output, and what was printed, and a little. */
const MAX_ANSWER = 20 * 1024 * 1024;
const PROTOCOL = 'http';

/** An idle connection, if there is one: only a new one is waited for. */
export function connectionTo(pool: UpstreamPool, { endpoint }: Instance): Connection | Promise<Connection> {
  return (
    pool.take(endpoint, PROTOCOL) ??
    pool.connect(endpoint, PROTOCOL).catch((error: Error) => {
      throw new LostConnectionError(error.message, { cause: error });
    })
  );
}

/** A request that an instance is busy with, and the whole of its answer. */
export class InstanceCall {
  readonly answer: Promise<RawAnswer>;
  readonly #connection: Connection;
  readonly #chunks: Buffer[] = [];
  #head: ResponseHead | undefined;
  #size = 0;
  #resolve!: (answer: RawAnswer) => void;
  #reject!: (error: LostConnectionError) => void;

  constructor(connection: Connection, { method, head, body }: RawRequest) {
    this.#connection = connection;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    connection.start({
      method,
      head: `${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n`,
      body: undefined,
      content: body,
      chunkedBody: false,
      onHead: (value) => {
        this.#head = value;
      },
      onData: (chunk) => this.#take(chunk),
      onEnd: () => this.#end(),
      onError: (why) => this.#reject(new LostConnectionError(why)),
    });
  }

  /** Nobody waits for the answer any more. */
  giveUp(why = 'given up'): void {
    this.#connection.abandon();
    this.#reject(new LostConnectionError(why));
  }

  #take(chunk: Buffer): boolean {
    this.#size += chunk.length;
    if (this.#size > MAX_ANSWER) this.giveUp('the answer is too large');
    else this.#chunks.push(chunk);
    return true;
  }

  #end(): void {
    const { status, headers } = this.#head!;
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#resolve({ status, headers, body });
  }
}

export function headerValue(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2)
    if (headers[at]!.length === name.length && headers[at]!.toLowerCase() === name) return headers[at + 1];
  return undefined;
}

/** What the program in an instance has answered. It runs beside the user's code, and is not believed blindly. */
export function parseAnswer({ status, headers, body }: RawAnswer): Answer {
  if (status !== 200)
    return {
      output: 'null',
      error: {
        type: 'SystemError',
        message: `The runtime of the function answered ${status}.`,
        stacktrace: [],
        status: 503,
      },
      retires: true,
    };
  const retires = headerValue(headers, 'x-dispatch-retire') !== undefined;
  const split = headerValue(headers, 'x-dispatch-context');
  if (split === undefined) return { ...parseClassic(body.toString()), retires };
  const length = Number(split);
  if (length === 0) return { output: body.toString(), retires };
  return {
    ...contextOf(JSON.parse(body.toString('utf8', 0, length))),
    output: body.toString('utf8', length),
    retires,
  };
}

/** What a program answers that knows nothing of functions. */
export function parseHttp({ status, headers, body }: RawAnswer): Answer {
  const isJson = /[/+]json\b/.test(headerValue(headers, 'content-type') ?? '');
  const text = body.toString();
  if (status >= 400)
    return {
      output: 'null',
      error: {
        type: status < 500 ? 'InputError' : 'FunctionError',
        message: `The function answered ${status}: ${text.slice(0, 500)}`,
        stacktrace: [],
        status: status < 500 ? 422 : 502,
      },
      retires: false,
    };
  const output = isJson ? JSON.stringify(JSON.parse(text)) : JSON.stringify(text === '' ? null : text);
  return { output, retires: false };
}

/** {context, payload}, as runtimes of other languages answer. */
function parseClassic(text: string): Omit<Answer, 'retires'> {
  const { context, payload } = JSON.parse(text) as { context?: unknown; payload?: unknown };
  return { ...contextOf(context), output: JSON.stringify(payload ?? null) };
}

function contextOf(value: unknown): Pick<Answer, 'error' | 'logs'> {
  const { error, logs } = (value ?? {}) as {
    error?: { type?: unknown; message?: unknown; stacktrace?: unknown } | null;
    logs?: { stdout?: unknown; stderr?: unknown } | null;
  };
  const isInput = error?.type === 'InputError';
  return {
    ...(error && {
      error: {
        type: isInput ? 'InputError' : 'FunctionError',
        message: String(error.message ?? ''),
        stacktrace: lines(error.stacktrace),
        status: isInput ? 422 : 502,
      },
    }),
    ...(logs && { logs: { stdout: lines(logs.stdout), stderr: lines(logs.stderr) } }),
  };
}

function lines(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
