import { type Informer, type Secret, secretText } from '../../kube/index.ts';

/** The values of Secrets as one object, later ones over earlier ones, as the text of its JSON. */
export function secretsOf(
  informer: Informer<Secret>,
  namespace: string,
  names: readonly string[],
): { text: string; missing: string[] } {
  const values: Record<string, string> = {};
  const missing: string[] = [];
  for (const name of names) {
    const secret = informer.get(namespace, name);
    if (secret === undefined) missing.push(name);
    for (const key of Object.keys(secret?.data ?? {})) values[key] = secretText(secret, key);
  }
  return { text: JSON.stringify(values), missing };
}
