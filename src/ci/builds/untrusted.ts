/** Code of strangers runs as this account: it holds nothing, and may nothing. */
export const UNTRUSTED = 'dispatch-untrusted';

const FORBIDDEN: Readonly<Record<string, string>> = {
  secretKeyRef: 'a Secret',
  secretRef: 'a Secret',
  secretName: 'a Secret',
  secret: 'a Secret',
  imagePullSecrets: 'a Secret',
  persistentVolumeClaim: 'a persistent volume',
  hostPath: 'a directory of the machine',
  hostNetwork: 'the network of the machine',
  serviceAccountToken: 'a token',
};

/** What a run asks for that code of strangers must not have. A pod may name any Secret of its namespace. */
export function forbiddenIn(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.map(forbiddenIn).find((item) => item !== undefined);
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, item] of Object.entries(value)) {
    if (Object.hasOwn(FORBIDDEN, key) && typeof item !== 'boolean') return FORBIDDEN[key];
    if (key === 'hostNetwork' && item === true) return FORBIDDEN[key];
    if (key === 'privileged' && item === true) return 'all privileges';
    const inner = forbiddenIn(item);
    if (inner !== undefined) return inner;
  }
  return undefined;
}
