import type { Command } from 'commander';
import { INGRESSES, type KubeObject, type ResourceRef } from '../../kube/index.ts';
import { runningServer, dataDir } from '../../server/index.ts';
import { connect, dataRoot, type Environment, globalFlags } from '../environment.ts';
import { examples } from '../help.ts';
import { printList } from '../output.ts';

const HTTP_ROUTES: ResourceRef = {
  group: 'gateway.networking.k8s.io',
  version: 'v1',
  plural: 'httproutes',
  namespaced: true,
};

interface Served {
  kind: string;
  namespace: string;
  name: string;
  url: string;
  backend: string;
}

export function registerIngress(program: Command, environment: Environment): void {
  program
    .command('ingress')
    .description('List what the gateway serves, and where.')
    .addHelpText('after', examples('dispatch ingress', 'dispatch ingress -n team -o json'))
    .action(async (_: object, command: Command) => {
      const flags = globalFlags(command);
      const client = await connect(environment, flags);
      try {
        const server = await runningServer(dataDir(dataRoot(environment, flags)).serverFile);
        const base = {
          http: server?.http ?? 'http://localhost',
          https: server?.https ?? 'https://localhost',
        };
        const scope = flags.namespace === undefined ? {} : { namespace: flags.namespace };
        const ingresses = (await client.list<KubeObject>(INGRESSES, scope)).items.flatMap((item) =>
          ofIngress(item, base),
        );
        const routes = await client.list<KubeObject>(HTTP_ROUTES, scope).then(
          ({ items }) => items.flatMap((item) => ofRoute(item, base)),
          () => [],
        );
        const items = [...ingresses, ...routes];
        printList(environment, flags, {
          items,
          columns: {
            KIND: (at) => items[at]!.kind,
            NAMESPACE: (at) => items[at]!.namespace,
            NAME: (at) => items[at]!.name,
            URL: (at) => items[at]!.url,
            BACKEND: (at) => items[at]!.backend,
          },
          nameOf: (at) => `${items[at]!.kind.toLowerCase()}/${items[at]!.name}`,
        });
      } finally {
        await client.close();
      }
    });
}

interface Base {
  http: string;
  https: string;
}

function ofIngress(ingress: KubeObject, base: Base): Served[] {
  const spec = ingress['spec'] as {
    tls?: { hosts?: string[] }[];
    rules?: {
      host?: string;
      http?: {
        paths: {
          path?: string;
          backend: { service?: { name: string; port?: { number?: number; name?: string } } };
        }[];
      };
    }[];
  };
  const secure = new Set((spec.tls ?? []).flatMap(({ hosts = [] }) => hosts));
  return (spec.rules ?? []).flatMap((rule) =>
    (rule.http?.paths ?? []).map(({ path = '/', backend }) => ({
      kind: 'Ingress',
      namespace: ingress.metadata.namespace ?? '',
      name: ingress.metadata.name ?? '',
      url: urlOf(secure.has(rule.host ?? '') ? base.https : base.http, rule.host, path),
      backend:
        backend.service === undefined
          ? ''
          : `${backend.service.name}:${backend.service.port?.number ?? backend.service.port?.name ?? ''}`,
    })),
  );
}

function ofRoute(route: KubeObject, base: Base): Served[] {
  const spec = route['spec'] as {
    hostnames?: string[];
    rules?: {
      matches?: { path?: { value?: string } }[];
      backendRefs?: { name: string; port?: number; weight?: number }[];
    }[];
  };
  return (spec.rules ?? []).flatMap((rule) =>
    (spec.hostnames ?? [undefined]).flatMap((host) =>
      (rule.matches ?? [{}]).map((match) => ({
        kind: 'HTTPRoute',
        namespace: route.metadata.namespace ?? '',
        name: route.metadata.name ?? '',
        url: urlOf(base.http, host, match.path?.value ?? '/'),
        backend: (rule.backendRefs ?? [])
          .map(
            (item) =>
              `${item.name}:${item.port ?? ''}${item.weight === undefined || item.weight === 1 ? '' : ` (${item.weight})`}`,
          )
          .join(', '),
      })),
    ),
  );
}

function urlOf(base: string, host: string | undefined, path: string): string {
  const url = new URL(base);
  if (host !== undefined && host !== '' && !host.startsWith('*')) url.hostname = host;
  return `${url.protocol}//${url.host}${path}`;
}
