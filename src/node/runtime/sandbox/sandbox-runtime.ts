import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { LayerPart } from '../../../images/index.ts';
import type { Logger } from '../../../kube/index.ts';
import { rootOf } from '../../keeper/containers.ts';
import { PROTOCOL_VERSION } from '../../keeper/protocol.ts';
import { FrameReader, frame } from '../../keeper/frames.ts';
import { LineReader } from '../../keeper/line-reader.ts';
import { type CommandResult, type ControlEvent, FRAME, type NetworkTable } from '../../keeper/protocol.ts';
import type {
  Command,
  CommandEnd,
  ContainerSpec,
  ContainerState,
  ContainerUsage,
  PodSandbox,
  Runtime,
  RuntimeListener,
  Streams,
} from '../runtime.ts';
import { readLayerStream } from './layer-stream.ts';
import { KeeperClient } from './keeper-client.ts';
import { type KeeperInput, startKeeper } from './keeper-process.ts';
import { type OwnPorts, serveOutward } from './outward-server.ts';

export interface SandboxOptions {
  /** Sockets and caches of running things. */
  runDir: string;
  logDir: string;
  /** Tells apart the servers of one machine. */
  id: string;
  compileCache: string;
  /** Directories outside of the data directory that end with the pods. */
  scratch: string[];
  log: Logger;
  /** The address of pods on the host's network. */
  hostIp: string;
  lingerMs?: number;
}

const LINGER_MS = 10 * 60_000;
const SPARES = 2;

/** Containers in namespaces of their own, held by a keeper process for each kind of network. */
export class SandboxRuntime implements Runtime {
  readonly name = 'sandbox';
  readonly #options: SandboxOptions;
  readonly #keepers = new Map<'own' | 'host', Promise<KeeperClient>>();
  readonly #hostPods = new Set<string>();
  readonly #listeners: RuntimeListener[] = [];
  #outward: AsyncDisposable | undefined;
  #own: OwnPorts;
  #closing = false;
  #table: NetworkTable | undefined;

  private constructor(options: SandboxOptions) {
    this.#options = options;
    this.#own = { api: 0, web: 0, hostIp: options.hostIp };
  }

  /** Adopts the keeper that an earlier agent left, with everything in it, or starts one. */
  static async start(options: SandboxOptions): Promise<SandboxRuntime> {
    const runtime = new SandboxRuntime(options);
    await mkdir(options.runDir, { recursive: true, mode: 0o700 });
    await mkdir(options.logDir, { recursive: true, mode: 0o700 });
    runtime.#outward = await serveOutward(runtime.hostSocket, () => runtime.#own);
    await runtime.#keeper('own');
    const host = await KeeperClient.connect(runtime.#socket('host'), runtime.#on('host')).catch(
      () => undefined,
    );
    if (host !== undefined) {
      runtime.#keepers.set('host', Promise.resolve(host));
      for (const pod of (await host.call('list', {})).pods) runtime.#hostPods.add(pod.uid);
    }
    return runtime;
  }

  /** Opens ports of this machine's loopback to pods: the API's, and those of what this server answers itself. */
  lend(ports: { api: number; web: number }): void {
    this.#own = { ...ports, hostIp: this.#options.hostIp };
  }

  listen(listener: RuntimeListener): void {
    this.#listeners.push(listener);
  }

  async createPod(pod: PodSandbox): Promise<{ ip: string }> {
    if (pod.hostNetwork) this.#hostPods.add(pod.uid);
    const keeper = await this.#of(pod.uid);
    return keeper.call('createPod', {
      uid: pod.uid,
      hostname: pod.hostname,
      ...(pod.isolated && { isolated: true }),
      ...(pod.sharedProcesses && { sharedProcesses: true }),
    });
  }

  async removePod(uid: string): Promise<void> {
    await (await this.#of(uid)).call('removePod', { uid });
    this.#hostPods.delete(uid);
  }

  async startContainer(spec: ContainerSpec): Promise<ContainerState> {
    const keeper = await this.#of(spec.podUid);
    const { storageBytes, ...limits } = spec.limits;
    return keeper.call('start', {
      id: spec.id,
      podUid: spec.podUid,
      name: spec.name,
      attempt: spec.attempt,
      dir: spec.dir,
      log: spec.log,
      tty: spec.tty,
      limits,
      ...(storageBytes !== undefined && { storageBytes }),
      ...(spec.joins !== undefined && { joins: spec.joins }),
      launch: {
        root: {
          ...rootOf(spec.dir),
          lower: spec.image.layers,
          readOnly: spec.readOnlyRoot,
          mounts: spec.mounts,
          hostNetwork: spec.hostNetwork,
          privileged: spec.privileged,
        },
        argv: spec.argv,
        env: environment(spec.env),
        cwd: spec.cwd,
        user: spec.user,
        groups: spec.groups,
        capabilities: spec.capabilities,
        noNewPrivileges: spec.noNewPrivileges,
        seccomp: spec.seccomp,
        stdin: spec.stdin,
      },
    });
  }

  async kill(id: string, signal: number): Promise<void> {
    await (await this.#ofContainer(id)).call('kill', { id, signal });
  }

  async removeContainer(id: string, dir: string): Promise<void> {
    await (await this.#ofContainer(id)).call('forget', { id, dir });
  }

  async list(
    podUid?: string,
  ): Promise<{ pods: { uid: string; ip: string }[]; containers: ContainerState[] }> {
    const keepers = podUid === undefined ? [...this.#keepers.values()] : [this.#of(podUid)];
    const all = await Promise.all(
      keepers.map(async (keeper) => (await keeper).call('list', podUid === undefined ? {} : { podUid })),
    );
    return { pods: all.flatMap(({ pods }) => pods), containers: all.flatMap(({ containers }) => containers) };
  }

  async run(id: string, command: Command, streams: Streams): Promise<CommandEnd> {
    const keeper = await this.#ofContainer(id);
    const { argv, cwd, groups, capabilities, noNewPrivileges, seccomp } = command;
    const socket = await keeper.open({
      open: 'command',
      container: id,
      tty: command.tty,
      launch: {
        argv,
        env: environment(command.env),
        cwd,
        user: command.user,
        groups,
        capabilities,
        noNewPrivileges,
        seccomp,
        stdin: streams.stdin !== undefined,
      },
    });
    return converse(socket, streams);
  }

  async attach(id: string, streams: Streams): Promise<CommandEnd> {
    const keeper = await this.#ofContainer(id);
    return converse(await keeper.open({ open: 'attach', container: id }), streams);
  }

  async dial(podUid: string, to: { port: number; host?: string }, signal: AbortSignal): Promise<Duplex> {
    const keeper = await this.#of(podUid);
    const socket = await keeper.open({ open: 'dial', podUid, ...to });
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
    return new Promise((resolve, reject) => {
      socket.once('close', () => reject(new Error(`port ${to.port} of the pod does not answer`)));
      const reader = new LineReader((line, rest) => {
        reader.stop();
        socket.removeAllListeners('data');
        socket.pause();
        const { error } = JSON.parse(line) as { error?: string };
        if (rest.length > 0) socket.unshift(rest);
        if (error === undefined) resolve(socket);
        else reject(new Error(error));
      });
      socket.on('data', (chunk: Buffer) => reader.push(chunk));
    });
  }

  async stats(): Promise<ContainerUsage[]> {
    const all = await Promise.all(
      [...this.#keepers.values()].map(async (keeper) => (await keeper).call('stats', {})),
    );
    return all.flat().map(({ usage, ...rest }) => ({ ...rest, ...usage }));
  }

  async mountMemory(podUid: string, path: string, sizeBytes: number | undefined): Promise<void> {
    await (await this.#of(podUid)).call('mountMemory', {
      podUid,
      path,
      ...(sizeBytes !== undefined && { sizeBytes }),
    });
  }

  async own(path: string, group: number): Promise<void> {
    await (await this.#keeper('own')).call('own', { path, group });
  }

  async removeFiles(path: string): Promise<void> {
    await (await this.#keeper('own')).call('remove', { path });
  }

  async readLayer(
    dir: string,
    handle: (file: LayerPart, content: AsyncIterable<Buffer>) => Promise<void>,
  ): Promise<void> {
    const keeper = await this.#keeper('own');
    await readLayerStream(await keeper.open({ open: 'layer', dir }), handle);
  }

  /** What names and addresses of services lead to; kept for a keeper that has to be started again. */
  async setNetwork(table: NetworkTable): Promise<void> {
    this.#table = table;
    await (await this.#keeper('own')).call('network', table);
  }

  /** Ends every pod. An agent that is killed instead leaves them running, for the next one to adopt. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    for (const keeper of this.#keepers.values()) {
      const client = await keeper.catch(() => undefined);
      await client?.call('shutdown', {}).catch(() => {});
      client?.close();
    }
    await this.#outward?.[Symbol.asyncDispose]();
  }

  #of(podUid: string): Promise<KeeperClient> {
    return this.#keeper(this.#hostPods.has(podUid) ? 'host' : 'own');
  }

  #ofContainer(id: string): Promise<KeeperClient> {
    return this.#of(id.split('/')[0]!);
  }

  #keeper(network: 'own' | 'host'): Promise<KeeperClient> {
    // One that is started now would be nobody's.
    if (this.#closing) return Promise.reject(new Error('The sandboxes of this server are being ended.'));
    let keeper = this.#keepers.get(network);
    if (keeper === undefined) {
      keeper = this.#connect(network);
      this.#keepers.set(network, keeper);
      keeper.catch(() => this.#keepers.delete(network));
    }
    return keeper;
  }

  async #connect(network: 'own' | 'host'): Promise<KeeperClient> {
    const path = this.#socket(network);
    const on = this.#on(network);
    const adopted = await KeeperClient.connect(path, on).catch(() => undefined);
    if (adopted !== undefined) {
      if ((await adopted.call('hello', {})).version === PROTOCOL_VERSION) return adopted;
      // A keeper of another version cannot be spoken with for sure: its pods are started again.
      await adopted.call('shutdown', {});
      await adopted.closed;
    }
    const input: KeeperInput = {
      socketPath: path,
      outwardPath: this.hostSocket,
      hostNetwork: network === 'host',
      hostAddress: this.#options.hostIp,
      cgroupName: `dispatch-${this.#options.id}-${network}`,
      spares: network === 'own' ? SPARES : 0,
      compileCache: this.#options.compileCache,
      scratch: network === 'own' ? this.#options.scratch : [],
      lingerMs: this.#options.lingerMs ?? LINGER_MS,
    };
    const pid = await startKeeper(input, join(this.#options.logDir, 'keeper.log'));
    await writeFile(this.#pidFile(network), JSON.stringify({ pid, started: startTime(pid) }), {
      mode: 0o600,
    });
    const client = await KeeperClient.connect(path, on);
    if (network === 'own' && this.#table !== undefined) await client.call('network', this.#table);
    return client;
  }

  /** A command that runs what follows it in the network of the pods. */
  async enterPodNetwork(): Promise<string[]> {
    await this.#keeper('own');
    const { pid, started } = JSON.parse(await readFile(this.#pidFile('own'), 'utf8')) as {
      pid: number;
      started: string;
    };
    // A PID alone may be somebody else's by now.
    if (startTime(pid) !== started) throw new Error('The keeper of the sandboxes is gone.');
    return ['nsenter', '--target', String(pid), '--user', '--net', '--preserve-credentials'];
  }

  get hostSocket(): string {
    return join(this.#options.runDir, 'outward.sock');
  }

  #pidFile(network: 'own' | 'host'): string {
    return join(this.#options.runDir, `keeper-${network}.json`);
  }

  #socket(network: 'own' | 'host'): string {
    return join(this.#options.runDir, `keeper-${network}.sock`);
  }

  #on(network: 'own' | 'host'): { event: (event: ControlEvent) => void; closed: () => void } {
    return {
      event: (event) => {
        for (const listener of this.#listeners) {
          if (event.event === 'exited') listener.changed(event.record.podUid);
          else listener.logged(event.id);
        }
      },
      closed: () => {
        this.#keepers.delete(network);
        if (this.#closing) return;
        this.#options.log.warn({ network }, 'the keeper of the sandboxes is gone, and its pods with it');
        for (const listener of this.#listeners) listener.lost();
      },
    };
  }
}

function environment(env: Record<string, string>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}

function converse(socket: Socket, streams: Streams): Promise<CommandEnd> {
  const { stdin, stdout, stderr, signal } = streams;
  signal.addEventListener('abort', () => socket.destroy(), { once: true });
  streams.onResize(({ width, height }) => {
    const size = Buffer.alloc(4);
    size.writeUInt16BE(width, 0);
    size.writeUInt16BE(height, 2);
    socket.write(frame(FRAME.RESIZE, size));
  });
  stdin?.on('data', (chunk: Buffer) => {
    if (socket.destroyed || socket.write(frame(FRAME.STDIN, Buffer.from(chunk)))) return;
    stdin.pause();
    socket.once('drain', () => stdin.resume());
  });
  stdin?.once('end', () => {
    if (!socket.destroyed) socket.write(frame(FRAME.STDIN_END, Buffer.alloc(0)));
  });
  return new Promise((resolve) => {
    socket.once('close', () => resolve({ error: 'The connection to the container was lost.' }));
    const reader = new FrameReader((kind, payload) => {
      if (kind === FRAME.END) {
        resolve(endOf(JSON.parse(payload.toString()) as CommandResult));
        socket.destroy();
        return;
      }
      const target = kind === FRAME.STDOUT ? stdout : stderr;
      if (target === undefined || target.write(Buffer.from(payload))) return;
      socket.pause();
      target.once('drain', () => socket.resume());
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
  });
}

function endOf(result: CommandResult): CommandEnd {
  return result.error === undefined ? { exitCode: result.exitCode ?? 0 } : { error: result.error };
}

/** When a process was started, in the kernel's own count; undefined when there is none. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
