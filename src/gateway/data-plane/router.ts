import { RE2JS } from 're2js';
import type { GatewayConfig, Route, ValueMatch } from '../config.ts';

interface Compiled {
  route: Route;
  prefix: string;
  pattern: RE2JS | undefined;
  conditions: number;
}

export interface Asked {
  host: string;
  path: string;
  query: string;
  method: string;
  header: (name: string) => string | undefined;
}

export interface Found {
  route: Route;
  /** What of the path the route has matched. */
  matched: string;
  groups: readonly (string | undefined)[] | undefined;
}

const MAX_PATTERN = 1024;

/**
 * Finds the route of a request: the closest host, then the closest path, then the most conditions. Patterns
 * come from users, and run on an engine whose time grows with the length of the text only.
 */
export class Router {
  readonly #exact = new Map<string, Compiled[]>();
  readonly #wildcard = new Map<string, Compiled[]>();
  readonly #any: Compiled[] = [];

  constructor(config: Pick<GatewayConfig, 'routes'>) {
    for (const route of config.routes) {
      const compiled = compile(route);
      if (compiled !== undefined) this.#listOf(route.host).push(compiled);
    }
    for (const list of [...this.#exact.values(), ...this.#wildcard.values(), this.#any])
      list.sort(byCloseness);
  }

  find(asked: Asked): Found | undefined {
    const host = hostOf(asked.host);
    const lists = [this.#exact.get(host), this.#wildcardOf(host), this.#any];
    for (const list of lists) {
      const found = list && findIn(list, asked);
      if (found) return found;
    }
    return undefined;
  }

  #wildcardOf(host: string): Compiled[] | undefined {
    const dot = host.indexOf('.');
    return dot < 0 ? undefined : this.#wildcard.get(host.slice(dot + 1));
  }

  #listOf(host: string): Compiled[] {
    if (host === '*' || host === '') return this.#any;
    const wildcard = host.startsWith('*.');
    const map = wildcard ? this.#wildcard : this.#exact;
    const key = (wildcard ? host.slice(2) : host).toLowerCase();
    const list = map.get(key) ?? [];
    map.set(key, list);
    return list;
  }
}

/** Without port, without a last dot, in lower case: the ways in which a name can be written. */
export function hostOf(host: string): string {
  let name = host;
  if (name.startsWith('[')) name = name.slice(0, name.indexOf(']') + 1);
  else {
    const colon = name.indexOf(':');
    if (colon >= 0) name = name.slice(0, colon);
  }
  if (name.endsWith('.')) name = name.slice(0, -1);
  return name.toLowerCase();
}

function compile(route: Route): Compiled | undefined {
  const { path, headers = [], query = [], method } = route.match;
  let pattern: RE2JS | undefined;
  if (path.type === 'regex') {
    if (path.value.length > MAX_PATTERN) return undefined;
    try {
      pattern = RE2JS.compile(path.value);
    } catch {
      return undefined;
    }
  }
  const prefix = path.type === 'prefix' && path.value !== '/' ? path.value.replace(/\/+$/, '') : path.value;
  return {
    route,
    prefix,
    pattern,
    conditions: headers.length * 10 + query.length + (method === undefined ? 0 : 1000),
  };
}

function findIn(list: readonly Compiled[], asked: Asked): Found | undefined {
  for (const { route, prefix, pattern } of list) {
    const { match } = route;
    let matched = asked.path;
    let groups: Found['groups'];
    if (pattern !== undefined) {
      const matcher = pattern.matcher(asked.path);
      if (!matcher.lookingAt()) continue;
      matched = matcher.group() ?? '';
      groups = Array.from({ length: matcher.groupCount() + 1 }, (_, at) => matcher.group(at) ?? undefined);
    } else if (match.path.type === 'exact') {
      if (asked.path !== match.path.value) continue;
    } else {
      if (!hasPrefix(asked.path, prefix)) continue;
      matched = prefix;
    }
    if (match.method !== undefined && match.method !== asked.method) continue;
    if (match.headers !== undefined && !match.headers.every((item) => fits(item, asked.header(item.name))))
      continue;
    if (match.query !== undefined) {
      const values = new URLSearchParams(asked.query);
      if (!match.query.every((item) => fits(item, values.get(item.name) ?? undefined))) continue;
    }
    return { route, matched, groups };
  }
  return undefined;
}

/** "/a" holds "/a" and "/a/b", and not "/ab". */
function hasPrefix(path: string, prefix: string): boolean {
  if (prefix === '/' || prefix === '') return true;
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/');
}

function fits(match: ValueMatch, value: string | undefined): boolean {
  if (value === undefined) return false;
  return match.regex ? RE2JS.matches(match.value, value) : value === match.value;
}

function byCloseness(a: Compiled, b: Compiled): number {
  const rank = ({ route }: Compiled): number => ({ exact: 0, regex: 1, prefix: 2 })[route.match.path.type];
  return (
    rank(a) - rank(b) ||
    b.route.match.path.value.length - a.route.match.path.value.length ||
    b.conditions - a.conditions
  );
}
