import type { SourceFile } from '../../../functions/index.ts';
import type { KubeClient } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';

/** Sources up to this size lie in the object itself, where people can read them. */
const MAX_INLINE = 64 * 1024;
/** In Base64: requests are not larger. */
const MAX_UPLOAD = 2.75 * 1024 * 1024;

export const RUN_BASE = '/apis/run.dispatch.dev/v1alpha1';

/** The source of a function: small ones as texts, others by the digest under which the server has them. */
export async function sourceOf(
  files: readonly SourceFile[],
  { client, namespace }: { client: KubeClient; namespace: string },
): Promise<object> {
  const texts = inline(files);
  if (texts !== undefined) return { files: texts };
  const size = files.reduce((sum, { data }) => sum + data.length, 0);
  if (size > MAX_UPLOAD)
    throw new UserError(
      `The source is larger than ${Math.floor((MAX_UPLOAD * 3) / 4 / 1024 / 1024)} MiB: leave out what is not code, and put libraries into the image (dispatch create image --runtime-deps).`,
    );
  const { digest } = await client.raw<{ digest: string }>({
    method: 'POST',
    path: `${RUN_BASE}/namespaces/${encodeURIComponent(namespace)}/functionsources`,
    headers: { 'content-type': 'application/json' },
    body: { files },
  });
  return { digest };
}

function inline(files: readonly SourceFile[]): Record<string, string> | undefined {
  let size = 0;
  const texts: Record<string, string> = {};
  for (const { path, mode, data } of files) {
    const bytes = Buffer.from(data, 'base64');
    size += bytes.length;
    const text = bytes.toString();
    if (size > MAX_INLINE || mode !== undefined || !Buffer.from(text).equals(bytes)) return undefined;
    texts[path] = text;
  }
  return texts;
}
