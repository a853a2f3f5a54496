import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { Usage } from './cgroups.ts';

const PAGE_BYTES = 4096;
const NANOS_PER_TICK = 10_000_000;

/** What the processes of each namespace use, for machines whose control groups nobody lets us write. */
export function usageByNamespace(): Map<number, Usage> {
  const found = new Map<number, Usage>();
  for (const pid of readdirSync('/proc')) {
    if (pid < '0' || pid > ':') continue;
    try {
      const { ino } = statSync(`/proc/${pid}/ns/pid`);
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The name of a program may hold blanks and brackets: fields are counted from its end.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const usage = found.get(ino) ?? { cpuNanos: 0, memoryBytes: 0 };
      usage.cpuNanos += (Number(fields[11]) + Number(fields[12])) * NANOS_PER_TICK;
      usage.memoryBytes += Number(fields[21]) * PAGE_BYTES;
      found.set(ino, usage);
    } catch {
      // It has ended while we looked.
    }
  }
  return found;
}

export function namespaceOf(pid: number): number | undefined {
  try {
    return statSync(`/proc/${pid}/ns/pid`).ino;
  } catch {
    return undefined;
  }
}
