import type { Transform } from 'node:stream';
import { constants, createBrotliCompress, createGzip } from 'node:zlib';
import { headerOf, type Request } from './proxy.ts';

const TYPES =
  /^(?:text\/(?!event-stream)|application\/(?:json|javascript|xml|wasm|manifest\+json|ld\+json)|image\/svg\+xml)/;
const MIN_BYTES = 1024;
const BROTLI_QUALITY = 4;

/** Squeezes an answer when the client wants that and the answer gains by it. */
export function compressorFor(
  request: Request,
  status: number,
  headers: readonly string[],
): { stream: Transform; headers: string[] } | undefined {
  const accepted = headerOf(request, 'accept-encoding');
  if (
    accepted === undefined ||
    status < 200 ||
    status === 204 ||
    status === 206 ||
    status === 304 ||
    request.method === 'HEAD'
  )
    return undefined;
  const encoding = /\bbr\b(?!;q=0)/.test(accepted)
    ? 'br'
    : /\bgzip\b(?!;q=0)/.test(accepted)
      ? 'gzip'
      : undefined;
  if (encoding === undefined || !isWorthIt(headers)) return undefined;
  const kept: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    const lower = headers[at]!.toLowerCase();
    if (lower === 'content-length' || lower === 'accept-ranges') continue;
    // The same bytes are no longer what a strong tag stands for.
    const weak = lower === 'etag' && !headers[at + 1]!.startsWith('W/');
    kept.push(headers[at]!, weak ? `W/${headers[at + 1]}` : headers[at + 1]!);
  }
  kept.push('content-encoding', encoding, 'vary', 'accept-encoding');
  const stream =
    encoding === 'br'
      ? createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } })
      : createGzip({ level: 5 });
  return { stream, headers: kept };
}

function isWorthIt(headers: readonly string[]): boolean {
  let type = '';
  let length = Number.POSITIVE_INFINITY;
  for (let at = 0; at < headers.length; at += 2) {
    const lower = headers[at]!.toLowerCase();
    const value = headers[at + 1]!;
    if (lower === 'content-encoding') return false;
    if (lower === 'cache-control' && /\bno-transform\b/.test(value)) return false;
    if (lower === 'content-type') type = value;
    if (lower === 'content-length') length = Number(value);
  }
  return length >= MIN_BYTES && TYPES.test(type);
}
