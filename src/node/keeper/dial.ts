import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { PodNamespaces, PodNetwork } from './pod-network.ts';
import type { Syscalls } from './syscalls.ts';

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;

/** Joins the connection to a port that a program of the pod listens on, be it on its loopback address only. */
export function dialPod(
  sys: Syscalls,
  network: PodNetwork,
  pod: PodNamespaces | undefined,
  port: number,
  socket: Socket,
): void {
  let fd: number;
  try {
    if (pod === undefined) throw new Error('the pod has no sandbox');
    fd = network.within(pod, () => connectLoopback(sys, port));
  } catch (error) {
    socket.end(`${JSON.stringify({ error: error instanceof Error ? error.message : String(error) })}\n`);
    return;
  }
  const inner = new Socket({ fd, allowHalfOpen: true });
  socket.write('{}\n');
  inner.on('error', () => socket.destroy());
  socket.on('error', () => inner.destroy());
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
