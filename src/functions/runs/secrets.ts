import { type Informer, type Secret, secretText } from '../../kube/index.ts';

/** The values of Secrets as one object, later ones over earlier ones, as the text of its JSON. */
export function secretsOf(
  informer: Informer<Secret>,
  namespace: string,
  names: readonly string[],
): { text: string; missing: string[] } {
  const { text, missing } = servicesOf(informer, namespace, names);
  const values = Object.values(JSON.parse(text) as Record<string, object>);
  return { text: JSON.stringify(Object.assign({}, ...values)), missing };
}

/** The values of Secrets, each under the name of its Secret. */
export function servicesOf(
  informer: Informer<Secret>,
  namespace: string,
  names: readonly string[],
): { text: string; missing: string[] } {
  const services = names.map((name): [string, Record<string, string>] => {
    const secret = informer.get(namespace, name);
    const keys = Object.keys(secret?.data ?? {});
    return [name, Object.fromEntries(keys.map((key) => [key, secretText(secret, key)]))];
  });
  const missing = names.filter((name) => informer.get(namespace, name) === undefined);
  return { text: JSON.stringify(Object.fromEntries(services)), missing };
}
