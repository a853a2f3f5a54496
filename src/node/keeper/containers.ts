import { EventEmitter } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { Cgroups, Group, Usage } from './cgroups.ts';
import { LaunchError, type Launcher, type Program } from './launcher.ts';
import type { LaunchSpec } from './launch-spec.ts';
import { type LogLimits, LogWriter } from './log-writer.ts';
import { diskUsage } from './disk-usage.ts';
import { namespaceOf, usageByNamespace } from './process-usage.ts';
import type { PodNamespaces } from './pod-network.ts';
import type { ContainerState } from '../runtime/runtime.ts';
import type { StartContainer } from './protocol.ts';
import { Terminal } from './terminal.ts';
import type { Syscalls } from './syscalls.ts';

/** Where the output of a container goes besides its log. */
export type OutputListener = (stream: 'stdout' | 'stderr', chunk: Buffer) => void;

interface Live {
  /** Held by looking, where no control group holds it. */
  memoryLimit: number | undefined;
  overLimit: boolean;
  record: ContainerState;
  program: Program;
  group: Group | undefined;
  log: LogWriter;
  terminal: Terminal | undefined;
  stdin: Writable | undefined;
  output: EventEmitter;
}

interface Known {
  record: ContainerState;
  live: Live | undefined;
}

const MEMORY_CHECK_MS = 200;
const STORAGE_CHECK_MS = 2_000;
const LOG_LIMITS: LogLimits = { fileBytes: 10 * 1024 * 1024, files: 5 };

export interface ContainersOptions {
  sys: Syscalls;
  launcher: Launcher;
  cgroups: Cgroups;
  singleUser: boolean;
  onExit: (record: ContainerState) => void;
  onLog: (id: string) => void;
}

/** The containers of this keeper: those that run, and those that have ended and are not forgotten yet. */
export class Containers {
  readonly #options: ContainersOptions;
  readonly #known = new Map<string, Known>();
  #memoryTimer: NodeJS.Timeout | undefined;

  constructor(options: ContainersOptions) {
    this.#options = options;
  }

  list(): ContainerState[] {
    return [...this.#known.values()].map(({ record }) => record);
  }

  /** The same start again, after an answer that was lost, changes nothing. */
  async start(
    request: StartContainer,
    namespaces: PodNamespaces,
    holder: number | undefined,
  ): Promise<ContainerState> {
    const known = this.#known.get(request.id);
    if (known !== undefined) return known.record;
    const joins = request.joins === undefined ? holder : this.entrance(request.joins).pid;
    if (request.launch.root !== undefined) {
      const { dir, upper, work, lower } = request.launch.root;
      for (const path of lower.length > 0 ? [dir, upper, work] : []) mkdirSync(path, { recursive: true });
    }
    const group = this.#options.cgroups.create(groupName(request.id), request.limits);
    const terminal = request.tty ? new Terminal(this.#options.sys) : undefined;
    const record: ContainerState = {
      id: request.id,
      podUid: request.podUid,
      name: request.name,
      attempt: request.attempt,
      state: 'running',
      startedAt: Date.now(),
    };
    const log = new LogWriter(request.log, LOG_LIMITS, () => this.#options.onLog(request.id));
    const spec: LaunchSpec = {
      ...request.launch,
      namespaces: pathsOf(namespaces),
      terminal: terminal !== undefined,
      cgroups: group?.procs ?? [],
      singleUser: this.#options.singleUser,
    };
    try {
      await this.#options.launcher.start(
        spec,
        (program) => {
          const live: Live = {
            memoryLimit: group === undefined ? request.limits.memoryBytes : undefined,
            overLimit: false,
            record,
            program,
            group,
            log,
            terminal,
            stdin: undefined,
            output: new EventEmitter(),
          };
          this.#known.set(request.id, { record, live });
          this.#connect(live, request.launch.stdin);
          this.#watchMemory();
          if (request.storageBytes !== undefined) this.#watchStorage(live, request.dir, request.storageBytes);
        },
        { terminal, ...(joins !== undefined && { joins }) },
      );
      terminal?.abandon();
      record.startedAt = Date.now();
      return record;
    } catch (error) {
      terminal?.abandon();
      this.#known.delete(request.id);
      group?.remove();
      throw error;
    }
  }

  kill(id: string, signal: number): void {
    this.#known.get(id)?.live?.program.child.kill(signal);
  }

  killPod(podUid: string): Promise<unknown> {
    const live = [...this.#known.values()].flatMap((known) =>
      known.record.podUid === podUid && known.live !== undefined ? [known.live] : [],
    );
    return Promise.all(
      live.map((one) => {
        const gone = new Promise((resolve) => one.output.once('gone', resolve));
        one.program.child.kill('SIGKILL');
        return gone;
      }),
    );
  }

  forget(id: string, dir: string): void {
    const known = this.#known.get(id);
    if (known?.live !== undefined) throw new Error(`Container ${id} still runs.`);
    this.#known.delete(id);
    rmSync(dir, { recursive: true, force: true });
  }

  forgetPod(podUid: string): void {
    for (const [id, { record }] of this.#known) if (record.podUid === podUid) this.#known.delete(id);
  }

  stats(): { id: string; podUid: string; name: string; usage: Usage }[] {
    const looked = this.#options.cgroups.version === 'none' ? usageByNamespace() : undefined;
    return [...this.#known.values()].flatMap(({ record, live }) => {
      const usage = live?.group?.usage() ?? looked?.get(namespaceOf(live?.program.child.pid ?? 0) ?? 0);
      return usage === undefined ? [] : [{ id: record.id, podUid: record.podUid, name: record.name, usage }];
    });
  }

  /** Ends containers that take more memory than they may, as well as that can be seen from outside. */
  #watchMemory(): void {
    if (this.#memoryTimer !== undefined) return;
    this.#memoryTimer = setInterval(() => {
      const limited = [...this.#known.values()].flatMap(({ live }) =>
        live?.memoryLimit === undefined ? [] : [live],
      );
      if (limited.length === 0) {
        clearInterval(this.#memoryTimer);
        this.#memoryTimer = undefined;
        return;
      }
      const usage = usageByNamespace();
      for (const live of limited) {
        const { pid = 0 } = live.program.child;
        if ((usage.get(namespaceOf(pid) ?? 0)?.memoryBytes ?? 0) <= live.memoryLimit!) continue;
        live.overLimit = true;
        live.program.child.kill('SIGKILL');
      }
    }, MEMORY_CHECK_MS);
  }

  /** Ends a container whose own layer grows beyond its limit. */
  #watchStorage(live: Live, dir: string, limit: number): void {
    const timer = setInterval(async () => {
      if (live.record.state !== 'running') {
        clearInterval(timer);
        return;
      }
      if ((await diskUsage(rootOf(dir).upper, limit)) <= limit) return;
      clearInterval(timer);
      live.record.storageExceeded = true;
      live.program.child.kill('SIGKILL');
    }, STORAGE_CHECK_MS);
  }

  /** The process that stands for the container, and what a command in it has to enter. */
  entrance(id: string): { pid: number; namespaces: LaunchSpec['namespaces']; cgroups: string[] } {
    const live = this.#known.get(id)?.live;
    if (live?.program.child.pid === undefined) throw new Error(`Container ${id} does not run.`);
    const { pid } = live.program.child;
    const at = (name: string): string => `/proc/${pid}/ns/${name}`;
    return {
      pid,
      namespaces: { net: at('net'), ipc: at('ipc'), uts: at('uts'), mnt: at('mnt'), cgroup: at('cgroup') },
      cgroups: live.group?.procs ?? [],
    };
  }

  attach(id: string, listener: OutputListener): Attachment {
    const live = this.#known.get(id)?.live;
    if (live === undefined) throw new Error(`Container ${id} does not run.`);
    live.output.on('data', listener);
    return {
      stdin: live.stdin,
      resize: (width, height) => live.terminal?.resize(width, height),
      ended: new Promise((resolve) => live.output.once('gone', () => resolve(live.record))),
      [Symbol.dispose]: () => void live.output.off('data', listener),
    };
  }

  #connect(live: Live, stdin: boolean): void {
    const { program, terminal } = live;
    live.output.setMaxListeners(0);
    const deliver = (stream: 'stdout' | 'stderr', chunk: Buffer): void => {
      live.log.write(stream, chunk);
      live.output.emit('data', stream, chunk);
    };
    const ends: Promise<unknown>[] = [];
    const sources: [Readable, 'stdout' | 'stderr'][] =
      terminal === undefined
        ? [
            [program.stdout, 'stdout'],
            [program.stderr, 'stderr'],
          ]
        : [[terminal.output, 'stdout']];
    for (const [source, stream] of sources) {
      source.on('data', (chunk: Buffer) => deliver(stream, chunk));
      ends.push(
        new Promise<void>((resolve) => {
          source.on('error', () => resolve());
          source.on('close', () => resolve());
        }).then(() => live.log.end(stream)),
      );
    }
    live.stdin = terminal?.input ?? (stdin ? program.stdin : undefined);
    program.stdin.on('error', () => {});
    if (live.stdin !== program.stdin) program.stdin.destroy();
    program.child.once('exit', (code, signal) => {
      void Promise.all(ends).then(() => this.#ended(live, code, signal));
    });
  }

  #ended(live: Live, code: number | null, signal: NodeJS.Signals | null): void {
    const { record, group } = live;
    const number = signal === null ? undefined : constants.signals[signal];
    record.state = 'exited';
    record.finishedAt = Date.now();
    record.exitCode = number === undefined ? (code ?? 0) : 128 + number;
    if (number !== undefined) record.signal = number;
    if (live.overLimit || ((group?.oomKills() ?? 0) > 0 && record.exitCode !== 0)) record.oomKilled = true;
    group?.remove();
    live.log.close();
    const known = this.#known.get(record.id);
    if (known !== undefined) known.live = undefined;
    live.output.emit('gone');
    // A start that failed is told to whoever asked for it, and was never a container that ended.
    if (known !== undefined) this.#options.onExit(record);
  }
}

export interface Attachment extends Disposable {
  stdin: Writable | undefined;
  resize: (width: number, height: number) => void;
  ended: Promise<ContainerState>;
}

export function rootOf(dir: string): { upper: string; work: string; dir: string } {
  return { upper: join(dir, 'upper'), work: join(dir, 'work'), dir: join(dir, 'root') };
}

function groupName(id: string): string {
  return id.replaceAll('/', '_');
}

function pathsOf(pod: PodNamespaces): LaunchSpec['namespaces'] {
  const path = (fd: number): string => `/proc/${process.pid}/fd/${fd}`;
  return { ipc: path(pod.ipc), uts: path(pod.uts), ...(pod.net !== undefined && { net: path(pod.net) }) };
}

export { LaunchError };
