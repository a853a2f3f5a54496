import { arch, cpus, release, totalmem } from 'node:os';
import {
  type Condition,
  type Informer,
  type Informers,
  isApiError,
  type KubeClient,
  LEASES,
  type Logger,
  NODES,
  withCondition,
  every,
} from '../kube/index.ts';
import type { Node } from './scheduler/node.ts';

export interface NodeStatusOptions {
  client: KubeClient;
  informers: Informers;
  /** The node that stands for this machine itself. */
  nodeName: string;
  hostIp: string;
  version: string;
  runtime: string;
  /** Why no containers run here, where that is so. */
  problem: string | undefined;
  kernel?: string;
  now: () => number;
  log: Logger;
}

const PROVIDER = 'dispatch://';
const LEASE_NAMESPACE = 'kube-node-lease';
const RENEW_MS = 10_000;
const LEASE_SECONDS = 40;
const MAX_PODS = 110;

/** Tells the API that the nodes of this machine are there: the machine itself, and logical ones beside it. */
export class NodeStatus {
  readonly #options: NodeStatusOptions;
  readonly #nodes: Informer<Node>;

  constructor(options: NodeStatusOptions) {
    this.#options = options;
    this.#nodes = options.informers.for<Node>(NODES);
  }

  isOurs(name: string): boolean {
    if (name === this.#options.nodeName) return true;
    return this.#nodes.get('', name)?.spec.providerID?.startsWith(PROVIDER) ?? false;
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#register();
    this.#nodes.addHandler({
      added: (node) => void this.#report(node),
      updated: (node) => {
        if (node.status?.conditions === undefined) void this.#report(node);
      },
    });
    every(RENEW_MS, signal, () => {
      for (const node of this.#nodes.list())
        if (this.isOurs(node.metadata.name ?? '')) void this.#renew(node);
    });
  }

  async #register(): Promise<void> {
    const { client, nodeName } = this.#options;
    try {
      await client.create<Node>(NODES, {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: {
          name: nodeName,
          labels: { ...labelsOf(nodeName), 'node-role.kubernetes.io/control-plane': '' },
        },
        spec: { providerID: `${PROVIDER}${nodeName}` },
      });
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists')) throw error;
    }
  }

  async #report(node: Node): Promise<void> {
    const name = node.metadata.name ?? '';
    if (!this.isOurs(name)) return;
    const { client, now, log } = this.#options;
    try {
      const missing = Object.entries(labelsOf(name)).filter(
        ([key]) => node.metadata.labels?.[key] === undefined,
      );
      if (missing.length > 0)
        await client.patch(NODES, { name }, 'merge', { metadata: { labels: Object.fromEntries(missing) } });
      await client.patch(
        NODES,
        { name },
        'strategic',
        { status: this.#status(node, now()) },
        { subresource: 'status' },
      );
      await this.#renew(node);
    } catch (error) {
      if (!isApiError(error, 'NotFound'))
        log.warn({ err: error, node: name }, 'the status of a node could not be written');
    }
  }

  #status(node: Node, now: number): Record<string, unknown> {
    const { hostIp, version, runtime, kernel, problem } = this.#options;
    const capacity = {
      cpu: String(cpus().length),
      memory: `${Math.floor(totalmem() / 1024)}Ki`,
      pods: String(MAX_PODS),
      'ephemeral-storage': '50Gi',
      ...node.status?.capacity,
    };
    const heartbeat = `${new Date(now).toISOString().slice(0, 19)}Z`;
    const facts: Omit<Condition, 'lastTransitionTime'>[] = [
      {
        type: 'MemoryPressure',
        status: 'False',
        reason: 'KubeletHasSufficientMemory',
        message: 'kubelet has sufficient memory available',
      },
      {
        type: 'DiskPressure',
        status: 'False',
        reason: 'KubeletHasNoDiskPressure',
        message: 'kubelet has no disk pressure',
      },
      {
        type: 'PIDPressure',
        status: 'False',
        reason: 'KubeletHasSufficientPID',
        message: 'kubelet has sufficient PID available',
      },
      problem === undefined
        ? {
            type: 'Ready',
            status: 'True',
            reason: 'KubeletReady',
            message: 'kubelet is posting ready status',
          }
        : { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: problem },
    ];
    let conditions = node.status?.conditions;
    for (const fact of facts) conditions = withCondition(conditions, fact, now);
    return {
      capacity,
      allocatable: { ...capacity, ...node.status?.allocatable },
      conditions: conditions!.map((item) => ({ ...item, lastHeartbeatTime: heartbeat })),
      addresses: [
        { type: 'InternalIP', address: hostIp },
        { type: 'Hostname', address: node.metadata.name },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: 0 } },
      nodeInfo: {
        architecture: architecture(),
        bootID: '',
        containerRuntimeVersion: `${runtime}://${version}`,
        kernelVersion: kernel ?? release(),
        kubeProxyVersion: '',
        kubeletVersion: `v${version}`,
        machineID: '',
        operatingSystem: 'linux',
        osImage: 'Dispatch',
        systemUUID: '',
      },
    };
  }

  async #renew(node: Node): Promise<void> {
    const { client, now } = this.#options;
    const name = node.metadata.name ?? '';
    const spec = {
      holderIdentity: name,
      leaseDurationSeconds: LEASE_SECONDS,
      renewTime: `${new Date(now()).toISOString().slice(0, -1)}000Z`,
    };
    const target = { namespace: LEASE_NAMESPACE, name };
    try {
      await client.patch(LEASES, target, 'merge', { spec });
    } catch (error) {
      if (!isApiError(error, 'NotFound')) return;
      await client
        .create(LEASES, {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: {
            ...target,
            ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid: node.metadata.uid ?? '' }],
          },
          spec,
        })
        .catch(() => {});
    }
  }
}

function labelsOf(name: string): Record<string, string> {
  return {
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': architecture(),
    'beta.kubernetes.io/os': 'linux',
    'beta.kubernetes.io/arch': architecture(),
  };
}

function architecture(): string {
  const names: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };
  return names[arch()] ?? arch();
}
