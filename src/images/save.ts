import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ContentStore } from './content/content-store.ts';
import type { Image } from './content/image-store.ts';
import { TAR_END, tarHeader, tarPadding } from './content/tar-writer.ts';
import { MEDIA } from './manifest.ts';

export interface SaveOptions {
  content: ContentStore;
  type: 'tar' | 'oci';
  path: string;
  name: string | undefined;
}

/** Writes an image as an OCI layout: a directory, or a tar file that docker and podman load too. */
export async function saveImage(image: Image, { content, type, path, name }: SaveOptions): Promise<void> {
  const index = {
    schemaVersion: 2,
    mediaType: MEDIA.index,
    manifests: [
      {
        mediaType: image.manifest.mediaType ?? MEDIA.manifest,
        digest: image.digest,
        size: (await content.sizeOf(image.digest)) ?? 0,
        ...(name !== undefined && { annotations: { 'org.opencontainers.image.ref.name': name } }),
      },
    ],
  };
  const documents: Record<string, string> = {
    'oci-layout': JSON.stringify({ imageLayoutVersion: '1.0.0' }),
    'index.json': JSON.stringify(index),
    'manifest.json': JSON.stringify([
      {
        Config: blobPath(image.manifest.config.digest),
        RepoTags: name === undefined ? [] : [name],
        Layers: image.manifest.layers.map((layer) => blobPath(layer.digest)),
      },
    ]),
  };
  const blobs = [
    ...new Set([
      image.digest,
      image.manifest.config.digest,
      ...image.manifest.layers.map((layer) => layer.digest),
    ]),
  ];
  if (type === 'tar')
    await pipeline(Readable.from(tarOf(content, documents, blobs)), createWriteStream(path));
  else await writeLayout(content, path, documents, blobs);
}

async function writeLayout(
  content: ContentStore,
  path: string,
  documents: Record<string, string>,
  blobs: readonly string[],
): Promise<void> {
  await mkdir(join(path, 'blobs', 'sha256'), { recursive: true });
  for (const digest of blobs)
    await pipeline(await content.read(digest), createWriteStream(join(path, blobPath(digest))));
  for (const [name, text] of Object.entries(documents))
    if (name !== 'manifest.json') await writeFile(join(path, name), text);
}

async function* tarOf(
  content: ContentStore,
  documents: Record<string, string>,
  blobs: readonly string[],
): AsyncGenerator<Buffer> {
  for (const digest of blobs) {
    const size = (await content.sizeOf(digest)) ?? 0;
    yield tarHeader({ name: blobPath(digest), type: 'file', mode: 0o644, size });
    yield* (await content.read(digest)) as AsyncIterable<Buffer>;
    yield tarPadding(size);
  }
  for (const [name, text] of Object.entries(documents)) {
    const bytes = Buffer.from(text);
    yield tarHeader({ name, type: 'file', mode: 0o644, size: bytes.length });
    yield bytes;
    yield tarPadding(bytes.length);
  }
  yield TAR_END;
}

function blobPath(digest: string): string {
  return `blobs/sha256/${digest.slice(7)}`;
}
