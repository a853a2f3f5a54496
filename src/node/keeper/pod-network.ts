import { closeSync, openSync, writeFileSync } from 'node:fs';
import { CLONE } from './constants.ts';
import { Netlink } from './netlink.ts';
import type { Syscalls } from './syscalls.ts';

const BRIDGE = 'dispatch0';
const GATEWAY = '10.244.0.1';
const PREFIX = 16;
const SERVICES = '10.96.0.0';
const SERVICES_PREFIX = 16;
const LOOPBACK_INDEX = 1;
const FIRST_HOST = 2;
const LAST_HOST = 0xfffe;

/** What a pod shares among its containers, held open by descriptors: it lives until they are closed. */
export interface PodNamespaces {
  net: number | undefined;
  ipc: number;
  uts: number;
  ip: string;
}

/** The network of the pods: a bridge in the keeper's own namespace, and a cable to each pod. */
export class PodNetwork {
  readonly #sys: Syscalls;
  readonly #own: { net: number; ipc: number; uts: number };
  /** Absent when the pods share the host's network. */
  readonly #bridge: { index: number; netlink: Netlink } | undefined;
  readonly #taken = new Set<string>();
  readonly #hostAddress: string;
  #next = FIRST_HOST;
  #cables = 0;

  constructor(sys: Syscalls, options: { hostNetwork: boolean; hostAddress: string }) {
    this.#sys = sys;
    this.#hostAddress = options.hostAddress;
    this.#own = openOwn();
    this.#bridge = options.hostNetwork ? undefined : makeBridge(sys);
  }

  /** `isolated` leaves the cable out. */
  create(hostname: string, isolated: boolean): PodNamespaces {
    if (this.#bridge === undefined)
      return { ...this.#unshared(hostname, 0), net: undefined, ip: this.#hostAddress };
    if (isolated) {
      const alone = this.#unshared(hostname, CLONE.NEWNET);
      this.within(alone, () => {
        using netlink = new Netlink(this.#sys);
        netlink.setUp(LOOPBACK_INDEX);
      });
      return { ...alone, ip: '127.0.0.1' };
    }
    const ip = this.#address();
    const made = this.#unshared(hostname, CLONE.NEWNET);
    try {
      this.#bridge.netlink.addVeth(`pod${++this.#cables}`, this.#bridge.index, {
        name: 'eth0',
        namespace: made.net,
      });
      this.within(made, () => this.#configure(ip));
      return { ...made, ip };
    } catch (error) {
      this.remove({ ...made, ip });
      throw error;
    }
  }

  remove(pod: PodNamespaces): void {
    for (const fd of [pod.net, pod.ipc, pod.uts]) if (fd !== undefined) closeSync(fd);
    this.#taken.delete(pod.ip);
  }

  /** Does something while the thread is in the pod's network. It must not wait. */
  within<T>(pod: { net: number | undefined }, work: () => T): T {
    if (pod.net === undefined) return work();
    this.#sys.setns(pod.net, CLONE.NEWNET);
    try {
      return work();
    } finally {
      this.#sys.setns(this.#own.net, CLONE.NEWNET);
    }
  }

  #unshared(hostname: string, net: number): { net: number; ipc: number; uts: number } {
    this.#sys.unshare(CLONE.NEWIPC | CLONE.NEWUTS | net);
    try {
      this.#sys.setHostname(hostname);
      return openOwn();
    } finally {
      this.#sys.setns(this.#own.ipc, CLONE.NEWIPC);
      this.#sys.setns(this.#own.uts, CLONE.NEWUTS);
      if (net !== 0) this.#sys.setns(this.#own.net, CLONE.NEWNET);
    }
  }

  #configure(ip: string): void {
    using netlink = new Netlink(this.#sys);
    netlink.setUp(LOOPBACK_INDEX);
    const cable = netlink.indexOf('eth0');
    netlink.addAddress(cable, ip, PREFIX);
    netlink.setUp(cable);
    netlink.addDefaultRoute(GATEWAY);
    // Low ports are no privilege in a network of one's own.
    writeFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', '0');
  }

  #address(): string {
    for (let tries = 0; tries < LAST_HOST; tries += 1) {
      const host = this.#next;
      this.#next = host >= LAST_HOST ? FIRST_HOST : host + 1;
      const ip = `10.244.${host >> 8}.${host & 255}`;
      if ((host & 255) === 0 || (host & 255) === 255 || this.#taken.has(ip)) continue;
      this.#taken.add(ip);
      return ip;
    }
    throw new Error('Every address of the pod network is taken.');
  }
}

function openOwn(): { net: number; ipc: number; uts: number } {
  const open = (name: string): number => openSync(`/proc/thread-self/ns/${name}`, 'r');
  return { net: open('net'), ipc: open('ipc'), uts: open('uts') };
}

function makeBridge(sys: Syscalls): { index: number; netlink: Netlink } {
  const netlink = new Netlink(sys);
  netlink.setUp(LOOPBACK_INDEX);
  netlink.addBridge(BRIDGE);
  const index = netlink.indexOf(BRIDGE);
  netlink.addAddress(index, GATEWAY, PREFIX);
  netlink.addLocalRange(SERVICES, SERVICES_PREFIX, LOOPBACK_INDEX);
  netlink.addLocalDefault(LOOPBACK_INDEX);
  return { index, netlink };
}
