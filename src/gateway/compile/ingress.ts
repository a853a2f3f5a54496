import { quantityNumber } from '../../kube/index.ts';
import type { Backend, ForwardOptions, Route, RouteAction } from '../config.ts';
import type { Backends } from './backends.ts';
import type { Ingress, IngressBackend } from './objects.ts';

/** Controllers whose annotations people have written into their manifests. */
const PREFIXES = ['nginx.ingress.kubernetes.io/', 'haproxy.org/', 'dispatch.dev/'];

/** The routes of an Ingress, with those annotations of the common controllers that change what is served. */
export function ingressRoutes(ingress: Ingress, backends: Backends): Route[] {
  const { metadata, spec } = ingress;
  const namespace = metadata.namespace ?? '';
  const owner = `ingress/${namespace}/${metadata.name}`;
  const annotations = new Annotations(metadata.annotations ?? {});
  const tlsHosts = new Set((spec.tls ?? []).flatMap(({ hosts = [] }) => hosts));
  const routes: Route[] = [];
  const protocol = protocolOf(annotations.get('backend-protocol'));
  const backendOf = ({ service }: IngressBackend): Backend =>
    service === undefined
      ? { name: 'none', weight: 1, protocol: 'http', endpoints: [] }
      : backends.of(namespace, service.name, service.port?.number ?? service.port?.name, protocol);
  for (const rule of spec.rules ?? []) {
    const host = rule.host || '*';
    for (const { path = '/', pathType = 'ImplementationSpecific', backend } of rule.http?.paths ?? []) {
      const regex =
        pathType === 'ImplementationSpecific' &&
        (annotations.isTrue('use-regex') || /[()[\]*+?^$|]/.test(path));
      routes.push({
        owner,
        host,
        match: { path: { type: regex ? 'regex' : pathType === 'Exact' ? 'exact' : 'prefix', value: path } },
        action: actionOf(annotations, backendOf(backend), { hasTls: tlsHosts.has(host), regex }),
      });
    }
    for (const alias of annotations.list('server-alias'))
      routes.push(
        ...routes.filter((route) => route.host === host).map((route) => ({ ...route, host: alias })),
      );
  }
  if (spec.defaultBackend !== undefined) {
    for (const host of new Set(['*', ...(spec.rules ?? []).map((rule) => rule.host || '*')]))
      routes.push({
        owner,
        host,
        match: { path: { type: 'prefix', value: '/' } },
        action: actionOf(annotations, backendOf(spec.defaultBackend), {
          hasTls: tlsHosts.has(host),
          regex: false,
        }),
      });
  }
  return routes;
}

class Annotations {
  readonly #all: Record<string, string>;

  constructor(all: Record<string, string>) {
    this.#all = all;
  }

  get(name: string): string | undefined {
    for (const prefix of PREFIXES) {
      const value = this.#all[`${prefix}${name}`];
      if (value !== undefined) return value;
    }
    return undefined;
  }

  isTrue(name: string): boolean {
    return this.get(name) === 'true';
  }

  list(name: string): string[] {
    return (this.get(name) ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  }

  seconds(name: string): number | undefined {
    const value = this.get(name);
    return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
  }
}

function actionOf(
  annotations: Annotations,
  backend: Backend,
  { hasTls, regex }: { hasTls: boolean; regex: boolean },
): RouteAction {
  const permanent = annotations.get('permanent-redirect');
  const temporary = annotations.get('temporal-redirect');
  const target = permanent ?? temporary;
  if (target !== undefined) {
    const url = URL.parse(target);
    const status = permanent === undefined ? 302 : Number(annotations.get('permanent-redirect-code') ?? 301);
    const path = { type: 'full' as const, value: url === null ? target : `${url.pathname}${url.search}` };
    return {
      type: 'redirect',
      redirect: {
        ...(url !== null && {
          scheme: url.protocol.slice(0, -1),
          host: url.hostname,
          ...(url.port && { port: Number(url.port) }),
        }),
        path,
        status,
      },
    };
  }
  const rewrite = annotations.get('rewrite-target') ?? annotations.get('path-rewrite');
  const host = annotations.get('upstream-vhost');
  const options = optionsOf(annotations, hasTls);
  return {
    type: 'forward',
    backends: [backend],
    filters: {
      ...(rewrite !== undefined && {
        // Without groups the whole path becomes the target, as on the controller that has the annotation.
        rewritePath: { type: regex ? 'regex' : 'full', value: rewrite },
      }),
      ...(host !== undefined && { rewriteHost: host }),
    },
    options,
  };
}

function optionsOf(annotations: Annotations, hasTls: boolean): ForwardOptions {
  const seconds = annotations.seconds('proxy-read-timeout');
  const size = annotations.get('proxy-body-size');
  const redirect = annotations.get('ssl-redirect') ?? annotations.get('force-ssl-redirect');
  const cookie =
    annotations.get('affinity') === 'cookie'
      ? (annotations.get('session-cookie-name') ?? 'INGRESSCOOKIE')
      : undefined;
  const origins = annotations.list('cors-allow-origin');
  const methods = annotations.get('cors-allow-methods');
  const headers = annotations.get('cors-allow-headers');
  return {
    ...(seconds !== undefined && { timeoutMs: seconds * 1000 }),
    ...(size !== undefined && { bodyBytes: bodyLimit(size) }),
    ...((redirect === 'true' || (hasTls && redirect !== 'false')) && { httpsOnly: true }),
    ...(cookie !== undefined && { affinityCookie: cookie }),
    ...(annotations.isTrue('enable-cors') && {
      cors: {
        origins: origins.length === 0 ? ['*'] : origins,
        credentials: annotations.get('cors-allow-credentials') !== 'false' && origins.length > 0,
        ...(methods !== undefined && { methods }),
        ...(headers !== undefined && { headers }),
      },
    }),
  };
}

/** "8m" as nginx writes sizes; 0 means no limit. */
function bodyLimit(text: string): number {
  const match = /^(\d+)([kmg]?)$/i.exec(text.trim());
  if (match === null) return quantityNumber(text) || Number.MAX_SAFE_INTEGER;
  const bytes =
    Number(match[1]) * ({ '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[match[2]!.toLowerCase()] ?? 1);
  return bytes === 0 ? Number.MAX_SAFE_INTEGER : bytes;
}

function protocolOf(text: string | undefined): Backend['protocol'] | undefined {
  switch (text?.toUpperCase()) {
    case 'HTTPS':
    case 'GRPCS':
      return 'https';
    case 'GRPC':
      return 'h2c';
    default:
      return undefined;
  }
}
