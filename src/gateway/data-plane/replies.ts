import type { ForwardOptions, Redirect } from '../config.ts';
import { type ClientInfo, rewritten } from './headers.ts';
import { headerOf, type Request } from './proxy.ts';
import type { Found } from './router.ts';

const DEFAULT_PORTS: Record<string, number> = { http: 80, https: 443 };

export function locationOf(
  redirect: Redirect,
  { found, path, query }: { found: Found; path: string; query: string },
  client: ClientInfo,
): string {
  const scheme = redirect.scheme ?? client.proto;
  const host = redirect.host ?? client.host.replace(/:\d+$/, '');
  // Without a word about the port, a change of scheme means that scheme's own port.
  const port =
    redirect.port ?? (redirect.scheme === undefined ? Number(/:(\d+)$/.exec(client.host)?.[1] ?? 0) : 0);
  const suffix = port === 0 || port === DEFAULT_PORTS[scheme] ? '' : `:${port}`;
  return `${scheme}://${host}${suffix}${rewritten(path, query, found, redirect.path)}`;
}

export function isPreflight(request: Request): boolean {
  return request.method === 'OPTIONS' && headerOf(request, 'access-control-request-method') !== undefined;
}

export function corsHeaders(cors: NonNullable<ForwardOptions['cors']>, request: Request): [string, string][] {
  const origin = headerOf(request, 'origin');
  if (origin === undefined) return [];
  const any = cors.origins.includes('*');
  if (!any && !cors.origins.includes(origin)) return [];
  const headers: [string, string][] = [
    ['access-control-allow-origin', any && !cors.credentials ? '*' : origin],
    ['vary', 'origin'],
  ];
  if (cors.credentials) headers.push(['access-control-allow-credentials', 'true']);
  if (isPreflight(request))
    headers.push(
      ['access-control-allow-methods', cors.methods ?? 'GET, PUT, POST, DELETE, PATCH, OPTIONS'],
      [
        'access-control-allow-headers',
        cors.headers ?? headerOf(request, 'access-control-request-headers') ?? '*',
      ],
      ['access-control-max-age', '1728000'],
    );
  return headers;
}
