import { createConnection, type Socket } from 'node:net';
import { LineReader } from './line-reader.ts';

/** What can be asked of the agent, which lives outside of the pods' network. */
export type OutwardRequest =
  | { connect: { host: string; port: number } }
  | { resolve: { name: string; type: 'A' | 'AAAA' } };

export interface OutwardReply {
  error?: string;
  addresses?: string[];
}

/** A connection that the agent has made for us. */
export function openOutward(path: string, request: OutwardRequest): Promise<Socket> {
  return ask(path, request).then(({ socket }) => socket);
}

export async function resolveOutward(path: string, name: string, type: 'A' | 'AAAA'): Promise<string[]> {
  const { socket, reply } = await ask(path, { resolve: { name, type } });
  socket.destroy();
  return reply.addresses ?? [];
}

function ask(path: string, request: OutwardRequest): Promise<{ socket: Socket; reply: OutwardReply }> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path, allowHalfOpen: true });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('The node agent is not there.')));
    const reader = new LineReader((line, rest) => {
      reader.stop();
      socket.removeAllListeners();
      socket.pause();
      const reply = JSON.parse(line) as OutwardReply;
      if (rest.length > 0) socket.unshift(rest);
      if (reply.error === undefined) resolve({ socket, reply });
      else {
        socket.destroy();
        reject(new Error(reply.error));
      }
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.write(`${JSON.stringify(request)}\n`);
  });
}
