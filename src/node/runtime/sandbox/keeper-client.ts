import { createConnection, type Socket } from 'node:net';
import { LineReader } from '../../keeper/line-reader.ts';
import type { ControlEvent, ControlReply, Method, Methods, Opening } from '../../keeper/protocol.ts';
import { StartError } from '../runtime.ts';

/** The agent's end of a control connection. */
export class KeeperClient {
  readonly #path: string;
  readonly #control: Socket;
  readonly #waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  /** Resolves when the keeper is gone. */
  readonly closed: Promise<void>;
  #next = 1;

  private constructor(path: string, control: Socket) {
    this.#path = path;
    this.#control = control;
    this.closed = new Promise((resolve) => control.once('close', () => resolve()));
  }

  static async connect(
    path: string,
    on: { event: (event: ControlEvent) => void; closed: () => void },
  ): Promise<KeeperClient> {
    const control = await open(path, { open: 'control' });
    const client = new KeeperClient(path, control);
    const reader = new LineReader((line) => {
      const message = JSON.parse(line) as ControlReply | ControlEvent;
      if ('event' in message) on.event(message);
      else client.#settle(message);
    });
    control.on('data', (chunk: Buffer) => reader.push(chunk));
    control.on('error', () => {});
    control.on('close', () => {
      for (const { reject } of client.#waiting.values())
        reject(new Error('The keeper of the sandboxes is gone.'));
      client.#waiting.clear();
      on.closed();
    });
    return client;
  }

  call<M extends Method>(method: M, params: Methods[M]['params']): Promise<Methods[M]['result']> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      if (this.#control.destroyed) {
        reject(new Error('The keeper of the sandboxes is gone.'));
        return;
      }
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#control.write(`${JSON.stringify({ id, method, params })}\n`);
    });
  }

  /** A connection of its own for streams. */
  open(opening: Opening): Promise<Socket> {
    return open(this.#path, opening);
  }

  close(): void {
    this.#control.destroy();
  }

  #settle(reply: ControlReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.error === undefined) waiting?.resolve(reply.result);
    else if (reply.error.code === undefined) waiting?.reject(new Error(reply.error.message));
    else waiting?.reject(new StartError(reply.error.message, reply.error.code));
  }
}

function open(path: string, opening: Opening): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path, allowHalfOpen: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.on('error', () => socket.destroy());
      socket.write(`${JSON.stringify(opening)}\n`);
      resolve(socket);
    });
  });
}
