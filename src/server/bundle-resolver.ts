import { type Image, type ImageStore, parseReference, readBundle, type Reference } from '../images/index.ts';
import { type KubeClient, type KubeObject, type Pod, SERVICE_ACCOUNTS, unlessGone } from '../kube/index.ts';
import type { RemoteResolver } from '../pipelines/index.ts';

export interface BundleOptions {
  client: KubeClient;
  images: ImageStore;
  /** Fetches an image with the credentials that a pod would have. */
  pull: (reference: Reference, pod: Pod, signal: AbortSignal) => Promise<Image>;
}

/** Tekton's `bundles` resolver: an object out of an image. */
export function bundleResolver({ client, images, pull }: BundleOptions): RemoteResolver {
  return async (params, { namespace, signal }) => {
    const param = (name: string, fallback = ''): string => String(params[name] ?? fallback);
    const wanted = { kind: param('kind', 'task'), name: param('name') };
    const reference = parseReference(param('bundle'));
    const pod = await podOf(client, namespace, param('serviceAccount', 'default'), param('secret'));
    // What is in the registry of this server is there already; a tag of another may have moved.
    const image = images.isOurs(reference)
      ? await images.find(reference)
      : await pull(reference, pod, signal);
    if (image === undefined) throw new Error(`there is no image ${param('bundle')}`);
    const text = await readBundle(images.content, image.manifest, wanted);
    const [, sha256 = ''] = image.digest.split(':');
    return {
      text,
      provenance: { refSource: { uri: image.name, digest: { sha256 }, entryPoint: wanted.name } },
    };
  };
}

/** Whoever asks may fetch what pods of the account may, and with the secret that is named. */
async function podOf(client: KubeClient, namespace: string, account: string, secret: string): Promise<Pod> {
  const found = await unlessGone(client.get<KubeObject>(SERVICE_ACCOUNTS, namespace, account));
  const own = (found?.['imagePullSecrets'] as { name: string }[] | undefined) ?? [];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'bundle', namespace },
    spec: { containers: [], imagePullSecrets: [...(secret === '' ? [] : [{ name: secret }]), ...own] },
  };
}
