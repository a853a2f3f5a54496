import { pipeline } from 'node:stream/promises';
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
      await Promise.all([pipeline(data, target), pipeline(target, data)]);
      error.end();
    } catch (cause) {
      error.end(
        `error forwarding port ${port} to pod ${this.#pod.metadata.name}: ${cause instanceof Error ? cause.message : String(cause)}`,
      );
      data.destroy();
    }
  }
}
