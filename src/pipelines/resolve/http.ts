import { createHash } from 'node:crypto';
import { readLimited } from '../../kube/index.ts';
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
    const text = (await readLimited(response.body ?? [], MAX_BYTES))?.toString();
    if (text === undefined) throw new Error(`the answer is larger than ${MAX_BYTES / 1024} KiB`);
    return {
      text,
      provenance: {
        refSource: { uri: url.href, digest: { sha256: createHash('sha256').update(text).digest('hex') } },
      },
    };
  };
}
