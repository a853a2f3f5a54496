import { request as httpRequest } from 'node:http';
import { connect as http2Connect } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import type { Container, Handler, Probe } from '../../kube/index.ts';

/** What a check of a container needs of its surroundings. */
export interface ProbeTarget {
  container: Container;
  /** A connection to a port of the pod, as its own network has it. */
  dial: (
    host: string | undefined,
    port: number,
    signal: AbortSignal,
  ) => Promise<import('node:stream').Duplex>;
  exec: (command: string[], signal: AbortSignal) => Promise<{ exitCode: number; output: string }>;
  podIp: string;
}

export interface ProbeResult {
  ok: boolean;
  message: string;
}

const MAX_BODY = 10 * 1024;

/** One check, over before its timeout. It never throws: not to answer is an answer. */
export async function probeOnce(probe: Probe, target: ProbeTarget): Promise<ProbeResult> {
  const timeout = (probe.timeoutSeconds ?? 1) * 1000;
  const signal = AbortSignal.timeout(timeout);
  try {
    if (probe.exec !== undefined) {
      const { exitCode, output } = await target.exec(probe.exec.command, signal);
      if (signal.aborted) return { ok: false, message: `command timed out after ${timeout / 1000}s` };
      return { ok: exitCode === 0, message: output };
    }
    if (probe.httpGet !== undefined) return await httpProbe(probe.httpGet, target, signal);
    if (probe.tcpSocket !== undefined) {
      const { host, port } = probe.tcpSocket;
      (await target.dial(host, portNumber(port, target.container), signal)).destroy();
      return { ok: true, message: '' };
    }
    if (probe.grpc !== undefined) return await grpcProbe(probe.grpc, target, signal);
    return { ok: true, message: '' };
  } catch (error) {
    const why = signal.aborted
      ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
      : (error as Error).message;
    return { ok: false, message: why };
  }
}

export function portNumber(port: number | string, container: Container): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find((item) => item.name === port)?.containerPort;
  const number = named ?? Number(port);
  if (!Number.isInteger(number)) throw new Error(`the container has no port named ${JSON.stringify(port)}`);
  return number;
}

export async function httpProbe(
  get: NonNullable<Handler['httpGet']>,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const port = portNumber(get.port, target.container);
  const socket = await target.dial(get.host, port, signal);
  const secure = (get.scheme ?? 'HTTP') === 'HTTPS';
  const host = get.host ?? target.podIp;
  const headers: Record<string, string> = {
    host: `${host}:${port}`,
    'user-agent': 'kube-probe/1.36',
    accept: '*/*',
  };
  for (const { name, value } of get.httpHeaders ?? []) headers[name.toLowerCase()] = value;
  const path = get.path ?? '/';
  return new Promise((resolve, reject) => {
    const options = {
      method: 'GET',
      path: path.startsWith('/') ? path : `/${path}`,
      headers,
      signal,
      createConnection: () => socket as never,
      ...(secure && { socket: socket as never, rejectUnauthorized: false }),
    };
    if (secure) delete (options as { createConnection?: unknown }).createConnection;
    const request = (secure ? httpsRequest : httpRequest)(options, (response) => {
      const status = response.statusCode ?? 0;
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_BODY) response.destroy();
      });
      response.on('error', () => {});
      response.on('close', () => {
        socket.destroy();
        const ok = status >= 200 && status < 400;
        resolve({ ok, message: ok ? '' : `HTTP probe failed with statuscode: ${status}` });
      });
    });
    request.on('error', (error) => {
      socket.destroy();
      reject(error);
    });
    request.end();
    // It was held until its reader was there.
    socket.resume();
  });
}

/** The standard health service of gRPC: a name in, a status out. */
async function grpcProbe(
  grpc: { port: number; service?: string },
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const socket = await target.dial(undefined, grpc.port, signal);
  const session = http2Connect(`http://${target.podIp}:${grpc.port}`, { createConnection: () => socket });
  const name = Buffer.from(grpc.service ?? '');
  const message =
    name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  try {
    const status = await new Promise<number>((resolve, reject) => {
      session.on('error', reject);
      signal.addEventListener('abort', () => reject(new Error('timeout')), { once: true });
      const stream = session.request({
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const chunks: Buffer[] = [];
      stream.on('error', reject);
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const body = Buffer.concat(chunks);
        // Field 1 of the answer, as a varint, after the five bytes of the frame.
        resolve(body.length >= 7 && body[5] === 0x08 ? body[6]! : 0);
      });
      stream.end(Buffer.concat([head, message]));
    });
    return { ok: status === 1, message: status === 1 ? '' : `service unhealthy (responded with ${status})` };
  } finally {
    session.destroy();
  }
}
