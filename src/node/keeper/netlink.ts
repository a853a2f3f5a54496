import { closeSync } from 'node:fs';
import type { Syscalls } from './syscalls.ts';

const AF_NETLINK = 16;
const AF_INET = 2;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const NLMSG_ERROR = 2;
const RTM = { NEWLINK: 16, DELLINK: 17, GETLINK: 18, NEWADDR: 20, NEWROUTE: 24 } as const;
const IFF_UP = 1;
const IFLA = { IFNAME: 3, MASTER: 10, LINKINFO: 18, NET_NS_FD: 28 } as const;
const IFLA_INFO = { KIND: 1, DATA: 2 } as const;
const VETH_INFO_PEER = 1;
const IFA = { ADDRESS: 1, LOCAL: 2 } as const;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5 } as const;
const RT = {
  TABLE_MAIN: 254,
  TABLE_LOCAL: 255,
  PROTO_BOOT: 3,
  SCOPE_UNIVERSE: 0,
  SCOPE_HOST: 254,
  UNICAST: 1,
  LOCAL: 2,
};

/** Network settings of the thread's namespace, by the kernel's own protocol: no program is started for them. */
export class Netlink implements Disposable {
  readonly #sys: Syscalls;
  readonly #fd: number;
  #sequence = 0;

  /** It belongs to the network namespace that the thread is in now. */
  constructor(sys: Syscalls) {
    this.#sys = sys;
    this.#fd = sys.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
  }

  addBridge(name: string): void {
    this.#create(RTM.NEWLINK, [
      linkHeader(0, IFF_UP),
      attribute(IFLA.IFNAME, text(name)),
      attribute(IFLA.LINKINFO, attribute(IFLA_INFO.KIND, text('bridge'))),
    ]);
  }

  /** A cable: one end here on the bridge, the other as `peer` in another namespace. */
  addVeth(name: string, bridge: number, peer: { name: string; namespace: number }): void {
    // An end without its other end cannot be up.
    const other = Buffer.concat([
      linkHeader(0, 0),
      attribute(IFLA.IFNAME, text(peer.name)),
      attribute(IFLA.NET_NS_FD, uint32(peer.namespace)),
    ]);
    const data = attribute(VETH_INFO_PEER, other);
    this.#create(RTM.NEWLINK, [
      linkHeader(0, IFF_UP),
      attribute(IFLA.IFNAME, text(name)),
      attribute(IFLA.MASTER, uint32(bridge)),
      attribute(
        IFLA.LINKINFO,
        Buffer.concat([attribute(IFLA_INFO.KIND, text('veth')), attribute(IFLA_INFO.DATA, data)]),
      ),
    ]);
  }

  setUp(index: number): void {
    this.#request(RTM.NEWLINK, 0, [linkHeader(index, IFF_UP)]);
  }

  removeLink(index: number): void {
    this.#request(RTM.DELLINK, 0, [linkHeader(index, 0)]);
  }

  indexOf(name: string): number {
    const answer = this.#request(RTM.GETLINK, 0, [linkHeader(0, 0), attribute(IFLA.IFNAME, text(name))]);
    return answer.readInt32LE(20);
  }

  addAddress(index: number, address: string, prefix: number): void {
    const header = Buffer.alloc(8);
    header.writeUInt8(AF_INET, 0);
    header.writeUInt8(prefix, 1);
    header.writeUInt32LE(index, 4);
    const bytes = ipv4(address);
    this.#create(RTM.NEWADDR, [header, attribute(IFA.LOCAL, bytes), attribute(IFA.ADDRESS, bytes)]);
  }

  addDefaultRoute(gateway: string): void {
    this.#create(RTM.NEWROUTE, [
      routeHeader(0, { table: RT.TABLE_MAIN, scope: RT.SCOPE_UNIVERSE, type: RT.UNICAST }),
      attribute(RTA.GATEWAY, ipv4(gateway)),
    ]);
  }

  /** Every address of the range is one of this namespace: programs can listen on any of them. */
  addLocalRange(address: string, prefix: number, index: number): void {
    this.#create(RTM.NEWROUTE, [
      routeHeader(prefix, { table: RT.TABLE_LOCAL, scope: RT.SCOPE_HOST, type: RT.LOCAL }),
      attribute(RTA.DST, ipv4(address)),
      attribute(RTA.OIF, uint32(index)),
    ]);
  }

  /** So is every address that no other route is for: whoever connects to one reaches a program here. */
  addLocalDefault(index: number): void {
    this.#create(RTM.NEWROUTE, [
      routeHeader(0, { table: RT.TABLE_MAIN, scope: RT.SCOPE_HOST, type: RT.LOCAL }),
      attribute(RTA.OIF, uint32(index)),
    ]);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  #create(type: number, parts: Buffer[]): void {
    this.#request(type, NLM_F_CREATE | NLM_F_EXCL, parts);
  }

  #request(type: number, flags: number, parts: Buffer[]): Buffer {
    const body = Buffer.concat(parts);
    const header = Buffer.alloc(16);
    header.writeUInt32LE(16 + body.length, 0);
    header.writeUInt16LE(type, 4);
    header.writeUInt16LE(NLM_F_REQUEST | NLM_F_ACK | flags, 6);
    header.writeUInt32LE(++this.#sequence, 8);
    this.#sys.send(this.#fd, Buffer.concat([header, body]));
    const answer = Buffer.alloc(32_768);
    let data = Buffer.alloc(0);
    for (;;) {
      const length = this.#sys.recv(this.#fd, answer);
      for (let at = 0; at + 16 <= length; ) {
        const size = answer.readUInt32LE(at);
        if (answer.readUInt16LE(at + 4) === NLMSG_ERROR) {
          const code = -answer.readInt32LE(at + 16);
          if (code !== 0) throw new NetlinkError(type, code);
          return data;
        }
        data = Buffer.from(answer.subarray(at, at + size));
        at += (size + 3) & ~3;
      }
    }
  }
}

class NetlinkError extends Error {
  constructor(type: number, errno: number) {
    super(`The kernel refused a network setting (message ${type}): error ${errno}.`);
  }
}

function linkHeader(index: number, flags: number): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(flags, 12);
  return header;
}

function routeHeader(prefix: number, route: { table: number; scope: number; type: number }): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(AF_INET, 0);
  header.writeUInt8(prefix, 1);
  header.writeUInt8(route.table, 4);
  header.writeUInt8(RT.PROTO_BOOT, 5);
  header.writeUInt8(route.scope, 6);
  header.writeUInt8(route.type, 7);
  return header;
}

function attribute(type: number, value: Buffer): Buffer {
  const length = 4 + value.length;
  const bytes = Buffer.alloc((length + 3) & ~3);
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value, 0);
  return bytes;
}

function ipv4(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}
