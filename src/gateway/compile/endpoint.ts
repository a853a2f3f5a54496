import { createHash } from 'node:crypto';
import { type KubeObject, type Secret, secretText, secretTexts } from '../../kube/index.ts';
import type { Route } from '../config.ts';
import type { EndpointAuth, EndpointOptions } from '../functions/protocol.ts';

export interface EndpointObject extends KubeObject {
  spec: {
    function: string;
    paths?: string[];
    methods?: string[];
    hosts?: string[];
    httpsOnly?: boolean;
    enabled?: boolean;
    cors?: boolean;
    corsOrigins?: string[];
    auth?: 'public' | 'basic' | 'key' | 'jwt';
    authSecret?: string;
    rateLimit?: string;
    fullResponse?: boolean;
  };
  status?: EndpointStatus;
}

export interface EndpointStatus {
  phase: string;
  reason?: string[];
  urls?: string[];
}

export interface EndpointSources {
  secret: (namespace: string, name: string) => Secret | undefined;
  httpsPort: number;
  /** "http://127.0.0.1:8081", "https://127.0.0.1:8444" */
  origins: { http: string; https: string };
}

export interface CompiledEndpoints {
  routes: Route[];
  statuses: Map<EndpointObject, EndpointStatus>;
}

const RESERVED = /^\/dispatch(?:\/|$)/;
const PATH = /^\/[\x21-\x7e]*$/;
const MAX_PATH = 1024;
const RATE = /^([1-9]\d{0,6})\/(s|m|h|sec|min|hour|second|minute)$/;
const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600 };

/**
 * The routes of all endpoints. Each has its paths below the name of its namespace for itself; a path without that
 * belongs to the endpoint that was there first.
 */
export function compileEndpoints(
  endpoints: readonly EndpointObject[],
  sources: EndpointSources,
): CompiledEndpoints {
  const taken = new Map<string, string>();
  const routes: Route[] = [];
  const statuses = new Map<EndpointObject, EndpointStatus>();
  const sorted = [...endpoints].sort(byAge);
  const names = new Set(sorted.map(({ metadata }) => metadata.namespace ?? ''));
  for (const endpoint of sorted) {
    const problems = problemsOf(endpoint);
    if (problems.length > 0) {
      statuses.set(endpoint, { phase: 'ERROR', reason: problems });
      continue;
    }
    if (endpoint.spec.enabled === false) {
      statuses.set(endpoint, { phase: 'READY', urls: [] });
      continue;
    }
    const places = placesOf(endpoint, { taken, names });
    const options = optionsOf(endpoint, sources);
    for (const place of places.own) routes.push(...routesAt(endpoint, place, options));
    statuses.set(endpoint, {
      phase: 'READY',
      urls: places.own.map(({ host, path }) => urlOf(endpoint, host, path, sources)),
      ...(places.lost.length > 0 && { reason: places.lost }),
    });
  }
  return { routes, statuses };
}

interface Place {
  host: string;
  path: string;
}

function placesOf(
  { metadata, spec }: EndpointObject,
  { taken, names }: { taken: Map<string, string>; names: ReadonlySet<string> },
): { own: Place[]; lost: string[] } {
  const owner = `${metadata.namespace}/${metadata.name}`;
  const own: Place[] = [];
  const lost: string[] = [];
  for (const host of hostsOf(spec))
    for (const path of pathsOf(spec)) {
      // "/team/x" of one namespace must not stand in for "/x" of the namespace team.
      const first = path.split('/')[1] ?? '';
      const foreign = first !== metadata.namespace && names.has(first) ? first : undefined;
      const holder =
        foreign === undefined
          ? methodsOf(spec)
              .map((method) => taken.get(`${host} ${method} ${path}`))
              .find((item) => item !== undefined && item !== owner)
          : `the namespace ${foreign}`;
      if (holder === undefined) {
        for (const method of methodsOf(spec)) taken.set(`${host} ${method} ${path}`, owner);
        own.push({ host, path });
      } else
        lost.push(`${path} belongs to ${holder}: this one answers at /${metadata.namespace}${path} only.`);
      own.push({ host, path: `/${metadata.namespace}${path === '/' ? '' : path}` });
    }
  return { own, lost };
}

function routesAt(endpoint: EndpointObject, { host, path }: Place, options: EndpointOptions): Route[] {
  const { metadata, spec } = endpoint;
  const methods = methodsOf(spec);
  if (spec.cors && !methods.includes('OPTIONS')) methods.push('OPTIONS');
  const prefix = path.endsWith('/*');
  return methods.map((method) => ({
    owner: `endpoint/${metadata.namespace}/${metadata.name}`,
    host,
    match: {
      path: prefix ? { type: 'prefix', value: path.slice(0, -2) || '/' } : { type: 'exact', value: path },
      method,
    },
    action: { type: 'function', key: `${metadata.namespace}/${spec.function}`, options },
  }));
}

function optionsOf({ metadata, spec }: EndpointObject, sources: EndpointSources): EndpointOptions {
  const rate = rateOf(spec.rateLimit);
  return {
    httpsOnly: spec.httpsOnly === true,
    httpsPort: sources.httpsPort,
    fullResponse: spec.fullResponse === true,
    auth: authOf(spec.auth ?? 'public', () =>
      sources.secret(metadata.namespace ?? '', spec.authSecret ?? `${metadata.name}-auth`),
    ),
    ...(rate !== undefined && { rate }),
    ...(spec.cors && {
      cors: {
        origins: spec.corsOrigins === undefined || spec.corsOrigins.length === 0 ? ['*'] : spec.corsOrigins,
        methods: methodsOf(spec).join(', '),
        // Whoever names the origins trusts them; "all of them" must not come with the caller's cookies.
        credentials: (spec.corsOrigins ?? []).length > 0 && !spec.corsOrigins!.includes('*'),
      },
    }),
  };
}

function authOf(
  type: NonNullable<EndpointObject['spec']['auth']>,
  find: () => Secret | undefined,
): EndpointAuth {
  if (type === 'public') return { type };
  const secret = find();
  if (secret === undefined)
    return { type: 'closed', why: 'The secret of this endpoint is not there: nobody may call it.' };
  const text = (key: string): string | undefined => secretText(secret, key) || undefined;
  if (type === 'basic') {
    const pair = text('username') === undefined ? [] : [`${text('username')}:${text('password') ?? ''}`];
    return { type, digests: [...pair, ...lines(text('users') ?? '')].map(digestOf) };
  }
  if (type === 'key') return { type, digests: secretTexts(secret).flatMap(lines).map(digestOf) };
  const key = text('key') ?? text('publicKey') ?? text('pem');
  const [jwks, shared, issuer, audience] = ['jwks', 'secret', 'issuer', 'audience'].map(text);
  if (key === undefined && jwks === undefined && shared === undefined)
    return {
      type: 'closed',
      why: 'The secret of this endpoint has no key, jwks or secret: nobody may call it.',
    };
  return {
    type,
    ...(key !== undefined && { pem: key }),
    ...(jwks !== undefined && { jwks }),
    ...(shared !== undefined && { secret: shared }),
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
  };
}

function problemsOf({ spec }: EndpointObject): string[] {
  const problems: string[] = [];
  for (const path of pathsOf(spec)) {
    if (!PATH.test(path) || path.length > MAX_PATH || /[?#]/.test(path))
      problems.push(`The path ${JSON.stringify(path)} is none: give one that begins with "/".`);
    else if (RESERVED.test(path))
      problems.push(`The path ${path} belongs to Dispatch itself: choose another.`);
    else if (path.slice(0, -2).includes('*'))
      problems.push(`The path ${path} may have a "*" at its end only.`);
  }
  for (const method of methodsOf(spec))
    if (!/^[A-Z]{1,20}$/.test(method)) problems.push(`${JSON.stringify(method)} is no method.`);
  if (spec.rateLimit !== undefined && rateOf(spec.rateLimit) === undefined)
    problems.push(`The rate ${JSON.stringify(spec.rateLimit)} is none: write one like 10/s or 100/m.`);
  return problems;
}

function rateOf(text: string | undefined): { count: number; seconds: number } | undefined {
  const match = RATE.exec(text ?? '');
  return match === null ? undefined : { count: Number(match[1]), seconds: SECONDS[match[2]![0]!]! };
}

function urlOf({ spec }: EndpointObject, host: string, path: string, { origins }: EndpointSources): string {
  const origin = spec.httpsOnly ? origins.https : origins.http;
  return host === '*' ? origin + path : origin.replace(/\/\/[^:]+/, `//${host}`) + path;
}

function hostsOf({ hosts }: EndpointObject['spec']): string[] {
  return hosts === undefined || hosts.length === 0 ? ['*'] : hosts;
}

function pathsOf({ paths }: EndpointObject['spec']): string[] {
  return paths === undefined || paths.length === 0 ? ['/'] : paths;
}

function methodsOf({ methods }: EndpointObject['spec']): string[] {
  return methods === undefined || methods.length === 0 ? ['GET'] : methods.map((name) => name.toUpperCase());
}

function byAge({ metadata: a }: KubeObject, { metadata: b }: KubeObject): number {
  const age = (a.creationTimestamp ?? '').localeCompare(b.creationTimestamp ?? '');
  return age || `${a.namespace}/${a.name}`.localeCompare(`${b.namespace}/${b.name}`);
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
