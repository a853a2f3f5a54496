import { createHash } from 'node:crypto';
import { link, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { UserError } from './user-error.ts';
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts';

/**
 * One server per data directory. The lock file names the holder; on Linux an abstract socket, which the
 * kernel drops with the process, decides between two that start at the same moment.
 */
export class DataDirLock implements AsyncDisposable {
  readonly #path: string;
  readonly #guard: Server | undefined;

  private constructor(path: string, guard: Server | undefined) {
    this.#path = path;
    this.#guard = guard;
  }

  static async acquire(path: string, root: string): Promise<DataDirLock> {
    const guard = process.platform === 'linux' ? await guardSocket(await realpath(root)) : undefined;
    const holder = await readHolder(path);
    if (guard === 'taken' || (holder !== undefined && isAlive(holder))) {
      if (guard !== 'taken') guard?.close();
      const who = holder === undefined ? '' : ` with PID ${holder.pid}`;
      throw new UserError(
        `A server${who} already uses ${root}: stop it with "dispatch down", or choose another --data-dir.`,
      );
    }
    await rm(path, { force: true });
    const temporary = `${path}.${process.pid}`;
    await writeFile(temporary, JSON.stringify(ownIdentity()), { mode: 0o600 });
    try {
      await link(temporary, path);
    } catch (error) {
      guard?.close();
      throw new UserError(`Another server has just taken ${root}: see "dispatch status".`, { cause: error });
    } finally {
      await rm(temporary, { force: true });
    }
    return new DataDirLock(path, guard);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#path, { force: true });
    this.#guard?.close();
  }
}

async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ProcessIdentity;
  } catch {
    return undefined;
  }
}

async function guardSocket(root: string): Promise<Server | 'taken'> {
  const name = `\0dispatch-${process.getuid?.() ?? 0}-${createHash('sha256').update(root).digest('hex').slice(0, 32)}`;
  const server = createServer((socket) => void socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve('taken') : reject(error),
    );
    server.listen(name, () => {
      server.unref();
      resolve(server);
    });
  });
}
