import {
  type Container,
  type EnvVar,
  formatQuantity,
  type KubeObject,
  type Pod,
  parseQuantity,
} from '../../kube/index.ts';
import { PodProblem } from './problem.ts';

/** Where values of ConfigMaps and Secrets, and facts about the node, come from. */
export interface ValueSource {
  configMap: (namespace: string, name: string) => Promise<Record<string, string> | undefined>;
  secret: (namespace: string, name: string) => Promise<Record<string, string> | undefined>;
  /** The Services whose addresses a pod of the namespace is told. */
  services: (namespace: string) => KubeObject[];
  allocatable: (node: string) => Record<string, string>;
  hostIp: string;
}

const NAME = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

/** The environment of a container, in the order that lets later values use earlier ones. */
export async function environmentOf(
  pod: Pod,
  container: Container,
  imageEnv: readonly string[],
  source: ValueSource,
): Promise<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const entry of imageEnv) {
    const at = entry.indexOf('=');
    env[at < 0 ? entry : entry.slice(0, at)] = at < 0 ? '' : entry.slice(at + 1);
  }
  env['HOSTNAME'] = hostnameOf(pod);
  const known: Record<string, string> = serviceVariables(pod, source);
  for (const from of container.envFrom ?? []) await addAll(known, pod, from, source);
  for (const variable of container.env ?? []) {
    const value = await variableValue(pod, container, variable, known, source);
    if (value !== undefined) known[variable.name] = value;
  }
  return { ...env, ...known };
}

/** $(NAME) becomes the variable's value, $$(NAME) stays as $(NAME), and an unknown name stays as it is. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\$|\$\(([^()]*)\)/g, (whole, name: string | undefined) => {
    if (whole === '$$') return '$';
    return name !== undefined && Object.hasOwn(env, name) ? env[name]! : whole;
  });
}

export function hostnameOf(pod: Pod): string {
  return (pod.spec.hostname ?? pod.metadata.name ?? '').slice(0, 63).replace(/[-.]+$/, '');
}

async function addAll(
  known: Record<string, string>,
  pod: Pod,
  from: NonNullable<Container['envFrom']>[number],
  source: ValueSource,
): Promise<void> {
  const namespace = pod.metadata.namespace ?? '';
  const reference = from.configMapRef ?? from.secretRef;
  if (reference === undefined) return;
  const kind = from.configMapRef === undefined ? 'secret' : 'configmap';
  const values =
    kind === 'configmap'
      ? await source.configMap(namespace, reference.name)
      : await source.secret(namespace, reference.name);
  if (values === undefined) {
    if (reference.optional) return;
    throw new PodProblem('CreateContainerConfigError', `${kind} "${reference.name}" not found`);
  }
  for (const [key, value] of Object.entries(values)) {
    const name = `${from.prefix ?? ''}${key}`;
    if (NAME.test(name)) known[name] = value;
  }
}

async function variableValue(
  pod: Pod,
  container: Container,
  variable: EnvVar,
  known: Readonly<Record<string, string>>,
  source: ValueSource,
): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? '', known);
  if (from.fieldRef !== undefined) return fieldValue(pod, from.fieldRef.fieldPath, source.hostIp);
  if (from.resourceFieldRef !== undefined)
    return resourceValue(pod, from.resourceFieldRef, container.name, source);
  const namespace = pod.metadata.namespace ?? '';
  const reference = from.configMapKeyRef ?? from.secretKeyRef;
  if (reference === undefined) return '';
  const kind = from.configMapKeyRef === undefined ? 'secret' : 'configmap';
  const values =
    kind === 'configmap'
      ? await source.configMap(namespace, reference.name)
      : await source.secret(namespace, reference.name);
  if (values !== undefined && Object.hasOwn(values, reference.key)) return values[reference.key];
  if (reference.optional) return undefined;
  throw new PodProblem(
    'CreateContainerConfigError',
    values === undefined
      ? `${kind} "${reference.name}" not found`
      : `couldn't find key ${reference.key} in ${kind === 'secret' ? 'Secret' : 'ConfigMap'} ${namespace}/${reference.name}`,
  );
}

/** A field of the pod, as the downward API names it. */
export function fieldValue(pod: Pod, path: string, hostIp: string): string {
  const { metadata, spec, status } = pod;
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (keyed !== null) return metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2]!] ?? '';
  switch (path) {
    case 'metadata.name':
      return metadata.name ?? '';
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'metadata.labels':
      return pairs(metadata.labels);
    case 'metadata.annotations':
      return pairs(metadata.annotations);
    case 'spec.nodeName':
      return spec.nodeName ?? '';
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? '';
    case 'status.hostIP':
    case 'status.hostIPs':
      return hostIp;
    case 'status.podIP':
    case 'status.podIPs':
      return status?.podIP ?? '';
    default:
      throw new PodProblem('CreateContainerConfigError', `field ${path} is not supported`);
  }
}

export function resourceValue(
  pod: Pod,
  reference: { containerName?: string; resource: string; divisor?: string },
  ownName: string,
  source: Pick<ValueSource, 'allocatable'>,
): string {
  const name = reference.containerName || ownName;
  const container = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(
    (item) => item.name === name,
  );
  const [kind = '', resource = ''] = reference.resource.split('.');
  const list = kind === 'limits' ? container?.resources?.limits : container?.resources?.requests;
  // Without a limit the node itself is the limit.
  const text =
    list?.[resource] ?? (kind === 'limits' ? source.allocatable(pod.spec.nodeName ?? '')[resource] : '0');
  const amount = parseQuantity(text ?? '0')?.nano ?? 0n;
  const divisor = parseQuantity(
    reference.divisor && reference.divisor !== '0' ? reference.divisor : '1',
  )!.nano;
  const whole = (amount + divisor - 1n) / divisor;
  return formatQuantity({ nano: whole * 1_000_000_000n, format: 'decimal' }) === '0' ? '0' : String(whole);
}

function pairs(labels: Record<string, string> | undefined): string {
  return Object.entries(labels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

interface ServiceSpec {
  clusterIP?: string;
  ports?: { name?: string; port: number; protocol?: string }[];
}

function serviceVariables(pod: Pod, source: ValueSource): Record<string, string> {
  const namespace = pod.metadata.namespace ?? '';
  const variables: Record<string, string> = {};
  const add = (service: KubeObject): void => {
    const { clusterIP, ports = [] } = service['spec'] as ServiceSpec;
    const first = ports[0];
    if (!clusterIP || clusterIP === 'None' || first === undefined) return;
    const name = (service.metadata.name ?? '').toUpperCase().replaceAll('-', '_');
    variables[`${name}_SERVICE_HOST`] = clusterIP;
    variables[`${name}_SERVICE_PORT`] = String(first.port);
    variables[`${name}_PORT`] = `${(first.protocol ?? 'TCP').toLowerCase()}://${clusterIP}:${first.port}`;
    for (const port of ports) {
      const protocol = port.protocol ?? 'TCP';
      if (port.name)
        variables[`${name}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`] = String(port.port);
      const prefix = `${name}_PORT_${port.port}_${protocol}`;
      variables[prefix] = `${protocol.toLowerCase()}://${clusterIP}:${port.port}`;
      variables[`${prefix}_PROTO`] = protocol.toLowerCase();
      variables[`${prefix}_PORT`] = String(port.port);
      variables[`${prefix}_ADDR`] = clusterIP;
    }
  };
  for (const service of source.services('default')) if (service.metadata.name === 'kubernetes') add(service);
  if (pod.spec.enableServiceLinks !== false && namespace !== '')
    for (const service of source.services(namespace)) add(service);
  return variables;
}
