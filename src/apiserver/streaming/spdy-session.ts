import type { Duplex } from 'node:stream';
import { ApiError, type KubeObject, aborted } from '../../kube/index.ts';
import type { Upgrade } from '../http/request.ts';
import { type CommandRequest, runCommand } from './command.ts';
import { PortForward } from './port-forward.ts';
import type { PodRuntime, TerminalSize } from './runtime.ts';
import { SpdyConnection, type SpdyStream } from './spdy.ts';

const COMMAND_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
export const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io';
const STREAMS_TIMEOUT_MS = 30_000;

function accept(socket: Duplex, protocol: string): void {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
}

/** exec and attach over SPDY: one stream each for input, outputs, errors and sizes. */
export function spdyCommand(
  runtime: PodRuntime,
  pod: KubeObject,
  request: CommandRequest,
  offered: readonly string[],
): Upgrade {
  const protocol = COMMAND_PROTOCOLS.find((name) => offered.includes(name));
  if (protocol === undefined)
    throw new ApiError('BadRequest', `unable to upgrade: this server takes ${COMMAND_PROTOCOLS.join(', ')}`);
  return async (socket, head) => {
    accept(socket, protocol);
    const gone = new AbortController();
    const gathered = new StreamGathering(request);
    const connection = new SpdyConnection(socket, (stream) => gathered.add(stream));
    socket.once('close', () => gone.abort());
    const running = connection.run(head);
    const streams = await gathered.all(
      AbortSignal.any([gone.signal, AbortSignal.timeout(STREAMS_TIMEOUT_MS)]),
    );
    if (streams === undefined) {
      connection.close();
      return;
    }
    const error = streams.get('error')!;
    await runCommand(runtime, pod, request, {
      stdin: streams.get('stdin'),
      stdout: streams.get('stdout'),
      stderr: streams.get('stderr'),
      error,
      // A client that goes away ends its stream of sizes in the middle.
      onResize: (listener) => void readSizes(streams.get('resize'), listener).catch(() => {}),
      signal: gone.signal,
    });
    connection.end();
    await running;
  };
}

/** The client opens its streams one by one; the command starts when all are there. */
class StreamGathering {
  readonly #wanted: ReadonlySet<string>;
  readonly #streams = new Map<string, SpdyStream>();
  readonly #complete = Promise.withResolvers<void>();

  constructor(request: CommandRequest) {
    const optional: [string, boolean][] = [
      ['stdin', request.stdin],
      ['stdout', request.stdout],
      ['stderr', request.stderr],
      ['resize', request.tty],
    ];
    this.#wanted = new Set(['error', ...optional.filter(([, wanted]) => wanted).map(([name]) => name)]);
  }

  add(stream: SpdyStream): void {
    const type = stream.headers.get('streamtype') ?? '';
    if (!this.#wanted.has(type) || this.#streams.has(type)) stream.destroy(new Error('not asked for'));
    else this.#streams.set(type, stream);
    if (this.#streams.size === this.#wanted.size) this.#complete.resolve();
  }

  async all(signal: AbortSignal): Promise<ReadonlyMap<string, SpdyStream> | undefined> {
    await Promise.race([this.#complete.promise, aborted(signal)]);
    return this.#streams.size === this.#wanted.size ? this.#streams : undefined;
  }
}

/** Sizes come as JSON objects, one after the other. */
async function readSizes(
  stream: SpdyStream | undefined,
  listener: (size: TerminalSize) => void,
): Promise<void> {
  if (stream === undefined) return;
  let rest = '';
  for await (const chunk of stream) {
    rest = (rest + String(chunk)).slice(-4096);
    for (let end = rest.indexOf('}'); end >= 0; end = rest.indexOf('}')) {
      const size = parseSize(rest.slice(0, end + 1));
      rest = rest.slice(end + 1);
      if (size !== undefined) listener(size);
    }
  }
}

export function parseSize(text: string): TerminalSize | undefined {
  try {
    const { Width: width, Height: height } = JSON.parse(text) as { Width?: unknown; Height?: unknown };
    return Number.isInteger(width) && Number.isInteger(height)
      ? { width: width as number, height: height as number }
      : undefined;
  } catch {
    return undefined;
  }
}

/** port-forward over SPDY: for every connection a pair of streams, data and error. */
export function spdyPortForward(runtime: PodRuntime, pod: KubeObject, offered: readonly string[]): Upgrade {
  if (offered.length > 0 && !offered.includes(PORT_FORWARD_PROTOCOL))
    throw new ApiError('BadRequest', `unable to upgrade: this server takes ${PORT_FORWARD_PROTOCOL}`);
  return async (socket, head) => {
    accept(socket, PORT_FORWARD_PROTOCOL);
    await servePortForward(runtime, pod, socket, head);
  };
}

export async function servePortForward(
  runtime: PodRuntime,
  pod: KubeObject,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const forward = new PortForward(runtime, pod, gone.signal);
  await new SpdyConnection(socket, (stream) => forward.add(stream)).run(head);
}
