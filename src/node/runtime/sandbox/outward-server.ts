import { lookup } from 'node:dns/promises';
import { rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { LineReader } from '../../keeper/line-reader.ts';
import type { OutwardReply, OutwardRequest } from '../../keeper/outward.ts';
import { isPrivateAddress } from './private-addresses.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** What of this machine's loopback is there for pods. */
export interface OwnPorts {
  api: number;
  /** Under the machine's own address, as pods of its network are. */
  web: number;
  hostIp: string;
}

/** Serves those in the pods' network who need something of the host's: a connection to another machine, a name. */
export async function serveOutward(path: string, own: () => OwnPorts): Promise<AsyncDisposable> {
  rmSync(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const reader = new LineReader((line, rest) => {
      reader.stop();
      socket.removeAllListeners('data');
      socket.pause();
      if (rest.length > 0) socket.unshift(rest);
      void answer(socket, JSON.parse(line) as OutwardRequest, own());
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(socket: Socket, request: OutwardRequest, own: OwnPorts): Promise<void> {
  const reply = (message: OutwardReply): void => void socket.write(`${JSON.stringify(message)}\n`);
  if ('resolve' in request) {
    const { name, type } = request.resolve;
    try {
      const found = await lookup(name, { all: true, family: type === 'A' ? 4 : 6 });
      reply({ addresses: found.map(({ address }) => address) });
    } catch (error) {
      reply({ error: (error as Error).message });
    }
    return;
  }
  const { host, port } = request.connect;
  const address = await outwardAddress(host, port, own);
  if (address === undefined) {
    reply({ error: `${host}:${port} is not served to pods` });
    socket.end();
    return;
  }
  const upstream = new Socket({ allowHalfOpen: true });
  upstream.setNoDelay(true);
  upstream.setTimeout(CONNECT_TIMEOUT_MS, () => upstream.destroy());
  upstream.once('error', (error) => {
    if (!socket.destroyed) reply({ error: error.message });
    socket.destroy();
  });
  upstream.connect(port, address, () => {
    upstream.setTimeout(0);
    reply({});
    upstream.on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    socket.pipe(upstream);
    upstream.pipe(socket);
  });
}

/**
 * The address to connect to, looked up once, so that what was checked is what is reached. What listens on this
 * machine's loopback trusts whoever can reach it: of all that only the API and what this
 * server answers itself are for pods.
 */
export async function outwardAddress(host: string, port: number, own: OwnPorts): Promise<string | undefined> {
  if (host === '127.0.0.1' && port === own.api) return host;
  if (host === own.hostIp && port === own.web) return '127.0.0.1';
  const found = await lookup(host).catch(() => undefined);
  if (found === undefined) return undefined;
  return isPrivateAddress(found.address) ? undefined : found.address;
}
