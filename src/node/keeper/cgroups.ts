import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';
const V1 = ['memory', 'cpu', 'cpuacct', 'pids'] as const;
const PERIOD_US = 100_000;

export interface Limits {
  memoryBytes?: number;
  cpuMillis?: number;
  pids?: number;
}

export interface Usage {
  cpuNanos: number;
  memoryBytes: number;
}

/** One group of processes with limits, in whichever version of the interface this machine has. */
export interface Group {
  /** Files to write a process into. */
  procs: string[];
  usage: () => Usage | undefined;
  /** How many processes the kernel has ended for their memory. */
  oomKills: () => number;
  remove: () => void;
}

/** Makes groups where this machine lets us, and says so where it does not. */
export class Cgroups {
  readonly version: 'v1' | 'v2' | 'none';
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
    this.version = this.#detect();
  }

  create(id: string, limits: Limits): Group | undefined {
    if (this.version === 'none') return undefined;
    return this.version === 'v2' ? this.#createV2(id, limits) : this.#createV1(id, limits);
  }

  /** Takes away what an earlier keeper of the same name left: its processes are gone. */
  clear(): void {
    if (this.version === 'none') return;
    for (const base of this.#bases()) {
      for (const entry of childrenOf(base)) removeEmpty(join(base, entry));
      removeEmpty(base);
    }
  }

  #bases(): string[] {
    return this.version === 'v2' ? [join(ROOT, this.#name)] : V1.map((kind) => join(ROOT, kind, this.#name));
  }

  #detect(): 'v1' | 'v2' | 'none' {
    if (existsSync(join(ROOT, 'cgroup.controllers')) && this.#prepareV2()) return 'v2';
    return V1.every((kind) => tryMake(join(ROOT, kind, this.#name))) ? 'v1' : 'none';
  }

  #prepareV2(): boolean {
    const base = join(ROOT, this.#name);
    if (!tryMake(base)) return false;
    try {
      for (const dir of [ROOT, base])
        writeFileSync(join(dir, 'cgroup.subtree_control'), '+memory +pids +cpu');
      return true;
    } catch {
      removeEmpty(base);
      return false;
    }
  }

  #createV2(id: string, limits: Limits): Group {
    const dir = join(ROOT, this.#name, id);
    mkdirSync(dir, { recursive: true });
    if (limits.memoryBytes !== undefined) {
      write(dir, 'memory.max', limits.memoryBytes);
      write(dir, 'memory.swap.max', 0);
      // The whole container goes, as on a cluster: half of it alive is worse than none.
      write(dir, 'memory.oom.group', 1);
    }
    if (limits.cpuMillis !== undefined) write(dir, 'cpu.max', `${quota(limits.cpuMillis)} ${PERIOD_US}`);
    if (limits.pids !== undefined) write(dir, 'pids.max', limits.pids);
    return {
      procs: [join(dir, 'cgroup.procs')],
      usage: () => {
        const cpu = /usage_usec (\d+)/.exec(read(dir, 'cpu.stat'))?.[1];
        return {
          cpuNanos: Number(cpu ?? 0) * 1000,
          memoryBytes: workingSet(
            Number(read(dir, 'memory.current')),
            read(dir, 'memory.stat'),
            'inactive_file',
          ),
        };
      },
      oomKills: () => Number(/oom_kill (\d+)/.exec(read(dir, 'memory.events'))?.[1] ?? 0),
      remove: () => removeEmpty(dir),
    };
  }

  #createV1(id: string, limits: Limits): Group {
    const dirOf = (kind: (typeof V1)[number]): string => join(ROOT, kind, this.#name, id);
    for (const kind of V1) mkdirSync(dirOf(kind), { recursive: true });
    if (limits.memoryBytes !== undefined) {
      write(dirOf('memory'), 'memory.limit_in_bytes', limits.memoryBytes);
      write(dirOf('memory'), 'memory.memsw.limit_in_bytes', limits.memoryBytes);
    }
    if (limits.cpuMillis !== undefined) {
      write(dirOf('cpu'), 'cpu.cfs_period_us', PERIOD_US);
      write(dirOf('cpu'), 'cpu.cfs_quota_us', quota(limits.cpuMillis));
    }
    if (limits.pids !== undefined) write(dirOf('pids'), 'pids.max', limits.pids);
    // "cpu" and "cpuacct" are often one hierarchy under two names.
    return {
      procs: V1.map((kind) => join(dirOf(kind), 'cgroup.procs')),
      usage: () => ({
        cpuNanos: Number(read(dirOf('cpuacct'), 'cpuacct.usage')),
        memoryBytes: workingSet(
          Number(read(dirOf('memory'), 'memory.usage_in_bytes')),
          read(dirOf('memory'), 'memory.stat'),
          'total_inactive_file',
        ),
      }),
      oomKills: () => Number(/oom_kill (\d+)/.exec(read(dirOf('memory'), 'memory.oom_control'))?.[1] ?? 0),
      remove: () => {
        for (const kind of V1) removeEmpty(dirOf(kind));
      },
    };
  }
}

function quota(cpuMillis: number): number {
  return Math.max(1000, Math.round((cpuMillis * PERIOD_US) / 1000));
}

function workingSet(used: number, stat: string, inactive: string): number {
  const file = new RegExp(`^${inactive} (\\d+)`, 'm').exec(stat)?.[1];
  return Math.max(0, used - Number(file ?? 0));
}

function tryMake(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true });
    // One that is there already may belong to somebody else.
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function write(dir: string, file: string, value: string | number): void {
  try {
    writeFileSync(join(dir, file), String(value));
  } catch {
    // A controller that this machine lacks cannot hold the limit; the others do.
  }
}

function read(dir: string, file: string): string {
  try {
    return readFileSync(join(dir, file), 'utf8');
  } catch {
    return '';
  }
}

function childrenOf(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
  } catch {
    return [];
  }
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Its processes are on their way out, or it is gone already.
  }
}
