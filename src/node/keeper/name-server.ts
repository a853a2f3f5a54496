import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import packet, { type Answer, type DecodedPacket, type Question } from 'dns-packet';
import { resolveOutward } from './outward.ts';
import type { NameEntry } from './protocol.ts';

const ZONE = 'cluster.local';
const TTL = 5;
const PORT = 53;
const MAX_UDP = 1232;
const NAME_ERROR = 3;
const SERVER_FAILURE = 2;
const AUTHORITATIVE = 1 << 10;
const TRUNCATED = 1 << 9;

export interface NameServerOptions {
  address: string;
  outwardPath: string;
}

type Names = Record<string, NameEntry>;

interface Lookup {
  answers: Answer[];
  code: number;
}

/** Answers for the names of services and pods, and asks the host for all others. */
export class NameServer {
  readonly #options: NameServerOptions;
  #names: Names = {};

  constructor(options: NameServerOptions) {
    this.#options = options;
    const udp = createSocket('udp4');
    udp.on('error', () => {});
    udp.on('message', (message, from) => {
      void this.#answer(message, MAX_UDP).then((reply) => {
        if (reply !== undefined) udp.send(reply, from.port, from.address);
      });
    });
    udp.bind(PORT, options.address);
    const tcp = createServer((socket) => {
      let rest = Buffer.alloc(0);
      socket.on('error', () => socket.destroy());
      socket.setTimeout(10_000, () => socket.destroy());
      socket.on('data', (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk]);
        while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
          const message = rest.subarray(2, 2 + rest.readUInt16BE(0));
          rest = rest.subarray(2 + message.length);
          void this.#answer(message, 65_535).then((reply) => {
            if (reply === undefined || socket.destroyed) return;
            const length = Buffer.alloc(2);
            length.writeUInt16BE(reply.length, 0);
            socket.write(Buffer.concat([length, reply]));
          });
        }
      });
    });
    tcp.on('error', () => {});
    tcp.listen(PORT, options.address);
  }

  set(names: Names): void {
    this.#names = names;
  }

  async #answer(message: Buffer, limit: number): Promise<Buffer | undefined> {
    let query: DecodedPacket;
    try {
      query = packet.decode(message);
    } catch {
      return undefined;
    }
    const question = query.questions?.[0];
    if (question === undefined) return undefined;
    const { answers, code } = await this.#lookup(question).catch(() => ({
      answers: [],
      code: SERVER_FAILURE,
    }));
    const reply = {
      type: 'response' as const,
      id: query.id ?? 0,
      questions: [question],
      answers,
    };
    const flags =
      AUTHORITATIVE | ((query.flags ?? 0) & packet.RECURSION_DESIRED) | packet.RECURSION_AVAILABLE | code;
    const bytes = packet.encode({ ...reply, flags });
    return bytes.length <= limit ? bytes : packet.encode({ ...reply, answers: [], flags: flags | TRUNCATED });
  }

  async #lookup(question: Question): Promise<Lookup> {
    const name = question.name.toLowerCase().replace(/\.$/, '');
    if (name === ZONE || name.endsWith(`.${ZONE}`)) return this.#inside(name, question);
    if (question.type !== 'A' && question.type !== 'AAAA') return { answers: [], code: 0 };
    return this.#outside(name, question.name, question.type);
  }

  async #outside(name: string, asked: string, type: 'A' | 'AAAA'): Promise<Lookup> {
    const addresses = await resolveOutward(this.#options.outwardPath, name, type);
    return { answers: addresses.map((data) => ({ type, name: asked, ttl: TTL, data })), code: 0 };
  }

  async #inside(name: string, question: Question): Promise<Lookup> {
    const service = /^_([^.]+)\._(tcp|udp)\.(.+)$/.exec(name);
    if (service !== null) return this.#ports(service, question.name);
    const entry = Object.hasOwn(this.#names, name) ? this.#names[name] : undefined;
    if (entry === undefined) return { answers: [], code: NAME_ERROR };
    if (entry.alias !== undefined) {
      const alias: Answer = { type: 'CNAME', name: question.name, ttl: TTL, data: entry.alias };
      if (question.type === 'CNAME' || (question.type !== 'A' && question.type !== 'AAAA'))
        return { answers: [alias], code: 0 };
      const target = await this.#lookup({ ...question, name: entry.alias }).catch(() => undefined);
      return { answers: [alias, ...(target?.answers ?? [])], code: 0 };
    }
    if (question.type !== 'A') return { answers: [], code: 0 };
    const answers = (entry.addresses ?? []).map(
      (data): Answer => ({ type: 'A', name: question.name, ttl: TTL, data }),
    );
    return { answers, code: 0 };
  }

  #ports([, port, protocol, owner]: RegExpExecArray, asked: string): Lookup {
    const entry = Object.hasOwn(this.#names, owner!) ? this.#names[owner!] : undefined;
    const found = entry?.ports?.filter(
      (item) => item.name === port && item.protocol.toLowerCase() === protocol,
    );
    if (found === undefined || found.length === 0) return { answers: [], code: NAME_ERROR };
    return {
      answers: found.map((item) => ({
        type: 'SRV',
        name: asked,
        ttl: TTL,
        data: { priority: 0, weight: 100, port: item.port, target: item.target },
      })),
      code: 0,
    };
  }
}
