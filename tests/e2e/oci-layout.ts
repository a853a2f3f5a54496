import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

export interface Layer {
  mediaType: string;
  bytes: Buffer;
  annotations?: Record<string, string>;
}

/** Files as a packed archive. */
export async function packed(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, text] of Object.entries(files)) archive.entry({ name }, text);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}

/** A directory that skopeo copies from: one image, tagged v1, of these layers. */
export function ociLayout(
  dir: string,
  layers: readonly Layer[],
  configType = 'application/vnd.oci.image.config.v1+json',
): string {
  mkdirSync(join(dir, 'blobs', 'sha256'), { recursive: true });
  const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  const put = (bytes: Buffer, mediaType: string): { mediaType: string; digest: string; size: number } => {
    writeFileSync(join(dir, 'blobs', 'sha256', digestOf(bytes)), bytes);
    return { mediaType, digest: `sha256:${digestOf(bytes)}`, size: bytes.length };
  };
  const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));
  const diffs = layers.map(({ bytes }) => `sha256:${digestOf(gunzipSync(bytes))}`);
  const config = put(
    json({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffs } }),
    configType,
  );
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = put(
    json({
      schemaVersion: 2,
      mediaType: type,
      config,
      layers: layers.map(({ bytes, mediaType, annotations }) => ({
        ...put(bytes, mediaType),
        ...(annotations !== undefined && { annotations }),
      })),
    }),
    type,
  );
  const annotations = { 'org.opencontainers.image.ref.name': 'v1' };
  writeFileSync(
    join(dir, 'index.json'),
    json({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  writeFileSync(join(dir, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }));
  return dir;
}
