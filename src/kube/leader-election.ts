import { pause } from './abort.ts';
import type { KubeClient, ResourceRef } from './client.ts';

import type { KubeObject } from './object.ts';
import { isApiError } from './status.ts';

export const LEASES: ResourceRef = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  namespaced: true,
};

interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}

type Lease = KubeObject & { spec: LeaseSpec };

export interface ElectionOptions {
  client: KubeClient;
  namespace: string;
  name: string;
  identity: string;
  leaseMs?: number;
  renewMs?: number;
  now?: () => number;
}

/**
 * Leader election by Lease. A holder that cannot renew in time stops leading before its lease can run out for
 * others; time is measured here, from when a renewal was seen, so clocks of other machines do not matter.
 */
export class LeaderElection {
  readonly #options: ElectionOptions;
  readonly #leaseMs: number;
  readonly #renewMs: number;
  readonly #now: () => number;
  #seen: { version: string; at: number } | undefined;

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? 15_000;
    this.#renewMs = options.renewMs ?? 2_000;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Runs `lead` whenever this process holds the lease; its signal aborts when the lease is lost. */
  async run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#tryAcquire(signal)) await this.#hold(lead, signal);
      else await pause(this.#renewMs, signal);
    }
  }

  async #hold(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const lost = new AbortController();
    const leading = lead(AbortSignal.any([signal, lost.signal]));
    let renewed = this.#now();
    while (!signal.aborted && this.#now() - renewed < (this.#leaseMs * 2) / 3) {
      await pause(this.#renewMs, signal);
      if (signal.aborted) break;
      const outcome = await this.#renew(signal);
      if (outcome === 'taken') break;
      if (outcome === 'renewed') renewed = this.#now();
    }
    lost.abort();
    await leading;
    if (signal.aborted) await this.#release();
  }

  async #renew(signal: AbortSignal): Promise<'renewed' | 'taken' | 'unknown'> {
    try {
      return (await this.#tryAcquire(signal)) ? 'renewed' : 'taken';
    } catch {
      return 'unknown';
    }
  }

  /** Takes or renews the lease; false when somebody else holds it. */
  async #tryAcquire(signal: AbortSignal): Promise<boolean> {
    const { client, namespace, name, identity } = this.#options;
    try {
      const lease = await client.get<Lease>(LEASES, namespace, name, signal);
      const { spec } = lease;
      const isMine = spec.holderIdentity === identity;
      if (!isMine && spec.holderIdentity && !this.#isExpired(lease)) return false;
      const time = microTime();
      const transitions = (spec.leaseTransitions ?? 0) + (isMine ? 0 : 1);
      const next = {
        ...spec,
        ...this.#claim(time),
        leaseTransitions: transitions,
        ...(isMine && spec.acquireTime && { acquireTime: spec.acquireTime }),
      };
      // The version of the read goes along: of two that try at once, one gets a conflict.
      await client.update<Lease>(LEASES, { ...lease, spec: next }, { signal });
      return true;
    } catch (error) {
      if (isApiError(error, 'NotFound')) return this.#create(signal);
      if (isApiError(error, 'Conflict')) return false;
      if (signal.aborted) return false;
      throw error;
    }
  }

  async #create(signal: AbortSignal): Promise<boolean> {
    const { client, namespace, name } = this.#options;
    const lease: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace, name },
      spec: { ...this.#claim(microTime()), leaseTransitions: 0 },
    };
    try {
      await client.create(LEASES, lease, { signal });
      return true;
    } catch (error) {
      if (isApiError(error, 'AlreadyExists')) return false;
      throw error;
    }
  }

  #claim(time: string): LeaseSpec {
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: Math.ceil(this.#leaseMs / 1000),
      acquireTime: time,
      renewTime: time,
    };
  }

  #isExpired(lease: Lease): boolean {
    const version = lease.metadata.resourceVersion ?? '';
    if (this.#seen?.version !== version) this.#seen = { version, at: this.#now() };
    const duration = (lease.spec.leaseDurationSeconds ?? this.#leaseMs / 1000) * 1000;
    return this.#now() - this.#seen.at > duration;
  }

  /** Lets the next one start without waiting for the lease to run out. */
  async #release(): Promise<void> {
    const { client, namespace, name, identity } = this.#options;
    try {
      const lease = await client.get<Lease>(LEASES, namespace, name);
      if (lease.spec.holderIdentity !== identity) return;
      await client.update<Lease>(LEASES, {
        ...lease,
        spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 },
      });
    } catch {
      // It runs out by itself.
    }
  }
}

function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
