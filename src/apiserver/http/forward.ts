import type { Sink } from '../registry/index.ts';
import type { ApiRequest } from './request.ts';

/** Headers that belong to one connection, or carry a credential that is not the other server's. */
const NOT_FORWARDED = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
  'proxy-connection',
  'host',
  'content-length',
  'authorization',
  'cookie',
  'expect',
]);

type Headers = Record<string, string | string[]>;

/** What of a request's or an answer's headers may go on to the other side. */
export function forwardedHeaders(headers: ApiRequest['headers']): Headers {
  const kept = Object.entries(headers).filter(
    ([name, value]) =>
      value !== undefined &&
      !name.startsWith(':') &&
      !name.startsWith('x-remote-') &&
      !NOT_FORWARDED.has(name),
  );
  return Object.fromEntries(kept) as Headers;
}

/** The body of a request that goes on as it came. */
export function forwardedBody(request: ApiRequest): Buffer | null {
  const hasBody = Buffer.isBuffer(request.body) && request.method !== 'GET' && request.method !== 'HEAD';
  return hasBody ? (request.body as Buffer) : null;
}

/** Writes a stream to a reply as fast as its reader takes it. */
export async function pour(chunks: AsyncIterable<Buffer | string>, sink: Sink): Promise<void> {
  for await (const chunk of chunks) {
    if (sink.signal.aborted) break;
    if (!sink.write(chunk)) await new Promise<void>((ready) => sink.onDrain(ready));
  }
  sink.end();
}
