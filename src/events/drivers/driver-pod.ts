import { randomBytes } from 'node:crypto';
import {
  controllerReference,
  INGRESSES,
  isApiError,
  type KubeClient,
  type KubeObject,
  type Pod,
  PODS,
  SECRETS,
  SERVICES,
  unlessGone,
  unlessThere,
} from '../../kube/index.ts';
import { API_VERSION, type DriverObject, type DriverTypeObject, type Setting } from '../resources.ts';

export interface PodDriver {
  driver: DriverObject;
  type: DriverTypeObject;
  eventsUrl: string;
  /** Names of the values of its secrets. */
  secretKeys: ReadonlyMap<string, readonly string[]>;
}

const TOKEN_BYTES = 32;
const PORT = 80;
export const DRIVER_LABEL = 'dispatch.dev/driver';

export function tokenSecretName(driver: DriverObject): string {
  return `driver-${driver.metadata.name}-token`;
}

export function podName(driver: DriverObject): string {
  return `driver-${driver.metadata.name}`;
}

/** Makes what a driver in a pod consists of, as far as it is not there. */
export async function ensureDriverPod(
  client: KubeClient,
  wanted: PodDriver,
  current: Pod | undefined,
): Promise<void> {
  const { driver, type } = wanted;
  await ensureToken(client, driver);
  const pod = podOf(wanted);
  const hash = pod.metadata.annotations?.['dispatch.dev/spec'];
  if (current !== undefined && current.metadata.annotations?.['dispatch.dev/spec'] !== hash) {
    const { namespace = '', name = '' } = current.metadata;
    await unlessGone(client.delete(PODS, namespace, name));
  }
  if (current === undefined) await unlessThere(client.create(PODS, pod));
  if (type.spec.expose) await expose(client, driver);
}

/** The word by which a driver shows who it is. Nobody but its pod is told. */
async function ensureToken(client: KubeClient, driver: DriverObject): Promise<void> {
  const { namespace = '' } = driver.metadata;
  try {
    await client.get(SECRETS, namespace, tokenSecretName(driver));
  } catch (error) {
    if (!isApiError(error, 'NotFound')) throw error;
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    await unlessThere(
      client.create<KubeObject>(SECRETS, {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: metadataOf(driver, tokenSecretName(driver)),
        type: 'Opaque',
        data: { token: Buffer.from(token).toString('base64') },
      }),
    );
  }
}

function podOf({ driver, type, eventsUrl, secretKeys }: PodDriver): Pod {
  const { spec } = driver;
  const args = settingsOf(type.spec.config, spec.config).map(({ key, value }) =>
    value === undefined || value === '' ? `--${key}` : `--${key}=${value}`,
  );
  const tokenFrom = { secretKeyRef: { name: tokenSecretName(driver), key: 'token' } };
  const secrets = [...secretKeys].flatMap(([name, keys]) =>
    keys.map((key) => ({
      name: key.toUpperCase().replaceAll('-', '_'),
      valueFrom: { secretKeyRef: { name, key } },
    })),
  );
  const podSpec: Pod['spec'] = {
    restartPolicy: 'Always',
    automountServiceAccountToken: false,
    containers: [
      {
        name: 'driver',
        image: type.spec.image,
        args,
        env: [
          ...secrets,
          { name: 'DISPATCH_API_ENDPOINT', value: eventsUrl },
          { name: 'K_SINK', value: eventsUrl },
          { name: 'DRIVER_NAME', value: driver.metadata.name ?? '' },
          { name: 'AUTH_TOKEN', valueFrom: tokenFrom },
        ],
        ...(type.spec.expose && { ports: [{ containerPort: PORT, name: 'http' }] }),
      },
    ],
  };
  const metadata = metadataOf(driver, podName(driver));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, annotations: { 'dispatch.dev/spec': JSON.stringify(podSpec) } },
    spec: podSpec,
  };
}

/** The driver's own settings take the place of those of its type. */
export function settingsOf(type: readonly Setting[] = [], own: readonly Setting[] = []): Setting[] {
  const all = new Map([...type, ...own].map((item) => [item.key, item]));
  return [...all.values()];
}

async function expose(client: KubeClient, driver: DriverObject): Promise<void> {
  const name = podName(driver);
  const metadata = metadataOf(driver, name);
  const path = driverPath(driver);
  await client.apply<KubeObject>(
    SERVICES,
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: { [DRIVER_LABEL]: driver.metadata.name }, ports: [{ name: 'http', port: PORT }] },
    },
    { force: true },
  );
  await client.apply<KubeObject>(
    INGRESSES,
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: {
        ...metadata,
        annotations: { 'dispatch.dev/rewrite-target': '/$1', 'dispatch.dev/use-regex': 'true' },
      },
      spec: {
        rules: [
          {
            http: {
              paths: [
                {
                  path: `${path}/?(.*)`,
                  pathType: 'ImplementationSpecific',
                  backend: { service: { name, port: { number: PORT } } },
                },
              ],
            },
          },
        ],
      },
    },
    { force: true },
  );
}

export function driverPath({ metadata }: DriverObject): string {
  return `/dispatch/driver/${metadata.namespace}/${metadata.name}`;
}

function metadataOf(driver: DriverObject, name: string): KubeObject['metadata'] {
  return {
    name,
    namespace: driver.metadata.namespace ?? '',
    labels: { [DRIVER_LABEL]: driver.metadata.name ?? '' },
    ownerReferences: [controllerReference({ ...driver, apiVersion: API_VERSION, kind: 'EventDriver' })],
  };
}
