import { stat } from 'node:fs/promises';
import type { Image, ImageStore } from '../content/image-store.ts';
import { type Descriptor, MEDIA } from '../manifest.ts';
import type { Reference } from '../reference.ts';
import type { Keychain } from './credentials.ts';
import { type RegistryClient, RegistryError } from './registry-client.ts';

export interface PushOptions {
  client: RegistryClient;
  images: ImageStore;
  keychain: Keychain;
  signal?: AbortSignal;
}

/** Brings an image to a registry, and only what the registry does not have. Returns the digest. */
export async function pushImage(image: Image, reference: Reference, options: PushOptions): Promise<string> {
  const { client } = options;
  let failure: unknown;
  for (const base of client
    .bases(reference.host)
    .filter((item) => item.includes(reference.host) || item.includes('docker.io'))) {
    try {
      for (const blob of [image.manifest.config, ...image.manifest.layers])
        await pushBlob(base, blob, reference, options);
      await pushManifest(base, image, reference, options);
      return image.digest;
    } catch (error) {
      failure = error;
      if (error instanceof RegistryError) throw error;
    }
  }
  throw (
    failure ?? new RegistryError(`${reference.host} is not on this machine, and nothing may leave it.`, 503)
  );
}

async function pushBlob(
  base: string,
  blob: Descriptor,
  reference: Reference,
  options: PushOptions,
): Promise<void> {
  const { client, keychain, images, signal } = options;
  const { repository } = reference;
  const found = await client
    .call(base, repository, `blobs/${blob.digest}`, keychain, {
      method: 'HEAD',
      actions: 'pull,push',
      signal,
    })
    .catch((error: unknown) => {
      if (error instanceof RegistryError && error.status === 404) return undefined;
      throw error;
    });
  if (found !== undefined) {
    await found.body.dump();
    return;
  }
  const begun = await client.call(base, repository, 'blobs/uploads/', keychain, {
    method: 'POST',
    actions: 'pull,push',
    signal,
  });
  await begun.body.dump();
  const location = begun.headers['location'];
  if (typeof location !== 'string')
    throw new RegistryError(`${reference.host} does not say where to send a layer.`, 502);
  const target = new URL(location, `${base}/`);
  target.searchParams.set('digest', blob.digest);
  const body = await images.content.read(blob.digest);
  const { size } = await stat(images.content.pathOf(blob.digest));
  const done = await client.call(base, repository, target.href, keychain, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
    body,
    actions: 'pull,push',
    signal,
  });
  await done.body.dump();
}

async function pushManifest(
  base: string,
  image: Image,
  reference: Reference,
  options: PushOptions,
): Promise<void> {
  const { client, keychain, images, signal } = options;
  const chunks: Buffer[] = [];
  for await (const chunk of await images.content.read(image.digest)) chunks.push(chunk as Buffer);
  const done = await client.call(
    base,
    reference.repository,
    `manifests/${reference.tag ?? image.digest}`,
    keychain,
    {
      method: 'PUT',
      headers: { 'content-type': image.manifest.mediaType ?? MEDIA.manifest },
      body: Buffer.concat(chunks),
      actions: 'pull,push',
      signal,
    },
  );
  await done.body.dump();
}
