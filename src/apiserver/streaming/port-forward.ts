import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { KubeObject } from '../../kube/index.ts';
import type { PodRuntime } from './runtime.ts';
import type { SpdyStream } from './spdy.ts';

/** Pairs the data and error streams of forwarded connections and connects each pair to the pod. */
export class PortForward {
  readonly #runtime: PodRuntime;
  readonly #pod: KubeObject;
  readonly #signal: AbortSignal;
  readonly #halves = new Map<string, SpdyStream>();

  constructor(runtime: PodRuntime, pod: KubeObject, signal: AbortSignal) {
    this.#runtime = runtime;
    this.#pod = pod;
    this.#signal = signal;
  }

  add(stream: SpdyStream): void {
    const type = stream.headers.get('streamtype');
    const port = Number(stream.headers.get('port'));
    const request = `${port}/${stream.headers.get('requestid') ?? ''}`;
    if ((type !== 'data' && type !== 'error') || !Number.isInteger(port) || port < 1 || port > 65_535) {
      stream.destroy(new Error('no stream of a forwarded port'));
      return;
    }
    const other = this.#halves.get(request);
    if (other === undefined) {
      this.#halves.set(request, stream);
      stream.once('close', () => this.#halves.delete(request));
      return;
    }
    this.#halves.delete(request);
    const [data, error] = type === 'data' ? [stream, other] : [other, stream];
    void this.#connect(port, data, error);
  }

  async #connect(port: number, data: SpdyStream, error: SpdyStream): Promise<void> {
    error.resume();
    try {
      const target = await this.#runtime.dial(this.#pod, port, this.#signal);
      await relay(data, target);
      error.end();
    } catch (cause) {
      error.end(
        `error forwarding port ${port} to pod ${this.#pod.metadata.name}: ${cause instanceof Error ? cause.message : String(cause)}`,
      );
      data.destroy();
    }
  }
}

/**
 * Carries bytes both ways until the target has said all and the client has it. The directions end on their
 * own: a target that closes first must not cost the client the end of its answer.
 */
async function relay(data: SpdyStream, target: Duplex): Promise<void> {
  const failed = new Promise<never>((_, reject) => target.once('error', reject));
  data.pipe(target);
  target.pipe(data);
  try {
    await Promise.race([finished(data, { readable: false }), failed]);
  } finally {
    data.resume();
    target.destroy();
  }
}
