import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { PodNamespaces, PodNetwork } from './pod-network.ts';
import type { Syscalls } from './syscalls.ts';

const AF_INET = 2;
const DIAL_TIMEOUT_MS = 10_000;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;

/** Joins the connection to a port that a program of the pod listens on, be it on its loopback address only. */
export function dialPod(
  deps: { sys: Syscalls; network: PodNetwork },
  pod: PodNamespaces | undefined,
  to: { port: number; host?: string },
  socket: Socket,
): void {
  const refuse = (error: unknown): void => {
    socket.end(`${JSON.stringify({ error: error instanceof Error ? error.message : String(error) })}\n`);
  };
  if (to.host !== undefined) {
    const inner = new Socket({ allowHalfOpen: true });
    inner.once('error', refuse);
    inner.setTimeout(DIAL_TIMEOUT_MS, () => inner.destroy(new Error('it does not answer in time')));
    inner.connect(to.port, to.host, () => {
      inner.setTimeout(0);
      inner.off('error', refuse);
      join(socket, inner);
    });
    return;
  }
  try {
    if (pod === undefined) throw new Error('the pod has no sandbox');
    const fd = deps.network.within(pod, () => connectLoopback(deps.sys, to.port));
    join(socket, new Socket({ fd, allowHalfOpen: true }));
  } catch (error) {
    refuse(error);
  }
}

function join(socket: Socket, inner: Socket): void {
  socket.write('{}\n');
  inner.on('error', () => socket.destroy());
  socket.on('error', () => inner.destroy());
  socket.on('close', () => inner.destroy());
  socket.pipe(inner);
  inner.pipe(socket);
}

function connectLoopback(sys: Syscalls, port: number): number {
  const fd = sys.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  try {
    sys.connect(fd, address);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
