import { createHash } from 'node:crypto';
import type { RemoteResolver } from './resolver.ts';

const MAX_BYTES = 1024 * 1024;
const TIMEOUT_MS = 60_000;

/** Tekton's `http` resolver: one URL, never with credentials. */
export function httpResolver(fetchUrl: typeof fetch): RemoteResolver {
  return async (params, { signal }) => {
    const url = new URL(String(params['url'] ?? ''));
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      throw new Error(`${url.protocol} is no protocol that can be fetched from`);
    const response = await fetchUrl(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    if (!response.ok) throw new Error(`${url.host} answered ${response.status}`);
    const text = await limited(response);
    return {
      text,
      provenance: {
        refSource: { uri: url.href, digest: { sha256: createHash('sha256').update(text).digest('hex') } },
      },
    };
  };
}

async function limited(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`the answer is larger than ${MAX_BYTES / 1024} KiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
