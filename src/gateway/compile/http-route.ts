import { durationMs } from '../../kube/index.ts';
import type {
  Backend,
  Filters,
  HeaderChange,
  PathRewrite,
  Redirect,
  Route,
  RouteAction,
  ValueMatch,
} from '../config.ts';
import type { Backends } from './backends.ts';
import type { HeaderMatch, HeaderModifier, HttpRoute, HttpRouteFilter, PathModifier } from './objects.ts';

type Rule = NonNullable<HttpRoute['spec']['rules']>[number];

/** The routes of an HTTPRoute of the Gateway API. */
export function httpRoutes(route: HttpRoute, backends: Backends): Route[] {
  const owner = `httproute/${route.metadata.namespace}/${route.metadata.name}`;
  const hosts = route.spec.hostnames ?? ['*'];
  const routes: Route[] = [];
  for (const rule of route.spec.rules ?? []) {
    const action = actionOf(route, rule, backends);
    for (const match of rule.matches ?? [{}]) {
      const { type = 'PathPrefix', value = '/' } = match.path ?? {};
      for (const host of hosts)
        routes.push({
          owner,
          host,
          match: {
            path: {
              type: type === 'Exact' ? 'exact' : type === 'RegularExpression' ? 'regex' : 'prefix',
              value,
            },
            ...(match.method && { method: match.method }),
            ...(match.headers && { headers: match.headers.map(valueMatch) }),
            ...(match.queryParams && { query: match.queryParams.map(valueMatch) }),
          },
          action,
        });
    }
  }
  return routes;
}

function actionOf(route: HttpRoute, rule: Rule, backends: Backends): RouteAction {
  const filters = rule.filters ?? [];
  const redirect = filters.find((item) => item.requestRedirect !== undefined)?.requestRedirect;
  if (redirect !== undefined) {
    const { scheme, hostname, port, path, statusCode = 302 } = redirect;
    const made: Redirect = {
      status: statusCode,
      ...(scheme && { scheme }),
      ...(hostname && { host: hostname }),
      ...(port && { port }),
      ...(path && { path: pathRewrite(path) }),
    };
    return { type: 'redirect', redirect: made };
  }
  // 0 means no limit.
  const timeout = durationMs(rule.timeouts?.request ?? '') || undefined;
  return {
    type: 'forward',
    backends: (rule.backendRefs ?? []).map((reference): Backend => {
      const namespace = reference.namespace ?? route.metadata.namespace ?? '';
      // Another namespace's service needs a grant that nobody can give here yet.
      const allowed = namespace === route.metadata.namespace && (reference.kind ?? 'Service') === 'Service';
      const found: Backend = allowed
        ? backends.of(namespace, reference.name, reference.port)
        : { name: `${namespace}/${reference.name}`, weight: 1, protocol: 'http', endpoints: [] };
      return { ...found, weight: reference.weight ?? 1 };
    }),
    filters: filtersOf(filters),
    ...(timeout !== undefined && { options: { timeoutMs: timeout } }),
  };
}

function filtersOf(filters: readonly HttpRouteFilter[]): Filters {
  const result: Filters = {};
  for (const filter of filters) {
    if (filter.requestHeaderModifier !== undefined)
      result.request = headerChange(filter.requestHeaderModifier);
    if (filter.responseHeaderModifier !== undefined)
      result.response = headerChange(filter.responseHeaderModifier);
    if (filter.urlRewrite?.hostname !== undefined) result.rewriteHost = filter.urlRewrite.hostname;
    if (filter.urlRewrite?.path !== undefined) result.rewritePath = pathRewrite(filter.urlRewrite.path);
  }
  return result;
}

function headerChange({ set = [], add = [], remove = [] }: HeaderModifier): HeaderChange {
  return {
    set: Object.fromEntries(set.map(({ name, value }) => [name, value])),
    add: Object.fromEntries(add.map(({ name, value }) => [name, value])),
    remove,
  };
}

function pathRewrite(path: PathModifier): PathRewrite {
  return path.type === 'ReplaceFullPath'
    ? { type: 'full', value: path.replaceFullPath ?? '/' }
    : { type: 'prefix', value: path.replacePrefixMatch ?? '/' };
}

function valueMatch({ type, name, value }: HeaderMatch): ValueMatch {
  return { name, value, ...(type === 'RegularExpression' && { regex: true }) };
}
