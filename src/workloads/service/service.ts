import type { KubeObject, Pod } from '../../kube/index.ts';

export interface ServicePort {
  name?: string;
  port: number;
  targetPort?: number | string;
  protocol?: string;
  nodePort?: number;
  appProtocol?: string;
}

export interface Service extends KubeObject {
  spec: {
    type?: string;
    selector?: Record<string, string>;
    ports?: ServicePort[];
    clusterIP?: string;
    externalName?: string;
    sessionAffinity?: string;
    publishNotReadyAddresses?: boolean;
  };
  status?: { loadBalancer?: { ingress?: { ip?: string; hostname?: string; ports?: unknown[] }[] } };
}

export interface SlicePort {
  name?: string;
  port: number;
  protocol: string;
  appProtocol?: string;
}

export interface SliceEndpoint {
  addresses: string[];
  conditions: { ready: boolean; serving: boolean; terminating: boolean };
  hostname?: string;
  nodeName?: string;
  targetRef?: { kind: string; name: string; namespace: string; uid: string };
}

export interface EndpointSlice extends KubeObject {
  addressType: string;
  endpoints: SliceEndpoint[];
  ports?: SlicePort[];
}

/** The port of a pod behind a port of a service; undefined when the pod has none of that name. */
export function targetPort(
  pod: Pod,
  { port, targetPort: target, protocol = 'TCP' }: ServicePort,
): number | undefined {
  if (target === undefined || target === 0) return port;
  if (typeof target === 'number') return target;
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])])
    for (const item of container.ports ?? [])
      if (item.name === target && (item.protocol ?? 'TCP') === protocol) return item.containerPort;
  return /^\d+$/.test(target) ? Number(target) : undefined;
}
