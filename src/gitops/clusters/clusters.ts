import {
  type ClusterAccess,
  CONFIG_MAPS,
  type ControllerContext,
  HttpTransport,
  type Informer,
  isRecord,
  KubeClient,
  type Secret,
  SECRETS,
  secretText,
} from '../../kube/index.ts';
import { HealthRules, type RuleMap } from '../engine/health-rules.ts';
import type { Destination } from '../resources.ts';
import { IN_CLUSTER } from '../resources.ts';
import { Cluster } from './cluster.ts';

export const CLUSTER_LABEL = 'argocd.argoproj.io/secret-type';
/** Where those who look after the whole platform keep clusters, projects and credentials. */
export const CONTROL_NAMESPACES: readonly string[] = ['dispatch-system', 'dispatch', 'argocd'];
const BY_TYPE = 'secret-type';

export class UnknownCluster extends Error {}

interface Known {
  version: string;
  cluster: Cluster;
}

/** Every cluster that objects are kept on: this one, and those that Secrets tell of. */
export class Clusters implements AsyncDisposable {
  readonly own: Cluster;
  readonly rules: HealthRules;
  readonly #context: ControllerContext;
  readonly #secrets: Informer<Secret>;
  readonly #known = new Map<string, Known>();
  readonly #onOpen: (cluster: Cluster) => void;

  constructor(context: ControllerContext, onOpen: (cluster: Cluster) => void) {
    this.#context = context;
    this.#onOpen = onOpen;
    const { client, informers, log, now, events } = context;
    this.#secrets = informers
      .for<Secret>(SECRETS)
      .addIndex(BY_TYPE, (secret) => [secret.metadata.labels?.[CLUSTER_LABEL] ?? '']);
    const rules = new HealthRules(informers.for<RuleMap>(CONFIG_MAPS), events('gitops'));
    this.rules = rules;
    this.own = new Cluster({ server: IN_CLUSTER, name: 'in-cluster', client, informers, rules, log, now });
    onOpen(this.own);
  }

  /** The Secrets that tell of clusters which a namespace may use. */
  secretsFor(namespace: string): Secret[] {
    return this.#secrets
      .byIndex(BY_TYPE, 'cluster')
      .filter(
        ({ metadata }) =>
          metadata.namespace === namespace || CONTROL_NAMESPACES.includes(metadata.namespace ?? ''),
      );
  }

  /** The cluster that an object in a namespace means. `isShared` tells that it is not the namespace's own. */
  find(destination: Destination, namespace: string): { cluster: Cluster; isShared: boolean } {
    const { server, name } = destination;
    if (server !== undefined && name !== undefined)
      throw new UnknownCluster('The destination names a server and a name: give one of them.');
    if ((server ?? IN_CLUSTER) === IN_CLUSTER && (name === undefined || name === 'in-cluster'))
      return { cluster: this.own, isShared: true };
    const found = this.secretsFor(namespace).find((secret) =>
      server === undefined
        ? secretText(secret, 'name') === name
        : sameServer(secretText(secret, 'server'), server),
    );
    if (found === undefined)
      throw new UnknownCluster(
        `There is no cluster ${server ?? name}: add it with "dispatch gitops cluster add", and see "dispatch gitops cluster list".`,
      );
    return { cluster: this.#open(found), isShared: found.metadata.namespace !== namespace };
  }

  #open(secret: Secret): Cluster {
    const key = secret.metadata.uid ?? '';
    const version = secret.metadata.resourceVersion ?? '';
    const known = this.#known.get(key);
    if (known?.version === version) return known.cluster;
    // Credentials were changed: what was opened with the old ones ends by itself.
    if (known !== undefined) void known.cluster[Symbol.asyncDispose]();
    const { log, now } = this.#context;
    const server = secretText(secret, 'server');
    const client = new KubeClient(new HttpTransport(accessOf(secret)), 'dispatch-gitops');
    const name = secretText(secret, 'name') || server;
    const cluster = new Cluster({ server, name, client, rules: this.rules, log, now });
    this.#known.set(key, { version, cluster });
    this.#onOpen(cluster);
    return cluster;
  }

  /** A cluster that somebody has brought along. Whoever opens it closes it. */
  openWith(access: ClusterAccess, name: string): Cluster {
    const { log, now } = this.#context;
    const client = new KubeClient(new HttpTransport(access), 'dispatch-gitops');
    const cluster = new Cluster({ server: access.server, name, client, rules: this.rules, log, now });
    this.#onOpen(cluster);
    return cluster;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#known.values()].map(({ cluster }) => cluster[Symbol.asyncDispose]()));
  }
}

function sameServer(a: string, b: string): boolean {
  return a.replace(/\/$/, '') === b.replace(/\/$/, '');
}

/** How a cluster is reached. What would run a program to log in is refused: its words come from somebody else. */
export function accessOf(secret: Secret): ClusterAccess {
  const server = secretText(secret, 'server');
  let config: unknown;
  try {
    config = JSON.parse(secretText(secret, 'config') || '{}');
  } catch (error) {
    throw new UnknownCluster(
      `The Secret ${secret.metadata.name} of the cluster ${server} holds no JSON in "config".`,
      { cause: error },
    );
  }
  const fields = isRecord(config) ? config : {};
  if (fields['execProviderConfig'] !== undefined || fields['awsAuthConfig'] !== undefined)
    throw new UnknownCluster(
      `The Secret ${secret.metadata.name} of the cluster ${server} wants to run a program to log in: use a token or a certificate.`,
    );
  if (!/^https?:\/\//.test(server))
    throw new UnknownCluster(`The Secret ${secret.metadata.name} names no address of a cluster.`);
  const tls = isRecord(fields['tlsClientConfig']) ? fields['tlsClientConfig'] : {};
  const text = (holder: Record<string, unknown>, key: string): string | undefined =>
    typeof holder[key] === 'string' && holder[key] !== '' ? holder[key] : undefined;
  const data = (key: string): string | undefined => {
    const value = text(tls, key);
    return value === undefined ? undefined : Buffer.from(value, 'base64').toString();
  };
  const [token, username, password] = [
    text(fields, 'bearerToken'),
    text(fields, 'username'),
    text(fields, 'password'),
  ];
  const authorization =
    token !== undefined
      ? `Bearer ${token}`
      : username === undefined
        ? undefined
        : `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
  const [ca, cert, key, serverName] = [
    data('caData'),
    data('certData'),
    data('keyData'),
    text(tls, 'serverName'),
  ];
  return {
    server,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(tls['insecure'] === true && { insecureSkipTlsVerify: true }),
    ...(serverName !== undefined && { tlsServerName: serverName }),
    ...(authorization !== undefined && { authorization: async () => authorization }),
  };
}
