import { lookup } from 'node:dns/promises';
import { rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { LineReader } from '../../keeper/line-reader.ts';
import type { OutwardReply, OutwardRequest } from '../../keeper/outward.ts';

const CONNECT_TIMEOUT_MS = 5_000;

/** Serves those in the pods' network who need something of the host's: a connection that a table allows, a name. */
export async function serveOutward(
  path: string,
  allowed: (host: string, port: number) => { host: string; port: number } | undefined,
): Promise<AsyncDisposable> {
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
      void answer(socket, JSON.parse(line) as OutwardRequest, allowed);
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

async function answer(
  socket: Socket,
  request: OutwardRequest,
  allowed: (host: string, port: number) => { host: string; port: number } | undefined,
): Promise<void> {
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
  const target = allowed(request.connect.host, request.connect.port);
  if (target === undefined) {
    reply({ error: `${request.connect.host}:${request.connect.port} is not served to pods` });
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
  upstream.connect(target.port, target.host, () => {
    upstream.setTimeout(0);
    reply({});
    upstream.on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    socket.pipe(upstream);
    upstream.pipe(socket);
  });
}
