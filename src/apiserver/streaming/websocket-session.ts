import { Duplex, PassThrough, Writable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { ApiError, type KubeObject } from '../../kube/index.ts';
import type { Upgrade } from '../http/request.ts';
import { type CommandRequest, runCommand } from './command.ts';
import type { PodRuntime, TerminalSize } from './runtime.ts';
import { parseSize, PORT_FORWARD_PROTOCOL, servePortForward } from './spdy-session.ts';

const CHANNELS = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
const COMMAND_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'channel.k8s.io'];
/** Newer kubectl forwards ports through SPDY inside a WebSocket. */
const TUNNEL_PROTOCOL = `SPDY/3.1+${PORT_FORWARD_PROTOCOL}`;
const MAX_MESSAGE = 1024 * 1024;
const HIGH_WATER = 1024 * 1024;

function upgradeTo(
  request: IncomingMessage,
  protocols: readonly string[],
  serve: (socket: WebSocket) => Promise<void>,
): Upgrade {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const protocol = protocols.find((name) => offered.includes(name));
  if (protocol === undefined)
    throw new ApiError('BadRequest', `unable to upgrade: this server takes ${protocols.join(', ')}`);
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    handleProtocols: () => protocol,
  });
  return (socket, head) =>
    new Promise((resolve, reject) => {
      server.handleUpgrade(request, socket, head, (connection) => {
        connection.on('error', () => connection.terminate());
        serve(connection).then(resolve, reject);
      });
    });
}

/** exec and attach over a WebSocket: the first byte of a message names its channel. */
export function websocketCommand(
  runtime: PodRuntime,
  pod: KubeObject,
  command: CommandRequest,
  request: IncomingMessage,
): Upgrade {
  return upgradeTo(request, COMMAND_PROTOCOLS, async (socket) => {
    const gone = new AbortController();
    socket.once('close', () => gone.abort());
    const stdin = command.stdin ? new PassThrough() : undefined;
    let resized: ((size: TerminalSize) => void) | undefined;
    let lastSize: TerminalSize | undefined;
    socket.on('message', (data: Buffer) => {
      const body = data.subarray(1);
      if (data[0] === CHANNELS.stdin) flowInto(stdin, body, socket);
      else if (data[0] === CHANNELS.close && body[0] === CHANNELS.stdin) stdin?.end();
      else if (data[0] === CHANNELS.resize) {
        const size = parseSize(body.toString());
        lastSize = size ?? lastSize;
        if (size !== undefined) resized?.(size);
      }
    });
    socket.once('close', () => stdin?.end());
    await runCommand(runtime, pod, command, {
      stdin,
      stdout: command.stdout ? channel(socket, CHANNELS.stdout) : undefined,
      stderr: command.stderr ? channel(socket, CHANNELS.stderr) : undefined,
      error: channel(socket, CHANNELS.error),
      onResize: (listener) => {
        resized = listener;
        // The first size comes with the connection, before anybody listens.
        if (lastSize !== undefined) listener(lastSize);
      },
      signal: gone.signal,
    });
    socket.close(1000);
  });
}

/** A command that does not read its input must not fill this process's memory. */
function flowInto(stdin: PassThrough | undefined, body: Buffer, socket: WebSocket): void {
  if (stdin === undefined || stdin.writableEnded || stdin.write(Buffer.from(body))) return;
  socket.pause();
  stdin.once('drain', () => socket.resume());
}

function channel(socket: WebSocket, number: number): Writable {
  const prefix = Buffer.from([number]);
  return new Writable({
    highWaterMark: HIGH_WATER,
    write: (chunk: Buffer, _, callback) => {
      if (socket.readyState !== socket.OPEN) callback();
      else socket.send(Buffer.concat([prefix, chunk]), () => callback());
    },
  });
}

/** port-forward of newer clients: a SPDY connection whose bytes travel in messages. */
export function websocketPortForward(
  runtime: PodRuntime,
  pod: KubeObject,
  request: IncomingMessage,
): Upgrade {
  return upgradeTo(request, [TUNNEL_PROTOCOL], (socket) =>
    servePortForward(runtime, pod, tunnel(socket), Buffer.alloc(0)),
  );
}

function tunnel(socket: WebSocket): Duplex {
  const duplex = new Duplex({
    read: () => socket.resume(),
    write: (chunk: Buffer, _, callback) => {
      if (socket.readyState !== socket.OPEN) callback();
      else socket.send(chunk, () => callback());
    },
    final: (callback) => {
      socket.close(1000);
      callback();
    },
    destroy: (_, callback) => {
      socket.close(1000);
      callback(null);
    },
  });
  socket.on('message', (data: Buffer) => {
    if (!duplex.push(Buffer.from(data))) socket.pause();
  });
  socket.once('close', () => duplex.push(null));
  return duplex;
}
