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
  /** Everything up to the empty line, without it and without a length. */
  head: string;
  body: Buffer;
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

/** Sends a request to an instance, and reads the whole answer. `signal` gives it up. */
export async function exchange(
  pool: UpstreamPool,
  instance: Instance,
  request: RawRequest,
  signal: AbortSignal | undefined,
): Promise<RawAnswer> {
  const idle = pool.take(instance.endpoint, PROTOCOL);
  let connection: Connection;
  try {
    connection = idle ?? (await pool.connect(instance.endpoint, PROTOCOL));
  } catch (error) {
    throw new LostConnectionError((error as Error).message, { cause: error });
  }
  return new Promise((resolve, reject) => {
    let head: ResponseHead | undefined;
    const chunks: Buffer[] = [];
    let size = 0;
    const stop = (error: Error): void => {
      connection.abandon();
      reject(error);
    };
    if (signal?.aborted) {
      stop(new LostConnectionError('given up'));
      return;
    }
    const onAbort = (): void => stop(new LostConnectionError('given up'));
    signal?.addEventListener('abort', onAbort, { once: true });
    connection.start({
      method: request.method,
      head: `${request.head}content-length: ${request.body.length}\r\n\r\n`,
      body: undefined,
      content: request.body,
      chunkedBody: false,
      onHead: (value) => {
        head = value;
      },
      onData: (chunk) => {
        size += chunk.length;
        if (size > MAX_ANSWER) stop(new LostConnectionError('the answer is too large'));
        else chunks.push(chunk);
        return true;
      },
      onEnd: () => {
        signal?.removeEventListener('abort', onAbort);
        resolve({
          status: head!.status,
          headers: head!.headers,
          body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks),
        });
      },
      onError: (why) => {
        signal?.removeEventListener('abort', onAbort);
        reject(new LostConnectionError(why));
      },
    });
  });
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
