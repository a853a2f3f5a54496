import { createGunzip, createZstdDecompress } from 'node:zlib';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import type { ContentStore } from './content/content-store.ts';
import type { Manifest } from './manifest.ts';

const MAX_BYTES = 1024 * 1024;
const MAX_LAYERS = 20;
const ANNOTATION = 'dev.tekton.image.';

/** The object that a bundle holds under a kind and a name: an image whose layers are files with one object each. */
export async function readBundle(
  content: ContentStore,
  { layers }: Manifest,
  wanted: { kind: string; name: string },
): Promise<string> {
  if (layers.length > MAX_LAYERS)
    throw new Error(`the bundle has ${layers.length} objects, and may have ${MAX_LAYERS}`);
  const said = (at: number, key: string): string => layers[at]?.annotations?.[`${ANNOTATION}${key}`] ?? '';
  const at = layers.findIndex(
    (_, index) =>
      said(index, 'kind').toLowerCase() === wanted.kind.toLowerCase() && said(index, 'name') === wanted.name,
  );
  const layer = layers[at];
  if (layer === undefined) {
    const there = layers.map((_, index) => `${said(index, 'kind')} ${said(index, 'name')}`).join(', ');
    throw new Error(`the bundle has no ${wanted.kind} ${wanted.name}: it has ${there || 'nothing'}`);
  }
  const source = await content.read(layer.digest);
  const unpacking = layer.mediaType.endsWith('gzip')
    ? [createGunzip()]
    : layer.mediaType.endsWith('zstd')
      ? [createZstdDecompress()]
      : [];
  const archive = extract();
  const found = firstFile(archive);
  const [text] = await Promise.all([found, pipeline([source, ...unpacking, archive]).catch(() => undefined)]);
  return text;
}

/** The first file of an archive; what comes behind it is not read. */
async function firstFile(archive: ReturnType<typeof extract>): Promise<string> {
  for await (const entry of archive) {
    if (entry.header.type !== 'file') {
      entry.resume();
      continue;
    }
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of entry as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BYTES) throw new Error(`the object is larger than ${MAX_BYTES / 1024} KiB`);
      chunks.push(chunk);
    }
    archive.destroy();
    return Buffer.concat(chunks).toString();
  }
  throw new Error('the layer of the object holds no file');
}
