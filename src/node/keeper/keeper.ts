import { chownSync, existsSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { Cgroups } from './cgroups.ts';
import { serveAttach, serveCommand } from './commands.ts';
import { MNT_DETACH, MS } from './constants.ts';
import { Containers } from './containers.ts';
import { dialPod } from './dial.ts';
import { serveLayer } from './layer.ts';
import { LaunchError, Launcher } from './launcher.ts';
import { LineReader } from './line-reader.ts';
import { ServiceNetwork } from './service-network.ts';
import { type PodNamespaces, PodNetwork } from './pod-network.ts';
import {
  type ControlEvent,
  type ControlReply,
  type ControlRequest,
  type CreatePod,
  type Method,
  type Methods,
  type Opening,
  type PodRecord,
  PROTOCOL_VERSION,
} from './protocol.ts';
import { loadSyscalls, type Syscalls } from './syscalls.ts';

const LINGER_CHECK_MS = 1_000;
const END_TIMEOUT_MS = 2_000;

export interface KeeperOptions {
  socketPath: string;
  /** Where the agent listens for connections that have to leave the pods' network. */
  outwardPath: string;
  singleUser: boolean;
  hostNetwork: boolean;
  hostAddress: string;
  cgroupName: string;
  spares: number;
  compileCache: string | undefined;
  /** Directories that go with it. */
  scratch: string[];
  /** How long it stays without an agent before it ends everything. */
  lingerMs: number;
  onEnd: () => void;
}

interface Pod extends PodNamespaces {
  uid: string;
  mounts: string[];
  /** The first of the processes that its containers share. */
  holder?: ChildProcess;
}

type Handlers = {
  [M in Method]: (params: Methods[M]['params']) => Promise<Methods[M]['result']> | Methods[M]['result'];
};

/**
 * Holds the sandboxes of this machine: it outlives the agent, so that pods do, and knows for certain what became
 * of each. It is the first process of a process namespace: when it ends, everything in it ends.
 */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #sys: Syscalls;
  readonly #network: PodNetwork;
  readonly #services: ServiceNetwork | undefined;
  readonly #cgroups: Cgroups;
  readonly #launcher: Launcher;
  readonly #containers: Containers;
  readonly #pods = new Map<string, Pod>();
  readonly #agents = new Set<Socket>();
  readonly #server: Server;
  readonly #loggedSince = new Set<string>();
  #linger: NodeJS.Timeout | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#sys = loadSyscalls(process.arch);
    this.#network = new PodNetwork(this.#sys, options);
    this.#services = options.hostNetwork ? undefined : new ServiceNetwork(options.outwardPath);
    this.#cgroups = new Cgroups(options.cgroupName);
    this.#launcher = new Launcher(this.#sys, options);
    this.#containers = new Containers({
      sys: this.#sys,
      launcher: this.#launcher,
      cgroups: this.#cgroups,
      singleUser: options.singleUser,
      onExit: (record) => this.#tell({ event: 'exited', record }),
      onLog: (id) => this.#logged(id),
    });
    this.#server = createServer((socket) => this.#accept(socket));
  }

  async start(): Promise<void> {
    rmSync(this.#options.socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.socketPath, resolve);
    });
    this.#launcher.fill();
    this.#waitForAgent();
  }

  #accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const reader = new LineReader((line, rest) => {
      const opening = JSON.parse(line) as Opening;
      reader.stop();
      socket.removeAllListeners('data');
      this.#open(opening, socket);
      if (rest.length > 0) socket.emit('data', rest);
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
  }

  #open(opening: Opening, socket: Socket): void {
    const { singleUser } = this.#options;
    const [containers, launcher, sys] = [this.#containers, this.#launcher, this.#sys];
    switch (opening.open) {
      case 'control':
        this.#control(socket);
        break;
      case 'command':
        void serveCommand({ sys, launcher, containers, singleUser }, opening, socket);
        break;
      case 'attach':
        void serveAttach(containers, opening.container, socket);
        break;
      case 'layer':
        void serveLayer(sys, opening.dir, socket);
        break;
      case 'dial':
        dialPod({ sys, network: this.#network }, this.#pods.get(opening.podUid), opening, socket);
    }
  }

  #control(socket: Socket): void {
    this.#agents.add(socket);
    clearInterval(this.#linger);
    socket.on('close', () => {
      this.#agents.delete(socket);
      if (this.#agents.size === 0) this.#waitForAgent();
    });
    const reader = new LineReader((line) => void this.#answer(socket, JSON.parse(line) as ControlRequest));
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
  }

  async #answer(socket: Socket, request: ControlRequest): Promise<void> {
    const reply: ControlReply = { id: request.id };
    try {
      const handler = this.#handlers[request.method] as (params: unknown) => unknown;
      reply.result = await handler(request.params);
    } catch (error) {
      reply.error = {
        message: error instanceof Error ? error.message : String(error),
        ...(error instanceof LaunchError && { code: error.code }),
      };
    }
    if (!socket.destroyed) socket.write(`${JSON.stringify(reply)}\n`);
  }

  readonly #handlers: Handlers = {
    hello: () => ({
      version: PROTOCOL_VERSION,
      cgroups: this.#cgroups.version,
    }),
    list: ({ podUid }) => {
      const mine = (uid: string): boolean => podUid === undefined || uid === podUid;
      return {
        pods: [...this.#pods.values()].filter(({ uid }) => mine(uid)).map(({ uid, ip }) => ({ uid, ip })),
        containers: this.#containers.list().filter((record) => mine(record.podUid)),
      };
    },
    createPod: (request) => this.#createPod(request),
    removePod: async ({ uid }) => {
      this.#pods.get(uid)?.holder?.kill('SIGKILL');
      await this.#containers.killPod(uid);
      this.#containers.forgetPod(uid);
      const pod = this.#pods.get(uid);
      this.#pods.delete(uid);
      if (pod === undefined) return {};
      for (const path of pod.mounts) this.#sys.umount(path, MNT_DETACH);
      this.#network.remove(pod);
      return {};
    },
    start: (request) => {
      const pod = this.#pods.get(request.podUid);
      if (pod === undefined) throw new Error(`There is no sandbox of pod ${request.podUid}.`);
      return this.#containers.start(request, pod, pod.holder?.pid);
    },
    kill: ({ id, signal }) => {
      this.#containers.kill(id, signal);
      return {};
    },
    forget: ({ id, dir }) => {
      this.#containers.forget(id, dir);
      return {};
    },
    stats: () => this.#containers.stats(),
    mountMemory: ({ podUid, path, sizeBytes }) => {
      const size = sizeBytes === undefined ? '' : `,size=${sizeBytes}`;
      this.#sys.mount('tmpfs', path, 'tmpfs', MS.NOSUID | MS.NODEV, `mode=1777${size}`);
      this.#pods.get(podUid)?.mounts.push(path);
      return {};
    },
    own: ({ path, group }) => {
      giveTo(path, group);
      return {};
    },
    remove: ({ path }) => {
      rmSync(path, { recursive: true, force: true });
      return {};
    },
    network: (table) => {
      this.#services?.set(table);
      return {};
    },
    shutdown: () => {
      setImmediate(() => void this.#end());
      return {};
    },
  };

  async #createPod({ uid, hostname, isolated, sharedProcesses }: CreatePod): Promise<PodRecord> {
    let pod = this.#pods.get(uid);
    if (pod === undefined) {
      const holder = sharedProcesses === true ? await this.#launcher.hold() : undefined;
      pod = {
        ...this.#network.create(hostname, isolated === true),
        uid,
        mounts: [],
        ...(holder !== undefined && { holder }),
      };
      this.#pods.set(uid, pod);
    }
    return { uid, ip: pod.ip };
  }

  #tell(event: ControlEvent): void {
    const line = `${JSON.stringify(event)}\n`;
    for (const agent of this.#agents) agent.write(line);
  }

  /** At most one word per container and turn, however much it prints. */
  #logged(id: string): void {
    if (this.#agents.size === 0 || this.#loggedSince.has(id)) return;
    this.#loggedSince.add(id);
    setTimeout(() => {
      this.#loggedSince.delete(id);
      this.#tell({ event: 'log', id });
    }, 10);
  }

  #waitForAgent(): void {
    clearInterval(this.#linger);
    const since = Date.now();
    this.#linger = setInterval(() => {
      // Without its directory there is nothing to come back to.
      const abandoned = !existsSync(this.#options.socketPath);
      if (abandoned || Date.now() - since > this.#options.lingerMs) void this.#end();
    }, LINGER_CHECK_MS);
  }

  /** Nothing of ours stays: no process, no group of processes, nothing in memory. */
  async #end(): Promise<void> {
    clearInterval(this.#linger);
    this.#server.close();
    rmSync(this.#options.socketPath, { force: true });
    const gone = Promise.all([...this.#pods.keys()].map((uid) => this.#containers.killPod(uid)));
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, END_TIMEOUT_MS))]);
    this.#cgroups.clear();
    for (const path of this.#options.scratch) rmSync(path, { recursive: true, force: true });
    this.#options.onEnd();
  }
}

function giveTo(path: string, group: number): void {
  const found = lstatSync(path);
  if (found.isSymbolicLink()) return;
  chownSync(path, found.uid, group);
  if (found.isDirectory()) for (const name of readdirSync(path)) giveTo(join(path, name), group);
}
