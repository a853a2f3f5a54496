import type { Source } from './source.ts';

export interface WantedHook {
  /** Where its provider is to deliver to. */
  url: string;
  /** The hook that was made before, as the provider calls it. */
  knownId: string | undefined;
  /** What is to sign its deliveries. */
  secret: () => Promise<string>;
}

/** Makes the webhook of a repository as it should be: missing ones are made, those of before are taken away. */
export async function ensureHook(
  { api, fullName, verifyTls }: Source,
  { url, knownId, secret }: WantedHook,
): Promise<string> {
  const hooks = (await api?.listHooks(fullName)) ?? [];
  for (const hook of hooks)
    if (hook.id === knownId && hook.url !== url) await api?.deleteHook(fullName, hook.id);
  const found = hooks.find((hook) => hook.url === url);
  // A hook that is not remembered may have been made with a secret that nobody knows any more.
  if (found !== undefined && found.id !== knownId) await api?.deleteHook(fullName, found.id);
  if (found !== undefined && found.id === knownId) return found.id;
  return (await api?.createHook(fullName, { url, secret: await secret(), verifyTls }))?.id ?? '';
}
