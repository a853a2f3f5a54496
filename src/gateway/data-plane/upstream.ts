import { createConnection, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { Backend, Endpoint } from '../config.ts';
import { type ResponseHead, ResponseParser } from './response-parser.ts';

export interface Exchange {
  method: string;
  /** The head of the request, ready to be sent. */
  head: string;
  /** Present when the request has a body that has not been read yet. */
  body: NodeJS.ReadableStream | undefined;
  /** A body that is there as a whole. The head of one that is text is in ASCII. */
  content?: Buffer | string;
  chunkedBody: boolean;
  onHead: (head: ResponseHead) => void;
  /** Returns false when the client cannot take more for now. */
  onData: (chunk: Buffer) => boolean;
  onEnd: () => void;
  /** `sent` tells whether the backend may have seen the request. */
  onError: (why: string, sent: { anything: boolean; answered: boolean }) => void;
}

const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_MS = 60_000;
const SWEEP_MS = 5000;
const MAX_IDLE = 64;

/** A connection to a backend, for one exchange at a time. */
export class Connection {
  readonly socket: Socket;
  readonly #parser: ResponseParser;
  readonly #release: (connection: Connection) => void;
  #exchange: Exchange | undefined;
  #answered = false;
  #bodyDone = true;
  uses = 0;
  idleSince = 0;

  constructor(socket: Socket, release: (connection: Connection) => void) {
    this.socket = socket;
    this.#release = release;
    this.#parser = new ResponseParser({
      head: (head) => {
        this.#answered = true;
        this.#exchange?.onHead(head);
      },
      data: (chunk) => {
        if (this.#exchange?.onData(chunk) === false) this.socket.pause();
      },
      end: (reusable) => {
        const exchange = this.#exchange;
        this.#exchange = undefined;
        if (reusable && this.#bodyDone && !socket.destroyed) {
          // A client that was slow may have had it paused up to the last byte.
          socket.resume();
          this.#release(this);
        } else socket.destroy();
        exchange?.onEnd();
      },
      error: (why) => this.#fail(why),
    });
    socket.on('data', (chunk: Buffer) => this.#parser.push(chunk));
    // One that came by way of the host was held back until somebody listens.
    socket.resume();
    socket.on('end', () => this.#parser.close());
    socket.on('error', (error) => this.#fail(error.message));
    socket.on('close', () => this.#fail('the connection was closed'));
  }

  get isIdle(): boolean {
    return this.#exchange === undefined && !this.socket.destroyed && this.socket.readyState === 'open';
  }

  start(exchange: Exchange): void {
    this.#exchange = exchange;
    this.#answered = false;
    this.uses += 1;
    this.#parser.expect(exchange.method);
    const { body, content } = exchange;
    if (typeof content === 'string') this.socket.write(exchange.head + content);
    else if (content === undefined) this.socket.write(exchange.head, 'latin1');
    else {
      this.socket.cork();
      this.socket.write(exchange.head, 'latin1');
      this.socket.write(content);
      this.socket.uncork();
    }
    this.#bodyDone = body === undefined;
    if (body !== undefined) this.#send(exchange, body);
  }

  resume(): void {
    this.socket.resume();
  }

  /** The client is gone: the answer interests nobody. */
  abandon(): void {
    this.#exchange = undefined;
    this.socket.destroy();
  }

  #send(exchange: Exchange, body: NodeJS.ReadableStream): void {
    const { socket } = this;
    body.on('data', (chunk: Buffer) => {
      if (socket.destroyed) return;
      if (exchange.chunkedBody) {
        socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
        socket.write(chunk);
      }
      if (!socket.write(exchange.chunkedBody ? '\r\n' : chunk)) {
        body.pause();
        socket.once('drain', () => body.resume());
      }
    });
    body.resume();
    body.once('end', () => {
      if (exchange.chunkedBody && !socket.destroyed) socket.write('0\r\n\r\n', 'latin1');
      this.#bodyDone = true;
    });
  }

  #fail(why: string): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.socket.destroy();
    exchange?.onError(why, { anything: true, answered: this.#answered });
  }
}

/** Connections to endpoints, kept for the next request. */
export class UpstreamPool {
  readonly #hostSocket: string | undefined;
  readonly #idle = new Map<string, Connection[]>();

  constructor(hostSocket: string | undefined) {
    this.#hostSocket = hostSocket;
    setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  /** An idle connection, if there is one: a new one costs a round trip. */
  take(endpoint: Endpoint, protocol: Backend['protocol']): Connection | undefined {
    const list = this.#idle.get(keyOf(endpoint, protocol));
    for (let connection = list?.pop(); connection !== undefined; connection = list?.pop()) {
      if (connection.isIdle) return connection;
    }
    return undefined;
  }

  async connect(endpoint: Endpoint, protocol: Backend['protocol']): Promise<Connection> {
    const socket = await this.open(endpoint, protocol);
    const key = keyOf(endpoint, protocol);
    return new Connection(socket, (connection) => this.#keep(key, connection));
  }

  /** A bare connection, for what is not a plain exchange. */
  async open(endpoint: Endpoint, protocol: Backend['protocol']): Promise<Socket> {
    const raw =
      endpoint.host && this.#hostSocket !== undefined
        ? await throughHost(this.#hostSocket, endpoint)
        : await connectTo(endpoint);
    if (protocol !== 'https') return raw;
    const secure = tlsConnect({ socket: raw, rejectUnauthorized: false });
    await new Promise<void>((resolve, reject) => {
      secure.once('secureConnect', resolve);
      secure.once('error', reject);
    });
    secure.removeAllListeners('error');
    return secure;
  }

  /** Idle connections to endpoints that are gone from the configuration are closed. */
  retain(endpoints: ReadonlySet<string>): void {
    for (const [key, list] of this.#idle) {
      // Sockets belong to functions, which come and go by themselves.
      if (endpoints.has(key) || key.startsWith('/')) continue;
      for (const { socket } of list) socket.destroy();
      this.#idle.delete(key);
    }
  }

  /** Nobody is there any more. */
  drop(endpoint: Endpoint): void {
    const key = keyOf(endpoint, 'http');
    for (const { socket } of this.#idle.get(key) ?? []) socket.destroy();
    this.#idle.delete(key);
  }

  #keep(key: string, connection: Connection): void {
    const list = this.#idle.get(key) ?? [];
    this.#idle.set(key, list);
    if (list.length >= MAX_IDLE) {
      connection.socket.destroy();
      return;
    }
    connection.idleSince = performance.now();
    list.push(connection);
  }

  /** Used the newest first: those that are not needed any more are at the front. */
  #sweep(): void {
    const before = performance.now() - IDLE_MS;
    for (const [key, list] of this.#idle) {
      const kept = list.findIndex((connection) => connection.idleSince > before);
      for (const { socket } of list.splice(0, kept < 0 ? list.length : kept)) socket.destroy();
      if (list.length === 0) this.#idle.delete(key);
    }
  }
}

export function keyOf(endpoint: Endpoint, protocol: Backend['protocol']): string {
  return endpoint.socket ?? `${protocol}://${endpoint.address}:${endpoint.port}`;
}

function connectTo(endpoint: Endpoint): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(
      endpoint.socket === undefined
        ? { host: endpoint.address, port: endpoint.port, noDelay: true }
        : { path: endpoint.socket },
    );
    const timer = setTimeout(
      () => socket.destroy(new Error('it does not answer in time')),
      CONNECT_TIMEOUT_MS,
    );
    socket.once('error', reject);
    socket.once('close', () => clearTimeout(timer));
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

/** The server's process connects for us to what only the host's network reaches. */
function throughHost(path: string, endpoint: Endpoint): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    socket.once('error', reject);
    socket.once('data', (chunk: Buffer) => {
      const end = chunk.indexOf(10);
      const reply = JSON.parse(chunk.subarray(0, end).toString()) as { error?: string };
      socket.off('error', reject);
      socket.pause();
      if (end + 1 < chunk.length) socket.unshift(chunk.subarray(end + 1));
      if (reply.error === undefined) resolve(socket);
      else {
        socket.destroy();
        reject(new Error(reply.error));
      }
    });
    socket.write(`${JSON.stringify({ connect: { host: endpoint.address, port: endpoint.port } })}\n`);
  });
}
