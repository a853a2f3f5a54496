import { connect, type TLSSocket } from 'node:tls';

const HEAD_END = Buffer.from('\r\n\r\n');

export interface Answer {
  status: number;
  body: Buffer;
}

/**
 * One keep-alive HTTP/1.1 connection that does as little as possible, so that a measure shows the server and
 * not its client. It knows Content-Length bodies only, one request at a time.
 */
export class Connection {
  readonly #socket: TLSSocket;
  #parts: Buffer[] = [];
  #size = 0;
  #needed = 0;
  #status = 0;
  #headEnd = 0;
  #resolve: ((answer: Answer) => void) | undefined;
  #reject: ((error: Error) => void) | undefined;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#reject?.(error));
    socket.on('close', () => this.#reject?.(new Error('the connection was closed')));
  }

  static open(url: string, ca: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), ca, servername: 'localhost' }, () =>
        resolve(new Connection(socket)),
      );
      socket.once('error', reject);
    });
  }

  request(bytes: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#reject = undefined;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#size += chunk.length;
    if (this.#needed === 0 && !this.#readHead()) return;
    if (this.#size < this.#needed) return;
    const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    const answer = { status: this.#status, body: all.subarray(this.#headEnd) };
    this.#parts = [];
    this.#size = 0;
    this.#needed = 0;
    this.#resolve?.(answer);
  }

  #readHead(): boolean {
    const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    const end = all.indexOf(HEAD_END);
    if (end < 0) return false;
    const head = all.toString('latin1', 0, end);
    this.#status = Number(head.slice(9, 12));
    this.#headEnd = end + HEAD_END.length;
    this.#needed = this.#headEnd + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    return true;
  }
}

/** The bytes of one request. */
export function requestBytes(
  method: string,
  path: string,
  authorization: string,
  body = '',
  type = 'application/json',
): string {
  const content =
    body === '' ? '' : `content-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: ${authorization}\r\naccept: application/json\r\nuser-agent: bench/1\r\n${content}\r\n${body}`;
}
