import { readFileSync } from 'node:fs';

/** A process, told apart from a later one that got the same PID. */
export interface ProcessIdentity {
  pid: number;
  /** Start time in clock ticks, where the system tells; absent elsewhere. */
  started?: string;
}

export function ownIdentity(): ProcessIdentity {
  return identityOf(process.pid);
}

function identityOf(pid: number): ProcessIdentity {
  const started = startTime(pid);
  return { pid, ...(started !== undefined && { started }) };
}

export function isAlive(identity: ProcessIdentity): boolean {
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return identity.started === undefined || startTime(identity.pid) === identity.started;
}

function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name may hold spaces and parentheses: the fields are counted behind it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
