import {
  type Image,
  type ImageStore,
  Keychain,
  pullImage,
  type Reference,
  RegistryClient,
  type RegistrySettings,
} from '../images/index.ts';
import { isApiError, type KubeClient, type KubeObject, type Pod, SECRETS } from '../kube/index.ts';

/** Fetches images for pods, with the credentials that their pods name. */
export function podPuller(
  kube: KubeClient,
  images: ImageStore,
  settings: RegistrySettings,
): (reference: Reference, pod: Pod, signal: AbortSignal) => Promise<Image> {
  const client = new RegistryClient(settings);
  return async (reference, pod, signal) => {
    const keychain = new Keychain();
    for (const { name } of pod.spec.imagePullSecrets ?? []) {
      const text = await dockerConfig(kube, pod.metadata.namespace ?? '', name);
      if (text !== undefined) keychain.addDockerConfig(text);
    }
    return pullImage(reference, { client, images, keychain, arch: process.arch, signal });
  };
}

async function dockerConfig(kube: KubeClient, namespace: string, name: string): Promise<string | undefined> {
  const secret = await kube.get<KubeObject>(SECRETS, namespace, name).catch((error: unknown) => {
    // A pod may name a secret that is not there: the image may need none.
    if (isApiError(error, 'NotFound')) return undefined;
    throw error;
  });
  const data = secret?.['data'] as Record<string, string> | undefined;
  const text = data?.['.dockerconfigjson'] ?? data?.['.dockercfg'];
  return text === undefined ? undefined : Buffer.from(text, 'base64').toString();
}
