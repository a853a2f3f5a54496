import {
  CONFIG_MAPS,
  type Informer,
  isApiError,
  type KubeClient,
  type KubeObject,
  type Pod,
  type ResourceRef,
  SECRETS,
} from '../../kube/index.ts';
import type { PayloadSource } from '../volumes/sources.ts';

export interface ApiValuesOptions {
  client: KubeClient;
  services: Informer;
  nodes: Informer;
  hostIp: string;
}

/** Values for environments and volumes, read from the API when a pod needs them. */
export class ApiValues implements PayloadSource {
  readonly #options: ApiValuesOptions;

  constructor(options: ApiValuesOptions) {
    this.#options = options;
  }

  get hostIp(): string {
    return this.#options.hostIp;
  }

  async configMap(namespace: string, name: string): Promise<Record<string, string> | undefined> {
    const found = await this.#get(CONFIG_MAPS, namespace, name);
    return found && ((found['data'] as Record<string, string> | undefined) ?? {});
  }

  async secret(namespace: string, name: string): Promise<Record<string, string> | undefined> {
    const files = await this.secretFiles(namespace, name);
    return files && Object.fromEntries(Object.entries(files).map(([key, value]) => [key, value.toString()]));
  }

  async configMapFiles(namespace: string, name: string): Promise<Record<string, Buffer> | undefined> {
    const found = await this.#get(CONFIG_MAPS, namespace, name);
    if (found === undefined) return undefined;
    const text = (found['data'] as Record<string, string> | undefined) ?? {};
    const binary = (found['binaryData'] as Record<string, string> | undefined) ?? {};
    return {
      ...Object.fromEntries(Object.entries(text).map(([key, value]) => [key, Buffer.from(value)])),
      ...Object.fromEntries(
        Object.entries(binary).map(([key, value]) => [key, Buffer.from(value, 'base64')]),
      ),
    };
  }

  async secretFiles(namespace: string, name: string): Promise<Record<string, Buffer> | undefined> {
    const found = await this.#get(SECRETS, namespace, name);
    if (found === undefined) return undefined;
    const data = (found['data'] as Record<string, string> | undefined) ?? {};
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64')]),
    );
  }

  services(namespace: string): KubeObject[] {
    return this.#options.services.byIndex('namespace', namespace);
  }

  allocatable(node: string): Record<string, string> {
    const found = this.#options.nodes.get('', node);
    return (found?.['status'] as { allocatable?: Record<string, string> } | undefined)?.allocatable ?? {};
  }

  /** A token of the pod's service account that dies with the pod. */
  async token(
    pod: Pod,
    request: { audience: string | undefined; expirationSeconds: number },
  ): Promise<{ token: string; expiresAt: number }> {
    const { namespace = '', name = '', uid = '' } = pod.metadata;
    const account = pod.spec.serviceAccountName ?? 'default';
    const answer = await this.#options.client.raw<{ status: { token: string; expirationTimestamp: string } }>(
      {
        method: 'POST',
        path: `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
        headers: { 'content-type': 'application/json' },
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: {
            expirationSeconds: Math.max(600, request.expirationSeconds),
            ...(request.audience && { audiences: [request.audience] }),
            boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid },
          },
        },
      },
    );
    return { token: answer.status.token, expiresAt: Date.parse(answer.status.expirationTimestamp) };
  }

  async #get(resource: ResourceRef, namespace: string, name: string): Promise<KubeObject | undefined> {
    try {
      return await this.#options.client.get(resource, namespace, name);
    } catch (error) {
      if (isApiError(error, 'NotFound')) return undefined;
      throw error;
    }
  }
}
