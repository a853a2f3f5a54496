import type { Found } from './router.ts';
import type { HeaderChange, PathRewrite } from '../config.ts';

/** What belongs to one connection, and not to the request. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'proxy-authenticate',
  'proxy-authorization',
  'http2-settings',
]);
/** What clients may not say about themselves: we say it. */
const OURS = new Set([
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-real-ip',
  'forwarded',
]);

export interface ClientInfo {
  address: string;
  proto: 'http' | 'https';
  host: string;
  port: number;
}

export interface RequestHead {
  method: string;
  path: string;
  rawHeaders: readonly string[];
  client: ClientInfo;
  change: HeaderChange | undefined;
  rewriteHost: string | undefined;
  /** Whether the body goes on in chunks because nobody knows its length. */
  chunked: boolean;
  upgrade: string | undefined;
}

/** The head of the request as the backend gets it. */
export function requestHead(input: RequestHead): string {
  const { rawHeaders, client, change } = input;
  const dropped = connectionTokens(rawHeaders);
  const set = new Map(Object.entries(change?.set ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  const removed = new Set((change?.remove ?? []).map((name) => name.toLowerCase()));
  let text = `${input.method} ${input.path} HTTP/1.1\r\nhost: ${input.rewriteHost ?? client.host}\r\n`;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    const lower = name.toLowerCase();
    if (
      lower === 'host' ||
      lower[0] === ':' ||
      HOP_BY_HOP.has(lower) ||
      OURS.has(lower) ||
      lower === 'expect'
    )
      continue;
    if (dropped.has(lower) || removed.has(lower) || set.has(lower)) continue;
    text += `${name}: ${rawHeaders[at + 1]}\r\n`;
  }
  for (const [name, value] of set) text += `${name}: ${value}\r\n`;
  for (const [name, value] of Object.entries(change?.add ?? {})) text += `${name}: ${value}\r\n`;
  text += `x-forwarded-for: ${client.address}\r\nx-forwarded-proto: ${client.proto}\r\nx-forwarded-host: ${client.host}\r\nx-forwarded-port: ${client.port}\r\nx-real-ip: ${client.address}\r\n`;
  if (input.chunked) text += 'transfer-encoding: chunked\r\n';
  if (input.upgrade !== undefined) text += `connection: Upgrade\r\nupgrade: ${input.upgrade}\r\n`;
  return `${text}\r\n`;
}

/** The headers of the answer as the client gets them. */
export function responseHeaders(headers: readonly string[], change: HeaderChange | undefined): string[] {
  if (change === undefined) return headers as string[];
  const set = new Map(Object.entries(change.set ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  const removed = new Set((change.remove ?? []).map((name) => name.toLowerCase()));
  const kept: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    const lower = headers[at]!.toLowerCase();
    if (!removed.has(lower) && !set.has(lower)) kept.push(headers[at]!, headers[at + 1]!);
  }
  for (const [name, value] of [...set, ...Object.entries(change.add ?? {})]) kept.push(name, value);
  return kept;
}

export function rewritten(
  path: string,
  query: string,
  found: Found,
  rewrite: PathRewrite | undefined,
): string {
  if (rewrite === undefined) return path + query;
  if (rewrite.type === 'full') return rewrite.value + query;
  if (rewrite.type === 'prefix') {
    const rest = path.slice(found.matched === '/' ? 0 : found.matched.length);
    const joined = `${rewrite.value.replace(/\/+$/, '')}${rest === '' || rest.startsWith('/') ? rest : `/${rest}`}`;
    return (joined === '' ? '/' : joined) + query;
  }
  const { groups } = found;
  const value = rewrite.value.replaceAll(/\$(\d)/g, (_, digit: string) => groups?.[Number(digit)] ?? '');
  return (value.startsWith('/') ? value : `/${value}`) + query;
}

function connectionTokens(rawHeaders: readonly string[]): ReadonlySet<string> {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.length !== 10 || rawHeaders[at]!.toLowerCase() !== 'connection') continue;
    const value = rawHeaders[at + 1]!;
    if (value === 'keep-alive' || value === 'close') continue;
    return new Set(value.split(',').map((token) => token.trim().toLowerCase()));
  }
  return NONE;
}

const NONE: ReadonlySet<string> = new Set();
