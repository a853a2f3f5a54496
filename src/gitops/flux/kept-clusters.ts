import {
  type KubeClient,
  parseKubeconfig,
  type Secret,
  SECRETS,
  SERVICE_ACCOUNTS,
  secretText,
  unlessGone,
} from '../../kube/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { Clusters } from '../clusters/clusters.ts';
import { SourceNotReady } from './not-ready.ts';
import type { Kept } from './resources.ts';

/** Where Kustomizations and HelmReleases are kept: on this cluster, or where a kubeconfig leads. */
export class KeptClusters implements AsyncDisposable {
  readonly #client: KubeClient;
  readonly #clusters: Clusters;
  readonly #remote = new Map<string, { version: string; cluster: Cluster }>();

  constructor(client: KubeClient, clusters: Clusters) {
    this.#client = client;
    this.#clusters = clusters;
  }

  /** With the rights of the account that it names: nothing is done there that this may not do. */
  async of(kept: Kept): Promise<Cluster> {
    const cluster = await this.#placeOf(kept);
    const { serviceAccountName } = kept.spec;
    return serviceAccountName === undefined
      ? cluster
      : cluster.as(`system:serviceaccount:${kept.metadata.namespace}:${serviceAccountName}`);
  }

  /** Whether the account that it acts as is no more: a namespace that goes takes it along. */
  async hasLostAccount({ spec, metadata }: Kept): Promise<boolean> {
    if (spec.serviceAccountName === undefined || spec.kubeConfig !== undefined) return false;
    const { namespace = '' } = metadata;
    const account = this.#client.get(SERVICE_ACCOUNTS, namespace, spec.serviceAccountName);
    return (await unlessGone(account)) === undefined;
  }

  async #placeOf({ spec, metadata }: Kept): Promise<Cluster> {
    const reference = spec.kubeConfig?.secretRef;
    if (reference === undefined) return this.#clusters.own;
    const secret = await unlessGone(
      this.#client.get<Secret>(SECRETS, metadata.namespace ?? '', reference.name),
    );
    if (secret === undefined)
      throw new SourceNotReady(`There is no Secret ${reference.name} with a kubeconfig.`);
    const { uid = '', resourceVersion: version = '' } = secret.metadata;
    const known = this.#remote.get(uid);
    if (known?.version === version) return known.cluster;
    await known?.cluster[Symbol.asyncDispose]();
    const text = secretText(secret, reference.key ?? 'value') || secretText(secret, 'value.yaml');
    // Its words come from somebody else: nothing of it is run, and no file of this machine is read for it.
    const access = parseKubeconfig(text, {
      path: `the kubeconfig of ${reference.name}`,
      allowExec: false,
      allowFiles: false,
    });
    const cluster = this.#clusters.openWith(access, reference.name);
    this.#remote.set(uid, { version, cluster });
    return cluster;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#remote.values()].map(({ cluster }) => cluster[Symbol.asyncDispose]()));
  }
}
