import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';

export interface Received {
  path: string;
  headers: IncomingMessage['headers'];
  body: unknown;
  clientName: string | undefined;
}

/** An HTTPS service with a certificate of its own, as a webhook or an extension server is one. */
export class HttpsService implements AsyncDisposable {
  readonly received: Received[] = [];
  readonly caBundle: string;
  readonly port: number;
  readonly #server: Server;

  private constructor(server: Server, ca: string) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    this.caBundle = Buffer.from(ca).toString('base64');
    server.on('request', (request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      request.on('end', () => {
        const peer = (request.socket as TLSSocket).getPeerCertificate();
        const received: Received = {
          path: request.url ?? '',
          headers: request.headers,
          body: text === '' ? undefined : JSON.parse(text),
          clientName: peer?.subject?.CN as string | undefined,
        };
        this.received.push(received);
        void this.hold().then(() => {
          const answer = this.answer(received);
          response.writeHead(answer.status ?? 200, { 'content-type': 'application/json' });
          response.end(JSON.stringify(answer.body));
        });
      });
    });
  }

  /** What an answer waits for; tests replace it. */
  hold: () => Promise<void> = async () => undefined;
  /** What it answers; tests replace it. */
  answer: (received: Received) => { status?: number; body: unknown } = () => ({ body: {} });

  static async start(...names: string[]): Promise<HttpsService> {
    const dir = mkdtempSync(join(tmpdir(), 'dispatch-service-'));
    const alternatives = ['DNS:localhost', 'IP:127.0.0.1', ...names.map((name) => `DNS:${name}`)].join(',');
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=service',
        '-addext',
        `subjectAltName=${alternatives}`,
        '-keyout',
        join(dir, 'key'),
        '-out',
        join(dir, 'crt'),
      ],
      { stdio: 'ignore' },
    );
    const [cert, key] = [readFileSync(join(dir, 'crt'), 'utf8'), readFileSync(join(dir, 'key'), 'utf8')];
    rmSync(dir, { recursive: true });
    const server = createServer({ cert, key, requestCert: true, rejectUnauthorized: false });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new HttpsService(server, cert);
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
