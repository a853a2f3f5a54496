import {
  type Image,
  type ImageStore,
  Keychain,
  pullImage,
  type Reference,
  RegistryClient,
  type RegistrySettings,
} from '../images/index.ts';
import { type KubeClient, type Pod, type Secret, SECRETS, secretText, unlessGone } from '../kube/index.ts';

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
  // A pod may name a secret that is not there: the image may need none.
  const secret = await unlessGone(kube.get<Secret>(SECRETS, namespace, name));
  return secretText(secret, '.dockerconfigjson') || secretText(secret, '.dockercfg') || undefined;
}
