import { Duplex } from 'node:stream';
import { HeaderCodec } from './spdy-headers.ts';

const VERSION = 3;
const TYPES = { synStream: 1, synReply: 2, reset: 3, ping: 6, goAway: 7 } as const;
const FIN = 1;
const HEADER = 8;
const MAX_FRAME = 1024 * 1024;
const MAX_STREAMS = 1000;
const CHUNK = 32 * 1024;

/** One stream that the client opened. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly #connection: SpdyConnection;
  #resume: (() => void) | undefined;

  constructor(connection: SpdyConnection, id: number, headers: ReadonlyMap<string, string>) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    this.id = id;
    this.headers = headers;
    this.on('error', () => undefined);
    this.once('close', () => this.#resume?.());
  }

  /** Data from the other side; resolves when there is room for more. */
  async deliver(data: Buffer): Promise<void> {
    if (this.destroyed || this.readableEnded || this.push(data)) return;
    await new Promise<void>((resolve) => {
      this.#resume = resolve;
    });
  }

  finish(): void {
    if (!this.destroyed && !this.readableEnded) this.push(null);
  }

  override _read(): void {
    this.#resume?.();
    this.#resume = undefined;
  }

  override _write(chunk: Buffer, _: string, callback: (error?: Error | null) => void): void {
    this.#connection.send(this.id, chunk, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#connection.sendFin(this.id, callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#connection.forget(this.id, error);
    callback(null);
  }
}

/**
 * The server side of SPDY/3.1, as far as Kubernetes clients use it: streams that the client opens, data both
 * ways, pings. There is no flow control of its own: TCP's serves, as in the other implementations.
 */
export class SpdyConnection {
  readonly #socket: Duplex;
  readonly #codec = new HeaderCodec();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #opened: (stream: SpdyStream) => void;
  #closed = false;

  constructor(socket: Duplex, opened: (stream: SpdyStream) => void) {
    this.#socket = socket;
    this.#opened = opened;
    socket.on('error', () => this.close());
    socket.once('close', () => this.close());
  }

  /** Reads frames until the connection ends. */
  async run(head: Buffer): Promise<void> {
    if (head.length > 0) this.#socket.unshift(head);
    let rest: Buffer = Buffer.alloc(0);
    try {
      for await (const chunk of this.#socket) {
        rest = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
        while (rest.length >= HEADER) {
          const length = HEADER + rest.readUIntBE(5, 3);
          if (length > MAX_FRAME) throw new RangeError('a frame is too large');
          if (rest.length < length) break;
          await this.#frame(rest.subarray(0, length));
          rest = rest.subarray(length);
        }
      }
    } catch {
      // Not SPDY, or the connection broke: either way this is its end.
    } finally {
      this.close();
    }
  }

  send(id: number, chunk: Buffer, callback: (error?: Error | null) => void): void {
    for (let at = 0; at < chunk.length; at += CHUNK) {
      const part = chunk.subarray(at, at + CHUNK);
      this.#socket.write(
        Buffer.concat([dataHeader(id, 0, part.length), part]),
        at + CHUNK >= chunk.length ? callback : undefined,
      );
    }
    if (chunk.length === 0) callback();
  }

  sendFin(id: number, callback: (error?: Error | null) => void): void {
    if (this.#closed) callback();
    else this.#socket.write(dataHeader(id, FIN, 0), () => callback());
  }

  forget(id: number, error: Error | null): void {
    if (!this.#streams.delete(id) || this.#closed || error === null) return;
    const body = Buffer.alloc(8);
    body.writeUInt32BE(id, 0);
    body.writeUInt32BE(6, 4);
    this.#socket.write(control(TYPES.reset, 0, body));
  }

  /** Ends the connection once everything written is on its way. */
  end(): void {
    this.#socket.end();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of this.#streams.values()) {
      stream.finish();
      stream.destroy();
    }
    this.#codec.close();
    this.#socket.destroy();
  }

  async #frame(frame: Buffer): Promise<void> {
    const flags = frame.readUInt8(4);
    const body = frame.subarray(HEADER);
    if ((frame.readUInt8(0) & 0x80) === 0) {
      const stream = this.#streams.get(frame.readUInt32BE(0) & 0x7fffffff);
      if (body.length > 0) await stream?.deliver(Buffer.from(body));
      if (flags & FIN) stream?.finish();
      return;
    }
    if ((frame.readUInt16BE(0) & 0x7fff) !== VERSION) throw new RangeError('another version of SPDY');
    switch (frame.readUInt16BE(2)) {
      case TYPES.synStream:
        return this.#open(body, flags);
      case TYPES.reset:
        this.#streams.get(body.readUInt32BE(0))?.destroy();
        return;
      case TYPES.ping:
        this.#socket.write(frame);
        return;
      case TYPES.goAway:
        return;
    }
  }

  async #open(body: Buffer, flags: number): Promise<void> {
    const id = body.readUInt32BE(0) & 0x7fffffff;
    if (this.#streams.size >= MAX_STREAMS || this.#streams.has(id)) throw new RangeError('too many streams');
    const headers = await this.#codec.decode(body.subarray(10));
    const stream = new SpdyStream(this, id, headers);
    this.#streams.set(id, stream);
    const reply = Buffer.alloc(4);
    reply.writeUInt32BE(id);
    this.#socket.write(
      control(TYPES.synReply, 0, Buffer.concat([reply, await this.#codec.encode(new Map())])),
    );
    if (flags & FIN) stream.finish();
    this.#opened(stream);
  }
}

function control(type: number, flags: number, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(0x8000 | VERSION, 0);
  header.writeUInt16BE(type, 2);
  header.writeUInt8(flags, 4);
  header.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([header, body]);
}

function dataHeader(id: number, flags: number, length: number): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt32BE(id, 0);
  header.writeUInt8(flags, 4);
  header.writeUIntBE(length, 5, 3);
  return header;
}
